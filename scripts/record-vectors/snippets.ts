/**
 * The snippets that are recorded: which encodings, with which operands. Registers 4 (ESP), 6 (ESI) and 7 (EDI) hold pointers, so
 * operands prefer the others. Read before: `../../test/unit/interp/vectors.ts`. Read after: `recordSnippets.ts`.
 */
import { DATA } from '../../test/unit/interp/machine.js';

export interface Snippet {
  readonly code: readonly number[];
  /** How many different initial states to record. */
  readonly count: number;
}

const OPERAND_SIZE = 0x66;
const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
const EBP = 5;

const d = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
const modRm = (mod: number, reg: number, rm: number): number => (mod << 6) | (reg << 3) | rm;
/** ModR/M with a register as r/m. */
const registerForm = (reg: number, rm: number): number[] => [modRm(3, reg, rm)];
/** Memory operands in several addressing forms, all within the data area. */
const memoryForms = (reg: number): number[][] => [
  [modRm(1, reg, 6), 4],
  [modRm(0, reg, 7)],
  [modRm(0, reg, 5), ...d(DATA + 20)],
  [modRm(1, reg, 4), 0x26, 0xfc],
];
const memoryForm = (reg: number, which = 0): number[] => memoryForms(reg)[which & 3];

/** Opcode bytes for a size: the byte form is one below the other; 16 bits take the prefix. */
function sized(opcode: readonly number[], sizeBytes: number): number[] {
  const bytes = [...opcode];
  if (sizeBytes === 1) bytes[bytes.length - 1]--;
  return sizeBytes === 2 ? [OPERAND_SIZE, ...bytes] : bytes;
}
const immediate = (value: number, sizeBytes: number): number[] => d(value).slice(0, sizeBytes);

const SIZES = [1, 2, 4];
const WIDE = [2, 4];
const IMMEDIATES = [0, 1, 0x7f, 0x80, 0xff, 0x12345678, 0x80000000, 0xffffffff];

function* alu(): Generator<Snippet> {
  for (let op = 0; op < 8; op++) {
    for (const size of SIZES) {
      const form = op * 8;
      yield { code: [...sized([form + 1], size), ...registerForm(EBX, EAX)], count: 8 };
      yield { code: [...sized([form + 3], size), ...registerForm(EDX, EBP)], count: 5 };
      yield { code: [...sized([form + 1], size), ...memoryForm(ECX, op)], count: 5 };
      yield { code: [...sized([form + 3], size), ...memoryForm(EBX, op + 1)], count: 5 };
      yield { code: [...sized([form + 5], size), ...immediate(IMMEDIATES[op], size)], count: 3 };
      yield {
        code: [...sized([0x81], size), ...registerForm(op, EDX), ...immediate(IMMEDIATES[7 - op], size)],
        count: 4,
      };
      yield { code: [...sized([0x81], size), ...memoryForm(op, op + 2), ...immediate(IMMEDIATES[op], size)], count: 4 };
      if (size > 1) yield { code: [...sized([0x83], size), ...registerForm(op, ECX), 0xf0 + op], count: 3 };
    }
  }
  for (const size of SIZES) {
    yield { code: [...sized([0x85], size), ...registerForm(EBX, EAX)], count: 5 };
    yield { code: [...sized([0x85], size), ...memoryForm(EDX)], count: 5 };
    yield { code: [...sized([0xf7], size), ...registerForm(0, EBX), ...immediate(0x80808080, size)], count: 5 };
    for (const [opcode, extension] of [
      [0xff, 0],
      [0xff, 1],
      [0xf7, 2],
      [0xf7, 3],
    ]) {
      yield { code: [...sized([opcode], size), ...registerForm(extension, EBX)], count: 8 };
      yield { code: [...sized([opcode], size), ...memoryForm(extension, extension)], count: 6 };
    }
  }
  for (const opcode of [0x43, 0x4b]) yield { code: [opcode], count: 6 };
  for (const opcode of [0xf5, 0xf8, 0xf9]) yield { code: [opcode], count: 4 };
}

function* shifts(): Generator<Snippet> {
  for (let op = 0; op < 8; op++) {
    for (const size of SIZES) {
      yield { code: [...sized([0xd1], size), ...registerForm(op, EBX)], count: 8 };
      yield { code: [...sized([0xd1], size), ...memoryForm(op, op)], count: 4 };
      for (const count of [0, 1, 7, 8, 9, 15, 16, 17, 31, 0x21]) {
        yield { code: [...sized([0xc1], size), ...registerForm(op, EAX), count], count: 2 };
      }
      yield { code: [...sized([0xc1], size), ...memoryForm(op, op + 1), 3], count: 4 };
      yield { code: [...sized([0xd3], size), ...registerForm(op, EDX)], count: 8 };
      yield { code: [...sized([0xd3], size), ...memoryForm(op, op + 2)], count: 5 };
    }
  }
  for (const opcode of [0xa4, 0xac]) {
    for (const size of WIDE) {
      for (const count of [0, 1, 4, 15, 16]) {
        yield { code: [...sized([0x0f, opcode], size), ...registerForm(EBX, EAX), count], count: 4 };
        yield { code: [...sized([0x0f, opcode], size), ...memoryForm(EDX, count), count], count: 3 };
      }
      // mov cl, n first: 16-bit counts above 16 are undefined
      for (const count of [1, 9, 16]) {
        yield { code: [0xb1, count, ...sized([0x0f, opcode + 1], size), ...registerForm(EBX, EAX)], count: 4 };
      }
      if (size === 4) yield { code: [0x0f, opcode + 1, ...memoryForm(EBX)], count: 12 };
    }
  }
}

function* multiply(): Generator<Snippet> {
  for (const size of SIZES) {
    for (const extension of [4, 5, 6, 7]) {
      yield { code: [...sized([0xf7], size), ...registerForm(extension, EBX)], count: 14 };
      yield { code: [...sized([0xf7], size), ...memoryForm(extension, extension)], count: 8 };
    }
    // xor edx,edx; div and cdq; idiv: dividends that usually fit
    yield { code: [0x31, 0xd2, ...sized([0xf7], size), ...registerForm(6, EBX)], count: 16 };
    yield { code: [0x99, ...sized([0xf7], size), ...registerForm(7, EBX)], count: 16 };
    // and edx,0xffff; or ebx,0x80000000; div: wide dividends
    yield {
      code: [
        0x81,
        0xe2,
        ...d(0x3fffffff),
        0x81,
        0xcb,
        ...d(0x80000000),
        ...sized([0xf7], size),
        ...registerForm(6, EBX),
      ],
      count: 10,
    };
    yield {
      code: [0x81, 0xe2, ...d(0x1fffffff), 0x81, 0xe3, ...d(0x7fffffff), 0x81, 0xcb, ...d(0x40000000)].concat(
        sized([0xf7], size),
        registerForm(7, EBX),
      ),
      count: 10,
    };
  }
  for (const size of WIDE) {
    yield { code: [...sized([0x0f, 0xaf], size), ...registerForm(EAX, EBX)], count: 14 };
    yield { code: [...sized([0x0f, 0xaf], size), ...memoryForm(EDX)], count: 8 };
    for (const value of IMMEDIATES) {
      yield { code: [...sized([0x69], size), ...registerForm(EDX, EBX), ...immediate(value, size)], count: 3 };
      yield { code: [...sized([0x6b], size), ...registerForm(ECX, EBP), value & 0xff], count: 2 };
    }
  }
}

function* decimal(): Generator<Snippet> {
  for (const opcode of [0x27, 0x2f, 0x37, 0x3f]) yield { code: [opcode], count: 40 };
  for (const base of [10, 1, 7, 16, 255]) {
    yield { code: [0xd4, base], count: 6 };
    yield { code: [0xd5, base], count: 6 };
  }
  yield { code: [0xd4, 0], count: 1 };
}

function* bits(): Generator<Snippet> {
  for (const size of WIDE) {
    for (const [extension, opcode] of [
      [4, 0xa3],
      [5, 0xab],
      [6, 0xb3],
      [7, 0xbb],
    ]) {
      yield { code: [...sized([0x0f, opcode], size), ...registerForm(ECX, EBX)], count: 8 };
      for (const bit of [0, 7, 15, 31, 0x3f]) {
        yield { code: [...sized([0x0f, 0xba], size), ...registerForm(extension, EDX), bit], count: 2 };
        yield { code: [...sized([0x0f, 0xba], size), ...memoryForm(extension, bit), bit], count: 2 };
      }
      // mov ecx, offset: bits around the operand in memory
      for (const bit of [0, 5, 31, 32, 63, 100, -1, -32, -33, -100]) {
        yield { code: [0xb9, ...d(bit), ...sized([0x0f, opcode], size), modRm(0, ECX, 7)], count: 2 };
      }
    }
    for (const opcode of [0xbc, 0xbd]) {
      yield { code: [...sized([0x0f, opcode], size), ...registerForm(EBX, EDX)], count: 8 };
      yield { code: [...sized([0x0f, opcode], size), ...memoryForm(EBX, opcode)], count: 5 };
      yield { code: [0x31, 0xd2, ...sized([0x0f, opcode], size), ...registerForm(EBX, EDX)], count: 2 };
    }
  }
  for (const register of [EAX, ECX, EBP]) yield { code: [0x0f, 0xc8 + register], count: 3 };
}

function* moves(): Generator<Snippet> {
  for (const size of SIZES) {
    yield { code: [...sized([0x89], size), ...registerForm(EBX, EDX)], count: 2 };
    yield { code: [...sized([0x89], size), ...registerForm(EBP, EAX)], count: 2 };
    for (let which = 0; which < 4; which++) {
      yield { code: [...sized([0x89], size), ...memoryForm(EBX, which)], count: 2 };
      yield { code: [...sized([0x8b], size), ...memoryForm(EBP, which)], count: 2 };
    }
    yield { code: [...sized([0xc7], size), ...memoryForm(0), ...immediate(0x89abcdef, size)], count: 1 };
    yield { code: [...sized([0xa1], size), ...d(DATA + 7)], count: 2 };
    yield { code: [...sized([0xa3], size), ...d(DATA + 9)], count: 2 };
    yield { code: [...sized([0x87], size), ...registerForm(EBX, EDX)], count: 3 };
    yield { code: [...sized([0x87], size), ...memoryForm(EBP)], count: 3 };
    yield { code: [...sized([0x0f, 0xc1], size), ...registerForm(EBX, EDX)], count: 5 };
    yield { code: [...sized([0x0f, 0xc1], size), ...registerForm(EBX, EBX)], count: 3 };
    yield { code: [...sized([0x0f, 0xc1], size), ...memoryForm(ECX)], count: 5 };
    yield { code: [...sized([0x0f, 0xb1], size), ...registerForm(EBX, EDX)], count: 5 };
    yield { code: [...sized([0x0f, 0xb1], size), ...memoryForm(EBX)], count: 5 };
    // mov eax,[edi] first: equal operands
    yield { code: [0x8b, 0x07, ...sized([0x0f, 0xb1], size), modRm(0, EBX, 7)], count: 3 };
  }
  yield { code: [0x0f, 0xc7, ...memoryForm(1)], count: 4 };
  yield { code: [0x8b, 0x07, 0x8b, 0x57, 0x04, 0x0f, 0xc7, modRm(0, 1, 7)], count: 3 };
  for (const opcode of [0xb6, 0xb7, 0xbe, 0xbf]) {
    for (const size of WIDE) {
      const prefix = size === 2 ? [OPERAND_SIZE] : [];
      yield { code: [...prefix, 0x0f, opcode, ...registerForm(EDX, EBX)], count: 4 };
      yield { code: [...prefix, 0x0f, opcode, ...registerForm(EBX, EBP)], count: 3 };
      yield { code: [...prefix, 0x0f, opcode, ...memoryForm(EAX, opcode)], count: 4 };
    }
  }
  for (let code = 0; code < 16; code++) {
    yield { code: [0x0f, 0x90 + code, ...registerForm(0, EBX)], count: 4 };
    yield { code: [0x0f, 0x90 + code, ...memoryForm(0, code)], count: 2 };
    yield { code: [0x0f, 0x40 + code, ...registerForm(EDX, EBX)], count: 4 };
    yield { code: [OPERAND_SIZE, 0x0f, 0x40 + code, ...memoryForm(EDX, code)], count: 2 };
    // cmp eax,ebx and cmp al,bl; then SETcc and Jcc on what they left
    yield { code: [0x39, 0xd8, 0x0f, 0x90 + code, 0xc2], count: 6 };
    yield { code: [0x38, 0xd8, 0x0f, 0x90 + code, 0xc2], count: 6 };
    yield { code: [0x39, 0xd8, 0x70 + code, 0x01, 0x42, 0x90], count: 6 };
    yield { code: [0x66, 0x39, 0xd8, 0x0f, 0x80 + code, ...d(1), 0x42, 0x90], count: 4 };
    yield { code: [0x01, 0xd8, 0x70 + code, 0x01, 0x42, 0x90], count: 4 };
    yield { code: [0x19, 0xd8, 0x70 + code, 0x01, 0x42, 0x90], count: 4 };
  }
  // LEA: SIB forms, 16-bit forms, 16-bit destinations
  for (const tail of [
    [0x43, 0x12],
    [0x04, 0x9a],
    [0x44, 0x4d, 0x80],
    [0x84, 0xd0, ...d(0x12345678)],
    [0x04, 0x25, ...d(-1)],
  ]) {
    yield { code: [0x8d, ...tail], count: 3 };
    yield { code: [OPERAND_SIZE, 0x8d, ...tail], count: 2 };
  }
  for (let rm = 0; rm < 8; rm++) {
    yield { code: [0x67, 0x8d, modRm(2, EAX, rm), 0x34, 0x92], count: 3 };
    yield { code: [0x67, OPERAND_SIZE, 0x8d, modRm(1, EBX, rm), 0x85], count: 2 };
  }
  for (const opcode of [0x98, 0x99]) {
    yield { code: [opcode], count: 4 };
    yield { code: [OPERAND_SIZE, opcode], count: 4 };
  }
  for (const opcode of [0x9f, 0x9e, 0xd6]) yield { code: [opcode], count: 4 };
  // mov ebx, DATA; and al, 0x3f; xlat
  yield { code: [0xbb, ...d(DATA), 0x24, 0x3f, 0xd7], count: 4 };
}

function* stack(): Generator<Snippet> {
  for (const prefix of [[], [OPERAND_SIZE]]) {
    for (const register of [EAX, 4, EBP]) {
      yield { code: [...prefix, 0x50 + register], count: 2 };
      yield { code: [...prefix, 0xff, ...registerForm(6, register)], count: 1 };
    }
    for (const register of [EAX, EBP]) yield { code: [...prefix, 0x58 + register], count: 2 };
    yield { code: [...prefix, 0xff, ...memoryForm(6, 0)], count: 2 };
    yield { code: [...prefix, 0x8f, ...memoryForm(0, 0)], count: 2 };
    yield { code: [...prefix, 0xff, 0x74, 0x24, 0x08], count: 2 };
    yield { code: [...prefix, 0x8f, 0x44, 0x24, 0x08], count: 2 };
    yield { code: [...prefix, 0x6a, 0x85], count: 1 };
    yield { code: [...prefix, 0x68, ...immediate(0x89abcdef, prefix.length === 0 ? 4 : 2)], count: 1 };
    yield { code: [...prefix, 0x60], count: 2 };
    yield { code: [...prefix, 0x61], count: 2 };
    // mov ebp, esp - 8 (lea ebp,[esp-8]) for the frames
    for (const level of [0, 1, 2, 3]) {
      yield { code: [0x8d, 0x6c, 0x24, 0x08, ...prefix, 0xc8, 4, 0, level], count: 2 };
    }
    yield { code: [0x8d, 0x6c, 0x24, 0x08, ...prefix, 0xc9], count: 2 };
  }
  yield { code: [0x5c], count: 1 };
  // call +1; (skipped) inc edx; pop eax
  yield { code: [0xe8, ...d(1), 0x42, 0x58], count: 2 };
  // mov eax,[next]; push eax; ret n: push the address behind the RET
  yield { code: [0x68, ...d(0x10000 + 8), 0xc2, 8, 0, 0x90], count: 1 };
  yield { code: [0x68, ...d(0x10000 + 6), 0xc3], count: 1 };
  // mov eax, target; jmp eax / call eax over inc edx
  yield { code: [0xb8, ...d(0x10000 + 8), 0xff, 0xe0, 0x42, 0x90], count: 1 };
  yield { code: [0xb8, ...d(0x10000 + 8), 0xff, 0xd0, 0x42, 0x90], count: 1 };
}

function* loops(): Generator<Snippet> {
  for (const count of [0, 1, 2, 0x10000, 0x10001]) {
    for (const opcode of [0xe0, 0xe1, 0xe2, 0xe3]) {
      yield { code: [0xb9, ...d(count), opcode, 1, 0x42, 0x90], count: 3 };
      yield { code: [0xb9, ...d(count), 0x67, opcode, 1, 0x42, 0x90], count: 3 };
    }
  }
}

function* strings(): Generator<Snippet> {
  for (const direction of [[], [0xfd]]) {
    for (const size of SIZES) {
      for (const opcode of [0xa5, 0xa7, 0xab, 0xad, 0xaf]) {
        const once = sized([opcode], size);
        yield { code: [...direction, ...once], count: 4 };
        for (const prefix of [0xf3, 0xf2]) {
          for (const count of [0, 1, 3]) {
            yield { code: [...direction, 0xb9, ...d(count), prefix, ...once], count: 2 };
          }
        }
      }
      // overlapping copies: the pattern repeats
      yield { code: [0x8d, 0x7e, size, 0xb9, ...d(7), 0xf3, ...sized([0xa5], size)], count: 2 };
      yield { code: [0x8d, 0x7e, 0xfd, 0xb9, ...d(5), 0xf3, ...sized([0xa5], size)], count: 2 };
      yield { code: [0xb9, ...d(9), 0xf3, ...sized([0xab], size)], count: 2 };
      // equal strings: copy, point back, compare
      yield {
        code: [
          0xb9,
          ...d(3),
          0xf3,
          ...sized([0xa5], size),
          0x83,
          0xee,
          size * 3,
          0x83,
          0xef,
          size * 3,
          0xb9,
          ...d(3),
        ].concat([0xf3], sized([0xa7], size)),
        count: 2,
      };
    }
  }
}

/** All snippets, by family in a fixed order. */
export const families: Readonly<Record<string, () => Generator<Snippet>>> = {
  alu,
  shifts,
  multiply,
  decimal,
  bits,
  moves,
  stack,
  loops,
  strings,
};
