/**
 * What the decoder produces and everybody else reads: one decoded instruction with its operands resolved. Pure facts
 * about bytes, no machine state. Read before: `opcodes/`. Read after: `decode.ts`, `format.ts`.
 */
import type { Form } from './form.js';

/** 32-bit general registers in ModR/M order (SDM 2, table 2-2). */
export const enum Reg {
  Eax,
  Ecx,
  Edx,
  Ebx,
  Esp,
  Ebp,
  Esi,
  Edi,
  /** No register: a base or index that is absent. Reads as 0. */
  None = 8,
}

/** Segment registers in the encoding of their Sreg field; LDTR and TR follow for the descriptor caches. */
export const enum Segment {
  Es,
  Cs,
  Ss,
  Ds,
  Fs,
  Gs,
  Ldtr,
  Tr,
}

/** Prefixes met, as bits. */
export const enum Prefix {
  Lock = 1 << 0,
  /** F3 as REP/REPE, not as a mandatory prefix. Of F2 and F3 the last one counts, so never together with `Repne`. */
  Rep = 1 << 1,
  /** F2 as REPNE, not as a mandatory prefix. */
  Repne = 1 << 2,
  /** A segment override was there (the last one counts). */
  Segment = 1 << 3,
  OperandSize = 1 << 4,
  AddressSize = 1 << 5,
}

export const enum OperandKind {
  /** General register; `value` is the ModR/M number (8-bit: AL CL DL BL AH CH DH BH). */
  Register,
  /** Memory; see `Instruction.memory`. At most one operand is of this kind. */
  Memory,
  /**
   * Immediate; `value` is already sign- or zero-extended to `size` as the instruction demands and held as memory reads
   * are: sizes 1 and 2 as 0..255 and 0..65535, size 4 as int32. So 83 /0 with FF is 65535 under a 16-bit operand size,
   * -1 under 32.
   */
  Immediate,
  /**
   * Relative branch; `value` is the signed displacement from the next instruction, `size` the bytes it was encoded in.
   */
  Relative,
  /** ptr16:16 or ptr16:32; `value` is the offset, `selector` the selector. */
  FarPointer,
  /** Segment register; `value` is a `Segment`, ES to GS. */
  Segment,
  /** Control register 0, 2, 3 or 4 (the others are #UD and decode so). */
  Control,
  /** DR0 to DR7. */
  Debug,
  /** x87 stack register ST(value). */
  St,
  Mmx,
  Xmm,
}

export interface Operand {
  readonly kind: OperandKind;
  /**
   * Size in bytes: 1, 2, 4, 6 (far pointer, pseudo-descriptor), 8, 10, 16, or bigger for state images; 0 where size
   * means nothing (LEA, INVLPG).
   */
  readonly size: number;
  readonly value: number;
  /** Selector of a `FarPointer`, else 0. */
  readonly selector: number;
}

export interface MemoryOperand {
  /** Effective segment: the override, or DS, or SS for a base of EBP/ESP (BP). */
  readonly segment: Segment;
  readonly base: Reg;
  readonly index: Reg;
  /** Shift count 0 to 3; 0 without an index. */
  readonly scale: number;
  /**
   * Displacement as int32. With a 16-bit address size it is sign-extended from 16 bits when there is a base or index
   * (the sum is taken modulo 64 KiB) and 0..65535 when it stands alone.
   */
  readonly displacement: number;
}

export interface Instruction {
  /** The table row. `form.mnemonic` names the operation; an undefined opcode decodes to the row `UD`. */
  readonly form: Form;
  /** Bytes, prefixes included: 1 to 15. */
  readonly length: number;
  /** Operand-size attribute in bytes, prefix applied. */
  readonly operandSize: 2 | 4;
  /** Address-size attribute in bytes, prefix applied. */
  readonly addressSize: 2 | 4;
  /** `Prefix` bits. */
  readonly prefixes: number;
  /** The ModR/M byte, or -1 without one. The x87 notes it as part of its last opcode. */
  readonly modRm: number;
  /** Effective data segment (override or DS): the source segment of string instructions and XLAT. */
  readonly segment: Segment;
  /**
   * Explicit operands in Intel order, destination first. Implicit ones (string operands, MUL's EDX:EAX) are not listed.
   */
  readonly operands: readonly Operand[];
  readonly memory: MemoryOperand | undefined;
}
