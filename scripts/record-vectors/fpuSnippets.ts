/**
 * The floating-point instructions that are recorded: every x87, MMX and SSE row of the instruction table, with registers and memory
 * operands made up from the row. Read before: `../../src/x86/encoding.ts`. Read after: `recordFpu.ts`.
 */
import { mapEscapes, readEncoding } from '../../src/x86/encoding.js';
import { Attribute, type Form } from '../../src/x86/form.js';
import { x87 } from '../../src/x86/opcodes/x87.js';
import { groups } from '../../src/x86/opcodes/groups.js';
import { simd } from '../../src/x86/opcodes/simd.js';
import { OperandSource, operandSpecs } from '../../src/x86/operands.js';

export interface FpuSnippet {
  readonly code: readonly number[];
  /** How many different initial states to record. */
  readonly count: number;
}

const prefixBytes = [[], [0x66], [0xf3], [0xf2], []] as const;

/** ModR/M bytes of the memory operands: [ESI] or [EDI]; both are aligned to 16 bytes. */
const MEMORY = [6, 7];
/** [ESI + 4], for the 16-byte operands that must be aligned and those that need not. */
const UNALIGNED = [0x46, 4];

/** Instructions whose result a processor may choose within an error bound: two vendors give different last bits. */
export const VENDOR_SPECIFIC = /^(F2XM1|FYL2X|FYL2XP1|FPTAN|FPATAN|FSIN|FCOS|FSINCOS|RCPPS|RCPSS|RSQRTPS|RSQRTSS)$/;

/** What has to do with pointers, or with memory in formats that are tested by hand. */
const UNRECORDED = /^(FLDENV|FNSTENV|FNSAVE|FRSTOR|FXSAVE|FXRSTOR|FSTPNCE)$/;

function* encodings(
  form: Form,
  count: number,
  memoryCount: number,
  immediates: readonly number[],
): Generator<FpuSnippet> {
  const { prefix, map, opcode, extension, modRm, modRmCount, memory, register, hasModRm } = readEncoding(form);
  const head = [...prefixBytes[prefix], ...mapEscapes[map], opcode];
  const hasRegister = form.operands.some((code) => operandSpecs[code].source === OperandSource.RegField);
  const tails = form.operands.includes('Ib') ? immediates.map((value) => [value]) : [[]];
  if (!hasModRm) {
    yield { code: head, count };
    return;
  }
  for (const [index, tail] of tails.entries()) {
    const reg = extension >= 0 ? extension : hasRegister ? (2 + index) % 4 : 0;
    if (modRm >= 0) {
      const indices = modRmCount === 8 ? [0, 1, 3] : [0];
      for (const i of indices) yield { code: [...head, modRm + i, ...tail], count };
      continue;
    }
    if (register) {
      for (const rm of [reg, (reg + 1) & 3]) yield { code: [...head, 0xc0 | (reg << 3) | rm, ...tail], count };
    }
    if (memory) {
      yield { code: [...head, (reg << 3) | MEMORY[index & 1], ...tail], count: memoryCount };
      if (index === 0) yield { code: [...head, (reg << 3) | UNALIGNED[0], UNALIGNED[1], ...tail], count: 2 };
    }
  }
}

function* x87Snippets(chosen: (form: Form) => boolean): Generator<FpuSnippet> {
  for (const form of x87) {
    if (!chosen(form)) continue;
    const many = /^F(ADD|SUB|MUL|DIV|COM|ST|LD|IST|SQRT|RNDINT|PREM|SCALE)/.test(form.mnemonic);
    const registerForm = (form.attributes & Attribute.MemoryOnly) === 0;
    yield* encodings(form, registerForm ? (many ? 14 : 10) : 0, many ? 32 : 20, []);
  }
}

const isMmx = (form: Form): boolean => form.operands.some((code) => /^[PQN]/.test(code));
const isNumeric = (form: Form): boolean =>
  /^(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP|HADD|HSUB|U?COMI|CVT)/.test(form.mnemonic);

function* simdSnippets(chosen: (form: Form) => boolean): Generator<FpuSnippet> {
  for (const form of simd) {
    if (!chosen(form)) continue;
    const shift = /^PS[LR]/.test(form.mnemonic);
    const count = isNumeric(form) ? 10 : 3;
    const predicates = [0, 1, 2, 3, 4, 5, 6, 7];
    const immediates = /^CMP/.test(form.mnemonic) ? predicates : shift ? [0, 3, 15, 16, 33, 70] : [0, 0x1b, 0xe4, 9];
    const each = form.operands.includes('Ib') ? Math.ceil(count / 3) : count;
    yield* encodings(form, each, each, immediates);
  }
}

const recorded = (form: Form): boolean => !UNRECORDED.test(form.mnemonic);
const ordinary = (form: Form): boolean => recorded(form) && !VENDOR_SPECIFIC.test(form.mnemonic);
const particular = (form: Form): boolean => VENDOR_SPECIFIC.test(form.mnemonic);

/** Snippets by the name of the file they are recorded to. */
export const fpuFamilies: Readonly<Record<string, () => readonly FpuSnippet[]>> = {
  x87: () => [...x87Snippets(ordinary)],
  mmx: () => [...simdSnippets((form) => ordinary(form) && isMmx(form)), { code: [0x0f, 0x77], count: 6 }],
  sse: () => [...simdSnippets((form) => ordinary(form) && !isMmx(form) && form.mnemonic !== 'EMMS')],
  mxcsr: () => groups.filter((form) => /MXCSR$/.test(form.mnemonic)).flatMap((form) => [...encodings(form, 0, 6, [])]),
  vendor: () => [...x87Snippets(particular), ...simdSnippets(particular)],
};
