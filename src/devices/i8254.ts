/**
 * The 8254 interval timer of a PC: counter 0 drives irq 0, counter 1 was the DRAM refresh, counter 2 the speaker, whose gate and
 * output stand in port 0x61. Counts are worked out from the clock when the guest asks; the only thing that ever runs by itself is
 * the deadline of counter 0's next output edge, and only while the guest listens to the line.
 *
 * An edge that finds the one before still waiting merges with it in the 8259; edges that the host was too late for merge here.
 * Read before: `i8254Counter.ts`, `../time/deadlines.ts`.
 */
import type { LineSource } from '../irq/lines.js';
import { Deadline, type Deadlines } from '../time/deadlines.js';
import type { PortDevice } from './bus.js';
import { I8254Counter } from './i8254Counter.js';
import type { Trigger } from './trigger.js';

/** Input clock in Hz: a twelfth of 14.31818 MHz. */
export const PIT_HZ = 1_193_182;

/**
 * Shortest time from an edge of counter 0 to the next deadline, in ticks (10 us). Deviation: edges closer than this merge into one, as they would
 * in the edge latch of a guest that cannot follow; without it a count of 2 would keep the host from the guest altogether.
 */
const SHORTEST_GAP_TICKS = 12;

/** Port 0x61. (Intel 82371SB datasheet, "NMI Status and Control Register") */
const enum SpeakerPort {
  Gate2 = 1 << 0,
  Speaker = 1 << 1,
  /** Bits the guest can write; 2 and 3 would mask the NMI sources of a board that has them. */
  Writable = 0x0f,
  RefreshToggle = 1 << 4,
  Out2 = 1 << 5,
}

/** Ticks between two refresh requests of counter 1 as a PC BIOS programs it (15 us). */
const REFRESH_TICKS = 18;

/** What a BIOS leaves behind: a square wave of 18.2 Hz, the refresh rate, a silent speaker. */
const BIOS_COUNTS = [
  { control: 0x36, count: 0 },
  { control: 0x14, count: REFRESH_TICKS },
  { control: 0x36, count: 0 },
];

export class I8254 implements PortDevice, LineSource {
  readonly width = 1;
  /** Port 0x61. */
  readonly speakerPort: PortDevice;
  /** Edges of counter 0 that came too soon after another, or too late for the host, to be events of their own. */
  coalesced = 0;
  private readonly _trigger: Trigger;
  private readonly _deadlines: Deadlines;
  private readonly _deadline = new Deadline(() => {
    this.settle();
    this._reschedule();
  });
  private readonly _counters = [new I8254Counter(true), new I8254Counter(true), new I8254Counter(false)] as const;
  private _listening = true;
  /** Tick up to which counter 0's edges have been recorded. */
  private _settledTick = 0;
  /** When the last edge was recorded. */
  private _edgeTick = -SHORTEST_GAP_TICKS;
  private _speaker = 0;

  /**
   * @param trigger irq 0
   * @param deadlines for counter 0's edges; its clock is the time base of all counters
   */
  constructor(trigger: Trigger, deadlines: Deadlines) {
    this._trigger = trigger;
    this._deadlines = deadlines;
    this.speakerPort = {
      width: 1,
      readPort: () => this._readSpeaker(),
      writePort: (_offset, _size, value) => this._writeSpeaker(value),
    };
    const tick = this._tick();
    BIOS_COUNTS.forEach(({ control, count }, index) => {
      const counter = this._counters[index];
      counter.control(control);
      counter.write(count, tick);
      // The two whose access is low-then-high have a second byte.
      if (control & 0x20) counter.write(count >> 8, tick);
    });
    this._settledTick = tick;
    this._trigger.set(this._counters[0].out(tick));
    this._reschedule();
  }

  listen(listening: boolean): void {
    if (listening === this._listening) return;
    this._listening = listening;
    this.settle();
    this._reschedule();
  }

  settle(): void {
    const counter = this._counters[0];
    const tick = this._tick();
    const rise = counter.nextRise(this._settledTick);
    if (rise <= tick) {
      this._trigger.set(false);
      this._trigger.set(true);
      this._edgeTick = tick;
      const period = counter.periodTicks;
      if (period > 0) this.coalesced += Math.floor((tick - rise) / period);
    }
    this._settledTick = tick;
    this._trigger.set(counter.out(tick));
  }

  forget(): void {
    this._settledTick = this._tick();
    this._reschedule();
  }

  readPort(offset: number): number {
    const counter = this._counters[offset];
    // The control word register cannot be read. (Intel 8254 datasheet, "Read/Write Logic")
    return counter === undefined ? 0xff : counter.read(this._tick());
  }

  writePort(offset: number, _size: number, value: number): void {
    if (offset === 3) {
      this._writeControl(value);
    } else if (offset === 0) {
      this._changeCounter0((tick) => this._counters[0].write(value, tick));
    } else {
      this._counters[offset].write(value, this._tick());
    }
  }

  private _writeControl(word: number): void {
    const index = word >> 6;
    const tick = this._tick();
    if (index === 3) {
      // Read-back: bits 3..1 select counters, bits 5 and 4 are low to latch count and status.
      this._counters.forEach((counter, selected) => {
        if (!(word & (2 << selected))) return;
        if (!(word & 0x20)) counter.latchCount(tick);
        if (!(word & 0x10)) counter.latchStatus(tick);
      });
      return;
    }
    const counter = this._counters[index];
    if ((word & 0x30) === 0) counter.latchCount(tick);
    else if (index === 0) this._changeCounter0(() => counter.control(word));
    else counter.control(word);
  }

  /** Records what is past, changes the counter, follows its output, sets the next deadline. */
  private _changeCounter0(change: (tick: number) => void): void {
    this.settle();
    change(this._settledTick);
    this._trigger.set(this._counters[0].out(this._settledTick));
    this._reschedule();
  }

  private _reschedule(): void {
    const counter = this._counters[0];
    const rise = this._listening ? counter.nextRise(this._settledTick) : Infinity;
    if (rise === Infinity) {
      this._deadlines.cancel(this._deadline);
      return;
    }
    const period = counter.periodTicks;
    const earliest = this._edgeTick + SHORTEST_GAP_TICKS;
    const tick = period > 0 && rise < earliest ? rise + Math.ceil((earliest - rise) / period) * period : rise;
    this._deadlines.move(this._deadline, this._timeOf(tick));
  }

  private _tick(): number {
    return this._tickAt(this._deadlines.clock.now());
  }

  private _tickAt(ns: number): number {
    return Math.floor((ns * PIT_HZ) / 1e9);
  }

  /** The first nanosecond at which `tick` has come. */
  private _timeOf(tick: number): number {
    let ns = Math.ceil((tick * 1e9) / PIT_HZ);
    while (this._tickAt(ns) < tick) ns++;
    return ns;
  }

  private _readSpeaker(): number {
    const tick = this._tick();
    const refresh = Math.floor(tick / REFRESH_TICKS) & 1 ? SpeakerPort.RefreshToggle : 0;
    return this._speaker | refresh | (this._counters[2].out(tick) ? SpeakerPort.Out2 : 0);
  }

  private _writeSpeaker(value: number): void {
    this._speaker = value & SpeakerPort.Writable;
    this._counters[2].setGate((value & SpeakerPort.Gate2) !== 0, this._tick());
  }
}
