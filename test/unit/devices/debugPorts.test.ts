import assert from 'node:assert/strict';
import { PortBus } from '../../../src/devices/bus.js';
import { DebugConsole, DebugExit, PostPort, ResetControl, SystemControlA } from '../../../src/devices/debugPorts.js';

describe('debug and reset ports', () => {
  it('PostPort keeps the last code', () => {
    const port = new PostPort();
    port.writePort(0, 1, 0x12);
    assert.equal(port.code, 0x12);
    assert.equal(port.readPort(), 0x12);
  });

  it('SystemControlA resets on the rise of bit 0 and keeps A20 on', () => {
    let resets = 0;
    const port = new SystemControlA(() => resets++);
    assert.equal(port.readPort(), 0x02);
    port.writePort(0, 1, 0x00);
    assert.equal(port.readPort(), 0x02);
    assert.equal(resets, 0);
    port.writePort(0, 1, 0x01);
    port.writePort(0, 1, 0x03);
    assert.equal(resets, 1);
  });

  it('ResetControl resets on the rise of bit 2, hard or soft by bit 1', () => {
    const resets: boolean[] = [];
    const port = new ResetControl((hard) => resets.push(hard));
    port.writePort(0, 1, 0x02);
    assert.deepEqual(resets, []);
    port.writePort(0, 1, 0x06);
    port.writePort(0, 1, 0x06);
    port.writePort(0, 1, 0x00);
    port.writePort(0, 1, 0x04);
    assert.deepEqual(resets, [true, false]);
    assert.equal(port.readPort(), 0x04);
  });

  it('DebugConsole takes bytes, also from wider writes, and says that it is there', () => {
    const bus = new PortBus();
    const text: number[] = [];
    bus.attach('debug console', 0xe9, 1, new DebugConsole((byte) => text.push(byte)));
    bus.write(0xe9, 1, 0x41);
    bus.write(0xe9, 2, 0x4342);
    assert.deepEqual(text, [0x41, 0x42]);
    assert.equal(bus.read(0xe9, 1), 0xe9);
  });

  it('DebugExit makes (value << 1) | 1 of a write of any size', () => {
    const bus = new PortBus();
    const statuses: number[] = [];
    bus.attach('debug exit', 0xf4, 4, new DebugExit((status) => statuses.push(status)));
    bus.write(0xf4, 1, 0x10);
    bus.write(0xf4, 4, 0x80000001);
    assert.equal(bus.read(0xf4, 1), 0);
    assert.deepEqual(statuses, [0x21, 3]);
  });
});
