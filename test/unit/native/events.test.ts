import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EVENT_SIGNAL, routableSignal, TIMER_SIGNAL } from '../../../src/hostSignals.js';
import { read64 } from '../../../src/vcpu/counters.js';
import { loadNative } from '../../../src/native.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { code, run } from './vcpuThread.js';

const native = loadNative()!;
const IRQ = 5;
const RAISED = Word.Raised + 2 * IRQ;
const MERGED = Word.Merged + 2 * IRQ;
const RECORDED_AT = Word.RecordedAt + 2 * IRQ;
const STORM_SIGNALS = 1_000_000;

/** Whether this process has a handler for a signal, as the kernel sees it. (proc_pid_status(5)) */
function isCaught(signo: number): boolean {
  const mask = /^SigCgt:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1];
  return ((BigInt(`0x${mask}`) >> BigInt(signo - 1)) & 1n) === 1n;
}

describe('native/signal', () => {
  let memory: number;
  let state: ArrayBuffer;
  let words: Int32Array;

  beforeEach(() => {
    memory = native.memoryCreate(STATE_BYTES, 'romulus-test');
    state = native.memoryMap(memory);
    words = new Int32Array(state);
  });

  afterEach(() => {
    native.memoryRelease(state);
    native.memoryClose(memory);
    assert.equal(native.liveVcpus(), 0);
    assert.equal(native.liveRoutes(), 0);
  });

  it('records an event and merges a second one into it', () => {
    const before = native.monotonicNs();
    native.raise(state, IRQ);
    const after = native.monotonicNs();
    assert.equal(words[Word.PicIrr], 1 << IRQ);
    assert.equal(words[Word.Attention], Attention.Interrupt);
    const stamp = read64(words, RECORDED_AT);
    assert.ok(before <= stamp && stamp <= after);
    assert.deepEqual([read64(words, RAISED), read64(words, MERGED)], [1, 0]);

    native.raise(state, IRQ);
    assert.deepEqual([read64(words, RAISED), read64(words, MERGED)], [2, 1]);
    assert.equal(read64(words, RECORDED_AT), stamp, 'the stamp stays that of the pending event');

    Atomics.store(words, Word.PicIrr, 0);
    native.raise(state, IRQ);
    assert.deepEqual([read64(words, RAISED), read64(words, MERGED)], [3, 1]);
    assert.ok(read64(words, RECORDED_AT) > stamp);
    assert.equal(read64(words, Word.Raised + 2 * 4), 0);
  });

  it('takes kill -USR1 as an event, and Node starts no debugger', async () => {
    const route = native.signalRoute(constants.signals.SIGUSR1, state, IRQ);
    process.kill(process.pid, 'SIGUSR1');
    await nextTurn();
    assert.equal(words[Word.PicIrr], 1 << IRQ);
    assert.equal(read64(words, Word.HostSignals), 1);
    const { status } = spawnSync('sh', ['-c', `kill -USR1 ${process.pid}`]);
    assert.equal(status, 0);
    await nextTurn();
    assert.equal(read64(words, Word.HostSignals), 2);
    assert.deepEqual([read64(words, RAISED), read64(words, MERGED)], [2, 1]);
    native.signalUnroute(route);
    assert.equal(inspectorUrl(), undefined);
  });

  it('gives a signal its former action back with its last route', async () => {
    const signo = routableSignal('RTMIN+7');
    assert.equal(isCaught(signo), false);
    const first = native.signalRoute(signo, state, IRQ);
    const second = native.signalRoute(signo, state, 9);
    native.signalStorm(process.pid, signo, 1);
    await nextTurn();
    assert.equal(words[Word.PicIrr], (1 << IRQ) | (1 << 9), 'both routes get the event');
    native.signalUnroute(first);
    assert.equal(isCaught(signo), true);
    native.signalStorm(process.pid, signo, 1);
    await nextTurn();
    assert.equal(read64(words, RAISED), 1);
    native.signalUnroute(second);
    assert.equal(isCaught(signo), false);
    assert.equal(
      code(() => native.signalUnroute(second)),
      'ENOENT',
    );
  });

  it('leaves a listener alone that took the signal over from a route', async () => {
    const signo = constants.signals.SIGUSR2;
    const route = native.signalRoute(signo, state, IRQ);
    let heard = 0;
    const listener = (): void => void heard++;
    process.on('SIGUSR2', listener);
    native.signalUnroute(route);
    try {
      assert.equal(isCaught(signo), true);
      process.kill(process.pid, 'SIGUSR2');
      for (let turn = 0; turn < 100 && heard === 0; turn++) await nextTurn();
      assert.equal(heard, 1);
      assert.equal(words[Word.PicIrr], 0);
    } finally {
      process.off('SIGUSR2', listener);
    }
    assert.equal(isCaught(signo), false);
  });

  it('keeps a routed state block mapped when its views are gone', async () => {
    const before = native.liveMappings();
    const lonely = native.memoryCreate(STATE_BYTES);
    const view = native.memoryMap(lonely);
    const signo = routableSignal('RTMIN+8');
    const route = native.signalRoute(signo, view, IRQ);
    native.memoryRelease(view);
    native.memoryClose(lonely);
    native.signalStorm(process.pid, signo, 100);
    await nextTurn();
    assert.equal(native.liveMappings(), before + 1);
    native.signalUnroute(route);
    assert.equal(native.liveMappings(), before);
  });

  it('sends queued signals to the bound thread', async () => {
    const { bound, result } = run(memory, { task: 'consume' });
    await bound;
    assert.notEqual(words[Word.Tid], 0);
    assert.equal(native.liveVcpus(), 1);
    const count = 1000;
    for (let sent = 0; sent < count;) if (native.raiseBySignal(state, sent % 16)) sent++;
    while (read64(words, Word.HostSignals) < count) await nextTurn();
    Atomics.or(words, Word.Attention, Attention.Stop);
    native.vcpuWake(state);
    const found = (await result) as number[];
    for (let irq = 0; irq < 16; irq++) {
      const raised = read64(words, Word.Raised + 2 * irq);
      assert.equal(raised, irq < count % 16 ? Math.ceil(count / 16) : Math.floor(count / 16));
      assert.equal(found[irq] + read64(words, Word.Merged + 2 * irq), raised);
    }
    assert.equal(words[Word.Tid], 0);
    assert.equal(
      code(() => native.raiseBySignal(state, IRQ)),
      'ESRCH',
    );
  });

  it(`loses none of ${STORM_SIGNALS} real-time signals`, async function () {
    this.timeout(60_000);
    const signo = routableSignal('RTMIN+3');
    const route = native.signalRoute(signo, state, IRQ);
    const vcpu = run(memory, { task: 'consume' });
    await vcpu.bound;
    // Half from another thread, while the thread that takes them all sends the other half.
    const storm = run(memory, { task: 'storm', signo, count: STORM_SIGNALS / 2 });
    native.signalStorm(process.pid, signo, STORM_SIGNALS / 2);
    assert.equal(typeof (await storm.result), 'number');
    while (read64(words, RAISED) < STORM_SIGNALS) await nextTurn();
    Atomics.or(words, Word.Attention, Attention.Stop);
    native.vcpuWake(state);
    const found = (await vcpu.result) as number[];
    const pending = (words[Word.PicIrr] >> IRQ) & 1;
    assert.equal(read64(words, RAISED), STORM_SIGNALS);
    assert.equal(read64(words, MERGED) + found[IRQ] + pending, STORM_SIGNALS);
    assert.ok(found[IRQ] > 1, 'the vCPU has found events while the storm went on');
    native.signalUnroute(route);
  });

  it('drops its own signals when they are forged', async () => {
    const { bound, result } = run(memory, { task: 'consume' });
    await bound;
    native.signalStorm(process.pid, TIMER_SIGNAL, 10);
    native.signalStorm(process.pid, EVENT_SIGNAL, 10);
    await nextTurn();
    Atomics.or(words, Word.Attention, Attention.Stop);
    native.vcpuWake(state);
    assert.deepEqual(await result, new Array(16).fill(0));
    assert.equal(read64(words, Word.HostSignals), 0);
    assert.equal(read64(words, Word.TimerSignals), 0);
  });

  it('refuses what cannot be routed', () => {
    for (const [signo, reason] of [
      [constants.signals.SIGKILL, 'SIGNAL_REFUSED'],
      [constants.signals.SIGSEGV, 'SIGNAL_REFUSED'],
      [TIMER_SIGNAL, 'SIGNAL_REFUSED'],
      [33, 'SIGNAL_REFUSED'],
      [0, 'SIGNAL_REFUSED'],
      [65, 'SIGNAL_REFUSED'],
    ] as const) {
      assert.equal(
        code(() => native.signalRoute(signo, state, IRQ)),
        reason,
        String(signo),
      );
    }
    assert.equal(
      code(() => native.signalRoute(constants.signals.SIGUSR2, state, 16)),
      'BAD_ARGUMENT',
    );
    assert.equal(
      code(() => native.signalRoute(constants.signals.SIGUSR2, new ArrayBuffer(STATE_BYTES), IRQ)),
      'EINVAL',
    );
    assert.equal(
      code(() => native.raise(new SharedArrayBuffer(STATE_BYTES), IRQ)),
      'BAD_ARGUMENT',
    );
    assert.equal(
      code(() => native.raise(state, -1)),
      'BAD_ARGUMENT',
    );
    assert.equal(
      code(() => native.signalStorm(-1, constants.signals.SIGUSR2, 1)),
      'BAD_ARGUMENT',
    );
  });
});
