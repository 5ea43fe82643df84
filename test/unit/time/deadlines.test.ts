import assert from 'node:assert/strict';
import { Deadline, Deadlines } from '../../../src/time/deadlines.js';
import { VirtualClock } from '../../../src/time/virtualClock.js';

/** Deadlines over a timer that only remembers what it was armed for. */
function setUp(): { clock: VirtualClock; deadlines: Deadlines; armed: (number | undefined)[] } {
  const clock = new VirtualClock();
  const armed: (number | undefined)[] = [];
  return { clock, deadlines: new Deadlines(clock, { arm: (deadlineNs) => armed.push(deadlineNs) }), armed };
}

describe('Deadlines', () => {
  it('arms the host timer only when the earliest deadline changes', () => {
    const { deadlines, armed } = setUp();
    const first = deadlines.schedule(100, () => undefined);
    const second = deadlines.schedule(200, () => undefined);
    deadlines.schedule(300, () => undefined);
    deadlines.cancel(second);
    assert.deepEqual(armed, [100]);
    deadlines.cancel(first);
    assert.deepEqual(armed, [100, 300]);
    deadlines.schedule(50, () => undefined);
    assert.deepEqual(armed, [100, 300, 50]);
    assert.equal(deadlines.arms, 3);
    assert.equal(deadlines.nextNs, 50);
  });

  it('disarms when nothing is left', () => {
    const { deadlines, armed } = setUp();
    const deadline = deadlines.schedule(100, () => undefined);
    deadlines.cancel(deadline);
    deadlines.cancel(deadline);
    assert.deepEqual(armed, [100, undefined]);
    assert.equal(deadlines.nextNs, Infinity);
  });

  it('runs what is due in order of time and arms once for the rest', () => {
    const { clock, deadlines, armed } = setUp();
    const ran: string[] = [];
    deadlines.schedule(30, () => ran.push('c'));
    deadlines.schedule(10, () => ran.push('a'));
    deadlines.schedule(10, () => ran.push('b'));
    deadlines.schedule(99, () => ran.push('never'));
    clock.advance(50);
    armed.length = 0;
    deadlines.runDue();
    assert.deepEqual(ran, ['a', 'b', 'c']);
    assert.deepEqual(armed, [99]);
  });

  it('costs one host interaction for a deadline that renews itself', () => {
    const { clock, deadlines, armed } = setUp();
    const tick = new Deadline(() => deadlines.move(tick, clock.now() + 10));
    deadlines.move(tick, 10);
    for (let i = 0; i < 5; i++) {
      clock.advance(10);
      deadlines.runDue();
    }
    assert.deepEqual(armed, [10, 20, 30, 40, 50, 60]);
  });

  it('arms again when the timer came before the clock reached the deadline', () => {
    const { clock, deadlines, armed } = setUp();
    let ran = 0;
    deadlines.schedule(100, () => ran++);
    clock.advance(99);
    deadlines.runDue();
    assert.equal(ran, 0);
    assert.deepEqual(armed, [100, 100]);
    clock.advance(1);
    deadlines.runDue();
    assert.equal(ran, 1);
  });

  it('honours a cancel and a move by an earlier callback of the same batch', () => {
    const { clock, deadlines } = setUp();
    const ran: string[] = [];
    deadlines.schedule(1, () => {
      deadlines.cancel(cancelled);
      deadlines.move(moved, 500);
    });
    const cancelled = deadlines.schedule(2, () => ran.push('cancelled'));
    const moved = deadlines.schedule(3, () => ran.push('moved'));
    clock.advance(10);
    deadlines.runDue();
    assert.deepEqual(ran, []);
    assert.equal(moved.atNs, 500);
    assert.equal(cancelled.scheduled, false);
  });

  it('leaves what a callback schedules for the past to the next call', () => {
    const { clock, deadlines } = setUp();
    let ran = 0;
    const again = new Deadline(() => {
      ran++;
      deadlines.move(again, 0);
    });
    deadlines.move(again, 5);
    clock.advance(10);
    deadlines.runDue();
    assert.equal(ran, 1);
    deadlines.runDue();
    assert.equal(ran, 2);
  });

  it('stays usable after a callback has thrown', () => {
    const { clock, deadlines, armed } = setUp();
    deadlines.schedule(1, () => {
      throw new Error('broken');
    });
    deadlines.schedule(20, () => undefined);
    clock.advance(10);
    assert.throws(() => deadlines.runDue(), /broken/);
    assert.equal(armed.at(-1), 20);
  });

  it('takes whole nanoseconds and rejects what is no time', () => {
    const { deadlines } = setUp();
    assert.equal(deadlines.schedule(10.25, () => undefined).atNs, 11);
    assert.throws(() => deadlines.schedule(NaN, () => undefined), /finite time in ns, not NaN/);
    assert.throws(() => deadlines.schedule(Infinity, () => undefined), RangeError);
  });
});
