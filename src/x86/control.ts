/**
 * Bits of the control and debug registers. (SDM 3A, "Control Registers"; SDM 3B, "Debug Registers")
 *
 * Facts about the architecture without machine state: the page walker, the vCPU and the interpreter all need them.
 * Read before: nothing. Read after: `../memory/mmu.ts`, `../vcpu/control.ts`.
 */

export const enum Cr0 {
  PE = 1 << 0,
  MP = 1 << 1,
  EM = 1 << 2,
  TS = 1 << 3,
  ET = 1 << 4,
  NE = 1 << 5,
  WP = 1 << 16,
  AM = 1 << 18,
  NW = 1 << 29,
  CD = 1 << 30,
  PG = 1 << 31,
}

export const enum Cr4 {
  VME = 1 << 0,
  PVI = 1 << 1,
  TSD = 1 << 2,
  DE = 1 << 3,
  PSE = 1 << 4,
  PAE = 1 << 5,
  MCE = 1 << 6,
  PGE = 1 << 7,
  PCE = 1 << 8,
  OSFXSR = 1 << 9,
  OSXMMEXCPT = 1 << 10,
}

export const enum Dr6 {
  B0 = 1 << 0,
  B1 = 1 << 1,
  B2 = 1 << 2,
  B3 = 1 << 3,
  /** Debug register access detected. */
  BD = 1 << 13,
  /** Single step. */
  BS = 1 << 14,
  /** Task switch. */
  BT = 1 << 15,
  /** Bits that always read as 1. */
  Fixed = 0xffff0ff0,
}

export const enum Dr7 {
  /** L0, L1, L2, L3 and LE: cleared by a task switch. */
  Local = 0x155,
  /** General detect: accesses to debug registers raise #DB. */
  GD = 1 << 13,
  /** Bit 10 always reads as 1. */
  Fixed = 1 << 10,
  /** Bits that always read as 0. */
  Zero = 0xd800,
}
