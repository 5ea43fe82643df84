import assert from 'node:assert/strict';
import { I8254, PIT_HZ } from '../../../src/devices/i8254.js';
import type { Deadlines } from '../../../src/time/deadlines.js';
import type { VirtualClock } from '../../../src/time/virtualClock.js';
import { CountingTrigger, machineTime, randomNumbers } from './fixtures.js';

class Bench {
  readonly irq0 = new CountingTrigger();
  readonly clock: VirtualClock;
  readonly deadlines: Deadlines;
  readonly pit: I8254;
  private _tick = 0;

  constructor() {
    const { clock, deadlines } = machineTime();
    this.clock = clock;
    this.deadlines = deadlines;
    this.pit = new I8254(this.irq0, deadlines);
    this.ticks(0);
  }

  /** Moves on by `count` clock ticks, to the middle of a tick. */
  ticks(count: number): void {
    this._tick += count;
    this.clock.advance(((this._tick + 0.5) * 1e9) / PIT_HZ - this.clock.now());
  }

  control(word: number): void {
    this.pit.writePort(3, 1, word);
  }

  /** Writes a count, low byte then high byte. */
  count(counter: number, count: number): void {
    this.pit.writePort(counter, 1, count & 0xff);
    this.pit.writePort(counter, 1, (count >> 8) & 0xff);
  }

  /** Control word with low-then-high access, then the count; the count is loaded when this returns. */
  program(counter: number, mode: number, count: number, bcd = 0): void {
    this.control((counter << 6) | 0x30 | (mode << 1) | bcd);
    this.count(counter, count);
    this.ticks(1);
    this.irq0.rises = 0;
  }

  read(counter: number): number {
    const low = this.pit.readPort(counter);
    return low | (this.pit.readPort(counter) << 8);
  }

  status(counter: number): number {
    this.control(0xe0 | (2 << counter));
    return this.pit.readPort(counter);
  }

  out(counter: number): boolean {
    return (this.status(counter) & 0x80) !== 0;
  }

  /** OUT for each of the next `count` ticks, as 1 and 0. */
  wave(counter: number, count: number): string {
    let wave = '';
    for (let i = 0; i < count; i++) {
      wave += this.out(counter) ? '1' : '0';
      this.ticks(1);
    }
    return wave;
  }

  gate2(open: boolean): void {
    this.pit.speakerPort.writePort(0, 1, open ? 1 : 0);
  }

  speaker(): number {
    return this.pit.speakerPort.readPort(0, 1);
  }
}

describe('I8254', () => {
  it('mode 0 counts down once and OUT rises at the terminal count', () => {
    const bench = new Bench();
    bench.program(0, 0, 100);
    assert.equal(bench.out(0), false);
    assert.equal(bench.read(0), 100);
    bench.ticks(99);
    assert.equal(bench.read(0), 1);
    assert.equal(bench.irq0.rises, 0);
    bench.ticks(1);
    assert.equal(bench.read(0), 0);
    assert.equal(bench.irq0.rises, 1);
    assert.equal(bench.irq0.level, true);
    bench.ticks(70_000);
    assert.equal(bench.irq0.rises, 1, 'one shot');
    assert.equal(bench.read(0), (0x10000 - 70_000 + 0x10000) & 0xffff, 'the counter goes on around');
  });

  it('mode 0 stops at the first byte of a new count and starts with the second', () => {
    const bench = new Bench();
    bench.program(0, 0, 100);
    bench.ticks(90);
    bench.pit.writePort(0, 1, 50);
    bench.ticks(100);
    assert.equal(bench.irq0.rises, 0);
    bench.pit.writePort(0, 1, 0);
    bench.ticks(50);
    assert.equal(bench.irq0.rises, 0);
    bench.ticks(1);
    assert.equal(bench.irq0.rises, 1);
  });

  it('mode 0 waits while its gate is low', () => {
    const bench = new Bench();
    bench.gate2(true);
    bench.program(2, 0, 100);
    bench.ticks(40);
    bench.gate2(false);
    bench.ticks(500);
    assert.equal(bench.read(2), 60);
    bench.gate2(true);
    bench.ticks(60);
    assert.equal(bench.out(2), true);
  });

  it('mode 1 is a one-shot that the gate triggers and retriggers', () => {
    const bench = new Bench();
    bench.program(2, 1, 5);
    assert.equal(bench.wave(2, 3), '111');
    bench.gate2(true);
    assert.equal(bench.wave(2, 8), '10000011');
    bench.gate2(false);
    bench.gate2(true);
    bench.ticks(3);
    bench.gate2(false);
    bench.gate2(true);
    assert.equal(bench.wave(2, 7), '0000001');
  });

  it('mode 2 is low for the last tick of each period', () => {
    const bench = new Bench();
    bench.program(0, 2, 4);
    assert.equal(bench.wave(0, 9), '111011101');
  });

  it('mode 2 counts from N to 1 and interrupts every N ticks', () => {
    const bench = new Bench();
    bench.program(0, 2, 1000);
    assert.equal(bench.read(0), 1000);
    bench.ticks(999);
    assert.equal(bench.read(0), 1);
    assert.equal(bench.irq0.rises, 0);
    bench.ticks(1);
    assert.equal(bench.read(0), 1000);
    assert.equal(bench.irq0.rises, 1);
    bench.ticks(10_000);
    assert.equal(bench.irq0.rises, 11);
  });

  it('mode 2 takes a new count after the current period', () => {
    const bench = new Bench();
    bench.program(0, 2, 1000);
    bench.ticks(400);
    bench.count(0, 100);
    assert.equal(bench.status(0) & 0x40, 0x40, 'null count');
    assert.equal(bench.read(0), 600);
    bench.ticks(600);
    assert.equal(bench.irq0.rises, 1);
    assert.equal(bench.status(0) & 0x40, 0);
    assert.equal(bench.read(0), 100);
    bench.ticks(100);
    assert.equal(bench.irq0.rises, 2);
  });

  it('mode 3 is a square wave, the high half longer when the count is odd', () => {
    const even = new Bench();
    even.program(0, 3, 6);
    assert.equal(even.wave(0, 12), '111000111000');
    const odd = new Bench();
    odd.program(0, 3, 5);
    assert.equal(odd.wave(0, 10), '1110011100');
  });

  it('mode 3 counts by two', () => {
    const bench = new Bench();
    bench.program(0, 3, 6);
    const seen: number[] = [];
    for (let i = 0; i < 6; i++) {
      seen.push(bench.read(0));
      bench.ticks(1);
    }
    assert.deepEqual(seen, [6, 4, 2, 6, 4, 2]);
  });

  it('mode 3 takes a new count after the current half', () => {
    const high = new Bench();
    high.program(0, 3, 8);
    high.ticks(1);
    high.count(0, 4);
    assert.equal(high.wave(0, 9), '111001100');
    const low = new Bench();
    low.program(0, 3, 8);
    low.ticks(5);
    low.count(0, 4);
    assert.equal(low.wave(0, 7), '0001100');
  });

  it('mode 3 interrupts once a period, from a new count on at its rate', () => {
    const bench = new Bench();
    bench.program(0, 3, 1000);
    bench.ticks(3000);
    assert.equal(bench.irq0.rises, 3);
    bench.ticks(100);
    bench.count(0, 200);
    bench.ticks(399);
    assert.equal(bench.irq0.rises, 3);
    bench.ticks(1 + 100);
    assert.equal(bench.irq0.rises, 4);
    bench.ticks(1000);
    assert.equal(bench.irq0.rises, 9);
  });

  it('modes 2 and 3 stop with OUT high while the gate is low and start anew at its rise', () => {
    for (const mode of [2, 3]) {
      const bench = new Bench();
      bench.gate2(true);
      bench.program(2, mode, 10);
      bench.ticks(9);
      assert.equal(bench.out(2), false);
      bench.gate2(false);
      assert.equal(bench.out(2), true);
      bench.ticks(50);
      bench.gate2(true);
      bench.ticks(1);
      assert.equal(bench.read(2), 10);
    }
  });

  it('mode 4 strobes for one tick after the terminal count', () => {
    const bench = new Bench();
    bench.program(0, 4, 3);
    assert.equal(bench.wave(0, 6), '111011');
    assert.equal(bench.irq0.rises, 1);
    bench.ticks(100);
    assert.equal(bench.irq0.rises, 1);
  });

  it('mode 5 strobes after a rise of the gate', () => {
    const bench = new Bench();
    bench.program(2, 5, 3);
    assert.equal(bench.wave(2, 6), '111111');
    bench.gate2(true);
    bench.ticks(1);
    assert.equal(bench.wave(2, 6), '111011');
  });

  it('modes 6 and 7 are 2 and 3', () => {
    const bench = new Bench();
    bench.program(0, 6, 4);
    assert.equal(bench.status(0) & 0x0e, 2 << 1);
    assert.equal(bench.wave(0, 4), '1110');
  });

  it('counts in BCD', () => {
    const bench = new Bench();
    bench.program(0, 0, 0x1000, 1);
    bench.ticks(1);
    assert.equal(bench.read(0), 0x0999);
    bench.ticks(999);
    assert.equal(bench.irq0.rises, 1);
    bench.ticks(1);
    assert.equal(bench.read(0), 0x9999);
    bench.program(0, 2, 0, 1);
    bench.ticks(10_000);
    assert.equal(bench.irq0.rises, 1, '0 is 10,000');
  });

  it('takes a count of 0 for 65,536', () => {
    const bench = new Bench();
    bench.program(0, 2, 0);
    bench.ticks(65_535);
    assert.equal(bench.irq0.rises, 0);
    bench.ticks(1);
    assert.equal(bench.irq0.rises, 1);
  });

  it('latches a count until it is read whole', () => {
    const bench = new Bench();
    bench.program(0, 2, 0x1234);
    bench.ticks(0x34);
    bench.control(0x00);
    bench.ticks(10);
    bench.control(0x00);
    assert.equal(bench.pit.readPort(0), 0x00);
    assert.equal(bench.pit.readPort(0), 0x12);
    assert.equal(bench.read(0), 0x1234 - 0x3e);
  });

  it('moves only the byte that the access bits name', () => {
    const bench = new Bench();
    bench.control(0x14);
    bench.pit.writePort(0, 1, 0x40);
    bench.ticks(1);
    assert.equal(bench.pit.readPort(0), 0x40);
    bench.ticks(1);
    assert.equal(bench.pit.readPort(0), 0x3f);
    bench.control(0x24);
    bench.pit.writePort(0, 1, 0x02);
    bench.ticks(1);
    assert.equal(bench.pit.readPort(0), 0x02);
    bench.ticks(1);
    assert.equal(bench.pit.readPort(0), 0x01);
  });

  it('latches several counts and states with one read-back, the state read first', () => {
    const bench = new Bench();
    bench.program(0, 2, 1000);
    bench.program(1, 3, 500);
    bench.control(0xc0 | 2 | 4);
    bench.ticks(5);
    assert.equal(bench.pit.readPort(0), 0x80 | 0x34);
    assert.equal(bench.read(0), 999);
    assert.equal(bench.pit.readPort(1), 0x80 | 0x36);
    assert.equal(bench.read(1), 500);
    assert.equal(bench.read(0), 994, 'live again');
  });

  it('reports a count that is not loaded yet', () => {
    const bench = new Bench();
    bench.control(0x30);
    assert.equal(bench.status(0), 0x40 | 0x30);
    bench.count(0, 10);
    assert.equal(bench.status(0) & 0x40, 0x40);
    bench.ticks(1);
    assert.equal(bench.status(0) & 0x40, 0);
  });

  it('falls silent when a kernel writes 0x3A to port 0x43', () => {
    const bench = new Bench();
    bench.program(0, 2, 11_932);
    assert.notEqual(bench.deadlines.nextNs, Infinity);
    bench.control(0x3a);
    assert.equal(bench.deadlines.nextNs, Infinity);
    bench.count(0, 100);
    bench.ticks(100_000);
    assert.equal(bench.irq0.rises, 0);
  });

  it('gives a control word that takes OUT high an edge, as the pin does', () => {
    const bench = new Bench();
    bench.program(0, 0, 1000);
    assert.equal(bench.irq0.level, false);
    bench.control(0x34);
    assert.equal(bench.irq0.rises, 1);
  });

  it('needs no deadline while nobody listens, and owes one edge afterwards', () => {
    const bench = new Bench();
    bench.program(0, 2, 1000);
    bench.pit.listen(false);
    assert.equal(bench.deadlines.nextNs, Infinity);
    bench.ticks(2500);
    assert.equal(bench.irq0.rises, 0);
    bench.pit.listen(true);
    assert.equal(bench.irq0.rises, 1);
    assert.equal(bench.pit.coalesced, 1);
    bench.ticks(500);
    assert.equal(bench.irq0.rises, 2);
  });

  it('records a passed edge when the guest looks at the request register, and none after ICW1', () => {
    const bench = new Bench();
    bench.program(0, 2, 1000);
    bench.pit.listen(false);
    bench.ticks(1000);
    bench.pit.settle();
    assert.equal(bench.irq0.rises, 1);
    bench.ticks(1000);
    bench.pit.forget();
    bench.pit.listen(true);
    assert.equal(bench.irq0.rises, 1);
  });

  it('merges edges that come too fast for any host', () => {
    const bench = new Bench();
    bench.program(0, 2, 2);
    const armsBefore = bench.deadlines.arms;
    bench.ticks(1200);
    assert.ok(bench.irq0.rises >= 80 && bench.irq0.rises <= 100, `${bench.irq0.rises} interrupts`);
    assert.ok(bench.deadlines.arms - armsBefore <= 101);
    assert.ok(Math.abs(bench.irq0.rises + bench.pit.coalesced - 600) <= 6);
  });

  it('does not drift: a hundred hertz for an hour', () => {
    const bench = new Bench();
    bench.program(0, 2, 11_932);
    bench.clock.advance(3600e9);
    assert.equal(bench.irq0.rises, Math.floor((3600 * PIT_HZ) / 11_932));
    assert.equal(bench.pit.coalesced, 0);
  });

  it('costs one host interaction a tick', () => {
    const bench = new Bench();
    bench.program(0, 2, 11_932);
    const armsBefore = bench.deadlines.arms;
    bench.ticks(11_932 * 10);
    assert.equal(bench.deadlines.arms - armsBefore, 10);
  });

  it('shows gate, output and refresh in port 0x61', () => {
    const bench = new Bench();
    bench.gate2(true);
    bench.program(2, 0, 1000);
    assert.equal(bench.speaker() & 0x2f, 0x01);
    bench.ticks(1000);
    assert.equal(bench.speaker() & 0x2f, 0x21);
    let toggles = 0;
    let before = bench.speaker() & 0x10;
    for (let i = 0; i < 180; i++) {
      bench.ticks(1);
      const now = bench.speaker() & 0x10;
      if (now !== before) toggles++;
      before = now;
    }
    assert.equal(toggles, 10);
  });

  it('predicts every rise of OUT exactly (against the wave, tick by tick)', () => {
    const random = randomNumbers(8254);
    for (let round = 0; round < 60; round++) {
      const bench = new Bench();
      const mode = [0, 2, 3, 4][random(4)];
      // Longer than the shortest gap, so that no edges merge.
      bench.program(0, mode, 13 + random(40));
      let level = bench.out(0);
      let rises = 0;
      for (let tick = 0; tick < 300; tick++) {
        bench.ticks(1);
        const now = bench.out(0);
        if (now && !level) rises++;
        level = now;
        if (random(80) === 0 && (mode === 2 || mode === 3)) bench.count(0, 13 + random(40));
      }
      assert.equal(bench.irq0.rises, rises, `round ${round}, mode ${mode}`);
    }
  });
});
