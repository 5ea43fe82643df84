/**
 * Machine time that moves only when told to: the clock of reproducible runs (time = instructions retired) and of the device
 * tests. Separate from the host's clock, which lives with the machine, so that nothing below it needs the host.
 * Read before: `clock.ts`. Read after: `deadlines.ts`.
 */
import type { Clock, HostTimer } from './clock.js';

export interface VirtualClockOptions {
  /** Rate of the cycle counters in Hz; 1 GHz unless told. */
  readonly cyclesHz?: number;
  /** What `wallclock` says at machine time 0: nanoseconds since 1970-01-01 UTC; 2000-01-01 00:00:00 unless told. */
  readonly epochNs?: number;
}

export class VirtualClock implements Clock {
  readonly cyclesHz: number;
  private readonly _epochNs: number;
  private readonly _timers: VirtualTimer[] = [];
  private _nowNs = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.cyclesHz = options.cyclesHz ?? 1e9;
    this._epochNs = options.epochNs ?? Date.UTC(2000, 0, 1) * 1e6;
  }

  now(): number {
    return this._nowNs;
  }

  cycles(): number {
    return Math.floor((this._nowNs * this.cyclesHz) / 1e9);
  }

  wallclock(): number {
    return this._epochNs + this._nowNs;
  }

  /** A timer on this clock; `onExpire` runs inside `advance` at the very deadline. */
  timer(onExpire: () => void): VirtualTimer {
    const timer = new VirtualTimer(onExpire);
    this._timers.push(timer);
    return timer;
  }

  /**
   * Moves time on by `ns` nanoseconds, stopping at each timer deadline on the way. A timer armed for the past expires at once.
   * @throws RangeError when `ns` is negative or not finite, for a clock never goes back.
   */
  advance(ns: number): void {
    if (!(ns >= 0 && Number.isFinite(ns))) throw new RangeError(`a clock cannot advance by ${ns} ns; give 0 or more`);
    const targetNs = this._nowNs + ns;
    for (let timer = this._firstDue(targetNs); timer !== undefined; timer = this._firstDue(targetNs)) {
      this._nowNs = Math.max(this._nowNs, timer.armedNs);
      timer.expire();
    }
    this._nowNs = targetNs;
  }

  private _firstDue(targetNs: number): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this._timers) {
      if (timer.armedNs <= targetNs && (first === undefined || timer.armedNs < first.armedNs)) first = timer;
    }
    return first;
  }
}

/** A `HostTimer` on a `VirtualClock`. */
export class VirtualTimer implements HostTimer {
  /** The deadline in machine time; Infinity = disarmed. */
  armedNs = Infinity;
  private readonly _onExpire: () => void;

  constructor(onExpire: () => void) {
    this._onExpire = onExpire;
  }

  arm(deadlineNs: number | undefined): void {
    this.armedNs = deadlineNs ?? Infinity;
  }

  /** Disarms and reports the expiry, as a one-shot host timer does. */
  expire(): void {
    this.armedNs = Infinity;
    this._onExpire();
  }
}
