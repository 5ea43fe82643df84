/**
 * The fixed hardware of ACPI power management: the PM1a registers, by which a guest powers off, and the power management timer. They
 * stand where QEMU's PC has them, so that kernels that power off there without an ACPI interpreter do so here.
 *
 *     base + 0  PM1 status   a 1 written clears a bit       base + 4  PM1 control   sleep type and enable
 *     base + 2  PM1 enable   which status bits raise SCI    base + 8  PM timer      3.579545 MHz, 32 bits, read-only
 *
 * Read before: ACPI Specification 6.5, chapter 4.8 "ACPI Register Model". Read after: `../boot/acpi.ts`, which tells kernels of it.
 */
import { Deadline, type Deadlines } from '../time/deadlines.js';
import type { PortDevice } from './bus.js';
import type { Trigger } from './trigger.js';

export const ACPI_PORT_BASE = 0x600;
export const ACPI_PORT_COUNT = 12;
/** The system control interrupt: level-triggered, as the guest sets it in the ELCR. */
export const ACPI_SCI_IRQ = 9;
/** Offsets from the base. */
export const enum AcpiPort {
  Pm1Status = 0,
  Pm1Enable = 2,
  Pm1Control = 4,
  PmTimer = 8,
}
export const PM1_EVENT_BYTES = 4;
export const PM1_CONTROL_BYTES = 2;
export const PM_TIMER_BYTES = 4;
/** Value of the sleep type field that is S5, soft off; the board has no other. */
export const SLEEP_TYPE_SOFT_OFF = 0;

/** Rate of the PM timer. (ACPI 6.5, 4.8.3.3 "Power Management Timer") */
export const PM_TIMER_HZ = 3_579_545;
/** The status bit rises when the highest bit of the counter changes. */
const TIMER_STATUS_TICKS = 0x8000_0000;

/**
 * PM1 status and enable. (4.8.4.1 "PM1 Event Grouping") Only the timer ever sets its status: nobody presses the button, there is no
 * BIOS to share the global lock, and the clock's alarm comes on irq 8, for the machine never sleeps.
 */
const enum Pm1Event {
  Timer = 1 << 0,
  Global = 1 << 5,
  PowerButton = 1 << 8,
  Clock = 1 << 10,
  Sources = Timer | Global | PowerButton | Clock,
}

/** (4.8.4.2.1 "PM1 Control Registers") */
const enum Pm1Control {
  /** Always 1: there is no other mode. */
  SciEnable = 1 << 0,
  SleepType = 7 << 10,
  SleepTypeShift = 10,
  /** Reads as 0. */
  SleepEnable = 1 << 13,
  /** Bus master wake-up and sleep type are kept; "global release" would tell a BIOS something. */
  Kept = (1 << 1) | SleepType,
}

export class AcpiPower implements PortDevice {
  private readonly _sci: Trigger;
  private readonly _deadlines: Deadlines;
  private readonly _powerOff: () => void;
  private readonly _deadline = new Deadline(() => this._update());
  private _status = 0;
  private _enable = 0;
  private _control = 0;
  /** Number of the timer's half turn up to which its status bit is worked out. */
  private _halfTurn: number;

  /**
   * @param sci irq 9
   * @param deadlines its clock drives the timer
   * @param powerOff called when the guest enters S5
   */
  constructor(sci: Trigger, deadlines: Deadlines, powerOff: () => void) {
    this._sci = sci;
    this._deadlines = deadlines;
    this._powerOff = powerOff;
    this._halfTurn = this._currentHalfTurn();
  }

  readPort(offset: number, size: 1 | 2 | 4): number {
    // The whole register is read at once, so that the bytes of a timer value belong together.
    const bits = 8 * (offset & 3);
    const value = this._doubleword(offset & ~3) >>> bits;
    if (bits + 8 * size <= 32) return size === 4 ? value : value & ((1 << (8 * size)) - 1);
    const half = size === 4 ? 2 : 1;
    return (this.readPort(offset, half) | (this.readPort(offset + half, half) << (8 * half))) >>> 0;
  }

  writePort(offset: number, size: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < size; i++) this._writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    this._update();
  }

  private _doubleword(offset: number): number {
    if (offset === (AcpiPort.PmTimer as number)) return this._ticks() % 2 ** 32;
    if (offset === (AcpiPort.Pm1Control as number)) return this._control | Pm1Control.SciEnable;
    this._settle();
    return this._status | (this._enable << 16);
  }

  private _writeByte(offset: number, byte: number): void {
    const shift = 8 * (offset & 1);
    const replaced = (register: number): number => (register & ~(0xff << shift)) | (byte << shift);
    switch ((offset & ~1) as AcpiPort) {
      case AcpiPort.Pm1Status:
        this._settle();
        this._status &= ~(byte << shift);
        break;
      case AcpiPort.Pm1Enable:
        this._enable = replaced(this._enable) & Pm1Event.Sources;
        break;
      case AcpiPort.Pm1Control: {
        const control = replaced(this._control);
        this._control = control & Pm1Control.Kept;
        // Deviation: a sleep type other than S5's, which the DSDT does not name, does nothing.
        const type = (control & Pm1Control.SleepType) >> Pm1Control.SleepTypeShift;
        if (control & Pm1Control.SleepEnable && type === SLEEP_TYPE_SOFT_OFF) this._powerOff();
        break;
      }
      default:
        // The timer is read-only.
        break;
    }
  }

  private _ticks(): number {
    return Math.floor((this._deadlines.clock.now() * PM_TIMER_HZ) / 1e9);
  }

  private _currentHalfTurn(): number {
    return Math.floor(this._ticks() / TIMER_STATUS_TICKS);
  }

  /** Sets the timer's status bit if its highest bit has changed by now. */
  private _settle(): void {
    const halfTurn = this._currentHalfTurn();
    if (halfTurn !== this._halfTurn) this._status |= Pm1Event.Timer;
    this._halfTurn = halfTurn;
  }

  /** Drives SCI, and sees to it that an enabled timer event comes by itself. */
  private _update(): void {
    this._settle();
    this._sci.set((this._status & this._enable) !== 0);
    if (this._enable & ~this._status & Pm1Event.Timer) {
      const nextTicks = (this._halfTurn + 1) * TIMER_STATUS_TICKS;
      // A microsecond later than exact: rounding must not find the half turn unfinished.
      this._deadlines.move(this._deadline, Math.ceil((nextTicks * 1e9) / PM_TIMER_HZ) + 1000);
    } else {
      this._deadlines.cancel(this._deadline);
    }
  }
}
