/**
 * What is to happen when: all deadlines of one vCPU (PIT ticks, clock alarms, ROM alarms, character timeouts) over the one host
 * timer. Separate because the host timer costs a system call: it is touched only when the earliest deadline changes, and once
 * at most for a whole batch of due ones. Read before: `clock.ts`. Read after: `../devices/i8254.ts`, its busiest user.
 */
import type { Clock, HostTimer } from './clock.js';

/** Something to run at a machine time. An owner may keep one and move it again and again. */
export class Deadline {
  /** When, in machine time; Infinity = not scheduled. Written by `Deadlines` only. */
  atNs = Infinity;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }

  get scheduled(): boolean {
    return this.atNs !== Infinity;
  }
}

export class Deadlines {
  readonly clock: Clock;
  /** Times the host timer was armed or disarmed: each is a system call. */
  arms = 0;
  private readonly _timer: HostTimer;
  /** In order of time; deadlines of the same time in order of scheduling. A machine has about ten, so insertion is cheap. */
  private readonly _queue: Deadline[] = [];
  /** What the host timer is armed for; Infinity = disarmed. */
  private _armedNs = Infinity;
  private _running = false;

  constructor(clock: Clock, timer: HostTimer) {
    this.clock = clock;
    this._timer = timer;
  }

  /** Machine time of the next deadline; Infinity when there is none. */
  get nextNs(): number {
    return this._queue.length === 0 ? Infinity : this._queue[0].atNs;
  }

  /**
   * Runs `run` once at machine time `atNs` (past = at the next `runDue`).
   * @throws RangeError when `atNs` is not a finite number.
   */
  schedule(atNs: number, run: () => void): Deadline {
    const deadline = new Deadline(run);
    this.move(deadline, atNs);
    return deadline;
  }

  /** Schedules `deadline` for `atNs` instead of what it was scheduled for, if it was; one host interaction at most. */
  move(deadline: Deadline, atNs: number): void {
    if (!Number.isFinite(atNs))
      throw new RangeError(`a deadline must be a finite time in ns, not ${atNs}; to drop one, cancel it`);
    this._remove(deadline);
    // Host timers count whole nanoseconds; rounded down, one would expire with nothing due.
    const wholeNs = Math.ceil(atNs);
    deadline.atNs = wholeNs;
    let index = this._queue.length;
    while (index > 0 && this._queue[index - 1].atNs > wholeNs) index--;
    this._queue.splice(index, 0, deadline);
    this._rearm();
  }

  /** Drops `deadline`; nothing happens when it has run or was dropped before. */
  cancel(deadline: Deadline): void {
    if (!deadline.scheduled) return;
    this._remove(deadline);
    this._rearm();
  }

  /**
   * Runs what is due, then arms the host timer for what is left. To be called when the host timer has expired; whoever calls at
   * other times looks at `nextNs` first. The timer counts as spent even if nothing is due yet, for the host's timer and
   * `clock` may round differently and a deadline left unarmed would never come.
   */
  runDue(): void {
    this._armedNs = Infinity;
    this._running = true;
    try {
      // What a callback schedules for the past waits for the next call, or one guest could hold the host here for ever.
      const nowNs = this.clock.now();
      let due = 0;
      while (due < this._queue.length && this._queue[due].atNs <= nowNs) due++;
      const batch = this._queue.slice(0, due);
      for (const deadline of batch) {
        // An earlier callback may have cancelled or moved it.
        if (deadline.atNs > nowNs) continue;
        this._remove(deadline);
        deadline.run();
      }
    } finally {
      this._running = false;
      this._rearm();
    }
  }

  private _remove(deadline: Deadline): void {
    if (!deadline.scheduled) return;
    deadline.atNs = Infinity;
    this._queue.splice(this._queue.indexOf(deadline), 1);
  }

  private _rearm(): void {
    if (this._running) return;
    const nextNs = this.nextNs;
    if (nextNs === this._armedNs) return;
    this._armedNs = nextNs;
    this.arms++;
    this._timer.arm(nextNs === Infinity ? undefined : nextNs);
  }
}
