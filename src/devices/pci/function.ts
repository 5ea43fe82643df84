/**
 * A PCI function: the 256 bytes of its configuration space (a type 0 header and capabilities), its base address registers and its
 * interrupt pin. What stands behind the registers belongs to whoever makes the function; where its BARs lie is the guest's to say.
 *
 * Read before: PCI Local Bus Specification 3.0, chapter 6. Read after: `bus.ts`, which decodes accesses to BARs.
 */
import type { Trigger } from '../trigger.js';

/** Registers of the type 0 header. (PCI 3.0, 6.1 "Configuration Space Organization") */
export const enum PciRegister {
  VendorId = 0x00,
  DeviceId = 0x02,
  Command = 0x04,
  Status = 0x06,
  RevisionId = 0x08,
  ClassCode = 0x09,
  CacheLineSize = 0x0c,
  LatencyTimer = 0x0d,
  BaseAddress0 = 0x10,
  SubsystemVendorId = 0x2c,
  SubsystemId = 0x2e,
  CapabilitiesPointer = 0x34,
  InterruptLine = 0x3c,
  InterruptPin = 0x3d,
}

/** Bits of the command register. (PCI 3.0, 6.2.2 "Device Control") */
export const enum PciCommand {
  IoSpace = 1 << 0,
  MemorySpace = 1 << 1,
  BusMaster = 1 << 2,
  InterruptDisable = 1 << 10,
  Writable = IoSpace | MemorySpace | BusMaster | InterruptDisable,
}

/** Bits of the status register. (PCI 3.0, 6.2.3 "Device Status") */
const enum PciStatus {
  Interrupt = 1 << 3,
  CapabilitiesList = 1 << 4,
}

const CONFIG_BYTES = 256;
const BAR_COUNT = 6;
/** Capabilities begin behind the header. */
const FIRST_CAPABILITY = 0x40;
/** The interrupt pin of a function that has one device behind it. */
const INTA = 1;

/** What a BAR maps. Offsets count from its start; values are unsigned. */
export interface BarHandler {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

export interface Bar {
  readonly space: 'io' | 'memory';
  readonly sizeBytes: number;
  readonly handler: BarHandler;
}

/** Who a function is. */
export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revisionId: number;
  /** Base class, subclass and programming interface, as one 24-bit number. */
  readonly classCode: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
}

/** A register window in configuration space that is not plain memory. */
export interface ConfigHook {
  readonly offset: number;
  readonly sizeBytes: number;
  /** Before a read: the bytes of the window are to be brought up to date. */
  reading(offset: number, size: 1 | 2 | 4): void;
  /** After a write: the bytes of the window have changed. */
  written(offset: number, size: 1 | 2 | 4): void;
}

export class PciFunction {
  /** Configuration space as the guest reads it. */
  readonly config = new Uint8Array(CONFIG_BYTES);
  /** Bits that the guest may change. */
  readonly writable = new Uint8Array(CONFIG_BYTES);
  readonly bars: (Bar | undefined)[] = new Array<Bar | undefined>(BAR_COUNT).fill(undefined);
  /** Told when a write may have moved, enabled or disabled a BAR. */
  onDecodeChanged: () => void = () => undefined;
  private readonly _view = new DataView(this.config.buffer);
  private _line: Trigger | undefined;
  private _isAsserted = false;
  private _nextCapability = FIRST_CAPABILITY;
  /** Where the link to the next capability goes. */
  private _link: number = PciRegister.CapabilitiesPointer;
  private _hook: ConfigHook | undefined;

  constructor(identity: PciIdentity) {
    const { _view: view } = this;
    view.setUint16(PciRegister.VendorId, identity.vendorId, true);
    view.setUint16(PciRegister.DeviceId, identity.deviceId, true);
    view.setUint8(PciRegister.RevisionId, identity.revisionId);
    view.setUint16(PciRegister.ClassCode, identity.classCode & 0xffff, true);
    view.setUint8(PciRegister.ClassCode + 2, identity.classCode >> 16);
    view.setUint16(PciRegister.SubsystemVendorId, identity.subsystemVendorId ?? 0, true);
    view.setUint16(PciRegister.SubsystemId, identity.subsystemId ?? 0, true);
    new DataView(this.writable.buffer).setUint16(PciRegister.Command, PciCommand.Writable, true);
    this.writable[PciRegister.CacheLineSize] = 0xff;
    this.writable[PciRegister.LatencyTimer] = 0xff;
  }

  get command(): number {
    return this._view.getUint16(PciRegister.Command, true);
  }

  /**
   * Gives the function a BAR.
   * @param base where it lies until the guest moves it, as firmware would have programmed it
   * @throws RangeError unless size and base fit a BAR: sizes are powers of two, of at least 16 bytes, and bases multiples of them
   */
  addBar(index: number, bar: Bar, base: number): void {
    const { sizeBytes } = bar;
    if (sizeBytes < 16 || (sizeBytes & (sizeBytes - 1)) !== 0 || base % sizeBytes !== 0)
      throw new RangeError(
        `BAR ${index}: ${sizeBytes} bytes at 0x${base.toString(16)} are not a power of two, aligned`,
      );
    this.bars[index] = bar;
    const register = PciRegister.BaseAddress0 + 4 * index;
    // Bit 0 says I/O. A memory BAR's other low bits, all 0, say 32 bits and not prefetchable. (PCI 3.0, 6.2.5.1 "Address Maps")
    this._view.setUint32(register, base | (bar.space === 'io' ? 1 : 0), true);
    new DataView(this.writable.buffer).setUint32(register, -sizeBytes >>> 0, true);
    this._setCommand(this.command | (bar.space === 'io' ? PciCommand.IoSpace : PciCommand.MemorySpace));
  }

  /** Where BAR `index` lies; undefined while its space is not decoded. */
  barBase(index: number): number | undefined {
    const bar = this.bars[index];
    if (bar === undefined) return undefined;
    const isDecoded = this.command & (bar.space === 'io' ? PciCommand.IoSpace : PciCommand.MemorySpace);
    if (!isDecoded) return undefined;
    return (this._view.getUint32(PciRegister.BaseAddress0 + 4 * index, true) & -bar.sizeBytes) >>> 0;
  }

  /**
   * Links a capability into the list.
   * @param id capability ID (PCI 3.0, appendix H)
   * @param body what follows the ID and the link
   * @returns its offset in configuration space
   */
  addCapability(id: number, body: Uint8Array): number {
    const offset = this._nextCapability;
    this.config[this._link] = offset;
    this.config[offset] = id;
    this.config.set(body, offset + 2);
    this._link = offset + 1;
    this._nextCapability = (offset + 2 + body.length + 3) & ~3;
    const status = this._view.getUint16(PciRegister.Status, true);
    this._view.setUint16(PciRegister.Status, status | PciStatus.CapabilitiesList, true);
    return offset;
  }

  setHook(hook: ConfigHook): void {
    this._hook = hook;
  }

  /** Wires INTA to `line`, which a guest that asks the header finds as `irq`. */
  connectInterrupt(line: Trigger, irq: number): void {
    this._line = line;
    this.config[PciRegister.InterruptPin] = INTA;
    this.config[PciRegister.InterruptLine] = irq;
    this.writable[PciRegister.InterruptLine] = 0xff;
  }

  /** INTA as the device drives it; the command register decides whether the line follows. */
  readonly interrupt: Trigger = {
    set: (level) => {
      this._isAsserted = level;
      this._driveInterrupt();
    },
  };

  readConfig(offset: number, size: 1 | 2 | 4): number {
    if (this._isHooked(offset, size)) this._hook!.reading(offset, size);
    if (size === 1) return this._view.getUint8(offset);
    return size === 2 ? this._view.getUint16(offset, true) : this._view.getUint32(offset, true);
  }

  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < size; i++) {
      const writable = this.writable[offset + i];
      const byte = (value >>> (8 * i)) & writable;
      this.config[offset + i] = (this.config[offset + i] & ~writable) | byte;
    }
    if (this._isHooked(offset, size)) this._hook!.written(offset, size);
    if (offset < PciRegister.Status && offset + size > PciRegister.Command) this._driveInterrupt();
    if (offset < PciRegister.BaseAddress0 + 4 * BAR_COUNT) this.onDecodeChanged();
  }

  private _isHooked(offset: number, size: number): boolean {
    const hook = this._hook;
    return hook !== undefined && offset < hook.offset + hook.sizeBytes && offset + size > hook.offset;
  }

  private _setCommand(value: number): void {
    this._view.setUint16(PciRegister.Command, value, true);
  }

  private _driveInterrupt(): void {
    const status = this._view.getUint16(PciRegister.Status, true) & ~PciStatus.Interrupt;
    this._view.setUint16(PciRegister.Status, status | (this._isAsserted ? PciStatus.Interrupt : 0), true);
    this._line?.set(this._isAsserted && (this.command & PciCommand.InterruptDisable) === 0);
  }
}
