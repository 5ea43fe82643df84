/**
 * The host as the addon offers it: CLOCK_MONOTONIC, the vCPU thread's POSIX timer, sleep on a futex. Read before: `host.ts`. Its
 * stand-in without the addon is `portableHost.ts`.
 */
import type { SignalMask } from '../irq/strategies/strategy.js';
import { CYCLES_HZ, type Clock, type HostTimer } from '../time/clock.js';
import { tryNative, type HostProbe, type Native } from '../native.js';
import { store64 } from '../vcpu/counters.js';
import { Word } from '../vcpu/layout.js';
import type { VcpuHost } from './host.js';

export type { HostProbe };

/** Machine time from CLOCK_MONOTONIC. */
export class HostClock implements Clock {
  readonly cyclesHz = CYCLES_HZ;

  /** @param startNs CLOCK_MONOTONIC at the machine's start, the same in all its threads */
  constructor(
    private readonly _native: Native,
    readonly startNs: number = _native.monotonicNs(),
  ) {}

  now(): number {
    return this._native.monotonicNs() - this.startNs;
  }

  cycles(): number {
    return this.now();
  }

  wallclock(): number {
    return this._native.realtimeNs();
  }
}

/** World of a vCPU thread with the addon. Made and disposed of on that thread. */
export class NativeHost implements VcpuHost {
  /** Signals end a slice by the attention word, so the length only bounds the counter (a small integer in V8). */
  readonly sliceInstructions = 0x3fffffff;
  readonly clock: HostClock;
  readonly timer: HostTimer;
  readonly signalMask: SignalMask;

  /**
   * Binds the calling thread to a state block.
   *
   * @param state ArrayBuffer of the state block's memory
   * @param startNs CLOCK_MONOTONIC at the machine's start
   * @throws HostError when the thread or the state block is bound already (EBUSY), or the host has no timer left (EAGAIN)
   */
  constructor(
    private readonly _native: Native,
    state: ArrayBufferLike,
    startNs?: number,
  ) {
    _native.vcpuBind(state);
    const clock = new HostClock(_native, startNs);
    store64(new Int32Array(state), Word.ClockStart, clock.startNs);
    this.signalMask = {
      close: () => _native.maskClose(),
      open: () => _native.maskOpen(),
      wait: () => {
        _native.maskWait();
        return true;
      },
    };
    this.clock = clock;
    this.timer = {
      arm: (deadlineNs) => {
        if (deadlineNs === undefined) _native.timerDisarm();
        else _native.timerArm(clock.startNs + deadlineNs);
      },
    };
  }

  ran(): void {
    // Nothing to poll: the timer's signal sets the attention word.
  }

  wait(): boolean {
    this._native.vcpuWait();
    return true;
  }

  monotonicNs(): number {
    return this._native.monotonicNs();
  }

  startSampling(periodNs: number): void {
    this._native.samplerStart(periodNs);
  }

  dispose(): void {
    this._native.vcpuUnbind();
  }
}

/** What the addon finds on this host, for `romulus doctor`: probed facilities, or why there is no addon. */
export function probeHost(): { readonly probe: HostProbe } | { readonly probe: undefined; readonly failure: string } {
  const result = tryNative();
  return result.native === undefined ? { probe: undefined, failure: result.failure } : { probe: result.native.probe() };
}
