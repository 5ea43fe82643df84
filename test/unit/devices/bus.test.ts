import assert from 'node:assert/strict';
import { PortBus, type PortDevice } from '../../../src/devices/bus.js';

/** Remembers each access as `r`/`w` offset/size[=value]; reads give offset + 1 in every byte. */
class Recorder implements PortDevice {
  readonly log: string[] = [];

  constructor(readonly width: 1 | 2 | 4) {}

  readPort(offset: number, size: 1 | 2 | 4): number {
    this.log.push(`r${offset}/${size}`);
    return (offset + 1) * [0, 0x01, 0x0101, 0, 0x01010101][size];
  }

  writePort(offset: number, size: 1 | 2 | 4, value: number): void {
    this.log.push(`w${offset}/${size}=${value.toString(16)}`);
  }
}

describe('PortBus', () => {
  it('gives a device offsets from its base', () => {
    const bus = new PortBus();
    const device = new Recorder(4);
    bus.attach('device', 0x3f8, 8, device);
    assert.equal(bus.read(0x3fa, 1), 3);
    bus.write(0x3ff, 1, 0x1ab);
    bus.write(0x3f8, 4, -1);
    assert.deepEqual(device.log, ['r2/1', 'w7/1=ab', 'w0/4=ffffffff']);
  });

  it('reads all ones and drops writes where nobody is, and counts them', () => {
    const bus = new PortBus();
    assert.equal(bus.read(0x1234, 1), 0xff);
    assert.equal(bus.read(0x1234, 2), 0xffff);
    assert.equal(bus.read(0xffff, 4), 0xffff_ffff);
    bus.write(0x1234, 4, 5);
    assert.deepEqual(bus.unclaimed(), [
      { port: 0x1234, accesses: 3 },
      { port: 0xffff, accesses: 1 },
    ]);
  });

  it('rejects overlap and names both devices', () => {
    const bus = new PortBus();
    bus.attach('master 8259', 0x20, 2, new Recorder(1));
    assert.throws(
      () => bus.attach('stranger', 0x1f, 4, new Recorder(1)),
      /stranger: port 0x20 belongs to master 8259 \(0x20, 2 ports\)/,
    );
    assert.equal(bus.read(0x1f, 1), 0xff, 'a rejected device got nothing');
  });

  it('rejects ports that do not exist', () => {
    const bus = new PortBus();
    assert.throws(() => bus.attach('far', 0xffff, 2, new Recorder(1)), /far: 2 ports at 0xffff/);
    assert.throws(() => bus.attach('none', 0x10, 0, new Recorder(1)), RangeError);
    assert.throws(() => bus.attach('negative', -1, 1, new Recorder(1)), RangeError);
  });

  it('splits accesses that are wider than the device takes, low part first', () => {
    const bus = new PortBus();
    const bytes = new Recorder(1);
    const halves = new Recorder(2);
    bus.attach('bytes', 0x10, 4, bytes);
    bus.attach('halves', 0x20, 4, halves);
    assert.equal(bus.read(0x10, 4), 0x04030201);
    bus.write(0x10, 2, 0xbeef);
    assert.deepEqual(bytes.log, ['r0/1', 'r1/1', 'r2/1', 'r3/1', 'w0/1=ef', 'w1/1=be']);
    bus.write(0x20, 4, 0x12345678);
    assert.equal(bus.read(0x20, 4), 0x03030101);
    assert.deepEqual(halves.log, ['w0/2=5678', 'w2/2=1234', 'r0/2', 'r2/2']);
  });

  it('splits an access that runs out of its range, into the neighbour or nobody', () => {
    const bus = new PortBus();
    const left = new Recorder(4);
    const right = new Recorder(4);
    bus.attach('left', 0x60, 1, left);
    bus.attach('right', 0x61, 1, right);
    assert.equal(bus.read(0x60, 4) >>> 0, 0xffff0101);
    assert.deepEqual(left.log, ['r0/1']);
    assert.deepEqual(right.log, ['r0/1']);
  });

  it('keeps an access that begins on an unclaimed port away from the devices within it', () => {
    const bus = new PortBus();
    const reset = new Recorder(1);
    bus.attach('reset control', 0xcf9, 1, reset);
    bus.write(0xcf8, 4, 0x80000600);
    assert.equal(bus.read(0xcf8, 4), 0xffff_ffff);
    assert.deepEqual(reset.log, []);
  });

  it('counts the accesses of each device', () => {
    const bus = new PortBus();
    bus.attach('one', 0x10, 2, new Recorder(1));
    bus.read(0x10, 1);
    bus.write(0x10, 2, 0);
    assert.deepEqual(bus.ranges(), [{ name: 'one', base: 0x10, count: 2, accesses: 3 }]);
  });
});
