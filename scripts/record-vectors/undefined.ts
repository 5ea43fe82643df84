/**
 * What the manual leaves open, and what the host cannot tell us: which flags and which memory one instruction leaves undefined, and which
 * instructions are not asked about at all. Read before: `../../src/x86/form.ts`. Read after: `encode.ts`.
 */
import { Attribute, Flag } from '../../src/x86/form.js';
import { OperandKind, Prefix, Reg, Segment, type Instruction } from '../../src/x86/instruction.js';
import type { Mnemonic } from '../../src/x86/mnemonics.js';
import { Vector } from '../../src/x86/vectors.js';
import { Ending, type Outcome } from '../../test/vectors/outcome.js';
import type { State } from '../../test/vectors/state.js';
import { FOREIGN_END, FOREIGN_START } from '../../test/vectors/world.js';

const SHIFT = /^(RO[LR]|RC[LR]|SA[LR]|SH[LR]D?)$/;

function countOf(instruction: Instruction, ecx: number): number {
  const operand = instruction.operands[instruction.operands.length - 1];
  return (operand.kind === OperandKind.Immediate ? operand.value : ecx) & 31;
}

/**
 * Flags that an instruction leaves undefined. For shifts that depends on the count (SDM 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD").
 * @param ecx ECX before the instruction
 */
export function undefinedFlags(instruction: Instruction, ecx: number): number {
  const { form, operands } = instruction;
  if (form.flagsUndefined === 0) return 0;
  if (!SHIFT.test(form.mnemonic)) return form.flagsUndefined;
  const count = countOf(instruction, ecx);
  if (count === 0) return 0;
  const bits = operands[0].size * 8;
  const isRotate = form.mnemonic.startsWith('R');
  const overshifted = !isRotate && form.mnemonic !== 'SAR' && count >= bits ? Flag.CF : 0;
  return (count === 1 ? form.flagsUndefined & ~Flag.OF : form.flagsUndefined) | overshifted;
}

/** Flags that may differ after `instruction`, given those that could differ before it. */
export function carryUndefined(before: number, instruction: Instruction, ecx: number): number {
  const { form } = instruction;
  const { prefixes, addressSize } = instruction;
  const repeated = (form.attributes & Attribute.Repeatable) !== 0 && (prefixes & (Prefix.Rep | Prefix.Repne)) !== 0;
  const isIdle = repeated && (addressSize === 2 ? ecx & 0xffff : ecx) === 0;
  const kept = isIdle || (SHIFT.test(form.mnemonic) && countOf(instruction, ecx) === 0);
  const written = kept ? 0 : form.flagsWritten;
  return (before & ~written) | undefinedFlags(instruction, ecx);
}

/** Instructions whose results on this host say nothing about the guest, with the reason. */
const incomparable: Partial<Record<Mnemonic, string>> = {
  RDTSC: 'time',
  RDPMC: 'depends on CR4.PCE of the host',
  CPUID: 'the guest is another processor',
  SYSENTER: 'the host has its own MSRs',
  SYSEXIT: 'a 64-bit host raises other faults',
  SGDT: 'the host has UMIP, its kernel makes values up',
  SIDT: 'the host has UMIP, its kernel makes values up',
  SLDT: 'the host has UMIP, its kernel makes values up',
  STR: 'the host has UMIP, its kernel makes values up',
  SMSW: 'the host has UMIP, its kernel makes values up',
  VMCALL: 'a hypervisor under the host takes it',
  RSM: 'a hypervisor under the host takes it',
  ICEBP: 'under a hypervisor EIP stays at the instruction',
};

/** ModR/M reg field of an instruction's bytes is not kept, so that these are told by their bytes: opcode maps that later processors filled. */
function isLater(bytes: Uint8Array): boolean {
  let at = 0;
  let repeat = 0;
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0xf2 || byte === 0xf3) repeat = byte;
    else if (![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0].includes(byte)) break;
  }
  const opcode = bytes[at];
  const next = bytes[at + 1] ?? 0;
  // VEX, EVEX and XOP
  if (opcode === 0xc4 || opcode === 0xc5 || opcode === 0x62) return next >= 0xc0;
  if (opcode === 0x8f) return (next & 0x38) !== 0;
  // XBEGIN and XABORT
  if (opcode === 0xc6 || opcode === 0xc7) return next === 0xf8;
  if (opcode !== 0x0f) return false;
  switch (next) {
    case 0x01:
    case 0xae:
    case 0xc7:
    case 0x38:
    case 0x3a:
    case 0x05:
    case 0x07:
    case 0x0d:
    case 0x0e:
    case 0x0f:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x27:
    case 0x36:
    case 0x37:
    case 0x78:
    case 0x79:
    case 0xb8:
      return true;
    case 0x2b:
      return repeat !== 0;
    default:
      return false;
  }
}

/**
 * Why an instruction is not asked about.
 * @param bytes its bytes @returns the reason, or undefined when the host's answer counts
 */
export function whyIncomparable(instruction: Instruction, bytes: Uint8Array): string | undefined {
  const { mnemonic } = instruction.form;
  const known = incomparable[mnemonic];
  if (known !== undefined) return known;
  const repeated = (instruction.prefixes & (Prefix.Rep | Prefix.Repne)) !== 0;
  switch (mnemonic) {
    case 'UD':
      return isLater(bytes) ? 'later processors have an instruction there' : undefined;
    case 'BSF':
    case 'BSR':
      return repeated ? 'TZCNT and LZCNT of later processors' : undefined;
    case 'LOOPE':
    case 'LOOPNE':
      return repeated ? 'reserved; some processors let the prefix choose the condition' : undefined;
    case 'INT':
      return instruction.operands[0].value === 0x80 ? 'a system call' : undefined;
    case 'BSWAP':
      return instruction.operandSize === 2 ? 'undefined for 16 bits' : undefined;
    default:
      return undefined;
  }
}

/** Whether the result itself is undefined: SHLD and SHRD by more than the operand has bits (SDM 2, "SHLD"). */
export function isResultUndefined(instruction: Instruction, ecx: number): boolean {
  const { mnemonic } = instruction.form;
  return (mnemonic === 'SHLD' || mnemonic === 'SHRD') && countOf(instruction, ecx) > instruction.operands[0].size * 8;
}

/**
 * Bytes of an FPU image in memory that are not compared: pointers to the last instruction and its operand, and MXCSR_MASK.
 * @param operandSize of FNSTENV and FNSAVE @returns pairs of first and end offset in the image
 */
export function uncomparedImage(mnemonic: Mnemonic, operandSize: 2 | 4): readonly (readonly [number, number])[] {
  switch (mnemonic) {
    case 'FNSTENV':
    case 'FNSAVE':
      return operandSize === 4 ? [[12, 28]] : [[6, 14]];
    case 'FXSAVE':
      // reserved bytes, and XMM8 to XMM15 of 64-bit programs
      return [
        [5, 24],
        [28, 32],
        ...Array.from({ length: 8 }, (_, i) => [42 + i * 16, 48 + i * 16] as const),
        [288, 512],
      ];
    default:
      return [];
  }
}

/** So near the end of the address space that an operand may wrap around. */
const nearEnd = (offset: number): boolean => offset >>> 0 >= 0xffffff00;

/** Offset of the memory operand; 0 without one. */
export function effectiveAddress({ memory, addressSize }: Instruction, registers: Int32Array): number {
  if (memory === undefined) return 0;
  const register = (number: Reg): number => (number === Reg.None ? 0 : registers[number]);
  const sum = register(memory.base) + (register(memory.index) << memory.scale) + memory.displacement;
  return addressSize === 2 ? sum & 0xffff : sum | 0;
}

const isVector = ({ operands }: Instruction): boolean => operands.some(({ size }) => size === 16);

function touchesImage(instruction: Instruction, registers: Int32Array): boolean {
  const pointers = [...registers, effectiveAddress(instruction, registers)];
  return pointers.some((linear) => linear >>> 0 >= FOREIGN_START - 0x10000 && linear >>> 0 < FOREIGN_END + 0x10000);
}

/**
 * Why the way in which the host ended a case of one instruction does not count.
 * @returns the reason, or undefined
 */
export function whyOutcomeOpen(instruction: Instruction, state: State, outcome: Outcome): string | undefined {
  const { registers } = state;
  const { vector } = outcome;
  if (vector === Ending.Endless || vector === Ending.SystemCall) return 'no exception ended it';
  if (vector === Vector.GP || vector === Vector.SS) {
    const pointers = [Reg.Esp, Reg.Ebp, Reg.Esi, Reg.Edi].map((register) => registers[register]);
    // a push from near 0
    pointers.push(registers[Reg.Esp] - 64);
    // with a limit of 4 GiB some processors raise #GP or #SS, others go on at 0 (SDM 3A, "Limit Checking")
    const offset = effectiveAddress(instruction, registers);
    const [, bit] = instruction.operands;
    // bit strings reach beyond the operand
    if (/^BT/.test(instruction.form.mnemonic) && bit.kind === OperandKind.Register) {
      const half = (registers[bit.value] << 16) >> 16;
      pointers.push(offset + (bit.size === 2 ? (half >> 3) & ~1 : (registers[bit.value] >> 3) & ~3));
    }
    // ENTER reads the frame pointers below EBP
    if (instruction.form.mnemonic === 'ENTER') pointers.push(registers[Reg.Ebp] - 128);
    if (pointers.concat(offset).some(nearEnd)) return 'wraps around the address space';
    if (instruction.memory?.segment === Segment.Ss && isVector(instruction) && (offset & 15) !== 0) {
      return 'two faults: misaligned, and beyond the stack segment';
    }
  }
  if (touchesImage(instruction, registers)) return "touches the native process's own image";
  if (instruction.form.mnemonic === 'RETF' && instruction.operands.length > 0 && vector === Vector.PF) {
    return 'the host reads the outer stack before it looks at the selector';
  }
  if (/^MASKMOV/.test(instruction.form.mnemonic) && vector !== Vector.BP) {
    return 'how far it gets before a fault is left open (SDM 2, MASKMOVQ)';
  }
  if (instruction.form.mnemonic === 'UD' && (instruction.prefixes & Prefix.Lock) !== 0 && vector !== Vector.UD) {
    return 'two faults: the host looks at the operand before the prefix';
  }
  return undefined;
}

/** What a faulting instruction may have left below ESP: processors differ in whether they push before they make all checks. */
export function pushedBeforeFault(instruction: Instruction, outcome: Outcome): number {
  const { mnemonic } = instruction.form;
  if (outcome.vector === Vector.BP) return 0;
  if (mnemonic === 'CALLF' || mnemonic === 'ENTER') return mnemonic === 'ENTER' ? 132 : 8;
  return 0;
}
