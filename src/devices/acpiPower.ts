/**
 * The one register of ACPI power management that guests without an ACPI interpreter write: PM1a control, at port 0x604 as in
 * QEMU's PC, so that kernels which power off there on QEMU do so here. Read before: ACPI spec, "PM1 Control Registers".
 */
import type { PortDevice } from './bus.js';

const SLEEP_ENABLE = 1 << 13;
const SLEEP_TYPE = 7 << 10;

export class AcpiPower implements PortDevice {
  /** @param powerOff called when the guest enters sleep type 0, which is soft-off on that board */
  constructor(private readonly _powerOff: () => void) {}

  readPort(): number {
    return 0;
  }

  writePort(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset === 0 && size === 2 && value & SLEEP_ENABLE && (value & SLEEP_TYPE) === 0) this._powerOff();
  }
}
