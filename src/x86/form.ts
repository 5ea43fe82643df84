/**
 * One row of the instruction table: an encoding together with everything the decoder, the interpreter, the translator, the
 * disassembler and the test generators must agree on. The rows stand in `opcodes/`, one file per opcode map.
 */

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
}

/** Where a form first appeared; what CPUID announces is decided from these. */
export type Feature = 'i386' | 'i486' | 'p5' | 'cx8' | 'cmov' | 'sep' | 'p6' | 'fpu' | 'mmx' | 'fxsr' | 'sse' | 'sse2' | 'sse3' | 'vmi';

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
  readonly mnemonic: string;
  /** Encoding in the SDM's notation: '01 /r', '80 /0 ib', '0F AF /r', 'F3 0F 10 /r'. Unique: the row's identity. */
  readonly opcode: string;
  /** Operand codes of the SDM's opcode appendix in Intel order: 'Eb', 'Gv', 'Iz', 'Jb', 'Mp', 'Ob', 'Sw', 'Xb'... */
  readonly operands: readonly string[];
  /** `Attribute` bits. */
  readonly attributes: number;
  readonly feature: Feature;
  /** Arithmetic flags (`Flag` bits) read, written with a defined value, and left undefined. */
  readonly flagsRead: number;
  readonly flagsWritten: number;
  readonly flagsUndefined: number;
  /** Condition code 0..15 of JCC, SETCC and CMOVCC rows, else -1. */
  readonly condition: number;
}
