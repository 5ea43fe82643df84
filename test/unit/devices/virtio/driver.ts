/**
 * A tiny virtio driver for the tests: it finds the device as a kernel would, by configuration space or by MMIO registers, sets queues up
 * in guest RAM and sends requests. It shares no code with the devices: layouts and numbers are written down again from virtio 1.1.
 */
import assert from 'node:assert/strict';
import { PciBus } from '../../../../src/devices/pci/bus.js';
import type { VirtioDevice } from '../../../../src/devices/virtio/device.js';
import { VirtioMmio } from '../../../../src/devices/virtio/mmioTransport.js';
import { VirtioPci } from '../../../../src/devices/virtio/pciTransport.js';
import { PhysMemory } from '../../../../src/memory/phys.js';
import { CountingTrigger } from '../fixtures.js';

export const RAM_BYTES = 4 << 20;
export type Kind = 'pci' | 'mmio';
export const kinds: readonly Kind[] = ['pci', 'mmio'];

/** What a driver does with a transport. */
interface Registers {
  status: number;
  readonly numQueues: number;
  readonly features: (word: number) => number;
  readonly accept: (word: number, value: number) => void;
  readonly config: (offset: number, size: 1 | 2 | 4) => number;
  readonly setQueue: (index: number, size: number, phys: readonly [number, number, number], high?: number) => void;
  readonly notify: (index: number) => void;
  /** Reads and clears the causes of the interrupt. */
  readonly takeCauses: () => number;
}

export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const NEEDS_RESET = 64;
export const EVENT_IDX = 2 ** 29;
export const INDIRECT = 2 ** 28;

export interface Plugged {
  readonly phys: PhysMemory;
  readonly registers: Registers;
  readonly line: CountingTrigger;
}

export function plug(device: VirtioDevice, kind: Kind): Plugged {
  const phys = new PhysMemory(new ArrayBuffer(RAM_BYTES));
  const line = new CountingTrigger();
  if (kind === 'mmio') return { phys, line, registers: mmioRegisters(new VirtioMmio(device, phys, line)) };
  const bus = new PciBus(() => line, { readPort: () => 0, writePort: () => undefined });
  const card = new VirtioPci(device, phys);
  bus.plug(3, card.function, card.bars);
  bus.connectInterrupt(3, card.function);
  return { phys, line, registers: pciRegisters(bus, 3) };
}

interface Access {
  readonly read: (at: number, size: 1 | 2 | 4) => number;
  readonly write: (at: number, size: 1 | 2 | 4, value: number) => void;
}

function pciRegisters(bus: PciBus, slot: number): Registers {
  const config = (offset: number, size: 1 | 2 | 4): number => {
    bus.configPorts.writePort(0, 4, (0x80000000 + slot * 0x800 + (offset & 0xfc)) >>> 0);
    return bus.configPorts.readPort(4 + (offset & 3), size);
  };
  const structures = new Map<number, { bar: number; offset: number }>();
  for (let at = config(0x34, 1); at !== 0; at = config(at + 1, 1)) {
    if (config(at, 1) !== 0x09) continue;
    const type = config(at + 3, 1);
    if (!structures.has(type)) structures.set(type, { bar: config(at + 4, 1), offset: config(at + 8, 4) });
  }
  const access = (type: number): Access => {
    const { bar, offset } = structures.get(type)!;
    const base = config(0x10 + 4 * bar, 4);
    const isIo = (base & 1) !== 0;
    const start = (base & (isIo ? ~3 : ~15)) + offset;
    return {
      read: (at: number, size: 1 | 2 | 4): number =>
        isIo
          ? bus.ioWindow.readPort(start + at - 0xc000, size)
          : bus.memoryWindow.read((start + at - 0xe0000000) >>> 0, size),
      write: (at: number, size: 1 | 2 | 4, value: number): void => {
        if (isIo) bus.ioWindow.writePort(start + at - 0xc000, size, value);
        else bus.memoryWindow.write((start + at - 0xe0000000) >>> 0, size, value);
      },
    };
  };
  const common = access(1);
  const notify = access(2);
  const isr = access(3);
  return {
    get status() {
      return common.read(0x14, 1);
    },
    set status(value) {
      common.write(0x14, 1, value);
    },
    get numQueues() {
      return common.read(0x12, 2);
    },
    features: (word) => {
      common.write(0x00, 4, word);
      return common.read(0x04, 4);
    },
    accept: (word, value) => {
      common.write(0x08, 4, word);
      common.write(0x0c, 4, value);
    },
    config: (offset, size) => access(4).read(offset, size),
    setQueue: (index, size, phys, high = 0) => {
      common.write(0x16, 2, index);
      common.write(0x18, 2, size);
      phys.forEach((part, number) => {
        common.write(0x20 + 8 * number, 4, part);
        common.write(0x24 + 8 * number, 4, high);
      });
      common.write(0x1c, 2, 1);
    },
    notify: (index) => notify.write(0, 2, index),
    takeCauses: () => isr.read(0, 1),
  };
}

function mmioRegisters(device: VirtioMmio): Registers {
  const read = (offset: number): number => device.read(offset, 4);
  const write = (offset: number, value: number): void => device.write(offset, 4, value >>> 0);
  assert.equal(read(0), 0x74726976, 'the magic value');
  assert.equal(read(4), 2, 'the version');
  return {
    get status() {
      return read(0x70);
    },
    set status(value) {
      write(0x70, value);
    },
    get numQueues() {
      let count = 0;
      for (write(0x30, 0); read(0x34) !== 0; write(0x30, count)) count++;
      return count;
    },
    features: (word) => {
      write(0x14, word);
      return read(0x10);
    },
    accept: (word, value) => {
      write(0x24, word);
      write(0x20, value);
    },
    config: (offset, size) => device.read(0x100 + offset, size),
    setQueue: (index, size, phys, high = 0) => {
      write(0x30, index);
      write(0x38, size);
      [0x80, 0x90, 0xa0].forEach((register, number) => {
        write(register, phys[number]);
        write(register + 4, high);
      });
      write(0x44, 1);
    },
    notify: (index) => write(0x50, index),
    takeCauses: () => {
      const causes = read(0x60);
      write(0x64, causes);
      return causes;
    },
  };
}

/** One queue as the driver keeps it. Each has 64 KiB of RAM to itself. */
export class DriverQueue {
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  private _next = 0;
  private _availableIndex = 0;
  private _usedIndex = 0;

  constructor(
    private readonly _phys: PhysMemory,
    readonly index: number,
    readonly size: number,
  ) {
    this.descriptors = 0x100000 + index * 0x10000;
    this.available = this.descriptors + 0x8000;
    this.used = this.descriptors + 0xa000;
  }

  describe(slot: number, phys: number, lengthBytes: number, flags: number, next = 0): void {
    const at = this.descriptors + 16 * slot;
    this._phys.write32(at, phys);
    this._phys.write32(at + 4, 0);
    this._phys.write32(at + 8, lengthBytes);
    this._phys.write16(at + 12, flags);
    this._phys.write16(at + 14, next);
  }

  /** Makes a chain available; returns its head. */
  offer(readable: readonly [number, number][], writable: readonly [number, number][]): number {
    const head = this._next;
    const parts = [...readable.map((part) => ({ part, flags: 0 })), ...writable.map((part) => ({ part, flags: 2 }))];
    parts.forEach(({ part: [phys, lengthBytes], flags }, number) => {
      const slot = this._next;
      this._next = (this._next + 1) % this.size;
      const isLast = number === parts.length - 1;
      this.describe(slot, phys, lengthBytes, flags | (isLast ? 0 : 1), this._next);
    });
    this.publish(head);
    return head;
  }

  publish(head: number): void {
    this._phys.write16(this.available + 4 + 2 * (this._availableIndex % this.size), head);
    this._availableIndex = (this._availableIndex + 1) & 0xffff;
    this._phys.write16(this.available + 2, this._availableIndex);
  }

  /** The next chain that came back; undefined when none did. */
  collect(): { head: number; writtenBytes: number } | undefined {
    if (this._phys.read16(this.used + 2) === this._usedIndex) return undefined;
    const at = this.used + 4 + 8 * (this._usedIndex % this.size);
    this._usedIndex = (this._usedIndex + 1) & 0xffff;
    return { head: this._phys.read32(at), writtenBytes: this._phys.read32(at + 4) };
  }

  suppressInterrupts(): void {
    this._phys.write16(this.available, 1);
  }

  set usedEvent(index: number) {
    this._phys.write16(this.available + 4 + 2 * this.size, index);
  }
}

/**
 * Brings a device up as virtio 1.1 §3.1.1 says.
 * @param features the lower 32 bits to accept; default all that are offered, without EVENT_IDX
 */
export function bringUp(plugged: Plugged, queueSize = 16, features?: number): DriverQueue[] {
  const { registers, phys } = plugged;
  registers.status = 0;
  registers.status = ACKNOWLEDGE;
  registers.status = ACKNOWLEDGE | DRIVER;
  registers.accept(0, (features ?? registers.features(0) & ~EVENT_IDX) >>> 0);
  registers.accept(1, 1);
  registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
  assert.equal(registers.status, ACKNOWLEDGE | DRIVER | FEATURES_OK, 'the features are acceptable');
  const queues = Array.from({ length: registers.numQueues }, (_, index) => new DriverQueue(phys, index, queueSize));
  for (const queue of queues) {
    phys.bytes.fill(0, queue.descriptors, queue.descriptors + 0x10000);
    registers.setQueue(queue.index, queueSize, [queue.descriptors, queue.available, queue.used]);
  }
  registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
  return queues;
}
