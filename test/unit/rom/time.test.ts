import assert from 'node:assert/strict';
import { TestMachine } from './machine.js';

const REAL = 0;
const AVAILABLE = 1;
const PERIODIC = 0x100;

describe('rom/time', () => {
  it('tells the frequency of the clock', () => {
    const machine = new TestMachine(3_500_000_000);
    machine.call('GetCycleFrequency');
    assert.equal(machine.long, 3_500_000_000n);
  });

  it('counts real and available cycles; stolen and unknown counters read 0', () => {
    const machine = new TestMachine(2e9);
    machine.clock.advance(7_000_000_000);
    for (const [counter, cycles] of [
      [REAL, 14_000_000_000n],
      [AVAILABLE, 14_000_000_000n],
      [2, 0n],
      [3, 0n],
      [-1, 0n],
    ] as const) {
      machine.call('GetCycleCounter', { eax: counter, edx: 9 });
      assert.equal(machine.long, cycles, `counter ${counter}`);
    }
  });

  it('fires a one-shot alarm once, at its expiry', () => {
    const machine = new TestMachine(2e9);
    machine.call('SetAlarm', { eax: REAL, edx: 2_000_000, ecx: 0 }, [5, 0]);
    machine.clock.advance(999_999);
    assert.deepEqual(machine.raised, []);
    machine.clock.advance(1);
    assert.deepEqual(machine.raised, [0]);
    machine.clock.advance(1e9);
    assert.deepEqual(machine.raised, [0]);
  });

  it('takes 64-bit expiries and periods', () => {
    const machine = new TestMachine();
    machine.call('SetAlarm', { eax: REAL | PERIODIC, edx: 1, ecx: 1 }, [0, 1]);
    machine.clock.advance(2 ** 32);
    assert.equal(machine.raised.length, 0);
    machine.clock.advance(1);
    assert.equal(machine.raised.length, 1);
    machine.clock.advance(2 ** 32 - 1);
    assert.equal(machine.raised.length, 1);
    machine.clock.advance(1);
    assert.equal(machine.raised.length, 2);
  });

  it('fires an alarm of the past at once; passed periods merge into that, later ones go on from the expiry', () => {
    const machine = new TestMachine();
    machine.clock.advance(1_500_000);
    machine.call('SetAlarm', { eax: REAL | PERIODIC, edx: 0, ecx: 0 }, [1_000_000, 0]);
    assert.equal(machine.raised.length, 1);
    machine.clock.advance(499_999);
    assert.equal(machine.raised.length, 1);
    machine.clock.advance(1);
    assert.equal(machine.raised.length, 2);
    machine.clock.advance(10_000_000);
    assert.equal(machine.raised.length, 12);
  });

  it('keeps periods that are too short from taking the vCPU over', () => {
    const machine = new TestMachine();
    machine.call('SetAlarm', { eax: REAL | PERIODIC, edx: 0, ecx: 0 }, [1, 0]);
    machine.clock.advance(1_000_000);
    assert.equal(machine.raised.length, 1 + 1_000_000 / 20_000);
  });

  it('keeps the alarms of the two counters apart', () => {
    const machine = new TestMachine();
    machine.call('SetAlarm', { eax: REAL, edx: 1000, ecx: 0 }, [0, 0]);
    machine.call('SetAlarm', { eax: AVAILABLE, edx: 2000, ecx: 0 }, [0, 0]);
    machine.call('CancelAlarm', { eax: REAL });
    assert.equal(machine.eax, 1);
    machine.clock.advance(1500);
    assert.equal(machine.raised.length, 0);
    machine.clock.advance(500);
    assert.equal(machine.raised.length, 1);
  });

  it('replaces an armed alarm, with one setting of the host timer each', () => {
    const machine = new TestMachine();
    for (const expiry of [5000, 9000, 1000, 1000, 7000]) {
      const before = machine.deadlines.arms;
      machine.call('SetAlarm', { eax: REAL, edx: expiry, ecx: 0 }, [0, 0]);
      assert.ok(machine.deadlines.arms - before <= 1, `expiry ${expiry}`);
    }
    assert.equal(machine.exits('SetAlarm'), machine.deadlines.arms);
    machine.clock.advance(6999);
    assert.equal(machine.raised.length, 0);
    machine.clock.advance(1);
    assert.equal(machine.raised.length, 1);
  });

  it('an alarm of the past replaces one of the future', () => {
    const machine = new TestMachine();
    machine.call('SetAlarm', { eax: REAL, edx: 1000, ecx: 0 }, [0, 0]);
    machine.call('SetAlarm', { eax: REAL, edx: 0, ecx: 0 }, [0, 0]);
    machine.clock.advance(5000);
    assert.equal(machine.raised.length, 1);
  });

  it('CancelAlarm tells whether the alarm was armed', () => {
    const machine = new TestMachine();
    machine.call('CancelAlarm', { eax: REAL });
    assert.equal(machine.eax, 0);
    machine.call('SetAlarm', { eax: REAL, edx: -1, ecx: -1 }, [0, 0]);
    machine.call('CancelAlarm', { eax: REAL | PERIODIC });
    assert.equal(machine.eax, 1);
    machine.clock.advance(1e12);
    assert.equal(machine.raised.length, 0);
  });

  it('kills a guest that asks for alarms the machine has not', () => {
    const machine = new TestMachine();
    for (const [flags, message] of [
      [0x1_0000, /local APIC/],
      [2, /counter 2/],
      [0x200, /undefined bits/],
    ] as const) {
      const killed = { name: 'GuestKilled', message };
      assert.throws(() => machine.call('SetAlarm', { eax: flags, edx: 0, ecx: 0 }, [0, 0]), killed);
      assert.throws(() => machine.call('CancelAlarm', { eax: flags }), killed);
    }
  });

  it('tells the wall clock in nanoseconds since 1970', () => {
    const machine = new TestMachine();
    machine.clock.advance(1_000_000_000);
    machine.call('GetWallclockTime');
    assert.equal(machine.long, BigInt(Date.UTC(2000, 0, 1, 0, 0, 1)) * 1_000_000n);
  });

  it('tells once that the wall clock was set', () => {
    const machine = new TestMachine();
    let step = 0;
    const real = machine.clock.wallclock.bind(machine.clock);
    machine.clock.wallclock = () => real() + step;
    const updated = (): number => {
      machine.call('WallclockUpdated', { eax: 7 });
      return machine.eax;
    };
    machine.clock.advance(1e10);
    assert.equal(updated(), 0);
    step = 3600e9;
    assert.equal(updated(), 1);
    assert.equal(updated(), 0);
    step += 1e6;
    assert.equal(updated(), 0);
  });
});
