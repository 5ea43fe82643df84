/**
 * Exception vectors and the one JavaScript exception that stands for them. (SDM 3A, "Interrupt and exception handling")
 */

export const enum Vector {
  DE = 0,
  DB = 1,
  NMI = 2,
  BP = 3,
  OF = 4,
  BR = 5,
  UD = 6,
  NM = 7,
  DF = 8,
  TS = 10,
  NP = 11,
  SS = 12,
  GP = 13,
  PF = 14,
  MF = 16,
  AC = 17,
  MC = 18,
  XM = 19,
}

/**
 * Thrown to abandon the current instruction; the run loop delivers it through the guest's IDT. Throwers see to it that
 * nothing architectural has been written yet (faults are restartable). For #PF the thrower has stored CR2.
 */
export class GuestFault {
  constructor(
    readonly vector: Vector,
    /** Error code pushed for vectors 8, 10 to 14 and 17; undefined for the others. */
    readonly errorCode: number | undefined,
  ) {}
}
