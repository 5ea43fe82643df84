/**
 * One counter of the 8254 as a function of time: it stores when its counting element was loaded and works out count and output
 * for any clock tick, so that nothing has to run while it counts. Separate from `i8254.ts`, which owns ports, clock and interrupt.
 *
 * Times are ticks of the 1.193182 MHz input clock since the machine's start. A count that is written at tick t is loaded at t+1.
 * Read before: Intel 8254 datasheet, "Mode Definitions". Read after: `i8254.ts`.
 */

const enum Mode {
  InterruptOnTerminalCount = 0,
  OneShot = 1,
  RateGenerator = 2,
  SquareWave = 3,
  SoftwareStrobe = 4,
  HardwareStrobe = 5,
}

/** Which bytes of the count an access moves: bits 5..4 of the control word. */
const enum Access {
  Low = 1,
  High = 2,
  LowThenHigh = 3,
}

/** Bits of the status byte. (Intel 8254 datasheet, "Read-Back Command") */
const enum Status {
  NullCount = 1 << 6,
  Output = 1 << 7,
}

const NOT_LATCHED = -1;

const fromBcd = (value: number): number =>
  (value & 15) + 10 * ((value >> 4) & 15) + 100 * ((value >> 8) & 15) + 1000 * ((value >> 12) & 15);

const toBcd = (value: number): number =>
  (value % 10) +
  (Math.floor(value / 10) % 10) * 0x10 +
  (Math.floor(value / 100) % 10) * 0x100 +
  (Math.floor(value / 1000) % 10) * 0x1000;

export class I8254Counter {
  private _mode = Mode.InterruptOnTerminalCount;
  private _bcd = false;
  private _access = Access.LowThenHigh;
  private _gate: boolean;
  /** Low six bits of the last control word, as the status byte repeats them. */
  private _control = 0x30;

  /** Count register: the last count written, 0 = none since the control word. */
  private _register = 0;
  /** What the counting element was last loaded with, and at which tick. */
  private _count = 0;
  private _loadedAt = 0;
  /** The counting element was loaded since the control word. */
  private _loaded = false;
  /** Mode 1: the trigger came while OUT was low, so that it stays low. */
  private _retriggered = false;
  /** Ticks counted when the gate stopped the counter; -1 = it runs. */
  private _stoppedAfter = -1;
  /** Modes 2 and 3: the tick at which `_register` replaces `_count`; 0 = no new count waits. */
  private _reloadAt = 0;
  /** Mode 3: that reload begins a low half. */
  private _reloadLow = false;

  private _writeHigh = false;
  private _readHigh = false;
  private _lowByte = 0;
  private _latchedCount = NOT_LATCHED;
  private _latchedStatus = NOT_LATCHED;

  constructor(gate: boolean) {
    this._gate = gate;
  }

  /** Ticks from one output pulse to the next in the modes that repeat, else 0. */
  get periodTicks(): number {
    return this._loaded && this._repeats() ? this._count : 0;
  }

  get gate(): boolean {
    return this._gate;
  }

  /** A control word for this counter (bits 5..0; the access bits are not 0). */
  control(word: number): void {
    const mode = (word >> 1) & 7;
    // The top mode bit is "don't care" in modes 2 and 3.
    this._mode = mode > 5 ? mode - 4 : mode;
    this._bcd = (word & 1) !== 0;
    this._access = (word >> 4) & 3;
    this._control = (word & 0x30) | (this._mode << 1) | (word & 1);
    this._register = 0;
    this._loaded = false;
    this._stoppedAfter = -1;
    this._reloadAt = 0;
    this._writeHigh = false;
    this._readHigh = false;
    this._latchedCount = NOT_LATCHED;
    this._latchedStatus = NOT_LATCHED;
  }

  /** A byte of the count. */
  write(byte: number, tick: number): void {
    if (this._access === Access.Low) {
      this._setCount(byte, tick);
    } else if (this._access === Access.High) {
      this._setCount(byte << 8, tick);
    } else if (!this._writeHigh) {
      this._writeHigh = true;
      this._lowByte = byte;
      // Mode 0: the first byte stops the count and takes OUT low. (Intel 8254 datasheet, "Mode 0")
      if (this._mode === Mode.InterruptOnTerminalCount) this._loaded = false;
    } else {
      this._writeHigh = false;
      this._setCount((byte << 8) | this._lowByte, tick);
    }
  }

  /** The next byte a read gives: latched status, latched count or the count at this moment. */
  read(tick: number): number {
    if (this._latchedStatus !== NOT_LATCHED) {
      const status = this._latchedStatus;
      this._latchedStatus = NOT_LATCHED;
      return status;
    }
    const count = this._latchedCount !== NOT_LATCHED ? this._latchedCount : this._countAt(tick);
    const high = this._access === Access.High || (this._access === Access.LowThenHigh && this._readHigh);
    if (this._access === Access.LowThenHigh) this._readHigh = !this._readHigh;
    if (this._access !== Access.LowThenHigh || high) this._latchedCount = NOT_LATCHED;
    return high ? count >> 8 : count & 0xff;
  }

  /** Latches the count until it is read; a latch before that changes nothing. */
  latchCount(tick: number): void {
    if (this._latchedCount === NOT_LATCHED) this._latchedCount = this._countAt(tick);
  }

  latchStatus(tick: number): void {
    if (this._latchedStatus !== NOT_LATCHED) return;
    this._latchedStatus =
      this._control | (this.out(tick) ? Status.Output : 0) | (this._isNull(tick) ? Status.NullCount : 0);
  }

  /** Drives the GATE input. (Intel 8254 datasheet, "Gate Pin Operations Summary") */
  setGate(gate: boolean, tick: number): void {
    if (gate === this._gate) return;
    if (gate) this._gateRises(tick);
    else this._gateFalls(tick);
    this._gate = gate;
  }

  /** The OUT pin. */
  out(tick: number): boolean {
    this._reload(tick);
    if (!this._loaded) return this._mode !== Mode.InterruptOnTerminalCount;
    const elapsed = this._elapsed(tick);
    switch (this._mode) {
      case Mode.InterruptOnTerminalCount:
        return elapsed >= this._count;
      case Mode.OneShot:
        return elapsed < 0 ? !this._retriggered : elapsed >= this._count;
      case Mode.RateGenerator:
        return this._stoppedAfter >= 0 || elapsed < 0 || elapsed % this._count !== this._count - 1;
      case Mode.SquareWave:
        return this._stoppedAfter >= 0 || elapsed < 0 || elapsed % this._count < this._highTicks();
      default:
        return elapsed !== this._count;
    }
  }

  /** The first tick after `tick` at which OUT rises if nobody touches the counter; Infinity when it does not. */
  nextRise(tick: number): number {
    this._reload(tick);
    if (!this._loaded || this._stoppedAfter >= 0) return Infinity;
    switch (this._mode) {
      case Mode.RateGenerator:
      case Mode.SquareWave: {
        if (this._reloadAt !== 0 && this._reloadLow) return this._reloadAt + (this._register >> 1);
        const periods = Math.floor(Math.max(tick - this._loadedAt, 0) / this._count) + 1;
        return this._loadedAt + periods * this._count;
      }
      default: {
        const strobes = this._mode === Mode.SoftwareStrobe || this._mode === Mode.HardwareStrobe;
        const rise = this._loadedAt + this._count + (strobes ? 1 : 0);
        return rise > tick ? rise : Infinity;
      }
    }
  }

  private _repeats(): boolean {
    return this._mode === Mode.RateGenerator || this._mode === Mode.SquareWave;
  }

  private _triggered(): boolean {
    return this._mode === Mode.OneShot || this._mode === Mode.HardwareStrobe;
  }

  /** Ticks of mode 3's high half: the longer one when the count is odd. */
  private _highTicks(): number {
    return (this._count + 1) >> 1;
  }

  private _elapsed(tick: number): number {
    return this._stoppedAfter >= 0 ? this._stoppedAfter : tick - this._loadedAt;
  }

  private _setCount(raw: number, tick: number): void {
    this._reload(tick);
    const count = this._bcd ? fromBcd(raw) || 10_000 : raw || 0x10000;
    this._register = count;
    if (this._triggered()) return;
    if (!this._repeats() || !this._loaded) {
      this._load(tick);
      if (!this._gate) this._stoppedAfter = 0;
      return;
    }
    if (this._stoppedAfter >= 0) return;
    const elapsed = this._elapsed(tick);
    if (elapsed < 0) {
      this._count = count;
      return;
    }
    // Mode 2 takes the new count after the current period, mode 3 after the current half.
    const periodStart = tick - (elapsed % this._count);
    this._reloadLow = this._mode === Mode.SquareWave && tick - periodStart < this._highTicks() && this._count > 1;
    this._reloadAt = periodStart + (this._reloadLow ? this._highTicks() : this._count);
  }

  private _load(tick: number): void {
    this._retriggered = this._mode === Mode.OneShot && !this.out(tick);
    this._count = this._register;
    this._loadedAt = tick + 1;
    this._loaded = true;
    this._stoppedAfter = -1;
    this._reloadAt = 0;
  }

  /** Takes a waiting count whose time has come. */
  private _reload(tick: number): void {
    if (this._reloadAt === 0 || tick < this._reloadAt) return;
    this._count = this._register;
    this._loadedAt = this._reloadLow ? this._reloadAt - this._highTicks() : this._reloadAt;
    this._reloadAt = 0;
  }

  private _gateRises(tick: number): void {
    if (this._repeats() || this._triggered()) {
      if (this._register !== 0) this._load(tick);
    } else if (this._stoppedAfter >= 0) {
      this._loadedAt = tick - this._stoppedAfter;
      this._stoppedAfter = -1;
    }
  }

  private _gateFalls(tick: number): void {
    this._reload(tick);
    if (this._triggered() || !this._loaded) return;
    this._stoppedAfter = Math.max(tick - this._loadedAt, 0);
  }

  /** The count was written but the counting element does not have it yet. */
  private _isNull(tick: number): boolean {
    this._reload(tick);
    if (!this._loaded || tick < this._loadedAt) return true;
    return this._reloadAt !== 0 || this._register !== this._count;
  }

  private _countAt(tick: number): number {
    this._reload(tick);
    const elapsed = Math.max(this._loaded ? this._elapsed(tick) : 0, 0);
    const modulus = this._bcd ? 10_000 : 0x10000;
    let value: number;
    if (!this._repeats()) {
      value = (((this._count - elapsed) % modulus) + modulus) % modulus;
    } else if (this._count === 0) {
      value = 0;
    } else if (this._mode === Mode.RateGenerator) {
      value = (this._count - (elapsed % this._count)) % modulus;
    } else {
      // Counts down by two, twice per period; odd counts start one lower. (Intel 8254 datasheet, "Mode 3")
      const position = elapsed % this._count;
      const inHalf = position < this._highTicks() ? position : position - this._highTicks();
      value = ((this._count & ~1) - 2 * inHalf) % modulus;
    }
    return this._bcd ? toBcd(value) : value;
  }
}
