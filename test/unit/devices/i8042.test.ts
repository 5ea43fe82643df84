import assert from 'node:assert/strict';
import { I8042 } from '../../../src/devices/i8042.js';
import { CountingTrigger } from './fixtures.js';

class Bench {
  readonly irq1 = new CountingTrigger();
  resets = 0;
  readonly controller = new I8042(this.irq1, () => this.resets++);

  status(): number {
    return this.controller.commandPort.readPort(0, 1);
  }

  command(value: number): void {
    this.controller.commandPort.writePort(0, 1, value);
  }

  data(): number {
    return this.controller.dataPort.readPort(0, 1);
  }

  writeData(value: number): void {
    this.controller.dataPort.writePort(0, 1, value);
  }
}

describe('I8042', () => {
  it('is idle, unlocked and tested', () => {
    assert.equal(new Bench().status(), 0x14);
  });

  it('passes its tests', () => {
    const bench = new Bench();
    bench.command(0xaa);
    assert.equal(bench.status() & 0x09, 0x09);
    assert.equal(bench.data(), 0x55);
    assert.equal(bench.status() & 0x01, 0);
    bench.command(0xab);
    assert.equal(bench.data(), 0x00);
  });

  it('keeps the command byte, whose mouse port stays disabled', () => {
    const bench = new Bench();
    bench.command(0x60);
    bench.writeData(0x45);
    bench.command(0x20);
    assert.equal(bench.data(), 0x65);
    bench.command(0xad);
    bench.command(0xa8);
    bench.command(0x20);
    assert.equal(bench.data(), 0x75);
    bench.command(0xae);
    bench.command(0xa7);
    bench.command(0x20);
    assert.equal(bench.data(), 0x65);
  });

  it('answers for the keyboard that is not there: resend, timeout', () => {
    const bench = new Bench();
    bench.writeData(0xff);
    assert.equal(bench.status(), 0x55);
    assert.equal(bench.data(), 0xfe);
    assert.equal(bench.status(), 0x14);
    assert.equal(bench.irq1.rises, 0);
  });

  it('interrupts while its buffer is full, if enabled', () => {
    const bench = new Bench();
    bench.command(0x60);
    bench.writeData(0x01);
    bench.command(0xd2);
    bench.writeData(0x1c);
    assert.equal(bench.irq1.level, true);
    assert.equal(bench.data(), 0x1c);
    assert.equal(bench.irq1.level, false);
  });

  it('has no mouse port, and says so at once', () => {
    const bench = new Bench();
    bench.command(0xd4);
    bench.writeData(0xff);
    assert.equal(bench.status() & 0x01, 0, 'no mouse answers');
    bench.command(0xd3);
    bench.writeData(0x5a);
    assert.equal(bench.status() & 0x21, 0x01, 'an echo, but not of a mouse port');
    assert.equal(bench.data(), 0x5a);
    bench.command(0xa9);
    assert.equal(bench.data(), 0x04);
  });

  it('resets the machine by pulse and by output port', () => {
    const bench = new Bench();
    bench.command(0xff);
    assert.equal(bench.resets, 0);
    bench.command(0xfe);
    assert.equal(bench.resets, 1);
    bench.command(0xd1);
    bench.writeData(0x03);
    assert.equal(bench.resets, 1);
    bench.command(0xd1);
    bench.writeData(0x02);
    assert.equal(bench.resets, 2);
  });

  it('reads its ports, with A20 always on', () => {
    const bench = new Bench();
    bench.command(0xd1);
    bench.writeData(0xdd);
    bench.command(0xd0);
    assert.equal(bench.data(), 0xdf);
    bench.command(0xc0);
    assert.equal(bench.data(), 0xa0);
  });
});
