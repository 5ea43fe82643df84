/**
 * The x87 register stack in the FXSAVE image, and what every floating-point instruction does around its operation: availability,
 * pending exceptions, instruction and data pointers. (SDM 1, "x87 FPU Execution Environment")
 * Read before: `../vcpu/fxsave.ts`. Read after: `fpu.ts`, `simd.ts`.
 */
import { Cr0, Cr4 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Fsw, FxByte, FxHalf, FxWord } from '../vcpu/fxsave.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import type { Step } from './step.js';

/** Words per register in the image, and those of them that hold 80 bits. */
const SLOT = 4;
const SLOT_USED = 3;
const LAST_SLOT = FxWord.St + 7 * SLOT;

/** First word of ST(`index`) in `Vcpu.words`. */
export function slot(index: number): number {
  return FxWord.St + index * SLOT;
}

/** Bit i: ST(i) is not empty. */
export function validMask(cpu: Vcpu): number {
  const tags = cpu.bytes[FxByte.Ftw];
  return ((tags | (tags << 8)) >> ((cpu.halves[FxHalf.Fsw] >> 11) & 7)) & 0xff;
}

/** Marks ST(`index`) as empty or not. */
export function setValid(cpu: Vcpu, index: number, valid: boolean): void {
  const bit = 1 << (((cpu.halves[FxHalf.Fsw] >> 11) + index) & 7);
  if (valid) cpu.bytes[FxByte.Ftw] |= bit;
  else cpu.bytes[FxByte.Ftw] &= ~bit;
}

/** TOP - 1: the slots move up, tags stay with their physical registers. */
export function decrementTop(cpu: Vcpu): void {
  const words = cpu.words;
  const low = words[LAST_SLOT];
  const middle = words[LAST_SLOT + 1];
  const high = words[LAST_SLOT + 2];
  for (let at = LAST_SLOT; at > FxWord.St; at -= SLOT) {
    words[at] = words[at - SLOT];
    words[at + 1] = words[at - SLOT + 1];
    words[at + 2] = words[at - SLOT + 2];
  }
  words[FxWord.St] = low;
  words[FxWord.St + 1] = middle;
  words[FxWord.St + 2] = high;
  const fsw = cpu.halves[FxHalf.Fsw];
  cpu.halves[FxHalf.Fsw] = (fsw & ~Fsw.Top) | ((fsw - 0x800) & Fsw.Top);
}

/** TOP + 1: the slots move down, tags stay with their physical registers. */
export function incrementTop(cpu: Vcpu): void {
  const words = cpu.words;
  const low = words[FxWord.St];
  const middle = words[FxWord.St + 1];
  const high = words[FxWord.St + 2];
  for (let at = FxWord.St as number; at < LAST_SLOT; at += SLOT) {
    words[at] = words[at + SLOT];
    words[at + 1] = words[at + SLOT + 1];
    words[at + 2] = words[at + SLOT + 2];
  }
  words[LAST_SLOT] = low;
  words[LAST_SLOT + 1] = middle;
  words[LAST_SLOT + 2] = high;
  const fsw = cpu.halves[FxHalf.Fsw];
  cpu.halves[FxHalf.Fsw] = (fsw & ~Fsw.Top) | ((fsw + 0x800) & Fsw.Top);
}

/** Makes room for a value: the caller has seen that the new ST(0) is empty. */
export function push(cpu: Vcpu): void {
  decrementTop(cpu);
  setValid(cpu, 0, true);
}

/** Drops ST(0). */
export function pop(cpu: Vcpu): void {
  setValid(cpu, 0, false);
  incrementTop(cpu);
}

/** Sets TOP, leaving the physical registers alone. @param top 0 to 7 */
export function setTop(cpu: Vcpu, top: number): void {
  while (((cpu.halves[FxHalf.Fsw] >> 11) & 7) !== top) incrementTop(cpu);
}

/** Copies a register; `to` and `from` are first words. */
export function copySlot(cpu: Vcpu, to: number, from: number): void {
  const words = cpu.words;
  for (let i = 0; i < SLOT_USED; i++) words[to + i] = words[from + i];
}

/**
 * Works ES and B out of the exception flags and masks. Whoever writes FSW or FCW calls it; that ES goes out lowers FERR#.
 */
export function summarize(cpu: Vcpu): void {
  const fsw = cpu.halves[FxHalf.Fsw];
  const pending = (fsw & ~cpu.halves[FxHalf.Fcw] & Fsw.Exceptions) !== 0;
  cpu.halves[FxHalf.Fsw] = pending ? fsw | Fsw.ES | Fsw.B : fsw & ~(Fsw.ES | Fsw.B);
  if (!pending && (fsw & Fsw.ES) !== 0) cpu.hooks.ferr?.(false);
}

/** #NM when the x87 is emulated or another task's (SDM 3A, table 2-2). */
export function checkX87(cpu: Vcpu): void {
  if ((cpu.words[Word.Cr0] & (Cr0.EM | Cr0.TS)) !== 0) throw new GuestFault(Vector.NM, undefined);
}

/**
 * #UD when SIMD instructions are off, #NM when the registers are another task's (SDM 3A, "Checking for Intel SSE Extension Support").
 * @param xmm an XMM register is an operand, which needs CR4.OSFXSR
 */
export function checkSimd(cpu: Vcpu, xmm: boolean): void {
  const cr0 = cpu.words[Word.Cr0];
  if ((cr0 & Cr0.EM) !== 0 || (xmm && (cpu.words[Word.Cr4] & Cr4.OSFXSR) === 0)) {
    throw new GuestFault(Vector.UD, undefined);
  }
  if ((cr0 & Cr0.TS) !== 0) throw new GuestFault(Vector.NM, undefined);
}

/**
 * What a waiting instruction does first: looks for a pending unmasked exception. With CR0.NE it is #MF. Without, FERR# goes to the
 * interrupt controller and the instruction waits: EIP is put back so that it is tried again until an interrupt handler has cleared the
 * exception. IGNNE# is not there: a handler that executes a waiting instruction before it has cleared the exception waits for ever.
 * (SDM 1, "MS-DOS Compatibility Sub-mode")
 * @returns true when the instruction must not go on
 * @throws GuestFault #MF
 */
export function pendingException(cpu: Vcpu, step: Step): boolean {
  if ((cpu.halves[FxHalf.Fsw] & Fsw.ES) === 0) return false;
  const ferr = cpu.hooks.ferr;
  if ((cpu.words[Word.Cr0] & Cr0.NE) !== 0 || ferr === undefined) throw new GuestFault(Vector.MF, undefined);
  ferr(true);
  cpu.words[Word.Eip] = (cpu.words[Word.Eip] - step.length) | 0;
  return true;
}

/**
 * Notes the last non-control instruction (SDM 1, "x87 FPU Instruction and Data (Operand) Pointers").
 * @param fop 11 bits: low three of the first opcode byte, and the ModR/M byte
 */
export function noteInstruction(cpu: Vcpu, step: Step, fop: number): void {
  cpu.halves[FxHalf.Fop] = fop;
  cpu.words[FxWord.Fip] = (cpu.words[Word.Eip] - step.length) | 0;
  cpu.halves[FxHalf.Fcs] = selector(cpu, Segment.Cs);
}

/** Notes the memory operand of the last non-control instruction. */
export function noteOperand(cpu: Vcpu, segment: Segment, offset: number): void {
  cpu.words[FxWord.Fdp] = offset;
  cpu.halves[FxHalf.Fds] = selector(cpu, segment);
}

function selector(cpu: Vcpu, segment: Segment): number {
  return cpu.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
}

/**
 * What an MMX instruction does to the x87 state: TOP = 0, all registers valid, so that MM(i) is slot i (SDM 1, "The MMX State and the
 * x87 FPU"). A register that is written gets sign and exponent all ones besides: `storeMmx`.
 */
export function enterMmx(cpu: Vcpu): void {
  if ((cpu.halves[FxHalf.Fsw] & Fsw.Top) !== 0) setTop(cpu, 0);
  cpu.bytes[FxByte.Ftw] = 0xff;
}

/** Writes MM(`index`). */
export function storeMmx(cpu: Vcpu, index: number, low: number, high: number): void {
  const at = slot(index);
  cpu.words[at] = low;
  cpu.words[at + 1] = high;
  cpu.words[at + 2] = 0xffff;
}
