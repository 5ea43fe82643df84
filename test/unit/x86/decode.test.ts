import assert from 'node:assert/strict';
import { decode, maxInstructionBytes } from '../../../src/x86/decode.js';
import { OperandKind, Prefix, Reg, Segment, type Instruction } from '../../../src/x86/instruction.js';
import { GuestFault, Vector } from '../../../src/x86/vectors.js';
import { opcodeSpace, sibSpace } from '../../helpers/x86Encodings.js';
import { Oracle, ourComparable, type Comparable } from '../../helpers/x86Oracle.js';

function decodeBytes(bytes: ArrayLike<number>, size: 2 | 4 = 4): Instruction {
  return decode({ byte: (index) => bytes[index] ?? assert.fail(`byte ${index} is not part of the instruction`) }, size);
}

/** What the table knows, in the oracle's words. Anything else it decodes is newer than the table or foreign to it. */
const knownFeatures = new Set([
  ...[
    'INTEL8086',
    'INTEL186',
    'INTEL286',
    'INTEL386',
    'INTEL486',
    'CPUID',
    'TSC',
    'MSR',
    'CX8',
    'CMOV',
    'SEP',
    'PAUSE',
  ],
  ...[
    'FPU',
    'FPU287',
    'FPU287XL_ONLY',
    'FPU387',
    'FPU387SL_ONLY',
    'MMX',
    'FXSR',
    'SSE',
    'SSE2',
    'SSE3',
    'SSSE3',
    'CLFSH',
  ],
  ...['MULTIBYTENOP', 'SMM'],
]);

interface Disagreement {
  readonly reason: string;
  readonly applies: (ours: Comparable, theirs: Comparable) => boolean;
}

const sameOperands = (ours: readonly string[], theirs: readonly string[]): boolean => ours.join() === theirs.join();
const wide = (name: string): string => (/^[abcds][xpi]$/.test(name) ? `e${name}` : name);

/** Every place where the two decoders differ, and why ours stands. */
const disagreements: readonly Disagreement[] = [
  {
    reason: 'an instruction later than the table, or of another maker',
    applies: (ours, theirs) => !ours.valid && theirs.features.some((feature) => !knownFeatures.has(feature)),
  },
  {
    reason: '0F 0D is #UD on the processors the table describes; it became PREFETCHW and a NOP later',
    applies: (ours, theirs) => !ours.valid && theirs.name === 'reservednop',
  },
  {
    reason: 'the oracle was told to call 0F 18 to 0F 1F reserved NOPs; the register that they name is no operand',
    applies: (ours, theirs) =>
      theirs.name === 'reservednop' && ours.name === 'nop' && sameOperands(ours.operands, theirs.operands.slice(0, 1)),
  },
  {
    reason: 'the same for PREFETCHh, which accesses no memory and so has an operand without size',
    applies: (ours, theirs) =>
      theirs.name === 'reservednop' &&
      ours.name.startsWith('prefetch') &&
      ours.operands[0]?.slice(2) === theirs.operands[0]?.slice(2),
  },
  {
    reason: 'CLFLUSH flushes a line: its operand has no size',
    applies: (ours, theirs) =>
      ours.name === 'clflush' &&
      theirs.name === 'clflush' &&
      ours.operands[0]?.slice(2) === theirs.operands[0]?.slice(2),
  },
  {
    reason: 'SDM names: SHL for the alias /6, far branches by their own mnemonic, WAIT, XLAT, ICEBP',
    applies: (ours, theirs) => {
      const names: Readonly<Record<string, string>> = { sal: 'shl', call: 'call far', jmp: 'jmp far', int1: 'icebp' };
      return names[theirs.name] === ours.name && sameOperands(ours.operands, theirs.operands);
    },
  },
  {
    reason: 'the memory operand of XLAT is implicit',
    applies: (ours, theirs) => ours.name === 'xlat' && theirs.name === 'xlatb' && ours.operands.length === 0,
  },
  {
    reason: 'SDM syntax: ST(0) is not written for FCOM, FUCOM and FXCH',
    applies: (ours, theirs) =>
      /^f(u?comp?|xch)$/.test(ours.name) &&
      ours.name === theirs.name &&
      sameOperands(['st0', ...ours.operands], theirs.operands),
  },
  {
    reason: 'a register of which only the low word is read: the oracle names it by the operand size',
    applies: (ours, theirs) =>
      ['arpl', 'mov', 'lldt', 'ltr', 'verr', 'verw', 'lmsw', 'lar', 'lsl'].includes(ours.name) &&
      ours.name === theirs.name &&
      sameOperands(ours.operands.map(wide), theirs.operands.map(wide)),
  },
];

function agree(ours: Comparable, theirs: Comparable): boolean {
  if (!ours.valid || !theirs.valid) {
    return ours.valid === theirs.valid;
  }
  return ours.length === theirs.length && ours.name === theirs.name && sameOperands(ours.operands, theirs.operands);
}

describe('x86/decode', () => {
  describe('against iced-x86', () => {
    // TEST_EXHAUSTIVE=1 tries every ModR/M byte with every prefix.
    const cases = [...opcodeSpace(process.env['TEST_EXHAUSTIVE'] === '1'), ...sibSpace()];

    it('decodes the opcode space in 32-bit and 16-bit code as the oracle does, but for what is explained', () => {
      const failures: string[] = [];
      const applied = new Set<Disagreement>();
      for (const bitness of [32, 16] as const) {
        const oracle = new Oracle(bitness, cases);
        cases.forEach((bytes, index) => {
          const theirs = oracle.decode(index);
          const ours = ourComparable(decodeBytes(bytes, bitness === 32 ? 4 : 2));
          if (agree(ours, theirs)) {
            return;
          }
          const lengthsAgree = !ours.valid || ours.length === theirs.length;
          const known = disagreements.find(({ applies }) => lengthsAgree && applies(ours, theirs));
          if (known === undefined) {
            failures.push(
              `${bitness} bits, ${Buffer.from(bytes).toString('hex')}: ${JSON.stringify({ ours, theirs })}`,
            );
          } else {
            applied.add(known);
          }
        });
        oracle.dispose();
      }
      assert.deepEqual(failures.slice(0, 20), []);
      const unused = disagreements.filter((entry) => !applied.has(entry)).map(({ reason }) => reason);
      assert.deepEqual(unused, [], 'an explanation that explains nothing');
    });
  });

  describe('prefixes', () => {
    it('accepts any order and repetition, the last segment override counting', () => {
      const { form, length, segment, memory, operandSize, addressSize, prefixes } = decodeBytes([
        0x64, 0x66, 0x67, 0x66, 0x2e, 0x8b, 0x07,
      ]);
      assert.equal(form.mnemonic, 'MOV');
      assert.equal(length, 7);
      assert.equal(segment, Segment.Cs);
      assert.equal(memory?.segment, Segment.Cs);
      assert.equal(operandSize, 2);
      assert.equal(addressSize, 2);
      assert.equal(prefixes, Prefix.Segment | Prefix.OperandSize | Prefix.AddressSize);
    });

    it('lets the last of F2 and F3 count', () => {
      assert.equal(decodeBytes([0xf2, 0xf3, 0xa6]).prefixes, Prefix.Rep);
      assert.equal(decodeBytes([0xf3, 0xf2, 0xa6]).prefixes, Prefix.Repne);
    });

    it('consumes mandatory prefixes', () => {
      const movdqa = decodeBytes([0x66, 0x0f, 0x6f, 0xc1]);
      assert.deepEqual([movdqa.form.opcode, movdqa.prefixes, movdqa.operandSize], ['66 0F 6F /r', 0, 4]);
      const movdqu = decodeBytes([0xf3, 0x0f, 0x6f, 0xc1]);
      assert.deepEqual([movdqu.form.opcode, movdqu.prefixes], ['F3 0F 6F /r', 0]);
    });

    it('takes 15 bytes and raises #GP(0) before it fetches a sixteenth', () => {
      const longest = [...Array<number>(14).fill(0x66), 0x90];
      assert.equal(decodeBytes(longest).length, maxInstructionBytes);
      const fetched: number[] = [];
      const source = {
        byte: (index: number): number => {
          fetched.push(index);
          return 0x66;
        },
      };
      assert.throws(
        () => decode(source, 4),
        (error) => error instanceof GuestFault && error.vector === Vector.GP && error.errorCode === 0,
      );
      assert.deepEqual(
        fetched,
        Array.from({ length: 15 }, (_, i) => i),
      );
    });

    it('rejects LOCK on registers and on instructions that cannot be locked', () => {
      assert.equal(decodeBytes([0xf0, 0x01, 0x00]).form.mnemonic, 'ADD');
      for (const bytes of [
        [0xf0, 0x01, 0xc0],
        [0xf0, 0x03, 0x00],
        [0xf0, 0x39, 0x00],
        [0xf0, 0x90],
      ]) {
        assert.equal(decodeBytes(bytes).form.mnemonic, 'UD');
      }
    });
  });

  describe('fetching', () => {
    it('asks for each byte once, in order, and for none beyond the instruction', () => {
      const bytes = [0x81, 0x84, 0x88, 1, 2, 3, 4, 5, 6, 7, 8];
      const asked: number[] = [];
      const source = { byte: (index: number): number => (asked.push(index), bytes[index] ?? 0) };
      assert.equal(decode(source, 4).length, bytes.length);
      assert.deepEqual(
        asked,
        bytes.map((_, index) => index),
      );
    });

    it('passes on the fault of a byte that cannot be fetched', () => {
      const fault = new GuestFault(Vector.PF, 0);
      const source = {
        byte: (index: number): number => {
          if (index === 2) {
            throw fault;
          }
          return 0x81;
        },
      };
      assert.throws(
        () => decode(source, 4),
        (error) => error === fault,
      );
    });
  });

  describe('operands', () => {
    it('extends immediates to their size', () => {
      const imm = (bytes: number[], size: 2 | 4): unknown => {
        const operand = decodeBytes(bytes, size).operands.at(-1);
        return [operand?.kind, operand?.size, operand?.value];
      };
      assert.deepEqual(imm([0x83, 0xc0, 0xff], 4), [OperandKind.Immediate, 4, -1]);
      assert.deepEqual(imm([0x83, 0xc0, 0xff], 2), [OperandKind.Immediate, 2, 0xffff]);
      assert.deepEqual(imm([0xc1, 0xe0, 0xff], 4), [OperandKind.Immediate, 1, 0xff]);
      assert.deepEqual(imm([0xb8, 0, 0, 0, 0x80], 4), [OperandKind.Immediate, 4, -0x80000000]);
      assert.deepEqual(imm([0xd1, 0xe0], 4), [OperandKind.Immediate, 1, 1]);
    });

    it('keeps branch displacements signed', () => {
      assert.deepEqual(decodeBytes([0xeb, 0xfe]).operands, [
        { kind: OperandKind.Relative, size: 1, value: -2, selector: 0 },
      ]);
      assert.deepEqual(decodeBytes([0xe9, 0x00, 0x80], 2).operands, [
        { kind: OperandKind.Relative, size: 2, value: -0x8000, selector: 0 },
      ]);
    });

    it('reads far pointers as offset and selector', () => {
      assert.deepEqual(decodeBytes([0xea, 0x78, 0x56, 0x34, 0x12, 0x10, 0x00]).operands, [
        { kind: OperandKind.FarPointer, size: 6, value: 0x12345678, selector: 0x10 },
      ]);
    });

    it('lists no implicit operands of string instructions but gives their source segment', () => {
      const movs = decodeBytes([0x65, 0xa4]);
      assert.deepEqual([movs.operands, movs.memory, movs.segment], [[], undefined, Segment.Gs]);
    });

    it('takes the stack segment for a base of ESP, EBP and BP only', () => {
      const segmentOf = (bytes: number[], size: 2 | 4): unknown => decodeBytes(bytes, size).memory?.segment;
      assert.equal(segmentOf([0x8b, 0x04, 0x24], 4), Segment.Ss);
      assert.equal(segmentOf([0x8b, 0x45, 0x00], 4), Segment.Ss);
      assert.equal(segmentOf([0x8b, 0x04, 0x28], 4), Segment.Ds, 'EBP as index');
      assert.equal(segmentOf([0x8b, 0x05, 0, 0, 0, 0], 4), Segment.Ds, 'no base');
      assert.equal(segmentOf([0x8b, 0x02], 2), Segment.Ss, 'BP+SI');
      assert.equal(segmentOf([0x8b, 0x06, 0, 0], 2), Segment.Ds, 'disp16');
      assert.equal(segmentOf([0x3e, 0x8b, 0x45, 0x00], 4), Segment.Ds, 'override');
    });

    it('gives 16-bit displacements unsigned alone and signed with a base', () => {
      const memory = (bytes: number[]): unknown => decodeBytes(bytes, 2).memory;
      const segment = Segment.Ds;
      assert.deepEqual(memory([0x8b, 0x06, 0xfe, 0xff]), {
        segment,
        base: Reg.None,
        index: Reg.None,
        scale: 0,
        displacement: 0xfffe,
      });
      assert.deepEqual(memory([0x8b, 0x80, 0xfe, 0xff]), {
        segment,
        base: Reg.Ebx,
        index: Reg.Esi,
        scale: 0,
        displacement: -2,
      });
    });

    it('ignores mod in moves to and from control and debug registers', () => {
      const { form, length, operands } = decodeBytes([0x0f, 0x22, 0x05]);
      assert.deepEqual([form.mnemonic, length], ['MOV', 3]);
      assert.deepEqual(
        operands.map(({ kind, value }) => [kind, value]),
        [
          [OperandKind.Control, 0],
          [OperandKind.Register, 5],
        ],
      );
    });

    it('leaves registers that do not exist undefined', () => {
      for (const bytes of [
        [0x0f, 0x20, 0xc8], // CR1
        [0x0f, 0x22, 0xe8], // CR5
        [0x8c, 0xf0], // segment register 6
        [0x8e, 0xc8], // MOV CS
      ]) {
        assert.deepEqual([decodeBytes(bytes).form.mnemonic, decodeBytes(bytes).operands], ['UD', []]);
      }
    });
  });
});
