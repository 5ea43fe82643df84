/**
 * What became of each line's events: the counters of the state block, and how long events waited between being recorded and
 * being acknowledged. Separate from the controller because reports and the accounts port read it while the controller only adds.
 * Read before: `record.ts`. Read after: `../devices/accounts.ts`.
 */
import { Word } from '../vcpu/layout.js';
import { increment, read64 } from '../vcpu/counters.js';
import { IRQ_COUNT } from './record.js';

/** Latencies kept per line for the median: a power of two. */
export const LATENCY_SAMPLES = 1024;

const LATENCY_LIMIT_NS = 0xffff_ffff;

/** Nanoseconds from record to acknowledge. */
export interface Latency {
  /** Of the last delivery; 0 = none yet. */
  readonly lastNs: number;
  readonly highestNs: number;
  /** Of the last 1024 deliveries. */
  readonly medianNs: number;
}

export class EventAccounts {
  /** The line of the last delivery, and when its event was recorded; 0 = that is not known (level-triggered, or the stamp came late). */
  deliveredIrq = 0;
  recordedNs = 0;
  private readonly _words: Int32Array;
  private readonly _samples = new Uint32Array(IRQ_COUNT * LATENCY_SAMPLES);
  private readonly _taken = new Float64Array(IRQ_COUNT);
  private readonly _highestNs = new Float64Array(IRQ_COUNT);

  constructor(words: Int32Array) {
    this._words = words;
  }

  raised(irq: number): number {
    return read64(this._words, Word.Raised + 2 * irq);
  }

  merged(irq: number): number {
    return read64(this._words, Word.Merged + 2 * irq);
  }

  delivered(irq: number): number {
    return read64(this._words, Word.Delivered + 2 * irq);
  }

  /** Events that the guest threw away by initializing the controller. */
  discarded(irq: number): number {
    return read64(this._words, Word.Discarded + 2 * irq);
  }

  /** 1 while an event waits in the IRR: raised = delivered + merged + discarded + pending. */
  pending(irq: number): number {
    return (Atomics.load(this._words, Word.PicIrr) >> irq) & 1;
  }

  /** Takes line `irq`'s event out of the IRR as delivered, and its waiting time until `nowNs` into the statistics. */
  deliver(irq: number, nowNs: number): void {
    // The stamp goes before the IRR bit: once the bit is clear, the next event may write its own.
    const stamp = Word.RecordedAt + 2 * irq;
    const recordedNs = read64(this._words, stamp);
    this._words[stamp] = 0;
    this._words[stamp + 1] = 0;
    Atomics.and(this._words, Word.PicIrr, ~(1 << irq));
    increment(this._words, Word.Delivered + 2 * irq);
    this.deliveredIrq = irq;
    this.recordedNs = recordedNs;
    // No stamp: the recording thread has set the bit but not come to the stamp yet.
    if (recordedNs !== 0) this._sample(irq, nowNs - recordedNs);
  }

  /** Counts the delivery of a level-triggered request: an event by being acknowledged, for until then it can be taken back. */
  deliverLevel(irq: number): void {
    increment(this._words, Word.Raised + 2 * irq);
    increment(this._words, Word.Delivered + 2 * irq);
    this.recordedNs = 0;
  }

  /** Takes line `irq`'s event, if there is one, out of the IRR undelivered. */
  discard(irq: number): void {
    const bit = 1 << irq;
    if (Atomics.and(this._words, Word.PicIrr, ~bit) & bit) increment(this._words, Word.Discarded + 2 * irq);
  }

  latency(irq: number): Latency {
    const taken = this._taken[irq];
    if (taken === 0) return { lastNs: 0, highestNs: 0, medianNs: 0 };
    const base = irq * LATENCY_SAMPLES;
    const sorted = this._samples.slice(base, base + Math.min(taken, LATENCY_SAMPLES)).sort();
    return {
      lastNs: this._samples[base + ((taken - 1) & (LATENCY_SAMPLES - 1))],
      highestNs: this._highestNs[irq],
      medianNs: sorted[sorted.length >> 1],
    };
  }

  private _sample(irq: number, waitedNs: number): void {
    const ns = Math.min(Math.max(Math.round(waitedNs), 0), LATENCY_LIMIT_NS);
    this._samples[irq * LATENCY_SAMPLES + (this._taken[irq] & (LATENCY_SAMPLES - 1))] = ns;
    this._taken[irq] += 1;
    if (ns > this._highestNs[irq]) this._highestNs[irq] = ns;
  }
}
