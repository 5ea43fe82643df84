/**
 * Time calls: cycle counters, alarms and the wall clock (VMI spec, "VMI time").
 *
 * Counters: real advances always; stolen is the part of it in which the vCPU was ready and another ran in its place; available = real
 * - stolen. One host thread is one vCPU here and the host tells no reason why it ran late, so stolen is 0 and available equals real.
 * Real ticks at the rate of the time stamp counter, as guests calibrate one by the other.
 *
 * Alarms: one per counter, an edge on IRQ 0 at an absolute expiry, then every period. The machine has no local APIC, so the wiring to
 * its timer vector does not exist and asking for it is a breach of contract.
 */
import type { Clock } from '../time/clock.js';
import { Deadline } from '../time/deadlines.js';
import { Word } from '../vcpu/layout.js';
import { breach, hex, stackArgument, unsigned } from './context.js';
import type { RomContext, RomServices } from './context.js';

/** Numbers of the cycle counters (vmi_time.h). Only the first two have alarms. */
const enum Counter {
  Real = 0,
  Available = 1,
  Stolen = 2,
}

/** Flags of SetAlarm and CancelAlarm (vmi_time.h). */
const enum AlarmFlag {
  CounterMask = 0xff,
  /** Clear = one-shot. */
  Periodic = 0x100,
  /** Wired to the local APIC's timer entry; clear = IRQ 0. */
  LVTT = 0x1_0000,
  All = CounterMask | Periodic | LVTT,
}

/** The line that the alarm pulls, which is the PIT's. */
export const ALARM_IRQ = 0;
const NS_PER_SECOND = 1e9;
const TWO_32 = 2 ** 32;

/**
 * Closest spacing of a periodic alarm's edges. The ABI lets late periods merge, and without a floor a period of some cycles would
 * keep the vCPU thread in its timer for good.
 */
const SHORTEST_PERIOD_NS = 20_000;

/** The wall clock counts as changed when it moves against machine time by more than this (a clock set by hand, not NTP's slewing). */
const WALLCLOCK_STEP_NS = 0.5e9;

/** Puts a 64-bit result into EDX:EAX. @param value a non-negative integer; above 2^53 its double rounding shows in the low bits. */
function returnLong(rom: RomContext, value: number): void {
  rom.words[Word.Eax] = value | 0;
  rom.words[Word.Edx] = Math.floor(value / TWO_32) | 0;
}

/** The alarm of one counter. */
class Alarm {
  private readonly _services: RomServices;
  private readonly _deadline = new Deadline(() => this._fire());
  private _expiryCycles = 0;
  private _periodCycles = 0;

  constructor(services: RomServices) {
    this._services = services;
  }

  /** Arms; replaces what was armed. @param expiryCycles absolute; past = at once. @param periodCycles 0 = one-shot. */
  set(expiryCycles: number, periodCycles: number): void {
    this._expiryCycles = expiryCycles;
    this._periodCycles = periodCycles;
    const { clock, deadlines } = this._services;
    if (expiryCycles > clock.cycles()) {
      this._schedule(0);
      return;
    }
    if (periodCycles === 0) deadlines.cancel(this._deadline);
    this._fire();
  }

  /** Disarms. @returns whether it was armed. */
  cancel(): boolean {
    const armed = this._deadline.scheduled;
    this._services.deadlines.cancel(this._deadline);
    return armed;
  }

  private _schedule(earliestNs: number): void {
    const { clock, deadlines } = this._services;
    // Rounded up: the handler must find the counter at or behind the expiry. Later than a double counts exactly is never.
    const expiryNs = Math.min(
      Math.ceil((this._expiryCycles * NS_PER_SECOND) / clock.cyclesHz),
      Number.MAX_SAFE_INTEGER,
    );
    deadlines.move(this._deadline, Math.max(expiryNs, earliestNs));
  }

  private _fire(): void {
    const { clock } = this._services;
    this._services.raiseAlarm();
    if (this._periodCycles === 0) return;
    // Periods that have passed meanwhile merge into this edge.
    const missed = Math.floor(Math.max(clock.cycles() - this._expiryCycles, 0) / this._periodCycles);
    this._expiryCycles += (missed + 1) * this._periodCycles;
    this._schedule(clock.now() + SHORTEST_PERIOD_NS);
  }
}

/** The alarms of the vCPU, and the wall clock's last known place. */
export class Alarms {
  /** By counter: real, available. */
  readonly byCounter: readonly [Alarm, Alarm];
  private readonly _clock: Clock;
  private _wallclockOffsetNs: number;

  constructor(services: RomServices) {
    this.byCounter = [new Alarm(services), new Alarm(services)];
    this._clock = services.clock;
    this._wallclockOffsetNs = this._clock.wallclock() - this._clock.now();
  }

  /** Tells whether the wall clock was set since the last query, or since the machine's start. */
  wallclockUpdated(): boolean {
    const offsetNs = this._clock.wallclock() - this._clock.now();
    if (Math.abs(offsetNs - this._wallclockOffsetNs) < WALLCLOCK_STEP_NS) return false;
    this._wallclockOffsetNs = offsetNs;
    return true;
  }
}

/** @vmi GetCycleFrequency: rate of the cycle counters and of the time stamp counter in Hz; constant. */
export function getCycleFrequency(rom: RomContext): void {
  returnLong(rom, rom.services.clock.cyclesHz);
}

/** @vmi GetCycleCounter: counter 0 real, 1 available (equal to real), 2 stolen (0 always); other numbers read 0. */
export function getCycleCounter(rom: RomContext): void {
  const counter: Counter = unsigned(rom, Word.Eax);
  returnLong(rom, counter === Counter.Real || counter === Counter.Available ? rom.services.clock.cycles() : 0);
}

/** @returns the alarm that `flags` name. */
function namedAlarm(rom: RomContext, call: string, flags: number): Alarm {
  if ((flags & ~AlarmFlag.All) !== 0) breach(rom, call, `flags ${hex(flags)} have undefined bits`);
  if ((flags & AlarmFlag.LVTT) !== 0) {
    breach(
      rom,
      call,
      `flags ${hex(flags)} ask for the local APIC's timer, which the machine lacks (CPUID says so); use IRQ 0`,
    );
  }
  const counter: Counter = flags & AlarmFlag.CounterMask;
  if (counter !== Counter.Real && counter !== Counter.Available) {
    breach(rom, call, `counter ${counter} has no alarm; only real (0) and available (1) have`);
  }
  return rom.alarms.byCounter[counter];
}

/** @vmi SetAlarm: an edge on IRQ 0 at the expiry and, with flag 0x100, every period after it. An expiry in the past fires at once. */
export function setAlarm(rom: RomContext): void {
  const flags = rom.words[Word.Eax];
  const alarm = namedAlarm(rom, 'SetAlarm', flags);
  const expiryCycles = unsigned(rom, Word.Edx) + unsigned(rom, Word.Ecx) * TWO_32;
  const periodCycles = (stackArgument(rom, 0) >>> 0) + (stackArgument(rom, 1) >>> 0) * TWO_32;
  const { deadlines } = rom.services;
  const armsBefore = deadlines.arms;
  alarm.set(expiryCycles, (flags & AlarmFlag.Periodic) !== 0 ? periodCycles : 0);
  rom.countExits(deadlines.arms - armsBefore);
}

/** @vmi CancelAlarm: disarms the alarm; returns 1 if it was armed, else 0. An edge already recorded stays. */
export function cancelAlarm(rom: RomContext): void {
  const alarm = namedAlarm(rom, 'CancelAlarm', rom.words[Word.Eax]);
  const { deadlines } = rom.services;
  const armsBefore = deadlines.arms;
  rom.words[Word.Eax] = alarm.cancel() ? 1 : 0;
  rom.countExits(deadlines.arms - armsBefore);
}

/** @vmi GetWallclockTime: nanoseconds since 1970-01-01 UTC, to about 256 ns. */
export function getWallclockTime(rom: RomContext): void {
  returnLong(rom, rom.services.clock.wallclock());
}

/** @vmi WallclockUpdated: 1 if the host's wall clock was set (moved by half a second or more) since the last query, else 0. */
export function wallclockUpdated(rom: RomContext): void {
  rom.words[Word.Eax] = rom.alarms.wallclockUpdated() ? 1 : 0;
}
