/**
 * The MC146818 clock and its CMOS memory. The time is the machine's wall clock plus an offset that the guest makes by setting it;
 * flags of the periodic, alarm and update interrupts are worked out when somebody looks, and deadlines run only for those that the
 * guest has enabled.
 * Read before: Motorola MC146818 datasheet; `rtcTime.ts`. Read after: nothing.
 */
import { Deadline, type Deadlines } from '../time/deadlines.js';
import type { PortDevice } from './bus.js';
import { Cmos, fieldsOf, isTimeRegister, nextAlarm, secondsOf, StatusB } from './rtcTime.js';
import type { Trigger } from './trigger.js';

const enum StatusA {
  RateSelect = 0x0f,
  /** Divider chain held in reset: 11x. */
  DividerReset = 0x60,
  UpdateInProgress = 0x80,
  Writable = 0x7f,
}

/** Flags of register C; the bits of register B that enable them stand at the same places. */
const enum Interrupt {
  Update = 1 << 4,
  Alarm = 1 << 5,
  Periodic = 1 << 6,
  All = 0x70,
  Request = 1 << 7,
}

/** Register D: RAM and time are valid. */
const VALID = 0x80;
const RAM_BYTES = 128;
const SECOND_NS = 1e9;
const DIVIDER_HZ = 32_768;
/** UIP rises 244 us before an update cycle of 1984 us. (MC146818 datasheet, "Update Cycle") */
const UPDATE_NS = 2_228_000;
/** A double of nanoseconds since 1970 has steps of 256: waking later than that finds the second begun. */
const WALLCLOCK_STEP_NS = 1_000;
const KIB = 1024;
const MIB = 1024 * KIB;

export class Mc146818 implements PortDevice {
  readonly width = 1;
  private readonly _trigger: Trigger;
  private readonly _deadlines: Deadlines;
  private readonly _deadline = new Deadline(() => this._update());
  private readonly _ram = new Uint8Array(RAM_BYTES);
  private _index = 0;
  private _nmiMasked = false;
  /** Guest time minus wall clock, in seconds. */
  private _offset = 0;
  private _flags = 0;
  /** The second up to which update and alarm flags are worked out. */
  private _settledSecond: number;
  /** The same for the periodic flag: number of the last period. */
  private _settledPeriod = 0;

  /**
   * @param trigger irq 8
   * @param deadlines its clock gives the time
   * @param memoryBytes guest RAM, for the bytes where a BIOS leaves its size
   */
  constructor(trigger: Trigger, deadlines: Deadlines, memoryBytes: number) {
    this._trigger = trigger;
    this._deadlines = deadlines;
    // 32 kHz divider, periodic rate 1024 Hz; 24 hours, BCD: what a PC BIOS sets.
    this._ram[Cmos.StatusA] = 0x26;
    this._ram[Cmos.StatusB] = StatusB.Hours24;
    this._storeMemorySize(memoryBytes);
    this._settledSecond = this._second();
    this._settledPeriod = this._period();
    this._store(this._settledSecond);
  }

  /** Bit 7 of the index port: NMIs are held back. */
  get nmiMasked(): boolean {
    return this._nmiMasked;
  }

  readPort(offset: number): number {
    // The index register cannot be read back.
    return offset === 0 ? 0xff : this._read(this._index);
  }

  writePort(offset: number, _size: number, value: number): void {
    if (offset === 0) {
      this._index = value & (RAM_BYTES - 1);
      this._nmiMasked = (value & 0x80) !== 0;
    } else {
      this._write(this._index, value);
    }
  }

  private _read(register: number): number {
    switch (register as Cmos) {
      case Cmos.StatusA:
        return this._ram[Cmos.StatusA] | (this._updating() ? StatusA.UpdateInProgress : 0);
      case Cmos.StatusC: {
        this._settle();
        const flags = this._flags;
        this._flags = 0;
        this._update();
        return flags;
      }
      case Cmos.StatusD:
        return VALID;
      default:
        if (isTimeRegister(register) && !this._stopped()) this._store(this._second());
        return this._ram[register];
    }
  }

  private _write(register: number, value: number): void {
    switch (register as Cmos) {
      case Cmos.StatusA:
        this._configure(() => (this._ram[Cmos.StatusA] = value & StatusA.Writable));
        return;
      case Cmos.StatusB:
        // SET takes the update interrupt's enable bit along. (MC146818 datasheet, "Register B")
        this._configure(() => (this._ram[Cmos.StatusB] = value & StatusB.Set ? value & ~Interrupt.Update : value));
        return;
      case Cmos.StatusC:
      case Cmos.StatusD:
        return;
      default:
        if (isTimeRegister(register) && !this._stopped()) {
          this._settle();
          this._store(this._second());
          this._ram[register] = value;
          this._adopt();
        } else {
          this._settle();
          this._ram[register] = value;
        }
        this._update();
    }
  }

  /** Changes register A or B; the time stops and starts with them. */
  private _configure(change: () => void): void {
    this._settle();
    const stopped = this._stopped();
    if (!stopped) this._store(this._second());
    change();
    if (stopped && !this._stopped()) this._adopt();
    this._settledPeriod = this._period();
    this._update();
  }

  /** The guest sets the time, or the divider is held: the time registers are memory. */
  private _stopped(): boolean {
    const set = (this._ram[Cmos.StatusB] & StatusB.Set) !== 0;
    return set || (~this._ram[Cmos.StatusA] & StatusA.DividerReset) === 0;
  }

  /** Guest time in seconds since 1970. */
  private _second(): number {
    return Math.floor(this._deadlines.clock.wallclock() / SECOND_NS) + this._offset;
  }

  /** Nanoseconds of the current second that have passed. */
  private _fraction(): number {
    const wallclock = this._deadlines.clock.wallclock();
    return wallclock - Math.floor(wallclock / SECOND_NS) * SECOND_NS;
  }

  private _updating(): boolean {
    return !this._stopped() && this._fraction() >= SECOND_NS - UPDATE_NS;
  }

  /** Takes the time registers as the time from now on. */
  private _adopt(): void {
    this._offset += secondsOf(this._ram) - this._second();
    this._settledSecond = this._second();
  }

  private _store(second: number): void {
    fieldsOf(second, this._ram);
  }

  /** Nanoseconds from one periodic interrupt to the next; 0 = the rate is "none". (MC146818 datasheet, "Periodic Interrupt Rate") */
  private _periodNs(): number {
    const rate = this._ram[Cmos.StatusA] & StatusA.RateSelect;
    if (rate === 0) return 0;
    const ticks = rate < 3 ? 1 << (rate + 6) : 1 << (rate - 1);
    return (ticks * 1e9) / DIVIDER_HZ;
  }

  private _period(): number {
    const periodNs = this._periodNs();
    return periodNs === 0 ? 0 : Math.floor(this._deadlines.clock.now() / periodNs);
  }

  /** Sets the flags of all that has happened by now. */
  private _settle(): void {
    const period = this._period();
    if (period > this._settledPeriod) this._flags |= Interrupt.Periodic;
    this._settledPeriod = period;
    const second = this._second();
    if (!this._stopped() && second > this._settledSecond) {
      this._flags |= Interrupt.Update;
      if (nextAlarm(this._settledSecond, this._ram) <= second) this._flags |= Interrupt.Alarm;
    }
    this._settledSecond = second;
  }

  /** Settles, drives the line, and sees to it that the next enabled interrupt comes. */
  private _update(): void {
    this._settle();
    const enabled = this._ram[Cmos.StatusB] & Interrupt.All;
    if (this._flags & enabled) this._flags |= Interrupt.Request;
    this._trigger.set((this._flags & Interrupt.Request) !== 0);

    const waiting = enabled & ~this._flags;
    const nowNs = this._deadlines.clock.now();
    let nextNs = Infinity;
    const periodNs = this._periodNs();
    if (waiting & Interrupt.Periodic && periodNs > 0) nextNs = Math.ceil((this._settledPeriod + 1) * periodNs);
    if (!this._stopped()) {
      const secondNs = nowNs - this._fraction() + WALLCLOCK_STEP_NS;
      if (waiting & Interrupt.Update) nextNs = Math.min(nextNs, secondNs + SECOND_NS);
      if (waiting & Interrupt.Alarm) {
        const seconds = nextAlarm(this._settledSecond, this._ram) - this._settledSecond;
        nextNs = Math.min(nextNs, secondNs + seconds * SECOND_NS);
      }
    }
    if (nextNs === Infinity) this._deadlines.cancel(this._deadline);
    else this._deadlines.move(this._deadline, nextNs);
  }

  /** The bytes in which a PC BIOS leaves the memory size, and the checksum over them. */
  private _storeMemorySize(memoryBytes: number): void {
    const baseKib = 640;
    const extendedKib = Math.min(Math.max(memoryBytes - MIB, 0) / KIB, 0xffff);
    const above16Mib = Math.min(Math.max(memoryBytes - 16 * MIB, 0) / (64 * KIB), 0xffff);
    this._storeWord(Cmos.BaseMemory, baseKib);
    this._storeWord(Cmos.ExtendedMemory, extendedKib);
    this._storeWord(Cmos.ExtendedMemoryFound, extendedKib);
    this._storeWord(Cmos.MemoryAbove16Mib, above16Mib);
    let sum = 0;
    for (const byte of this._ram.subarray(Cmos.ChecksumFirst, Cmos.ChecksumLast + 1)) sum += byte;
    this._ram[Cmos.Checksum] = sum >> 8;
    this._ram[Cmos.Checksum + 1] = sum;
  }

  private _storeWord(register: number, value: number): void {
    this._ram[register] = value;
    this._ram[register + 1] = value >> 8;
  }
}
