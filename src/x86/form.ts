/**
 * One row of the instruction table: an encoding together with everything the decoder, the interpreter, the translator,
 * the disassembler and the test generators must agree on. The rows stand in `opcodes/`, one file per opcode map;
 * `opcodes/row.ts` builds them. Read before: `mnemonics.ts`, `operands.ts`. Read after: `opcodes/primary.ts`.
 */
import type { Mnemonic } from './mnemonics.js';
import type { OperandCode } from './operands.js';

/** Attributes of a form, as bits. */
export const enum Attribute {
  /** LOCK is legal when the destination is memory (SDM 2, LOCK). */
  Lockable = 1 << 0,
  /** #GP(0) unless CPL = 0. */
  Privileged = 1 << 1,
  /** Needs CPL <= IOPL (CLI, STI) or the I/O bitmap (IN, OUT, INS, OUTS). */
  IoSensitive = 1 << 2,
  /** The next instruction may be elsewhere: ends a basic block. */
  Branch = 1 << 3,
  /** May change what later bytes mean or whether interrupts are taken: ends a basic block too. */
  Serializing = 1 << 4,
  /** REP/REPE/REPNE is meaningful (string instructions). */
  Repeatable = 1 << 5,
  /** The r/m operand must be memory, else #UD. */
  MemoryOnly = 1 << 6,
  /** The r/m operand must be a register, else #UD. */
  RegisterOnly = 1 << 7,
  /** #UD in real and virtual-8086 mode. */
  ProtectedOnly = 1 << 8,
  /** Not in any manual edition as a separate form, but every processor has it (SALC, SAL /6, ICEBP). */
  Undocumented = 1 << 9,
  /** Executes on the FPU: CR0.EM/TS give #NM. */
  Fpu = 1 << 10,
  /**
   * Uses MMX or XMM state: CR0.EM gives #UD, CR0.TS gives #NM (SDM 3A, "System programming for instruction set
   * extensions").
   */
  Simd = 1 << 11,
  /**
   * Works on bytes whatever the operand-size attribute: the byte form of a string instruction (whose operands are
   * implicit).
   */
  ByteSized = 1 << 12,
  /**
   * May leave the arithmetic flags as they were (a shift by a count of 0, REP CMPS with ECX = 0): what `flagsWritten`
   * says is then not written, so such a form does not end the life of an earlier flag value.
   */
  MayKeepFlags = 1 << 13,
  /** A 16-byte memory operand may stand at any address; without this bit it must be aligned, else #GP(0). */
  Unaligned = 1 << 14,
}

/** Where a form first appeared; what CPUID announces is decided from these. */
export type Feature =
  | ('i386' | 'i486' | 'p5' | 'p6')
  | ('cx8' | 'cmov' | 'sep' | 'fpu' | 'fxsr' | 'clfsh')
  | ('mmx' | 'sse' | 'sse2' | 'sse3' | 'ssse3')
  | 'vmi';

/** Arithmetic flags in their EFLAGS positions. */
export const enum Flag {
  CF = 1 << 0,
  PF = 1 << 2,
  AF = 1 << 4,
  ZF = 1 << 6,
  SF = 1 << 7,
  OF = 1 << 11,
}

export interface Form {
  /** Upper-case SDM mnemonic without operand-size suffix: 'ADD', 'MOVS', 'JCC', 'CMOVCC', 'SETCC'. */
  readonly mnemonic: Mnemonic;
  /**
   * Encoding in the SDM's notation: '01 /r', '80 /0 ib', '0F AF /r', 'F3 0F 10 /r'. Unique: the row's identity.
   * `opcodes/row.ts` describes the notation; 'undefined' is the row `UD`.
   */
  readonly opcode: string;
  /** Operand codes of the SDM's opcode appendix in Intel order: 'Eb', 'Gv', 'Iz', 'Jb', 'Mp', 'Ob', 'Sw', 'Xb'... */
  readonly operands: readonly OperandCode[];
  /** `Attribute` bits. */
  readonly attributes: number;
  readonly feature: Feature;
  /** Arithmetic flags (`Flag` bits) read, written with a defined value, and left undefined. */
  readonly flagsRead: number;
  readonly flagsWritten: number;
  readonly flagsUndefined: number;
  /** Condition code 0..15 of JCC, SETCC, CMOVCC and FCMOVCC rows, else -1. */
  readonly condition: number;
}
