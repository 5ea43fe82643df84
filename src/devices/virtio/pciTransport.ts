/**
 * Virtio over PCI: the modern interface only, four register structures that vendor capabilities say the place of. All of them lie in
 * a memory BAR; what a driver touches with every request, the notification and the interrupt status, lies also in an I/O BAR and is
 * announced there first, for a port access costs a guest under the translator a fraction of an access to device memory.
 *
 *     BAR 0, I/O      0x00 ISR status · 0x04 notification
 *     BAR 1, memory   0x0000 common configuration · 0x1000 ISR status · 0x2000 device configuration · 0x3000 notification
 *
 * Interrupts are INTx: there is no local APIC that could take messages. Deviation: the command register's Bus Master bit does not
 * hold DMA back; a driver that clears it resets the device first.
 *
 * Read before: virtio 1.1 §4.1 "Virtio Over PCI Bus"; `transport.ts`. Read after: `../pci/bus.ts`.
 */
import type { PhysMemory } from '../../memory/phys.js';
import { PciFunction, type Bar, type BarHandler } from '../pci/function.js';
import { DeviceType, type VirtioDevice } from './device.js';
import { readDeviceConfig, VirtioTransport } from './transport.js';

/** virtio 1.1 §4.1.2 "PCI Device Discovery" */
const VENDOR_ID = 0x1af4;
const MODERN_DEVICE_ID_BASE = 0x1040;
const MODERN_REVISION = 1;
/** Subsystem IDs from 0x40 on tell drivers that this is no transitional device. */
const SUBSYSTEM_ID_BASE = 0x40;

/** PCI class codes, as drivers and lspci expect them. */
const CLASS_CODES: Readonly<Record<DeviceType, number>> = {
  [DeviceType.Block]: 0x01_00_00,
  [DeviceType.Console]: 0x07_80_00,
  [DeviceType.Entropy]: 0x00_ff_00,
};

/** cfg_type of a capability. (virtio 1.1 §4.1.4 "Virtio Structure PCI Capabilities") */
const enum CapabilityType {
  Common = 1,
  Notify = 2,
  Isr = 3,
  Device = 4,
  PciAccess = 5,
}

/** virtio_pci_common_cfg. (virtio 1.1 §4.1.4.3 "Common configuration structure layout") */
const enum Common {
  DeviceFeatureSelect = 0x00,
  DeviceFeature = 0x04,
  DriverFeatureSelect = 0x08,
  DriverFeature = 0x0c,
  ConfigMsixVector = 0x10,
  NumQueues = 0x12,
  DeviceStatus = 0x14,
  ConfigGeneration = 0x15,
  QueueSelect = 0x16,
  QueueSize = 0x18,
  QueueMsixVector = 0x1a,
  QueueEnable = 0x1c,
  QueueNotifyOff = 0x1e,
  QueueDesc = 0x20,
  QueueDriver = 0x28,
  QueueDevice = 0x30,
  Bytes = 0x38,
}

const VENDOR_CAPABILITY = 0x09;
const NO_VECTOR = 0xffff;
const IO_BAR = 0;
const MEMORY_BAR = 1;
const IO_BAR_BYTES = 0x20;
const IO_ISR = 0x00;
const IO_NOTIFY = 0x04;
const STRUCTURE_BYTES = 0x1000;
const MEMORY_BAR_BYTES = 4 * STRUCTURE_BYTES;
/** All queues are notified at one place, which is told the queue's number. */
const NOTIFY_BYTES = 4;

/** Offsets within struct virtio_pci_cap. */
const CAPABILITY_BAR = 4;
const CAPABILITY_OFFSET = 8;
const CAPABILITY_LENGTH = 12;
const CAPABILITY_DATA = 16;

export class VirtioPci {
  readonly function: PciFunction;
  readonly bars: readonly Bar[];
  readonly transport: VirtioTransport;

  constructor(device: VirtioDevice, phys: PhysMemory) {
    this.function = new PciFunction({
      vendorId: VENDOR_ID,
      deviceId: MODERN_DEVICE_ID_BASE + device.type,
      revisionId: MODERN_REVISION,
      classCode: CLASS_CODES[device.type],
      subsystemVendorId: VENDOR_ID,
      subsystemId: SUBSYSTEM_ID_BASE + device.type,
    });
    this.transport = new VirtioTransport(device, phys, this.function.interrupt);
    const io: BarHandler = {
      read: (offset) => (offset === IO_ISR ? this._readIsr() : 0),
      write: (offset, _size, value) => {
        if (offset === IO_NOTIFY) this.transport.notify(value & 0xffff);
      },
    };
    const memory: BarHandler = {
      read: (offset, size) => this._readMemory(offset, size),
      write: (offset, size, value) => this._writeMemory(offset, size, value),
    };
    this.bars = [
      { space: 'io', sizeBytes: IO_BAR_BYTES, handler: io },
      { space: 'memory', sizeBytes: MEMORY_BAR_BYTES, handler: memory },
    ];
    this._announce(CapabilityType.Common, MEMORY_BAR, 0, Common.Bytes);
    this._announce(CapabilityType.Isr, IO_BAR, IO_ISR, 1);
    this._announce(CapabilityType.Notify, IO_BAR, IO_NOTIFY, NOTIFY_BYTES);
    if (device.config.length > 0)
      this._announce(CapabilityType.Device, MEMORY_BAR, 2 * STRUCTURE_BYTES, device.config.length);
    this._announce(CapabilityType.Isr, MEMORY_BAR, STRUCTURE_BYTES, 1);
    this._announce(CapabilityType.Notify, MEMORY_BAR, 3 * STRUCTURE_BYTES, NOTIFY_BYTES);
    this._openPciAccess(this._announce(CapabilityType.PciAccess, IO_BAR, 0, 0));
  }

  /** Adds a struct virtio_pci_cap; returns its offset in configuration space. */
  private _announce(type: CapabilityType, bar: number, offset: number, length: number): number {
    const hasExtra = type === CapabilityType.Notify || type === CapabilityType.PciAccess;
    const capability = new DataView(new ArrayBuffer(hasExtra ? CAPABILITY_DATA + 4 : CAPABILITY_DATA));
    capability.setUint8(2, capability.byteLength);
    capability.setUint8(3, type);
    capability.setUint8(CAPABILITY_BAR, bar);
    capability.setUint32(CAPABILITY_OFFSET, offset, true);
    capability.setUint32(CAPABILITY_LENGTH, length, true);
    // Behind a notification's stands notify_off_multiplier: 0, all queues share the place.
    return this.function.addCapability(VENDOR_CAPABILITY, new Uint8Array(capability.buffer, 2));
  }

  /** The BARs by way of configuration space, for firmware. (virtio 1.1 §4.1.4.7 "PCI configuration access capability") */
  private _openPciAccess(offset: number): void {
    const { config, writable } = this.function;
    writable.fill(0xff, offset + CAPABILITY_BAR, offset + CAPABILITY_BAR + 1);
    writable.fill(0xff, offset + CAPABILITY_OFFSET, offset + CAPABILITY_DATA + 4);
    const view = new DataView(config.buffer);
    const access = (size: number): { handler: BarHandler; at: number; size: 1 | 2 | 4 } | undefined => {
      const bar = this.bars[config[offset + CAPABILITY_BAR]];
      const at = view.getUint32(offset + CAPABILITY_OFFSET, true);
      const length = view.getUint32(offset + CAPABILITY_LENGTH, true);
      if (bar === undefined || (length !== 1 && length !== 2 && length !== 4)) return undefined;
      return at % length === 0 && at + length <= bar.sizeBytes && size >= length
        ? { handler: bar.handler, at, size: length }
        : undefined;
    };
    this.function.setHook({
      offset: offset + CAPABILITY_DATA,
      sizeBytes: 4,
      reading: (_offset, size) => {
        const to = access(size);
        if (to) view.setUint32(offset + CAPABILITY_DATA, to.handler.read(to.at, to.size), true);
      },
      written: (_offset, size) => {
        const to = access(size);
        if (!to) return;
        const value = view.getUint32(offset + CAPABILITY_DATA, true);
        to.handler.write(to.at, to.size, to.size === 4 ? value : value & (2 ** (8 * to.size) - 1));
      },
    });
  }

  private _readMemory(offset: number, size: 1 | 2 | 4): number {
    const inStructure = offset % STRUCTURE_BYTES;
    switch (Math.floor(offset / STRUCTURE_BYTES)) {
      case 0:
        return this._readCommon(inStructure);
      case 1:
        return inStructure === 0 ? this._readIsr() : 0;
      case 2:
        return readDeviceConfig(this.transport.device.config, inStructure, size);
      default:
        return 0;
    }
  }

  private _writeMemory(offset: number, size: 1 | 2 | 4, value: number): void {
    // The configuration structures of the devices here are read-only to drivers, the ISR status to all.
    if (offset < Common.Bytes) this._writeCommon(offset, size, value);
    else if (offset === 3 * STRUCTURE_BYTES) this.transport.notify(value & 0xffff);
  }

  /** Reading tells the causes, clears them and lowers the line. */
  private _readIsr(): number {
    const { causes } = this.transport;
    this.transport.acknowledge(causes);
    return causes;
  }

  private _readCommon(offset: number): number {
    const { transport } = this;
    const queue = transport.selectedQueue;
    switch (offset as Common) {
      case Common.DeviceFeatureSelect:
        return transport.deviceFeaturesSelect;
      case Common.DeviceFeature:
        return transport.readDeviceFeatures();
      case Common.DriverFeatureSelect:
        return transport.driverFeaturesSelect;
      case Common.DriverFeature:
        return transport.readDriverFeatures();
      case Common.ConfigMsixVector:
      case Common.QueueMsixVector:
        return NO_VECTOR;
      case Common.NumQueues:
        return transport.queues.length;
      case Common.DeviceStatus:
        return transport.status;
      case Common.ConfigGeneration:
        return transport.configGeneration & 0xff;
      case Common.QueueSelect:
        return transport.queueSelect;
      case Common.QueueSize:
        return queue?.size ?? 0;
      case Common.QueueEnable:
        return queue?.isReady ? 1 : 0;
      case Common.QueueNotifyOff:
        return 0;
      default: {
        const word = queue && addressWord(queue, offset);
        return word === undefined ? 0 : word.part[word.index];
      }
    }
  }

  private _writeCommon(offset: number, size: 1 | 2 | 4, value: number): void {
    const { transport } = this;
    const queue = transport.selectedQueue;
    switch (offset as Common) {
      case Common.DeviceFeatureSelect:
        transport.deviceFeaturesSelect = value;
        return;
      case Common.DriverFeatureSelect:
        transport.driverFeaturesSelect = value;
        return;
      case Common.DriverFeature:
        transport.writeDriverFeatures(value);
        return;
      case Common.DeviceStatus:
        transport.writeStatus(value & 0xff);
        return;
      case Common.QueueSelect:
        transport.queueSelect = value & 0xffff;
        return;
      default:
        break;
    }
    // What remains belongs to the selected queue, and is settled once that is enabled.
    if (queue === undefined || queue.isReady) return;
    if (offset === Common.QueueSize) queue.size = value & 0xffff;
    else if (offset === Common.QueueEnable && value === 1) transport.enableQueue(queue);
    else if (size === 4) {
      const word = addressWord(queue, offset);
      if (word) word.part[word.index] = value;
    }
  }
}

/** The word of a queue's addresses that a register holds. */
function addressWord(
  queue: { descriptors: Uint32Array; available: Uint32Array; used: Uint32Array },
  offset: number,
): { part: Uint32Array; index: number } | undefined {
  if (offset % 4 !== 0 || offset < Common.QueueDesc || offset >= Common.Bytes) return undefined;
  const parts = [queue.descriptors, queue.available, queue.used];
  return { part: parts[(offset - Common.QueueDesc) >> 3], index: (offset >> 2) & 1 };
}
