/**
 * Recording an external event: the twin, word for word, of what the native signal handler does (`native/signal.cc`), for
 * events that arise in TypeScript. Separate because any thread may call it, while all the rest of the interrupt controller belongs
 * to the vCPU thread. Read before: `../vcpu/layout.ts`. Read after: `i8259.ts`, which takes the events.
 */
import { Attention, Word } from '../vcpu/layout.js';

/** Lines of the 8259 pair. */
export const IRQ_COUNT = 16;

const TWO_32 = 2 ** 32;

/**
 * Records one event on a line: it stays in the IRR until the CPU acknowledges it, whatever IF and IMR say. Waking a vCPU that
 * sleeps is the caller's part.
 * @param words the state block
 * @param irq line, 0 to 15
 * @param nowMonotonicNs host CLOCK_MONOTONIC in ns
 */
export function record(words: Int32Array, irq: number, nowMonotonicNs: number): void {
  const bit = 1 << irq;
  const before = Atomics.or(words, Word.PicIrr, bit);
  increment(words, Word.Raised + 2 * irq);
  if (before & bit) {
    increment(words, Word.Merged + 2 * irq);
  } else {
    const stamp = Word.RecordedAt + 2 * irq;
    words[stamp] = (nowMonotonicNs % TWO_32) | 0;
    words[stamp + 1] = Math.floor(nowMonotonicNs / TWO_32) | 0;
  }
  Atomics.or(words, Word.Attention, Attention.Interrupt);
}

/** Adds 1 to the 64-bit counter at word `index`, which other threads may be adding to. */
export function increment(words: Int32Array, index: number): void {
  if (Atomics.add(words, index, 1) === -1) Atomics.add(words, index + 1, 1);
}

/** The 64-bit value at word `index` as a number (exact below 2^53); a moment's value while other threads write it. */
export function read64(words: Int32Array, index: number): number {
  return (Atomics.load(words, index + 1) >>> 0) * TWO_32 + (Atomics.load(words, index) >>> 0);
}
