/**
 * A host without a host: time advances with the instructions retired and jumps to the next deadline when the guest halts. The
 * same guest with the same input then runs the same way every time, on one thread; most machine tests use it.
 */
import { CYCLES_HZ, type Clock, type HostTimer } from '../time/clock.js';
import { add64 } from '../vcpu/counters.js';
import { Attention, Word } from '../vcpu/layout.js';
import type { SignalMask } from '../irq/strategies/strategy.js';
import type { VcpuHost } from './host.js';

/** Nanoseconds that one instruction takes in virtual time. */
const NS_PER_INSTRUCTION = 10;

export class VirtualHost implements VcpuHost {
  readonly sliceInstructions = 10_000;
  private _nowNs = 0;
  private _deadlineNs: number | undefined;
  private _samplePeriodNs = 0;
  private _sampleNs = Infinity;

  /**
   * @param words the vCPU's state block
   * @param epochNs what the wall clock shows at the start, in ns since 1970
   */
  constructor(
    private readonly _words: Int32Array,
    private readonly _epochNs = 1_000_000_000e9,
  ) {}

  readonly clock: Clock = {
    cyclesHz: CYCLES_HZ,
    now: () => this._nowNs,
    cycles: () => this._nowNs,
    wallclock: () => this._epochNs + this._nowNs,
  };

  readonly timer: HostTimer = {
    arm: (deadlineNs) => {
      this._deadlineNs = deadlineNs;
      this._expire();
    },
  };

  /** The mask of a host kernel that has nothing but the timer to hold back. */
  readonly signalMask: SignalMask = {
    close: () => {
      this._words[Word.HostMasked] = 1;
      add64(this._words, Word.MaskCalls, 1);
    },
    open: () => {
      this._words[Word.HostMasked] = 0;
      add64(this._words, Word.MaskCalls, 1);
      this._expire();
    },
    wait: () => {
      this._words[Word.HostMasked] = 0;
      this._expire();
      const woken = this.wait();
      this._words[Word.HostMasked] = 1;
      return woken;
    },
  };

  startSampling(periodNs: number): void {
    this._samplePeriodNs = periodNs;
    this._sampleNs = this._nowNs + periodNs;
  }

  monotonicNs(): number {
    return this._nowNs;
  }

  ran(instructions: number): void {
    this._nowNs += instructions * NS_PER_INSTRUCTION;
    this._expire();
    if (this._nowNs < this._sampleNs) return;
    this._sampleNs = this._nowNs + this._samplePeriodNs;
    Atomics.or(this._words, Word.Attention, Attention.Sample);
  }

  wait(): boolean {
    if (Atomics.load(this._words, Word.Attention) !== 0) return true;
    if (this._deadlineNs === undefined) return false;
    this._nowNs = Math.max(this._nowNs, this._deadlineNs);
    this._expire();
    return true;
  }

  dispose(): void {
    this._deadlineNs = undefined;
  }

  /** What the native timer's signal handler does, at the moment the deadline passes. */
  private _expire(): void {
    if (this._deadlineNs === undefined || this._nowNs < this._deadlineNs) return;
    if (this._words[Word.HostMasked] !== 0) return;
    this._deadlineNs = undefined;
    Atomics.or(this._words, Word.Attention, Attention.Timer);
  }
}
