import assert from 'node:assert/strict';
import { Mc146818 } from '../../../src/devices/mc146818.js';
import type { Deadlines } from '../../../src/time/deadlines.js';
import type { VirtualClock } from '../../../src/time/virtualClock.js';
import { CountingTrigger, machineTime } from './fixtures.js';

const SECOND = 1e9;
const MIB = 1 << 20;

class Bench {
  readonly irq8 = new CountingTrigger();
  readonly clock: VirtualClock;
  readonly deadlines: Deadlines;
  readonly rtc: Mc146818;

  constructor(time = '2007-04-26T21:58:30Z', memoryBytes = 128 * MIB) {
    const { clock, deadlines } = machineTime({ epochNs: Date.parse(time) * 1e6 });
    this.clock = clock;
    this.deadlines = deadlines;
    this.rtc = new Mc146818(this.irq8, deadlines, memoryBytes);
  }

  read(register: number): number {
    this.rtc.writePort(0, 1, register);
    return this.rtc.readPort(1);
  }

  write(register: number, value: number): void {
    this.rtc.writePort(0, 1, register);
    this.rtc.writePort(1, 1, value);
  }

  /** Century, year, month, day, weekday, hour, minute, second, in hexadecimal. */
  time(): string {
    return [0x32, 9, 8, 7, 6, 4, 2, 0].map((register) => this.read(register).toString(16).padStart(2, '0')).join(' ');
  }
}

describe('Mc146818', () => {
  it('gives the wall clock in BCD and 24 hours', () => {
    const bench = new Bench();
    assert.equal(bench.time(), '20 07 04 26 05 21 58 30');
    bench.clock.advance(91 * SECOND);
    assert.equal(bench.time(), '20 07 04 26 05 22 00 01');
    assert.equal(bench.read(0x0d), 0x80);
  });

  it('gives it in binary and in 12 hours when asked', () => {
    const bench = new Bench();
    bench.write(0x0b, 0x06);
    assert.equal(bench.time(), '14 07 04 1a 05 15 3a 1e');
    bench.write(0x0b, 0x00);
    assert.equal(bench.read(4), 0x89, '9 pm');
    bench.clock.advance(3 * 3600 * SECOND);
    assert.equal(bench.read(4), 0x12, '12 am is midnight');
  });

  it('takes a new time while SET holds the update', () => {
    const bench = new Bench();
    bench.write(0x0b, 0x82);
    bench.clock.advance(5 * SECOND);
    assert.equal(bench.read(0), 0x30, 'the time stands');
    for (const [register, value] of [
      [0x32, 0x19],
      [9, 0x99],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x59],
    ] as const) {
      bench.write(register, value);
    }
    bench.write(0x0b, 0x02);
    assert.equal(bench.time(), '19 99 12 31 06 23 59 59');
    bench.clock.advance(SECOND);
    assert.equal(bench.time(), '20 00 01 01 07 00 00 00');
  });

  it('stands still while the divider is held, too', () => {
    const bench = new Bench();
    bench.write(0x0a, 0x76);
    bench.clock.advance(5 * SECOND);
    assert.equal(bench.read(0), 0x30);
    assert.equal(bench.read(0x0a), 0x76, 'and no update is in progress');
    bench.write(0x0a, 0x26);
    bench.clock.advance(SECOND);
    assert.equal(bench.read(0), 0x31);
  });

  it('takes a single register without SET', () => {
    const bench = new Bench();
    bench.write(4, 0x03);
    assert.equal(bench.time(), '20 07 04 26 05 03 58 30');
  });

  it('survives registers that are no time', () => {
    const bench = new Bench();
    bench.write(0x0b, 0x82);
    for (const register of [0, 2, 4, 6, 7, 8, 9, 0x32]) bench.write(register, 0xff);
    bench.write(0x0b, 0x02);
    const seconds = bench.read(0);
    bench.clock.advance(SECOND);
    assert.notEqual(bench.read(0), seconds);
  });

  it('announces an update 2.2 ms ahead with UIP', () => {
    const bench = new Bench();
    bench.clock.advance(0.997 * SECOND);
    assert.equal(bench.read(0x0a), 0x26);
    bench.clock.advance(0.001 * SECOND);
    assert.equal(bench.read(0x0a), 0xa6);
    bench.clock.advance(0.002 * SECOND);
    assert.equal(bench.read(0x0a), 0x26);
    assert.equal(bench.read(0), 0x31);
  });

  it('makes periodic interrupts at the selected rate, each waiting for register C', () => {
    const bench = new Bench();
    bench.write(0x0b, 0x42);
    bench.clock.advance(SECOND / 1024 + 1);
    assert.equal(bench.irq8.level, true);
    bench.clock.advance(SECOND);
    assert.equal(bench.irq8.rises, 1, 'the line stays up until C is read');
    assert.equal(bench.read(0x0c), 0xd0);
    assert.equal(bench.irq8.level, false);
    assert.equal(bench.read(0x0c), 0x00);
    bench.irq8.rises = 0;
    for (let i = 0; i < 100; i++) {
      bench.clock.advance(SECOND / 1024);
      assert.equal(bench.read(0x0c) & 0xc0, 0xc0);
    }
    assert.equal(bench.irq8.rises, 100);
  });

  it('has the periods of the data sheet', () => {
    for (const [rate, hz] of [
      [1, 256],
      [2, 128],
      [3, 8192],
      [15, 2],
    ] as const) {
      const bench = new Bench();
      bench.write(0x0a, 0x20 | rate);
      bench.write(0x0b, 0x42);
      bench.clock.advance(SECOND / hz - 1000);
      assert.equal(bench.irq8.level, false, `rate ${rate}`);
      bench.clock.advance(2000);
      assert.equal(bench.irq8.level, true, `rate ${rate}`);
    }
  });

  it('has no deadline unless an interrupt is enabled', () => {
    const bench = new Bench();
    assert.equal(bench.deadlines.nextNs, Infinity);
    bench.write(0x0b, 0x72);
    assert.notEqual(bench.deadlines.nextNs, Infinity);
    bench.write(0x0b, 0x02);
    assert.equal(bench.deadlines.nextNs, Infinity);
  });

  it('sets flags for a guest that polls, without an interrupt', () => {
    const bench = new Bench();
    bench.clock.advance(1.5 * SECOND);
    assert.equal(bench.read(0x0c), 0x50);
    assert.equal(bench.irq8.rises, 0);
  });

  it('interrupts when an update has ended', () => {
    const bench = new Bench();
    bench.clock.advance(0.25 * SECOND);
    bench.write(0x0b, 0x12);
    bench.clock.advance(0.74 * SECOND);
    assert.equal(bench.irq8.level, false);
    bench.clock.advance(0.011 * SECOND);
    assert.equal(bench.irq8.level, true);
    assert.equal(bench.read(0x0c) & 0x90, 0x90);
    bench.clock.advance(SECOND);
    assert.equal(bench.irq8.rises, 2);
  });

  it('clears the update interrupt when SET is written', () => {
    const bench = new Bench();
    bench.write(0x0b, 0x92);
    assert.equal(bench.read(0x0b), 0x82);
  });

  it('wakes at the alarm time, on the next day too', () => {
    const bench = new Bench();
    bench.write(5, 0x22);
    bench.write(3, 0x01);
    bench.write(1, 0x10);
    bench.write(0x0b, 0x22);
    bench.clock.advance(159 * SECOND);
    assert.equal(bench.irq8.level, false);
    bench.clock.advance(2 * SECOND);
    assert.equal(bench.irq8.level, true);
    assert.equal(bench.read(0x0c) & 0xa0, 0xa0);
    bench.clock.advance(86_398 * SECOND);
    assert.equal(bench.irq8.level, false);
    bench.clock.advance(2 * SECOND);
    assert.equal(bench.irq8.level, true);
  });

  it('takes alarm bytes from C0 on for "any"', () => {
    const bench = new Bench();
    bench.write(5, 0xff);
    bench.write(3, 0xc0);
    bench.write(1, 0x45);
    bench.write(0x0b, 0x22);
    bench.clock.advance(16 * SECOND);
    assert.equal(bench.irq8.rises, 1);
    bench.read(0x0c);
    bench.clock.advance(60 * SECOND);
    assert.equal(bench.irq8.rises, 2);
  });

  it('never wakes for an alarm that is no time of day', () => {
    const bench = new Bench();
    bench.write(5, 0x30);
    bench.write(0x0b, 0x22);
    assert.equal(bench.deadlines.nextNs, Infinity);
    bench.clock.advance(3 * 86_400 * SECOND);
    assert.equal(bench.irq8.rises, 0);
  });

  it('raises the interrupt of a flag that is enabled afterwards', () => {
    const bench = new Bench();
    bench.clock.advance(SECOND);
    bench.write(0x0b, 0x12);
    assert.equal(bench.irq8.level, true);
  });

  it('holds the memory size where a BIOS leaves it, under a checksum', () => {
    const word = (bench: Bench, register: number): number => bench.read(register) | (bench.read(register + 1) << 8);
    const small = new Bench(undefined, 8 * MIB);
    assert.equal(word(small, 0x15), 640);
    assert.equal(word(small, 0x17), 7 * 1024);
    assert.equal(word(small, 0x30), 7 * 1024);
    assert.equal(word(small, 0x34), 0);
    const large = new Bench(undefined, 512 * MIB);
    assert.equal(word(large, 0x30), 0xffff);
    assert.equal(word(large, 0x34), 496 * 16);
    let sum = 0;
    for (let register = 0x10; register <= 0x2d; register++) sum += large.read(register);
    assert.equal((large.read(0x2e) << 8) | large.read(0x2f), sum);
  });

  it('keeps what the guest stores, and the NMI mask', () => {
    const bench = new Bench();
    bench.write(0x40, 0x5a);
    assert.equal(bench.read(0x40), 0x5a);
    assert.equal(bench.rtc.readPort(0), 0xff);
    bench.rtc.writePort(0, 1, 0x8d);
    assert.equal(bench.rtc.nmiMasked, true);
    assert.equal(bench.rtc.readPort(1), 0x80);
    bench.write(0x0d, 0);
    assert.equal(bench.read(0x0d), 0x80);
    assert.equal(bench.rtc.nmiMasked, false);
  });
});
