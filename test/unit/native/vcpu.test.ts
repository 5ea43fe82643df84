import assert from 'node:assert/strict';
import { read64 } from '../../../src/vcpu/counters.js';
import { loadNative } from '../../../src/native.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { code, run } from './vcpuThread.js';

const native = loadNative()!;
const PING_PONGS = 10_000;

describe('native/vcpu', () => {
  let memory: number;
  let state: ArrayBuffer;
  let words: Int32Array;
  let mappings: number;

  beforeEach(() => {
    mappings = native.liveMappings();
    memory = native.memoryCreate(STATE_BYTES, 'romulus-test');
    state = native.memoryMap(memory);
    words = new Int32Array(state);
  });

  afterEach(() => {
    native.memoryRelease(state);
    native.memoryClose(memory);
    assert.equal(native.liveVcpus(), 0);
    assert.equal(native.liveMappings(), mappings);
  });

  it('ticks by its timer on the bound thread', async () => {
    const ticks = 50;
    const lateNs = (await run(memory, { task: 'tick', ticks, periodNs: 1e6 }).result) as number[];
    assert.equal(lateNs.length, ticks);
    assert.ok(
      lateNs.every((late) => late >= 0),
      'no tick before its time',
    );
    assert.equal(read64(words, Word.TimerSignals), ticks);
    assert.ok(read64(words, Word.Waits) > 0);
    assert.ok(read64(words, Word.WaitNs) > 1e6);
  });

  it('fires at once for a deadline in the past and not after disarming', () => {
    native.vcpuBind(state);
    native.timerArm(-5);
    native.vcpuWait(1e9);
    assert.equal(words[Word.Attention], Attention.Timer);
    Atomics.store(words, Word.Attention, 0);
    native.timerArm(native.monotonicNs() + 20e6);
    native.timerDisarm();
    assert.equal(native.vcpuWait(40e6), 0);
    assert.equal(read64(words, Word.TimerSignals), 1);
    native.vcpuUnbind();
  });

  it('waits as long as it is told and not at all with attention set', () => {
    native.vcpuBind(state);
    const start = native.monotonicNs();
    assert.equal(native.vcpuWait(10e6), 0);
    assert.ok(native.monotonicNs() - start >= 10e6);
    assert.equal(read64(words, Word.Waits), 1);
    words[Word.Attention] = Attention.Pause;
    assert.equal(native.vcpuWait(), Attention.Pause);
    assert.equal(read64(words, Word.Waits), 1);
    assert.equal(words[Word.Waiting], 0);
    native.vcpuUnbind();
  });

  it(`loses no wake-up in ${PING_PONGS} ping-pongs`, async () => {
    const peer = native.memoryCreate(STATE_BYTES);
    const peerState = native.memoryMap(peer);
    const peerWords = new Int32Array(peerState);
    const { result } = run(peer, { task: 'echo', peer: memory });
    native.vcpuBind(state);
    let slowest = 0;
    for (let count = 0; count < PING_PONGS; count++) {
      Atomics.or(peerWords, Word.Attention, Attention.Device);
      native.vcpuWake(peerState);
      const start = native.monotonicNs();
      while (native.vcpuWait() === 0);
      // The first answer waits for the thread to start.
      if (count > 0) slowest = Math.max(slowest, native.monotonicNs() - start);
      Atomics.store(words, Word.Attention, 0);
    }
    Atomics.or(peerWords, Word.Attention, Attention.Stop);
    native.vcpuWake(peerState);
    native.vcpuUnbind();
    assert.equal(await result, PING_PONGS);
    assert.ok(slowest < 240e6, `an answer took ${slowest} ns: a wake-up was lost and the longest sleep ended it`);
    native.memoryRelease(peerState);
    native.memoryClose(peer);
  });

  it('lets a sleeping thread be terminated and gives back what it held', async () => {
    const { worker, bound, result } = run(memory, { task: 'sleep' });
    await bound;
    assert.equal(native.liveVcpus(), 1);
    await worker.terminate();
    await result;
    assert.equal(native.liveVcpus(), 0);
    assert.equal(words[Word.Tid], 0);
  });

  it('binds one state block to one thread, once', async () => {
    assert.deepEqual(await run(memory, { task: 'bindTwice' }).result, ['EBUSY', 'EINVAL']);
    native.vcpuBind(state);
    await assert.rejects(run(memory, { task: 'sleep' }).result, { code: 'EBUSY', message: /bound already/ });
    native.vcpuUnbind();
  });

  it('refuses what needs a bound thread', () => {
    for (const call of [
      () => native.vcpuUnbind(),
      () => native.vcpuWait(0),
      () => native.timerArm(1),
      () => native.timerDisarm(),
    ]) {
      assert.equal(code(call), 'ESRCH');
    }
    assert.equal(
      code(() => native.timerArm(NaN)),
      'BAD_ARGUMENT',
    );
  });
});
