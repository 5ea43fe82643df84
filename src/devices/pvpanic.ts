/**
 * The panic device of QEMU's PCs: a kernel writes to it what has happened to it, and the machine ends or notes it, instead of
 * leaving its user before a console that says no more. Linux finds it by its ACPI name, QEMU0001 (driver pvpanic-mmio).
 *
 * Read before: QEMU's docs/specs/pvpanic. Read after: `../machine/ending.ts`.
 */
import type { PortDevice } from './bus.js';

export const PVPANIC_PORT = 0x505;

/** What a guest can report; a read tells which of them the device takes. */
const enum PvpanicEvent {
  Panicked = 1 << 0,
  /** The guest panicked and is about to load a crash kernel, so it goes on. */
  CrashLoaded = 1 << 1,
}

export class Pvpanic implements PortDevice {
  readonly width = 1;

  /**
   * @param panicked called when the guest says that it has panicked
   * @param crashLoaded called when it says so and goes on with a kernel that writes a dump
   */
  constructor(
    private readonly _panicked: () => void,
    private readonly _crashLoaded: () => void,
  ) {}

  readPort(): number {
    return PvpanicEvent.Panicked | PvpanicEvent.CrashLoaded;
  }

  writePort(_offset: number, _size: number, value: number): void {
    if (value & PvpanicEvent.Panicked) this._panicked();
    else if (value & PvpanicEvent.CrashLoaded) this._crashLoaded();
  }
}
