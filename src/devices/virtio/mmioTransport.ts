/**
 * Virtio over MMIO: one page of 32-bit registers in physical memory, version 2. Nothing enumerates such devices: the kernel is told
 * of them on its command line, `virtio_mmio.device=512@0xd0000000:10`.
 *
 * Read before: virtio 1.1 §4.2 "Virtio Over MMIO"; `transport.ts`. Read after: nothing.
 */
import type { MmioHandler, PhysMemory } from '../../memory/phys.js';
import type { Trigger } from '../trigger.js';
import type { VirtioDevice } from './device.js';
import { readDeviceConfig, VirtioTransport } from './transport.js';

/** virtio 1.1 §4.2.2 "MMIO Device Register Layout" */
const enum Register {
  MagicValue = 0x000,
  Version = 0x004,
  DeviceId = 0x008,
  VendorId = 0x00c,
  DeviceFeatures = 0x010,
  DeviceFeaturesSel = 0x014,
  DriverFeatures = 0x020,
  DriverFeaturesSel = 0x024,
  QueueSel = 0x030,
  QueueNumMax = 0x034,
  QueueNum = 0x038,
  QueueReady = 0x044,
  QueueNotify = 0x050,
  InterruptStatus = 0x060,
  InterruptAck = 0x064,
  Status = 0x070,
  QueueDescLow = 0x080,
  QueueDescHigh = 0x084,
  QueueDriverLow = 0x090,
  QueueDriverHigh = 0x094,
  QueueDeviceLow = 0x0a0,
  QueueDeviceHigh = 0x0a4,
  ConfigGeneration = 0x0fc,
  Config = 0x100,
}

/** "virt" */
const MAGIC = 0x74726976;
const VERSION = 2;
/** "RMLS": any value will do, it only names the maker. */
const VENDOR = 0x534c4d52;
/** Bytes of registers and configuration structure. */
export const VIRTIO_MMIO_BYTES = 0x200;

export class VirtioMmio implements MmioHandler {
  readonly transport: VirtioTransport;

  constructor(device: VirtioDevice, phys: PhysMemory, interrupt: Trigger) {
    this.transport = new VirtioTransport(device, phys, interrupt);
  }

  read(offset: number, size: 1 | 2 | 4): number {
    const { transport } = this;
    if (offset >= Register.Config) return readDeviceConfig(transport.device.config, offset - Register.Config, size);
    // Registers are doublewords; the driver has no other business here. (virtio 1.1 §4.2.2.2)
    if (size !== 4) return 0;
    switch (offset as Register) {
      case Register.MagicValue:
        return MAGIC;
      case Register.Version:
        return VERSION;
      case Register.DeviceId:
        return transport.device.type;
      case Register.VendorId:
        return VENDOR;
      case Register.DeviceFeatures:
        return transport.readDeviceFeatures();
      case Register.QueueNumMax:
        return transport.selectedQueue?.maxSize ?? 0;
      case Register.QueueReady:
        return transport.selectedQueue?.isReady ? 1 : 0;
      case Register.InterruptStatus:
        return transport.causes;
      case Register.Status:
        return transport.status;
      case Register.ConfigGeneration:
        return transport.configGeneration >>> 0;
      default:
        return 0;
    }
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    const { transport } = this;
    if (size !== 4) return;
    switch (offset as Register) {
      case Register.DeviceFeaturesSel:
        transport.deviceFeaturesSelect = value;
        return;
      case Register.DriverFeatures:
        transport.writeDriverFeatures(value);
        return;
      case Register.DriverFeaturesSel:
        transport.driverFeaturesSelect = value;
        return;
      case Register.QueueSel:
        transport.queueSelect = value;
        return;
      case Register.QueueNotify:
        transport.notify(value);
        return;
      case Register.InterruptAck:
        transport.acknowledge(value);
        return;
      case Register.Status:
        transport.writeStatus(value & 0xff);
        return;
      default:
        this._writeQueue(offset, value);
    }
  }

  /** Registers of the selected queue; its place and size are settled while it is ready. */
  private _writeQueue(offset: number, value: number): void {
    const queue = this.transport.selectedQueue;
    if (queue === undefined) return;
    if (offset === Register.QueueReady) {
      if (value === 0) queue.isReady = false;
      else this.transport.enableQueue(queue);
      return;
    }
    if (queue.isReady) return;
    switch (offset as Register) {
      case Register.QueueNum:
        queue.size = value;
        return;
      case Register.QueueDescLow:
      case Register.QueueDescHigh:
        queue.descriptors[(offset >> 2) & 1] = value;
        return;
      case Register.QueueDriverLow:
      case Register.QueueDriverHigh:
        queue.available[(offset >> 2) & 1] = value;
        return;
      case Register.QueueDeviceLow:
      case Register.QueueDeviceHigh:
        queue.used[(offset >> 2) & 1] = value;
        return;
      default:
    }
  }
}
