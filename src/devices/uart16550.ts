/**
 * A 16550A serial port: registers, FIFOs and interrupts. The wire is a back end that takes and brings bytes; it is as fast as it
 * likes, only the character timeout follows the programmed speed. A full back end holds THRE low, a full FIFO leaves bytes with
 * the back end: nothing is lost on either way.
 * Read before: National PC16550D datasheet. Read after: `../machine/` for the back ends.
 */
import { Deadline, type Deadlines } from '../time/deadlines.js';
import type { PortDevice } from './bus.js';
import type { Trigger } from './trigger.js';

/** The other end of the wire. */
export interface SerialBackend {
  /** Takes a byte from the guest; false when it has no room, then it calls `writable` as soon as it has. */
  transmit(byte: number): boolean;
  /** The port has room again after `receive` had refused bytes, or `wantsInput` has become true. */
  receivable(): void;
}

/** Offsets from the base; several registers share one. */
const enum Register {
  /** RBR when read, THR when written, DLL with DLAB. */
  Data = 0,
  /** IER, DLM with DLAB. */
  InterruptEnable = 1,
  /** IIR when read, FCR when written. */
  InterruptIdentification = 2,
  LineControl = 3,
  ModemControl = 4,
  LineStatus = 5,
  ModemStatus = 6,
  Scratch = 7,
}

const enum Ier {
  ReceivedData = 1 << 0,
  TransmitterEmpty = 1 << 1,
  LineStatus = 1 << 2,
  ModemStatus = 1 << 3,
  Writable = 0x0f,
}

const enum Iir {
  ModemStatus = 0x00,
  None = 0x01,
  TransmitterEmpty = 0x02,
  ReceivedData = 0x04,
  LineStatus = 0x06,
  CharacterTimeout = 0x0c,
  FifosEnabled = 0xc0,
}

const enum Fcr {
  Enable = 1 << 0,
  ResetReceiver = 1 << 1,
  ResetTransmitter = 1 << 2,
}

const enum Lcr {
  WordLength = 3,
  TwoStopBits = 1 << 2,
  Parity = 1 << 3,
  Dlab = 1 << 7,
}

const enum Mcr {
  Dtr = 1 << 0,
  Rts = 1 << 1,
  Out1 = 1 << 2,
  /** On a PC it opens the gate between INTR and the interrupt line. */
  Out2 = 1 << 3,
  Loopback = 1 << 4,
  Writable = 0x1f,
}

const enum Lsr {
  DataReady = 1 << 0,
  Overrun = 1 << 1,
  BreakInterrupt = 1 << 4,
  TransmitterHoldingEmpty = 1 << 5,
  TransmitterEmpty = 1 << 6,
  FifoError = 1 << 7,
}

const enum Msr {
  /** Bits 3..0: bits 7..4 have changed; RI's only says that ringing has ended. */
  Deltas = 0x0f,
  TrailingEdgeRi = 1 << 2,
  Cts = 1 << 4,
  Dsr = 1 << 5,
  Ri = 1 << 6,
  Dcd = 1 << 7,
}

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];
/** Input clock over 16: the speed with divisor 1. */
const BASE_BAUD = 115_200;
/** The modem lines of a terminal that is there. */
const CONNECTED = Msr.Cts | Msr.Dsr | Msr.Dcd;

export class Uart16550 implements PortDevice {
  readonly width = 1;
  private readonly _trigger: Trigger;
  private readonly _backend: SerialBackend;
  private readonly _deadlines: Deadlines;
  /** Bytes below the trigger level have waited for four character times. (PC16550D datasheet, "FIFO Interrupt Mode Operation") */
  private readonly _timeout = new Deadline(() => {
    this._timedOut = this._rxCount > 0;
    this._update();
  });
  private _timedOut = false;
  /** The interrupt for input has been enabled for as long as a character takes: the guest means it. */
  private readonly _listening = new Deadline(() => {
    this._listens = true;
    this._backend.receivable();
  });
  private _listens = false;

  private readonly _rx = new Uint8Array(FIFO_BYTES);
  private readonly _rxBreak = new Uint8Array(FIFO_BYTES);
  private _rxHead = 0;
  private _rxCount = 0;
  /** What RBR shows when nothing is there: the last byte. */
  private _rbr = 0;
  /** LSR error bits, until LSR is read. */
  private _errors = 0;
  /** The back end was refused: tell it when there is room. */
  private _refused = false;

  private readonly _tx = new Uint8Array(FIFO_BYTES);
  private _txHead = 0;
  private _txCount = 0;
  /** The transmitter's interrupt: set when it runs empty, reset by IIR or THR. */
  private _txEmptied = false;

  private _ier = 0;
  private _fifos = false;
  private _triggerLevel = 1;
  private _lcr = 0;
  private _mcr = 0;
  private _msr = CONNECTED;
  private _scratch = 0;
  /** As a PC BIOS leaves it: 9600 baud. */
  private _divisor = 12;
  private _line = false;

  /**
   * @param trigger the port's interrupt line (COM1: irq 4)
   * @param deadlines for the character timeout
   */
  constructor(trigger: Trigger, backend: SerialBackend, deadlines: Deadlines) {
    this._trigger = trigger;
    this._backend = backend;
    this._deadlines = deadlines;
  }

  /**
   * Bytes from the wire.
   * @returns how many were taken; the rest waits with the back end until `receivable` is called
   */
  receive(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && this._receive(bytes[taken], 0)) taken++;
    if (taken > 0) this._received();
    return taken;
  }

  /**
   * Whether the guest wants input: it asserts RTS, or has enabled the interrupt for it, and not just to see whether it can, nor to empty
   * the FIFO next, as Linux does when it looks for the port and when it sets it up. What is sent before that is lost, on a wire without
   * hardware handshake; a back end that can wait does. (Linux: drivers/tty/serial/8250/8250_port.c, autoconfig(), serial8250_do_set_termios())
   */
  get wantsInput(): boolean {
    return !this._loopback() && ((this._mcr & Mcr.Rts) !== 0 || this._listens);
  }

  /** A break on the wire. False when there is no room for its null character: to be repeated when `receivable` is called. */
  receiveBreak(): boolean {
    const taken = this._receive(0, 1);
    if (taken) this._received();
    return taken;
  }

  /** The back end has room again. */
  writable(): void {
    this._pump();
    this._update();
  }

  readPort(offset: number): number {
    switch (offset as Register) {
      case Register.Data:
        return this._lcr & Lcr.Dlab ? this._divisor & 0xff : this._readData();
      case Register.InterruptEnable:
        return this._lcr & Lcr.Dlab ? this._divisor >> 8 : this._ier;
      case Register.InterruptIdentification:
        return this._readIdentification();
      case Register.LineControl:
        return this._lcr;
      case Register.ModemControl:
        return this._mcr;
      case Register.LineStatus:
        return this._readLineStatus();
      case Register.ModemStatus:
        return this._readModemStatus();
      default:
        return this._scratch;
    }
  }

  writePort(offset: number, _size: number, value: number): void {
    switch (offset as Register) {
      case Register.Data:
        if (this._lcr & Lcr.Dlab) this._divisor = (this._divisor & 0xff00) | value;
        else this._writeData(value);
        break;
      case Register.InterruptEnable:
        if (this._lcr & Lcr.Dlab) this._divisor = (this._divisor & 0xff) | (value << 8);
        else this._writeInterruptEnable(value & Ier.Writable);
        break;
      case Register.InterruptIdentification:
        this._writeFifoControl(value);
        break;
      case Register.LineControl:
        this._lcr = value;
        break;
      case Register.ModemControl:
        this._writeModemControl(value & Mcr.Writable);
        break;
      case Register.Scratch:
        this._scratch = value;
        break;
      default:
        // LSR is for factory tests and MSR read-only. (PC16550D datasheet, "Line Status Register")
        break;
    }
  }

  private _capacity(): number {
    return this._fifos ? FIFO_BYTES : 1;
  }

  private _loopback(): boolean {
    return (this._mcr & Mcr.Loopback) !== 0;
  }

  /** In loopback the wire is cut off: its bytes wait. */
  private _receive(byte: number, isBreak: number): boolean {
    if (this._loopback() || this._rxCount >= this._capacity()) {
      this._refused = true;
      return false;
    }
    this._push(byte, isBreak);
    return true;
  }

  private _push(byte: number, isBreak: number): void {
    const tail = (this._rxHead + this._rxCount) & (FIFO_BYTES - 1);
    this._rx[tail] = byte;
    this._rxBreak[tail] = isBreak;
    this._rxCount++;
    if (this._rxCount === 1) this._revealErrors();
  }

  private _received(): void {
    this._timedOut = false;
    this._restartTimeout();
    this._update();
  }

  /** A character's errors show in LSR when it comes to the top of the FIFO. */
  private _revealErrors(): void {
    if (this._rxCount > 0 && this._rxBreak[this._rxHead]) {
      this._errors |= Lsr.BreakInterrupt;
      this._rxBreak[this._rxHead] = 0;
    }
  }

  private _restartTimeout(): void {
    if (!this._fifos || this._rxCount === 0 || this._rxCount >= this._triggerLevel || !(this._ier & Ier.ReceivedData)) {
      this._deadlines.cancel(this._timeout);
      return;
    }
    this._deadlines.move(this._timeout, this._deadlines.clock.now() + 4 * this._characterNs());
  }

  private _characterNs(): number {
    const bits =
      1 + 5 + (this._lcr & Lcr.WordLength) + (this._lcr & Lcr.Parity ? 1 : 0) + (this._lcr & Lcr.TwoStopBits ? 2 : 1);
    return (bits * (this._divisor || 0x10000) * 1e9) / BASE_BAUD;
  }

  private _readData(): number {
    if (this._rxCount > 0) {
      this._rbr = this._rx[this._rxHead]!;
      this._rxHead = (this._rxHead + 1) & (FIFO_BYTES - 1);
      this._rxCount--;
      this._revealErrors();
      this._timedOut = false;
      this._restartTimeout();
      this._update();
      this._tellRoom();
    }
    return this._rbr;
  }

  private _tellRoom(): void {
    if (!this._refused || this._loopback() || this._rxCount >= this._capacity()) return;
    this._refused = false;
    this._backend.receivable();
  }

  private _writeData(byte: number): void {
    // INTR drops before it can rise again, or an edge-triggered controller would see one long request.
    this._txEmptied = false;
    this._update();
    if (this._loopback()) {
      this._loop(byte & (0xff >> (3 - (this._lcr & Lcr.WordLength))));
      this._txEmptied = true;
    } else {
      if (this._txCount === this._capacity()) this._replaceLast(byte);
      else this._tx[(this._txHead + this._txCount++) & (FIFO_BYTES - 1)] = byte;
      this._pump();
    }
    this._update();
  }

  /** The guest wrote in spite of THRE: a full FIFO drops the byte, THR alone is overwritten. */
  private _replaceLast(byte: number): void {
    if (!this._fifos) this._tx[this._txHead] = byte;
  }

  private _loop(byte: number): void {
    if (this._rxCount < this._capacity()) {
      this._push(byte, 0);
    } else {
      // The FIFO keeps what it has, RBR is overwritten. (PC16550D datasheet, "Line Status Register", bit 1)
      this._errors |= Lsr.Overrun;
      if (!this._fifos) this._rx[this._rxHead] = byte;
    }
    this._received();
  }

  /** Hands what waits to the back end. */
  private _pump(): void {
    if (this._txCount === 0) return;
    while (this._txCount > 0 && this._backend.transmit(this._tx[this._txHead])) {
      this._txHead = (this._txHead + 1) & (FIFO_BYTES - 1);
      this._txCount--;
    }
    if (this._txCount === 0) this._txEmptied = true;
  }

  private _writeInterruptEnable(value: number): void {
    const risen = value & ~this._ier;
    this._ier = value;
    if (risen & Ier.TransmitterEmpty && this._txCount === 0) this._txEmptied = true;
    if (risen & Ier.ReceivedData) this._restartTimeout();
    this._updateListening();
    this._update();
  }

  /** RTS says enough. Without it, the interrupt has to stay enabled for a while. */
  private _updateListening(): void {
    if ((this._ier & Ier.ReceivedData) === 0 || this._mcr & Mcr.Rts) {
      this._listens = false;
      this._deadlines.cancel(this._listening);
    } else if (!this._listens && !this._listening.scheduled)
      this._deadlines.move(this._listening, this._deadlines.clock.now() + this._characterNs());
  }

  private _writeFifoControl(value: number): void {
    const enable = (value & Fcr.Enable) !== 0;
    const switched = enable !== this._fifos;
    this._fifos = enable;
    // The other bits are programmed only together with the enable bit. (PC16550D datasheet, "FIFO Control Register")
    this._triggerLevel = enable ? TRIGGER_LEVELS[value >> 6] : 1;
    if (switched || (enable && value & Fcr.ResetReceiver)) {
      this._rxCount = 0;
      this._rxBreak.fill(0);
      this._timedOut = false;
    }
    if ((switched || (enable && value & Fcr.ResetTransmitter)) && this._txCount > 0) {
      this._txCount = 0;
      this._txEmptied = true;
    }
    this._restartTimeout();
    this._update();
    this._tellRoom();
  }

  private _writeModemControl(value: number): void {
    const wantedInput = this.wantsInput;
    this._mcr = value;
    this._updateListening();
    this._setModemLines(this._loopback() ? this._loopedLines() : CONNECTED);
    this._update();
    if (this.wantsInput && !wantedInput) this._backend.receivable();
    else this._tellRoom();
  }

  /** Loopback connects the modem outputs to the inputs. (PC16550D datasheet, "Modem Control Register", bit 4) */
  private _loopedLines(): number {
    return (
      (this._mcr & Mcr.Rts ? Msr.Cts : 0) |
      (this._mcr & Mcr.Dtr ? Msr.Dsr : 0) |
      (this._mcr & Mcr.Out1 ? Msr.Ri : 0) |
      (this._mcr & Mcr.Out2 ? Msr.Dcd : 0)
    );
  }

  private _setModemLines(lines: number): void {
    const changed = (lines ^ this._msr) & ~Msr.Deltas;
    let deltas = changed >> 4;
    if (lines & Msr.Ri) deltas &= ~Msr.TrailingEdgeRi;
    this._msr = lines | (this._msr & Msr.Deltas) | deltas;
  }

  private _readLineStatus(): number {
    const empty = this._txCount === 0 ? Lsr.TransmitterHoldingEmpty | Lsr.TransmitterEmpty : 0;
    const inFifo = this._fifos && (this._errors & Lsr.BreakInterrupt || this._rxBreak.includes(1)) ? Lsr.FifoError : 0;
    const status = (this._rxCount > 0 ? Lsr.DataReady : 0) | this._errors | empty | inFifo;
    if (this._errors) {
      this._errors = 0;
      this._update();
    }
    return status;
  }

  private _readModemStatus(): number {
    const status = this._msr;
    if (status & Msr.Deltas) {
      this._msr &= ~Msr.Deltas;
      this._update();
    }
    return status;
  }

  private _readIdentification(): number {
    const identification = this._identify();
    if (identification === Iir.TransmitterEmpty) {
      this._txEmptied = false;
      this._update();
    }
    return identification | (this._fifos ? Iir.FifosEnabled : 0);
  }

  /** The pending interrupt of highest priority. (PC16550D datasheet, "Interrupt Control Functions") */
  private _identify(): Iir {
    if (this._ier & Ier.LineStatus && this._errors) return Iir.LineStatus;
    if (this._ier & Ier.ReceivedData) {
      if (this._rxCount >= this._triggerLevel) return Iir.ReceivedData;
      if (this._timedOut) return Iir.CharacterTimeout;
    }
    if (this._ier & Ier.TransmitterEmpty && this._txEmptied) return Iir.TransmitterEmpty;
    if (this._ier & Ier.ModemStatus && this._msr & Msr.Deltas) return Iir.ModemStatus;
    return Iir.None;
  }

  /** Drives the interrupt line. OUT2 gates it, and loopback takes the OUT2 pin away. */
  private _update(): void {
    const gate = (this._mcr & Mcr.Out2) !== 0 && !this._loopback();
    const line = gate && this._identify() !== Iir.None;
    if (line === this._line) return;
    this._line = line;
    this._trigger.set(line);
  }
}
