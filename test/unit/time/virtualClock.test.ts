import assert from 'node:assert/strict';
import { VirtualClock } from '../../../src/time/virtualClock.js';

describe('VirtualClock', () => {
  it('starts at 0 and moves only when told', () => {
    const clock = new VirtualClock({ cyclesHz: 2e9, epochNs: 5e18 });
    assert.equal(clock.now(), 0);
    clock.advance(1500);
    assert.equal(clock.now(), 1500);
    assert.equal(clock.cycles(), 3000);
    assert.equal(clock.wallclock(), 5e18 + 1500);
  });

  it('refuses to go back', () => {
    const clock = new VirtualClock();
    assert.throws(() => clock.advance(-1), /cannot advance by -1 ns/);
    assert.throws(() => clock.advance(NaN), RangeError);
  });

  it('stops at the deadline of each timer on the way, in order', () => {
    const clock = new VirtualClock();
    const seen: [string, number][] = [];
    const late = clock.timer(() => seen.push(['late', clock.now()]));
    const early = clock.timer(() => {
      seen.push(['early', clock.now()]);
      if (clock.now() < 200) early.arm(clock.now() + 100);
    });
    late.arm(150);
    early.arm(100);
    clock.advance(1000);
    assert.deepEqual(seen, [
      ['early', 100],
      ['late', 150],
      ['early', 200],
    ]);
    assert.equal(clock.now(), 1000);
  });

  it('expires a timer that is armed for the past at once, and a disarmed one never', () => {
    const clock = new VirtualClock();
    let expired = 0;
    const timer = clock.timer(() => expired++);
    clock.advance(100);
    timer.arm(50);
    clock.advance(0);
    assert.equal(expired, 1);
    assert.equal(clock.now(), 100);
    timer.arm(200);
    timer.arm(undefined);
    clock.advance(1000);
    assert.equal(expired, 1);
  });
});
