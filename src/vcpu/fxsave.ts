/**
 * The guest's x87, MMX and XMM registers: the FXSAVE image in the state block, its field names, and its values after power-on and
 * FNINIT. (SDM 2, FXSAVE, "Layout of the 512-byte memory region")
 *
 * The image is the truth at every instruction boundary, in the layout that the processor's own FXRSTOR takes:
 *
 *     byte   0 FCW   2 FSW   4 FTW (a bit per physical register: 1 = not empty)   6 FOP   8 FIP  12 FCS
 *           16 FDP  20 FDS  24 MXCSR  28 MXCSR_MASK  32 ST(0) .. ST(7), 16 bytes each  160 XMM0 .. XMM7
 *
 * ST(i) stands in slot i whatever TOP is, so a push or a pop moves the slots. Separate from the interpreter because reset and CPUID
 * need it. Read before: `layout.ts`. Read after: `../interp/fpuState.ts`.
 */
import { Word } from './layout.js';

/** 16-bit fields, as indices into `Vcpu.halves`. */
export const enum FxHalf {
  Fcw = Word.Fxsave * 2,
  Fsw = Word.Fxsave * 2 + 1,
  Fop = Word.Fxsave * 2 + 3,
  Fcs = Word.Fxsave * 2 + 6,
  Fds = Word.Fxsave * 2 + 10,
}

/** The one 8-bit field, as an index into `Vcpu.bytes`. */
export const enum FxByte {
  Ftw = Word.Fxsave * 4 + 4,
}

/** 32-bit fields and first words of the registers, as indices into `Vcpu.words`; registers are four words apart. */
export const enum FxWord {
  Fip = Word.Fxsave + 2,
  Fdp = Word.Fxsave + 4,
  Mxcsr = Word.Fxsave + 6,
  MxcsrMask = Word.Fxsave + 7,
  St = Word.Fxsave + 8,
  Xmm = Word.Fxsave + 40,
}

/** Bytes of the image that exist with eight XMM registers; the rest of the 512 belongs to 64-bit mode or to software. */
export const FXSAVE_BYTES = 288;

/** Bits of MXCSR that exist; setting another one is #GP(0) (SDM 1, "MXCSR Control and Status Register"). */
export const MXCSR_BITS = 0xffff;

/** MXCSR at reset: all exceptions masked, round to nearest. */
export const MXCSR_RESET = 0x1f80;

/** x87 control word: bits that exist, and bit 6, which reads as 1. */
export const FCW_BITS = 0x1f3f;
export const FCW_ONE = 0x40;

/** Exception masks of the x87 control word, flags of the status word: invalid, denormal, zero divide, overflow, underflow, precision. */
export const enum Fsw {
  Exceptions = 0x3f,
  /** Stack fault: tells a stack overflow or underflow from another invalid operation. */
  SF = 1 << 6,
  /** Error summary: an unmasked exception is pending; B (bit 15) is the same. */
  ES = 1 << 7,
  C0 = 1 << 8,
  C1 = 1 << 9,
  C2 = 1 << 10,
  Top = 7 << 11,
  C3 = 1 << 14,
  B = 1 << 15,
}

/** A vCPU's views of its state block, as far as the image needs them. */
interface Views {
  readonly words: Int32Array;
  readonly halves: Uint16Array;
  readonly bytes: Uint8Array;
}

/** Power-on state: registers +0.0 and not empty, x87 exceptions unmasked (SDM 3A, table 9-1, "x87 FPU State Following Power-Up"). */
export function resetFpu({ words, halves, bytes }: Views): void {
  words.fill(0, Word.Fxsave, Word.Fxsave + 128);
  halves[FxHalf.Fcw] = FCW_ONE;
  bytes[FxByte.Ftw] = 0xff;
  words[FxWord.Mxcsr] = MXCSR_RESET;
  words[FxWord.MxcsrMask] = MXCSR_BITS;
}

/**
 * What FNINIT does to the image (SDM 2, FINIT/FNINIT, Operation): all masked, 64-bit precision, stack empty, pointers 0. Register
 * contents stay, but their slots do not follow TOP to 0: the caller has put physical register 0 into slot 0.
 */
export function initFpu({ words, halves, bytes }: Views): void {
  halves[FxHalf.Fcw] = 0x37f;
  halves[FxHalf.Fsw] = 0;
  bytes[FxByte.Ftw] = 0;
  halves[FxHalf.Fop] = 0;
  words[FxWord.Fip] = 0;
  halves[FxHalf.Fcs] = 0;
  words[FxWord.Fdp] = 0;
  halves[FxHalf.Fds] = 0;
}
