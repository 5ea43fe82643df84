/**
 * The one-register devices: POST code, system control port A, reset control, debug console and debug exit. Each is a few lines, so
 * they share a file. Read before: `bus.ts`. Read after: nothing.
 */
import type { PortDevice } from './bus.js';

/** Port 0x80: the POST code of a BIOS, a latch that kernels also write to pass a microsecond. */
export class PostPort implements PortDevice {
  readonly width = 1;
  /** The last code written. */
  code = 0;

  readPort(): number {
    return this.code;
  }

  writePort(_offset: number, _size: number, value: number): void {
    this.code = value;
  }
}

/** System control port A, bits. (Intel 82371SB datasheet, "Port 92 Register") */
const enum ControlA {
  FastReset = 1 << 0,
  A20 = 1 << 1,
}

/** Port 0x92: fast A20 and fast reset. Deviation: A20 is always on, so its bit reads 1 whatever was written. */
export class SystemControlA implements PortDevice {
  readonly width = 1;
  private _value: number = ControlA.A20;

  /** @param reset called when the guest sets the reset bit */
  constructor(private readonly _reset: () => void) {}

  readPort(): number {
    return this._value;
  }

  writePort(_offset: number, _size: number, value: number): void {
    const risen = value & ~this._value;
    this._value = value | ControlA.A20;
    if (risen & ControlA.FastReset) this._reset();
  }
}

/** Reset control register, bits. (Intel 82371SB datasheet, "Reset Control Register") */
const enum ResetBits {
  /** 1 = the whole board, 0 = the processor alone. */
  HardReset = 1 << 1,
  /** Its rise makes the reset. */
  ResetCpu = 1 << 2,
  Writable = HardReset | ResetCpu,
}

export const RESET_CONTROL_PORT = 0xcf9;
/** What to write there for a reset of everything. */
export const RESET_WHOLE_BOARD = ResetBits.HardReset | ResetBits.ResetCpu;

/** Port 0xCF9. One port only: a doubleword at 0xCF8 is a PCI address and no reset. */
export class ResetControl implements PortDevice {
  readonly width = 1;
  private _value = 0;

  /** @param reset called on the rise of the reset bit; `hard` when the whole board is to be reset */
  constructor(private readonly _reset: (hard: boolean) => void) {}

  readPort(): number {
    return this._value;
  }

  writePort(_offset: number, _size: number, value: number): void {
    const risen = value & ~this._value;
    this._value = value & ResetBits.Writable;
    if (risen & ResetBits.ResetCpu) this._reset((value & ResetBits.HardReset) !== 0);
  }
}

/** Port 0xE9: each byte written is a character of debug output; reading 0xE9 tells the guest that somebody listens. */
export class DebugConsole implements PortDevice {
  readonly width = 1;

  /** @param put takes one byte of output */
  constructor(private readonly _put: (byte: number) => void) {}

  readPort(): number {
    return 0xe9;
  }

  writePort(_offset: number, _size: number, value: number): void {
    this._put(value);
  }
}

/** Ports 0xF4 to 0xF7, the isa-debug-exit device: a write of any size ends the machine with status (value << 1) | 1. */
export class DebugExit implements PortDevice {
  readonly width = 4;

  /** @param exit takes the exit status, unsigned; what a process can return of it is the caller's part */
  constructor(private readonly _exit: (status: number) => void) {}

  readPort(): number {
    return 0;
  }

  writePort(_offset: number, _size: number, value: number): void {
    this._exit(((value << 1) | 1) >>> 0);
  }
}
