/**
 * The host for places where the addon cannot run: no signals, so the clock is polled between slices of instructions and sleep is
 * Atomics.wait on the attention word. Interrupts then arrive up to one slice late; `romulus doctor` and `-v` say so.
 */
import { CYCLES_HZ, type Clock, type HostTimer } from '../time/clock.js';
import { Attention, Word } from '../vcpu/layout.js';
import type { VcpuHost } from './host.js';

export class PortableHost implements VcpuHost {
  /** About half a millisecond of guest time on a slow machine. */
  readonly sliceInstructions = 20_000;
  private readonly _startMs = performance.now();
  private _deadlineNs = Infinity;

  /** @param words the vCPU's state block, in a SharedArrayBuffer */
  constructor(private readonly _words: Int32Array) {}

  readonly clock: Clock = {
    cyclesHz: CYCLES_HZ,
    now: () => (performance.now() - this._startMs) * 1e6,
    cycles: () => Math.floor((performance.now() - this._startMs) * 1e6),
    wallclock: () => Date.now() * 1e6,
  };

  readonly timer: HostTimer = {
    arm: (deadlineNs) => {
      this._deadlineNs = deadlineNs ?? Infinity;
    },
  };

  monotonicNs(): number {
    return performance.now() * 1e6;
  }

  ran(): void {
    if (this.clock.now() < this._deadlineNs) return;
    this._deadlineNs = Infinity;
    Atomics.or(this._words, Word.Attention, Attention.Timer);
  }

  wait(): boolean {
    const timeoutMs = (this._deadlineNs - this.clock.now()) / 1e6;
    if (timeoutMs > 0) Atomics.wait(this._words, Word.Attention, 0, timeoutMs);
    this.ran();
    return true;
  }

  dispose(): void {
    this._deadlineNs = Infinity;
  }
}
