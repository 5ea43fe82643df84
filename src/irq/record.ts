/**
 * Recording an external event: the twin, word for word, of what the native signal handler does (`native/signal.cc`), for
 * events that arise in TypeScript. Separate because any thread may call it, while all the rest of the interrupt controller belongs
 * to the vCPU thread. Read before: `../vcpu/layout.ts`. Read after: `i8259.ts`, which takes the events.
 */
import { increment, store64 } from '../vcpu/counters.js';
import { Attention, Word } from '../vcpu/layout.js';

/** Lines of the 8259 pair. */
export const IRQ_COUNT = 16;

/**
 * Records one event on a line: it stays in the IRR until the CPU acknowledges it, whatever IF and IMR say. Waking a vCPU that
 * sleeps is the caller's part.
 * @param words the state block
 * @param irq line, 0 to 15
 * @param nowMonotonicNs host CLOCK_MONOTONIC in ns
 */
export function record(words: Int32Array, irq: number, nowMonotonicNs: number): void {
  const bit = 1 << irq;
  // The stamp comes first: whoever takes the request must find it.
  if (!(Atomics.load(words, Word.PicIrr) & bit)) store64(words, Word.RecordedAt + 2 * irq, nowMonotonicNs);
  const before = Atomics.or(words, Word.PicIrr, bit);
  increment(words, Word.Raised + 2 * irq);
  // An event that merges changes nothing the vCPU could act on; the one it merged with has called for attention.
  if (before & bit) increment(words, Word.Merged + 2 * irq);
  else Atomics.or(words, Word.Attention, Attention.Interrupt);
}
