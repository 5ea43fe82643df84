/**
 * Where the stubs stand that native/switch.S puts at the start of the code buffer. They are what translated code jumps to when it
 * has to be left, or when it needs something that is not worth repeating in every fragment. All of them keep the guest's registers
 * and flags; r8 to r11 are theirs. Read before: `../vcpu/layout.ts`. Read after: native/switch.S.
 */

/** Offsets in the code buffer. */
export const enum Stub {
  /** r8d = eip without a fragment: leaves with `XlateExit.Miss`. An untouched entry of a jump table is this offset. */
  Miss = 0,
  /** r8d = eip to go on at: leaves with `XlateExit.Attention`. */
  Attention = 32,
  /** r8d = eip of an instruction for the interpreter: leaves with `XlateExit.Interpret`. */
  Interpret = 64,
  /**
   * Loads the guest's FPU state into the host's FPU. r9 = host address to go on at, r8d = eip of the fragment, at which it leaves with
   * `XlateExit.Interpret` when `Word.FpuUsable` is 0.
   */
  FpuLoad = 96,
  /** Leaves; `Word.XlateExit` and `Word.NextEip` are set. */
  Exit = 192,
}

/** Bytes at the start of the code buffer that hold no fragments. */
export const STUBS_BYTES = 512;
