import assert from 'node:assert/strict';
import { PciBus } from '../../../../src/devices/pci/bus.js';
import { PciFunction, type Bar } from '../../../../src/devices/pci/function.js';
import { makeHostBridge } from '../../../../src/devices/pci/hostBridge.js';
import { CountingTrigger, randomNumbers } from '../fixtures.js';

interface Rig {
  readonly bus: PciBus;
  readonly card: PciFunction;
  readonly lines: Map<number, CountingTrigger>;
  readonly resets: number[];
  readonly touched: string[];
  readonly read: (slot: number, offset: number, size?: 1 | 2 | 4) => number;
  readonly write: (slot: number, offset: number, size: 1 | 2 | 4, value: number) => void;
}

function rig(slot = 3): Rig {
  const lines = new Map([10, 11].map((irq) => [irq, new CountingTrigger()]));
  const resets: number[] = [];
  const touched: string[] = [];
  const bus = new PciBus((irq) => lines.get(irq)!, {
    readPort: () => 0x5a,
    writePort: (_offset, _size, value) => resets.push(value),
  });
  bus.plug(0, makeHostBridge());
  const bar = (space: Bar['space'], sizeBytes: number): Bar => ({
    space,
    sizeBytes,
    handler: {
      read: (offset, size) => {
        touched.push(`${space} read ${offset} ${size}`);
        return 0x42;
      },
      write: (offset, size, value) => touched.push(`${space} write ${offset} ${size} ${value}`),
    },
  });
  const card = new PciFunction({ vendorId: 0x1234, deviceId: 0x5678, revisionId: 9, classCode: 0x01_02_03 });
  bus.plug(slot, card, [bar('io', 32), undefined, bar('memory', 4096)]);
  bus.connectInterrupt(slot, card);
  const select = (at: number, offset: number): void =>
    bus.configPorts.writePort(0, 4, (0x80000000 + at * 0x800 + (offset & 0xfc)) >>> 0);
  return {
    bus,
    card,
    lines,
    resets,
    touched,
    read: (at, offset, size = 4) => {
      select(at, offset);
      return bus.configPorts.readPort(4 + (offset & 3), size);
    },
    write: (at, offset, size, value) => {
      select(at, offset);
      bus.configPorts.writePort(4 + (offset & 3), size, value);
    },
  };
}

describe('devices/pci/bus', () => {
  it('shows a host bridge in slot 0 and nobody in empty slots, other functions and other buses', () => {
    const { bus, read } = rig();
    assert.equal(read(0, 0), 0x12378086);
    assert.equal(read(0, 8), 0x06000002);
    assert.equal(read(1, 0), 0xffffffff);
    for (const address of [0x80001900, 0x80011800, 0x00001800]) {
      bus.configPorts.writePort(0, 4, address);
      assert.equal(bus.configPorts.readPort(4, 4), 0xffffffff, address.toString(16));
    }
  });

  it('takes CONFIG_ADDRESS as a doubleword only, and lets a byte at 0xCF9 reach the reset control', () => {
    const { bus, resets } = rig();
    bus.configPorts.writePort(0, 4, 0x80001812);
    assert.equal(bus.configPorts.readPort(0, 4), 0x80001810);
    bus.configPorts.writePort(3, 1, 0x01);
    bus.configPorts.writePort(0, 2, 0x1234);
    assert.equal(bus.configPorts.readPort(0, 4), 0x80001810, 'as the probe of Linux expects it');
    bus.configPorts.writePort(1, 1, 0x06);
    assert.deepEqual(resets, [6]);
    assert.equal(bus.configPorts.readPort(1, 1), 0x5a);
  });

  it('shows the header in every size and keeps what is read-only', () => {
    const { read, write } = rig();
    assert.equal(read(3, 0), 0x56781234);
    assert.equal(read(3, 2, 2), 0x5678);
    assert.equal(read(3, 8), 0x01020309);
    assert.equal(read(3, 0x0b, 1), 0x01);
    write(3, 0, 4, 0);
    write(3, 0x3d, 1, 7);
    assert.equal(read(3, 0), 0x56781234);
    assert.equal(read(3, 0x3d, 1), 1, 'INTA');
    write(3, 0x3c, 1, 5);
    assert.equal(read(3, 0x3c, 1), 5, 'the Interrupt Line register is software’s');
  });

  it('has BARs programmed and decoded from the start, and tells their sizes', () => {
    const { read, write, bus, touched } = rig();
    assert.equal(read(3, 4, 2) & 3, 3);
    assert.equal(read(3, 0x10), 0xc001);
    assert.equal(read(3, 0x18), 0xe0000000);
    assert.equal(read(3, 0x14), 0, 'no BAR there');
    write(3, 0x10, 4, 0xffffffff);
    write(3, 0x14, 4, 0xffffffff);
    write(3, 0x18, 4, 0xffffffff);
    assert.equal(read(3, 0x10), 0xffffffe1);
    assert.equal(read(3, 0x14), 0);
    assert.equal(read(3, 0x18), 0xfffff000);
    assert.equal(bus.ioWindow.readPort(0, 1), 0xff, 'moved away');
    write(3, 0x10, 4, 0xc001);
    assert.equal(bus.ioWindow.readPort(4, 1), 0x42);
    assert.deepEqual(touched, ['io read 4 1']);
  });

  it('decodes a BAR where the guest has moved it, while its space is enabled', () => {
    const { write, bus, touched } = rig();
    write(3, 0x18, 4, 0xe1000000);
    bus.memoryWindow.write(0x1000010, 4, 7);
    bus.memoryWindow.write(0x10, 4, 8);
    write(3, 4, 2, 1);
    assert.equal(bus.memoryWindow.read(0x1000010, 4), 0xffffffff);
    write(3, 4, 2, 3);
    assert.equal(bus.memoryWindow.read(0x1000010, 4), 0x42);
    assert.equal(bus.memoryWindow.read(0x1000ffe, 4), 0xffffffff, 'across its end');
    assert.deepEqual(touched, ['memory write 16 4 7', 'memory read 16 4']);
  });

  it('routes INTA of odd slots to irq 10 and of even ones to irq 11, unless disabled', () => {
    for (const [slot, irq] of [
      [3, 10],
      [4, 11],
    ]) {
      const { card, lines, read, write } = rig(slot);
      assert.equal(read(slot, 0x3c, 1), irq);
      card.interrupt.set(true);
      assert.equal(lines.get(irq)!.level, true);
      assert.equal(read(slot, 6, 2) & 8, 8);
      write(slot, 4, 2, 0x403);
      assert.equal(lines.get(irq)!.level, false);
      assert.equal(read(slot, 6, 2) & 8, 8, 'the status still shows it');
      write(slot, 4, 2, 3);
      assert.equal(lines.get(irq)!.level, true);
      card.interrupt.set(false);
      assert.equal(lines.get(irq)!.level, false);
    }
  });

  it('refuses slots that are taken and windows that are full', () => {
    const { bus } = rig();
    const device = (): PciFunction => new PciFunction({ vendorId: 1, deviceId: 1, revisionId: 0, classCode: 0 });
    assert.throws(() => bus.plug(3, device()), RangeError);
    assert.throws(() => bus.plug(32, device()), RangeError);
    const handler = { read: () => 0, write: () => undefined };
    assert.throws(() => bus.plug(5, device(), [{ space: 'io', sizeBytes: 0x1000, handler }]), /no room for a BAR/);
  });

  it('survives 100,000 random accesses', () => {
    const { bus } = rig();
    const random = randomNumbers(5);
    for (let step = 0; step < 100_000; step++) {
      const size = ([1, 2, 4] as const)[random(3)];
      if (random(3) === 0) bus.configPorts.writePort(0, 4, 0x80000000 + random(4) * 0x800 + random(256));
      const target = random(3);
      const value =
        target === 0
          ? bus.configPorts.readPort(random(8), size)
          : target === 1
            ? bus.ioWindow.readPort(random(0x1000), size)
            : bus.memoryWindow.read(random(0x10000), size);
      assert.ok(value >= 0 && value <= 2 ** (8 * size) - 1);
      bus.configPorts.writePort(4 + random(4), size, random(2 ** 32));
      bus.ioWindow.writePort(random(0x1000), size, random(2 ** 32));
    }
  });
});
