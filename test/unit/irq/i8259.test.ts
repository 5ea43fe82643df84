import assert from 'node:assert/strict';
import { I8259Pair } from '../../../src/irq/i8259.js';
import { IrqLines } from '../../../src/irq/lines.js';
import { record } from '../../../src/irq/record.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { randomNumbers } from '../devices/fixtures.js';

const EOI = 0x20;

class Bench {
  readonly words = new Int32Array(new SharedArrayBuffer(STATE_BYTES));
  nowNs = 1;
  readonly lines = new IrqLines(this.words, () => this.nowNs);
  readonly pic = new I8259Pair(this.words, this.lines);

  /** As a kernel sets the pair up: vectors 0x20 and 0x28, nothing masked. */
  static initialized(icw4 = 1): Bench {
    const bench = new Bench();
    bench.initialize(icw4);
    return bench;
  }

  initialize(icw4 = 1, icw1 = 0x11): void {
    this.master(0, icw1);
    this.master(1, 0x20);
    this.master(1, 0x04);
    this.master(1, icw4);
    this.slave(0, icw1);
    this.slave(1, 0x28);
    this.slave(1, 0x02);
    this.slave(1, icw4);
    this.master(1, 0);
    this.slave(1, 0);
  }

  master(offset: number, value: number): void {
    this.pic.masterPorts.writePort(offset, 1, value);
  }

  slave(offset: number, value: number): void {
    this.pic.slavePorts.writePort(offset, 1, value);
  }

  readMaster(offset: number): number {
    return this.pic.masterPorts.readPort(offset, 1);
  }

  readSlave(offset: number): number {
    return this.pic.slavePorts.readPort(offset, 1);
  }

  raise(...irqs: number[]): void {
    for (const irq of irqs) record(this.words, irq, this.nowNs);
  }

  /** The vector of the next interrupt, or -1. */
  take(): number {
    return this.pic.requested ? this.pic.acknowledge() : -1;
  }

  attention(): boolean {
    return (Atomics.exchange(this.words, Word.Attention, 0) & Attention.Interrupt) !== 0;
  }
}

describe('I8259Pair', () => {
  it('masks everything until the guest speaks', () => {
    const bench = new Bench();
    bench.raise(0, 1, 8);
    assert.equal(bench.pic.requested, false);
    assert.equal(bench.readMaster(1), 0xff);
    assert.equal(bench.readSlave(1), 0xff);
    bench.master(1, 0xfe);
    assert.equal(bench.take(), 0x08);
  });

  it('gives the vector of the highest request and holds lower ones until its EOI', () => {
    const bench = Bench.initialized();
    bench.raise(3, 1);
    assert.equal(bench.take(), 0x21);
    assert.equal(bench.take(), -1);
    assert.equal(bench.pic.isr, 0x02);
    bench.raise(0);
    assert.equal(bench.take(), 0x20);
    bench.master(0, EOI);
    assert.equal(bench.pic.isr, 0x02);
    bench.master(0, EOI);
    assert.equal(bench.take(), 0x23);
    bench.master(0, EOI);
    assert.equal(bench.take(), -1);
  });

  it('keeps a masked event and delivers it when it is unmasked', () => {
    const bench = Bench.initialized();
    bench.master(1, 0x20);
    bench.raise(5);
    assert.equal(bench.pic.requested, false);
    bench.master(1, 0x00);
    assert.equal(bench.take(), 0x25);
  });

  it('asks the run loop to look when a write opens a request while IF is set, and only then', () => {
    const bench = Bench.initialized();
    bench.master(1, 0xff);
    bench.raise(4);
    bench.attention();
    bench.master(1, 0x00);
    assert.equal(bench.attention(), false, 'IF clear: whatever sets it looks itself');
    bench.master(1, 0xff);
    bench.words[Word.InterruptFlag] = 1;
    assert.equal(bench.attention(), false);
    bench.master(1, 0x00);
    assert.equal(bench.attention(), true);
  });

  it('cascades the slave at the master input 2, between irq 1 and irq 3', () => {
    const bench = Bench.initialized();
    bench.raise(3, 15, 8);
    assert.equal(bench.take(), 0x28);
    assert.equal(bench.pic.isr, 0x0104);
    assert.equal(bench.take(), -1);
    bench.raise(1);
    assert.equal(bench.take(), 0x21);
    bench.master(0, EOI);
    bench.slave(0, EOI);
    // The slave is free again, the master still serves its input 2.
    assert.equal(bench.take(), -1);
    bench.master(0, EOI);
    assert.equal(bench.take(), 0x2f);
    bench.slave(0, EOI);
    bench.master(0, EOI);
    assert.equal(bench.take(), 0x23);
  });

  it('masks the whole slave with the master input 2', () => {
    const bench = Bench.initialized();
    bench.master(1, 0x04);
    bench.raise(12);
    assert.equal(bench.pic.requested, false);
    assert.equal(bench.readMaster(0) & 0x04, 0x04, 'the slave requests all the same');
    bench.master(1, 0x00);
    assert.equal(bench.take(), 0x2c);
  });

  it('lets higher slave requests through in special fully nested mode', () => {
    const plain = Bench.initialized();
    const nested = Bench.initialized(0x11);
    for (const bench of [plain, nested]) {
      bench.raise(10);
      assert.equal(bench.take(), 0x2a);
      bench.raise(9, 11, 3);
    }
    assert.equal(plain.take(), -1);
    assert.equal(nested.take(), 0x29);
    assert.equal(nested.take(), -1);
  });

  it('reads IRR and ISR as OCW3 selects', () => {
    const bench = Bench.initialized();
    bench.raise(6, 0);
    assert.equal(bench.take(), 0x20);
    assert.equal(bench.readMaster(0), 0x40);
    bench.master(0, 0x0b);
    assert.equal(bench.readMaster(0), 0x01);
    assert.equal(bench.readMaster(0), 0x01, 'the selection stays');
    bench.master(0, 0x0a);
    assert.equal(bench.readMaster(0), 0x40);
  });

  it('answers a poll once and takes the request as INTA would', () => {
    const bench = Bench.initialized();
    bench.raise(13);
    bench.master(0, 0x0c);
    assert.equal(bench.readMaster(0), 0x82);
    assert.equal(bench.pic.isr, 0x04);
    bench.slave(0, 0x0c);
    assert.equal(bench.readSlave(0), 0x85);
    assert.equal(bench.pic.isr, 0x2004);
    assert.equal(bench.pic.accounts.delivered(13), 1);
    bench.slave(0, 0x0c);
    assert.equal(bench.readSlave(0), 0);
    assert.equal(bench.readMaster(1), 0, 'a later read is no poll');
  });

  it('clears a given line with the specific EOI', () => {
    const bench = Bench.initialized();
    bench.raise(6);
    bench.take();
    bench.raise(1);
    bench.take();
    bench.master(0, 0x60 | 6);
    assert.equal(bench.pic.isr, 0x02);
  });

  it('rotates: the line served gets the lowest priority', () => {
    const bench = Bench.initialized();
    bench.raise(3);
    bench.take();
    bench.master(0, 0xa0);
    bench.raise(3, 7, 4);
    assert.equal(bench.take(), 0x24);
    bench.master(0, 0xa0);
    assert.equal(bench.take(), 0x27);
    bench.master(0, 0xe0 | 7);
    assert.equal(bench.pic.isr, 0);
    assert.equal(bench.take(), 0x23);
  });

  it('sets the priority without an EOI', () => {
    const bench = Bench.initialized();
    bench.master(0, 0xc0 | 4);
    bench.raise(0, 5);
    assert.equal(bench.take(), 0x25);
    assert.equal(bench.take(), -1);
  });

  it('ends interrupts by itself in automatic EOI mode, rotating when told', () => {
    const bench = Bench.initialized(0x03);
    bench.raise(0, 1);
    assert.equal(bench.take(), 0x20);
    assert.equal(bench.pic.isr, 0);
    assert.equal(bench.take(), 0x21);
    bench.master(0, 0x80);
    bench.raise(0);
    assert.equal(bench.take(), 0x20);
    bench.raise(0, 1);
    assert.equal(bench.take(), 0x21);
    bench.master(0, 0x00);
    assert.equal(bench.take(), 0x20);
    bench.raise(0, 2, 3);
    assert.equal(bench.take(), 0x23, 'irq 1 remains the lowest');
  });

  it('opens lower priorities in special mask mode when the line in service is masked', () => {
    const bench = Bench.initialized();
    bench.raise(1);
    bench.take();
    bench.raise(5);
    bench.master(1, 0x02);
    assert.equal(bench.take(), -1);
    bench.master(0, 0x68);
    assert.equal(bench.take(), 0x25);
    bench.master(0, EOI);
    bench.master(0, EOI);
    assert.equal(bench.pic.isr, 0x02, 'a non-specific EOI does not see the masked line');
    bench.master(0, 0x48);
    bench.master(0, EOI);
    assert.equal(bench.pic.isr, 0);
  });

  it('is silent between ICW1 and the last ICW, and ICW1 drops edges and masks', () => {
    const bench = Bench.initialized();
    bench.raise(6);
    bench.master(1, 0x0f);
    bench.master(0, 0x11);
    bench.raise(4);
    assert.equal(bench.take(), -1);
    bench.master(1, 0x40);
    bench.master(1, 0x04);
    assert.equal(bench.take(), -1);
    bench.master(1, 0x01);
    assert.equal(bench.readMaster(1), 0);
    assert.equal(bench.take(), 0x44);
    bench.master(0, EOI);
    assert.equal(bench.take(), -1);
    assert.equal(bench.pic.accounts.discarded(6), 1);
  });

  it('skips ICW3 in single mode and ICW4 when ICW1 says so', () => {
    const bench = new Bench();
    bench.master(0, 0x12);
    bench.master(1, 0x50);
    bench.raise(3);
    assert.equal(bench.take(), 0x53);
    bench.master(1, 0xaa);
    assert.equal(bench.readMaster(1), 0xaa);
  });

  it('takes the cascade input for a plain line when there is no slave', () => {
    const bench = new Bench();
    bench.master(0, 0x13);
    bench.master(1, 0x50);
    bench.master(1, 0x01);
    bench.raise(2);
    assert.equal(bench.take(), 0x52);
    assert.equal(bench.pic.accounts.delivered(2), 1);
  });

  describe('spurious interrupts', () => {
    it('gives irq 7 with no ISR bit when the request is gone at INTA', () => {
      const bench = Bench.initialized();
      bench.raise(5);
      assert.equal(bench.pic.requested, true);
      bench.master(1, 0x20);
      assert.equal(bench.pic.acknowledge(), 0x27);
      assert.equal(bench.pic.isr, 0);
      assert.equal(bench.pic.accounts.delivered(7), 0);
      bench.master(1, 0x00);
      assert.equal(bench.take(), 0x25);
    });

    it('gives irq 15 when the slave asked, with the master serving its input 2', () => {
      const bench = Bench.initialized();
      bench.raise(12);
      assert.equal(bench.pic.requested, true);
      bench.slave(1, 0x10);
      assert.equal(bench.pic.acknowledge(), 0x2f);
      assert.equal(bench.pic.isr, 0x04);
      assert.equal(bench.pic.accounts.delivered(15), 0);
    });

    it('gives irq 7 when a level request fell', () => {
      const bench = Bench.initialized();
      bench.pic.elcrPorts.writePort(0, 1, 0x20);
      const line = bench.lines.trigger(5);
      line.set(true);
      assert.equal(bench.pic.requested, true);
      line.set(false);
      assert.equal(bench.pic.acknowledge(), 0x27);
    });
  });

  describe('level-triggered lines', () => {
    it('request again after the EOI for as long as the line is high', () => {
      const bench = Bench.initialized();
      bench.pic.elcrPorts.writePort(1, 1, 0x08);
      assert.equal(bench.pic.elcrPorts.readPort(1, 1), 0x08);
      const line = bench.lines.trigger(11);
      line.set(true);
      for (let i = 0; i < 3; i++) {
        assert.equal(bench.take(), 0x2b);
        assert.equal(bench.take(), -1);
        bench.slave(0, EOI);
        bench.master(0, EOI);
      }
      line.set(false);
      assert.equal(bench.take(), -1);
      assert.equal(bench.pic.accounts.raised(11), 3);
      assert.equal(bench.pic.accounts.delivered(11), 3);
    });

    it('keep the event of a signal when the device takes its request back', () => {
      const bench = Bench.initialized();
      bench.pic.elcrPorts.writePort(1, 1, 0x08);
      const line = bench.lines.trigger(11);
      line.set(true);
      bench.raise(11);
      line.set(false);
      assert.equal(bench.take(), 0x2b);
      assert.equal(bench.pic.accounts.raised(11), 1);
    });

    it('cannot be the timer, keyboard, cascade, clock or FPU', () => {
      const bench = new Bench();
      bench.pic.elcrPorts.writePort(0, 1, 0xff);
      bench.pic.elcrPorts.writePort(1, 1, 0xff);
      assert.equal(bench.pic.elcrPorts.readPort(0, 1), 0xf8);
      assert.equal(bench.pic.elcrPorts.readPort(1, 1), 0xde);
    });

    it('are all lines of a chip with LTIM', () => {
      const bench = new Bench();
      bench.initialize(1, 0x19);
      bench.lines.trigger(1).set(true);
      assert.equal(bench.take(), 0x21);
      bench.master(0, EOI);
      assert.equal(bench.take(), 0x21);
    });
  });

  it('lets the source of a masked line rest and asks it when the guest looks', () => {
    const bench = Bench.initialized();
    const calls: string[] = [];
    bench.master(1, 0x01);
    bench.pic.attachSource(0, {
      listen: (listening) => calls.push(`listen ${listening}`),
      settle: () => calls.push('settle'),
      forget: () => calls.push('forget'),
    });
    bench.master(1, 0x03);
    bench.readMaster(0);
    bench.master(1, 0x00);
    bench.master(0, 0x11);
    assert.deepEqual(calls, ['listen false', 'settle', 'listen true', 'forget']);
  });

  it('accounts for every event: raised = delivered + merged + discarded + pending', () => {
    const bench = Bench.initialized();
    const random = randomNumbers(8259);
    const { accounts } = bench.pic;
    const level = bench.lines.trigger(10);
    bench.pic.elcrPorts.writePort(1, 1, 0x04);
    let delivered = 0;
    for (let step = 0; step < 50_000; step++) {
      bench.nowNs += random(1000);
      switch (random(8)) {
        case 0:
          bench.master(random(2), random(256));
          break;
        case 1:
          bench.slave(random(2), random(256));
          break;
        case 2:
          bench.initialize(random(32));
          break;
        case 3:
          level.set(random(2) === 1);
          break;
        case 4:
          bench.readMaster(random(2));
          bench.readSlave(random(2));
          break;
        case 5:
          for (let i = 0; i < 4; i++) if (bench.take() >= 0) delivered++;
          break;
        default:
          bench.raise(random(16));
      }
    }
    assert.ok(delivered > 1000, `only ${delivered} interrupts in the whole run`);
    for (let irq = 0; irq < 16; irq++) {
      const sum = accounts.delivered(irq) + accounts.merged(irq) + accounts.discarded(irq) + accounts.pending(irq);
      assert.equal(accounts.raised(irq), sum, `irq ${irq}`);
    }
  });
});
