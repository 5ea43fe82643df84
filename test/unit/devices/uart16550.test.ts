import assert from 'node:assert/strict';
import { Uart16550 } from '../../../src/devices/uart16550.js';
import type { VirtualClock } from '../../../src/time/virtualClock.js';
import { CountingTrigger, machineTime } from './fixtures.js';

const DATA = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;
/** DTR, RTS and OUT2, which opens the interrupt gate. */
const READY = 0x0b;

class Bench {
  readonly irq = new CountingTrigger();
  readonly clock: VirtualClock;
  readonly uart: Uart16550;
  readonly sent: number[] = [];
  /** Bytes that the back end will take. */
  room = Infinity;
  asked = 0;

  constructor() {
    const { clock, deadlines } = machineTime();
    this.clock = clock;
    const backend = {
      transmit: (byte: number): boolean => {
        if (this.room === 0) return false;
        this.room--;
        this.sent.push(byte);
        return true;
      },
      receivable: (): void => void this.asked++,
    };
    this.uart = new Uart16550(this.irq, backend, deadlines);
    this.write(LCR, 0x03);
    this.write(MCR, READY);
    this.asked = 0;
  }

  read(offset: number): number {
    return this.uart.readPort(offset);
  }

  write(offset: number, value: number): void {
    this.uart.writePort(offset, 1, value);
  }

  receive(text: string): number {
    return this.uart.receive(Buffer.from(text, 'latin1'));
  }

  readAll(): string {
    let text = '';
    while (this.read(LSR) & 1) text += String.fromCharCode(this.read(DATA));
    return text;
  }
}

describe('Uart16550', () => {
  it('sends a byte and is empty again', () => {
    const bench = new Bench();
    assert.equal(bench.read(LSR), 0x60);
    bench.write(DATA, 0x41);
    assert.deepEqual(bench.sent, [0x41]);
    assert.equal(bench.read(LSR), 0x60);
    assert.equal(bench.irq.rises, 0, 'no interrupt is enabled');
  });

  it('receives a byte without FIFOs and interrupts at once', () => {
    const bench = new Bench();
    bench.write(IER, 1);
    assert.equal(bench.receive('ab'), 1);
    assert.equal(bench.irq.level, true);
    assert.equal(bench.read(IIR), 0x04);
    assert.equal(bench.read(LSR), 0x61);
    assert.equal(bench.read(DATA), 0x61);
    assert.equal(bench.irq.level, false);
    assert.equal(bench.read(IIR), 0x01);
    assert.equal(bench.read(LSR), 0x60);
    assert.equal(bench.asked, 1, 'the refused byte is asked for');
  });

  it('holds THRE low while the back end is full, and loses nothing', () => {
    const bench = new Bench();
    bench.write(IER, 2);
    bench.read(IIR);
    bench.room = 0;
    bench.write(DATA, 0x41);
    assert.equal(bench.read(LSR), 0x00);
    assert.equal(bench.irq.level, false);
    bench.room = 1;
    bench.uart.writable();
    assert.deepEqual(bench.sent, [0x41]);
    assert.equal(bench.read(LSR), 0x60);
    assert.equal(bench.irq.level, true);
    assert.equal(bench.read(IIR), 0x02);
  });

  it('fills the transmit FIFO, drains it as the back end has room, and drops what is written beyond it', () => {
    const bench = new Bench();
    bench.write(FCR, 0x01);
    bench.room = 0;
    for (let i = 0; i < 17; i++) bench.write(DATA, i);
    bench.room = 10;
    bench.uart.writable();
    assert.equal(bench.read(LSR), 0x00);
    bench.room = 10;
    bench.uart.writable();
    assert.deepEqual(bench.sent, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert.equal(bench.read(LSR), 0x60);
  });

  it('raises the transmitter interrupt when it is enabled and again after each byte', () => {
    const bench = new Bench();
    bench.write(IER, 2);
    assert.equal(bench.irq.rises, 1);
    assert.equal(bench.read(IIR), 0x02);
    assert.equal(bench.read(IIR), 0x01, 'reading IIR takes it back');
    assert.equal(bench.irq.level, false);
    bench.write(DATA, 1);
    assert.equal(bench.irq.rises, 2);
    bench.write(DATA, 2);
    assert.equal(bench.irq.rises, 3, 'an edge of its own though IIR was not read');
  });

  it('keeps the line low without OUT2', () => {
    const bench = new Bench();
    bench.write(MCR, 0x03);
    bench.write(IER, 2);
    assert.equal(bench.irq.level, false);
    assert.equal(bench.read(IIR), 0x02, 'the register shows it all the same');
    bench.write(IER, 0);
    bench.write(IER, 2);
    bench.write(MCR, READY);
    assert.equal(bench.irq.level, true);
  });

  it('interrupts at each trigger level of the receive FIFO', () => {
    for (const [fcr, level] of [
      [0x01, 1],
      [0x41, 4],
      [0x81, 8],
      [0xc1, 14],
    ] as const) {
      const bench = new Bench();
      bench.write(FCR, fcr);
      bench.write(IER, 1);
      bench.receive('x'.repeat(level - 1));
      assert.equal(bench.irq.level, false);
      bench.receive('x');
      assert.equal(bench.irq.level, true);
      assert.equal(bench.read(IIR), 0xc4);
      bench.read(DATA);
      assert.equal(bench.irq.level, false);
    }
  });

  it('times out four character times after the last byte or read', () => {
    const bench = new Bench();
    const characterNs = (10 * 1e9) / 9600;
    bench.write(FCR, 0x81);
    bench.write(IER, 1);
    bench.receive('ab');
    bench.clock.advance(3.9 * characterNs);
    assert.equal(bench.irq.level, false);
    bench.receive('c');
    bench.clock.advance(3.9 * characterNs);
    assert.equal(bench.irq.level, false);
    bench.clock.advance(0.2 * characterNs);
    assert.equal(bench.irq.level, true);
    assert.equal(bench.read(IIR), 0xcc);
    bench.read(DATA);
    assert.equal(bench.irq.level, false);
    bench.clock.advance(4.1 * characterNs);
    assert.equal(bench.read(IIR), 0xcc);
    assert.equal(bench.readAll(), 'bc');
    bench.clock.advance(100 * characterNs);
    assert.equal(bench.read(IIR), 0xc1);
  });

  it('times out by the programmed speed', () => {
    const bench = new Bench();
    bench.write(LCR, 0x83);
    bench.write(0, 1);
    bench.write(1, 0);
    assert.equal(bench.read(0), 1);
    bench.write(LCR, 0x03);
    bench.write(FCR, 0xc1);
    bench.write(IER, 1);
    bench.receive('a');
    bench.clock.advance(348_000);
    assert.equal(bench.irq.level, true);
  });

  it('leaves bytes with the back end while the FIFO is full and asks for them', () => {
    const bench = new Bench();
    bench.write(FCR, 0xc1);
    assert.equal(bench.receive('0123456789abcdefXYZ'), 16);
    assert.equal(bench.receive('XYZ'), 0);
    assert.equal(bench.asked, 0);
    assert.equal(bench.read(DATA), 0x30);
    assert.equal(bench.asked, 1);
    bench.read(DATA);
    assert.equal(bench.asked, 1, 'asked once per refusal');
    assert.equal(bench.receive('XYZ'), 2);
    assert.equal(bench.readAll(), '23456789abcdefXY');
    assert.equal(bench.asked, 2);
  });

  it('empties its FIFOs when told and when they are switched', () => {
    const bench = new Bench();
    bench.write(FCR, 0x01);
    bench.receive('abc');
    bench.write(FCR, 0x03);
    assert.equal(bench.read(LSR), 0x60);
    bench.room = 0;
    bench.write(DATA, 1);
    bench.write(FCR, 0x05);
    assert.equal(bench.read(LSR), 0x60);
    bench.receive('abc');
    bench.write(FCR, 0x00);
    assert.equal(bench.read(LSR), 0x60);
    assert.equal(bench.read(IIR), 0x01);
  });

  it('shows a break as a null character with BI, at its place in the FIFO', () => {
    const bench = new Bench();
    bench.write(FCR, 0x01);
    bench.write(IER, 5);
    bench.receive('a');
    assert.equal(bench.uart.receiveBreak(), true);
    assert.equal(bench.read(LSR), 0xe1, 'an error somewhere in the FIFO');
    assert.equal(bench.read(DATA), 0x61);
    assert.equal(bench.read(IIR), 0xc6, 'line status comes first');
    assert.equal(bench.read(LSR), 0xf1);
    assert.equal(bench.read(IIR), 0xc4);
    assert.equal(bench.read(DATA), 0);
    assert.equal(bench.read(LSR), 0x60);
  });

  it('orders its interrupts: line status, data, transmitter, modem', () => {
    const bench = new Bench();
    bench.write(MCR, 0x10);
    bench.read(MSR);
    bench.write(MCR, 0x1b);
    bench.write(DATA, 1);
    bench.write(DATA, 2);
    bench.write(IER, 0x0f);
    assert.equal(bench.irq.level, false, 'loopback takes OUT2 away');
    assert.equal(bench.read(IIR), 0x06);
    assert.equal(bench.read(LSR) & 0x02, 0x02, 'overrun');
    assert.equal(bench.read(IIR), 0x04);
    assert.equal(bench.read(DATA), 2);
    assert.equal(bench.read(IIR), 0x02);
    assert.equal(bench.read(IIR), 0x00);
    assert.equal(bench.read(MSR), 0xbb);
    assert.equal(bench.read(IIR), 0x01);
  });

  it('asks for input when the guest begins to want it, by RTS or by the interrupt', () => {
    const bench = new Bench();
    bench.write(MCR, 0);
    assert.equal(bench.uart.wantsInput, false);
    bench.write(IER, 1);
    bench.clock.advance(2e6);
    assert.deepEqual([bench.uart.wantsInput, bench.asked], [true, 1]);
    bench.write(IER, 0);
    assert.equal(bench.uart.wantsInput, false);
    bench.write(MCR, 0x02);
    assert.deepEqual([bench.uart.wantsInput, bench.asked], [true, 2]);
  });

  it('takes an interrupt that is enabled only for a moment for a test of the port', () => {
    const bench = new Bench();
    bench.write(MCR, 0);
    bench.write(IER, 0x0f);
    assert.equal(bench.uart.wantsInput, false);
    bench.write(IER, 0);
    bench.clock.advance(2e6);
    assert.deepEqual([bench.uart.wantsInput, bench.asked], [false, 0]);
  });

  it('goes on wanting input when RTS falls and the interrupt stays enabled', () => {
    const bench = new Bench();
    bench.write(IER, 1);
    bench.write(MCR, 0);
    bench.clock.advance(2e6);
    assert.equal(bench.uart.wantsInput, true);
  });

  it('loops data and modem lines back and keeps the wire out', () => {
    const bench = new Bench();
    bench.write(MCR, 0x1f);
    assert.equal(bench.read(MSR) & 0xf0, 0xf0);
    bench.write(MCR, 0x1a);
    assert.equal(bench.read(MSR), 0x90 | 0x06, 'DSR has changed, ringing has ended');
    bench.write(DATA, 0x5a);
    assert.deepEqual(bench.sent, []);
    assert.equal(bench.receive('x'), 0);
    assert.equal(bench.read(DATA), 0x5a);
    bench.write(LCR, 0x00);
    bench.write(DATA, 0xff);
    assert.equal(bench.read(DATA), 0x1f, 'five bits a character');
    bench.write(MCR, READY);
    assert.equal(bench.asked, 1);
    assert.equal(bench.read(MSR) & 0xf0, 0xb0, 'a terminal is there');
  });

  it('keeps scratch, divisor and mode registers', () => {
    const bench = new Bench();
    bench.write(SCR, 0xa5);
    assert.equal(bench.read(SCR), 0xa5);
    bench.write(LCR, 0x9b);
    assert.equal(bench.read(LCR), 0x9b);
    bench.write(0, 0x34);
    bench.write(1, 0x12);
    assert.equal(bench.read(0), 0x34);
    assert.equal(bench.read(1), 0x12);
    bench.write(LCR, 0x1b);
    bench.write(IER, 0xff);
    assert.equal(bench.read(IER), 0x0f);
    bench.write(MCR, 0xff);
    assert.equal(bench.read(MCR), 0x1f);
    bench.write(LSR, 0x00);
    bench.write(MSR, 0x00);
    assert.equal(bench.read(LSR), 0x60);
    assert.deepEqual(bench.sent, []);
  });
});
