/** What the device tests share: a line that counts, and a machine's time without a machine. */
import type { Trigger } from '../../../src/devices/trigger.js';
import { Deadlines } from '../../../src/time/deadlines.js';
import { VirtualClock, type VirtualClockOptions } from '../../../src/time/virtualClock.js';

/** An interrupt line that remembers its level and counts its rises. */
export class CountingTrigger implements Trigger {
  level = false;
  rises = 0;

  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}

/** A virtual clock with the deadlines on it, run as they fall due. */
export function machineTime(options?: VirtualClockOptions): { clock: VirtualClock; deadlines: Deadlines } {
  const clock = new VirtualClock(options);
  const deadlines: Deadlines = new Deadlines(
    clock,
    clock.timer(() => deadlines.runDue()),
  );
  return { clock, deadlines };
}

/** A repeatable source of numbers from 0 up to `limit` (xorshift32). */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
