/**
 * The PCI bus of the machine: configuration mechanism #1, and the two windows of the address spaces in which BARs are decoded. The
 * windows are fixed, as a host bridge forwards fixed ranges; where in them a BAR lies changes as the guest writes it. A BAR that
 * is moved out of its window answers nowhere.
 *
 *     0xCF8 address ─┐                       0xC000-0xCFFF          ─► I/O BARs
 *     0xCFC data   ──┴─► configuration       0xE0000000-0xEFFFFFFF  ─► memory BARs
 *
 * Interrupts: INTA of an odd slot is irq 10, of an even one irq 11, level-triggered. No firmware runs on this machine, so BARs and
 * Interrupt Line registers hold from the start what a BIOS would have written.
 *
 * Read before: PCI Local Bus Specification 3.0, 3.2.2.3.2 "Software Generation of Configuration Transactions"; `function.ts`.
 */
import type { PortDevice } from '../bus.js';
import type { Trigger } from '../trigger.js';
import { PciFunction, type Bar, type BarHandler } from './function.js';

export const PCI_CONFIG_PORT = 0xcf8;
export const PCI_CONFIG_PORTS = 8;
export const PCI_IO_START = 0xc000;
export const PCI_IO_BYTES = 0x1000;
export const PCI_MEMORY_START = 0xe000_0000;
export const PCI_MEMORY_BYTES = 0x1000_0000;
/** The interrupt lines of the slots: odd ones have the first, even ones the second. */
export const PCI_IRQS = [10, 11] as const;
export const PCI_SLOTS = 32;

/** The line of a slot's INTA. The ACPI tables say the same. */
export const irqOfSlot = (slot: number): number => PCI_IRQS[slot & 1 ? 0 : 1];

/** CONFIG_ADDRESS, the doubleword at 0xCF8. */
const enum ConfigAddress {
  Enable = 1 << 31,
  BusShift = 16,
  SlotShift = 11,
  FunctionShift = 8,
  Register = 0xfc,
  /** Bits 30 to 24 and 1, 0 are reserved and read 0. */
  Writable = Enable | 0xff_ff_fc,
}

const CONFIG_DATA_OFFSET = 4;
/** The PC's reset control register lies within CONFIG_ADDRESS; only a byte access reaches it. */
const RESET_CONTROL_OFFSET = 1;

const allOnes = (size: 1 | 2 | 4): number => 2 ** (8 * size) - 1;

interface Decoded {
  readonly start: number;
  readonly end: number;
  readonly handler: BarHandler;
}

/** Hands out addresses of one window, as firmware does when it programs BARs. */
class Allocator {
  constructor(
    private _next: number,
    private readonly _end: number,
  ) {}

  /** @throws RangeError when the window is full */
  take(sizeBytes: number): number {
    const base = Math.ceil(this._next / sizeBytes) * sizeBytes;
    if (base + sizeBytes > this._end) throw new RangeError(`no room for a BAR of ${sizeBytes} bytes`);
    this._next = base + sizeBytes;
    return base;
  }
}

export class PciBus {
  /** The eight ports at 0xCF8. */
  readonly configPorts: PortDevice;
  /** The ports of the I/O window. */
  readonly ioWindow: PortDevice;
  /** The physical memory of the memory window. */
  readonly memoryWindow: BarHandler;
  private readonly _slots: (PciFunction | undefined)[] = new Array<PciFunction | undefined>(PCI_SLOTS).fill(undefined);
  private readonly _ioAllocator = new Allocator(PCI_IO_START, PCI_IO_START + PCI_IO_BYTES);
  private readonly _memoryAllocator = new Allocator(PCI_MEMORY_START, PCI_MEMORY_START + PCI_MEMORY_BYTES);
  private _address = 0;
  private _io: Decoded[] = [];
  private _memory: Decoded[] = [];

  /**
   * @param _line the interrupt lines
   * @param resetControl the register at port 0xCF9
   */
  constructor(
    private readonly _line: (irq: number) => Trigger,
    resetControl: PortDevice,
  ) {
    this.configPorts = {
      readPort: (offset, size) => {
        if (offset >= CONFIG_DATA_OFFSET) return this._readConfig(offset & 3, size);
        if (offset === RESET_CONTROL_OFFSET && size === 1) return resetControl.readPort(0, 1);
        return offset === 0 && size === 4 ? this._address >>> 0 : allOnes(size);
      },
      writePort: (offset, size, value) => {
        if (offset >= CONFIG_DATA_OFFSET) this._writeConfig(offset & 3, size, value);
        else if (offset === RESET_CONTROL_OFFSET && size === 1) resetControl.writePort(0, 1, value);
        else if (offset === 0 && size === 4) this._address = value & ConfigAddress.Writable;
      },
    };
    this.ioWindow = {
      readPort: (offset, size) => read(this._io, PCI_IO_START + offset, size),
      writePort: (offset, size, value) => write(this._io, PCI_IO_START + offset, size, value),
    };
    this.memoryWindow = {
      read: (offset, size) => read(this._memory, PCI_MEMORY_START + offset, size),
      write: (offset, size, value) => write(this._memory, PCI_MEMORY_START + offset, size, value),
    };
  }

  /**
   * Puts a function into a slot and programs it as firmware would.
   * @param bars its BARs by index, without addresses
   * @throws RangeError when the slot does not exist or is taken, or a window is full
   */
  plug(slot: number, device: PciFunction, bars: readonly (Bar | undefined)[] = []): void {
    if (!(slot >= 0 && slot < PCI_SLOTS) || this._slots[slot] !== undefined)
      throw new RangeError(`PCI slot ${slot} does not exist or is taken`);
    this._slots[slot] = device;
    bars.forEach((bar, index) => {
      if (bar === undefined) return;
      const allocator = bar.space === 'io' ? this._ioAllocator : this._memoryAllocator;
      device.addBar(index, bar, allocator.take(bar.sizeBytes));
    });
    device.onDecodeChanged = () => this._decode();
    this._decode();
  }

  /** Gives the function in `slot` its interrupt. */
  connectInterrupt(slot: number, device: PciFunction): void {
    const irq = irqOfSlot(slot);
    device.connectInterrupt(this._line(irq), irq);
  }

  private _selected(): PciFunction | undefined {
    const address = this._address;
    const bus = (address >>> ConfigAddress.BusShift) & 0xff;
    const number = (address >>> ConfigAddress.FunctionShift) & 7;
    if (!(address & ConfigAddress.Enable) || bus !== 0 || number !== 0) return undefined;
    return this._slots[(address >>> ConfigAddress.SlotShift) & (PCI_SLOTS - 1)];
  }

  /** Nobody there: the master abort reads as all ones, so the vendor ID 0xFFFF says that the slot is empty. */
  private _readConfig(lane: number, size: 1 | 2 | 4): number {
    const device = this._selected();
    if (device === undefined || lane + size > 4) return allOnes(size);
    return device.readConfig((this._address & ConfigAddress.Register) + lane, size);
  }

  private _writeConfig(lane: number, size: 1 | 2 | 4, value: number): void {
    if (lane + size <= 4) this._selected()?.writeConfig((this._address & ConfigAddress.Register) + lane, size, value);
  }

  /** Works out anew who answers where. */
  private _decode(): void {
    this._io = this._decoded('io', PCI_IO_START, PCI_IO_START + PCI_IO_BYTES);
    this._memory = this._decoded('memory', PCI_MEMORY_START, PCI_MEMORY_START + PCI_MEMORY_BYTES);
  }

  private _decoded(space: Bar['space'], windowStart: number, windowEnd: number): Decoded[] {
    const decoded: Decoded[] = [];
    for (const device of this._slots) {
      device?.bars.forEach((bar, index) => {
        const start = device.barBase(index);
        if (bar?.space !== space || start === undefined) return;
        const end = start + bar.sizeBytes;
        if (start >= windowStart && end <= windowEnd) decoded.push({ start, end, handler: bar.handler });
      });
    }
    return decoded;
  }
}

function find(decoded: readonly Decoded[], address: number, size: number): Decoded | undefined {
  return decoded.find(({ start, end }) => address >= start && address + size <= end);
}

function read(decoded: readonly Decoded[], address: number, size: 1 | 2 | 4): number {
  const range = find(decoded, address, size);
  return range === undefined ? allOnes(size) : range.handler.read(address - range.start, size);
}

function write(decoded: readonly Decoded[], address: number, size: 1 | 2 | 4, value: number): void {
  const range = find(decoded, address, size);
  range?.handler.write(address - range.start, size, value);
}
