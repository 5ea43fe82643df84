/**
 * What a vCPU's run loop needs of the world outside: time, one timer, sleep. Three worlds: the addon's (`nativeHost.ts`: POSIX
 * timer and futex), plain Node's (`portableHost.ts`: polling and Atomics.wait) and none (`virtualHost.ts`: time is instructions
 * retired, so that runs repeat exactly).
 */
import type { SignalMask } from '../irq/strategies/strategy.js';
import type { Clock, HostTimer } from '../time/clock.js';

export interface VcpuHost {
  readonly clock: Clock;
  readonly timer: HostTimer;
  /** Most instructions the run loop may execute before it calls `ran`. */
  readonly sliceInstructions: number;
  /** Told after each slice how many instructions were retired: polling hosts look at the clock here. */
  ran(instructions: number): void;
  /** Sleeps until `Word.Attention` is not 0. Returns false when nothing can ever set it (virtual time without a deadline). */
  wait(): boolean;
  /** Host CLOCK_MONOTONIC in ns, the time base of `Word.RecordedAt`. */
  monotonicNs(): number;
  /** The signal mask of the vCPU thread, where the host has one to offer. */
  readonly signalMask?: SignalMask;
  /** Sets `Attention.Sample` every `periodNs` from now on, whatever is masked. Undefined where the host cannot. */
  startSampling?(periodNs: number): void;
  /** Called on the vCPU thread when the machine ends. */
  dispose(): void;
}
