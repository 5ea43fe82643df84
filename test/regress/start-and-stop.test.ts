/** Starts that fail, cross each other or are stopped half-way: nothing runs on, nothing is left open, `ended` always settles. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { ConfigError, ExitReason, HostError, Machine, type MachineOptions } from '../../src/index.js';
import { VcpuThread } from '../../src/machine/vcpuThread.js';
import { loadNative } from '../../src/native.js';
import { flatKernel } from '../helpers/flatKernel.js';

/** sti; 1: hlt; jmp 1b */
const IDLE = flatKernel([0xfb, 0xf4, 0xeb, 0xfd]);

const machines: Machine[] = [];

const make = (options: Partial<MachineOptions> = {}): Machine => {
  const machine = new Machine({ kernel: { name: 'idle', bytes: IDLE }, memoryBytes: 8 << 20, ...options });
  machines.push(machine);
  return machine;
};

const withCode =
  (code: string) =>
  (error: unknown): boolean =>
    (error as ConfigError | HostError).code === code;

describe('regress: start and stop', () => {
  let unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  const before = process.listeners('unhandledRejection');

  let mappings = 0;

  beforeEach(() => {
    unhandled = [];
    // Other tests of this process may hold some.
    mappings = loadNative()?.liveMappings() ?? 0;
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', listener);
  });

  afterEach(async () => {
    await Promise.all(machines.splice(0).map((machine) => machine.stop()));
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', listener);
    for (const earlier of before) process.on('unhandledRejection', earlier);
    assert.deepEqual(unhandled, []);
    assert.equal(loadNative()?.liveMappings() ?? 0, mappings);
    assert.equal(loadNative()?.liveVcpus() ?? 0, 0);
  });

  it('a second start while the first reads its files is refused', async () => {
    const machine = make();
    const [first, second] = await Promise.allSettled([machine.start(), machine.start()]);
    assert.equal(first.status, 'fulfilled');
    assert.ok(second.status === 'rejected' && withCode('ALREADY_STARTED')(second.reason));
    await machine.stop();
  });

  it('a machine stopped while it starts does not run later', async () => {
    const machine = make();
    const start = machine.start();
    const ended = machine.stop();
    await assert.rejects(start, withCode('STOPPED'));
    assert.equal((await ended).reason, ExitReason.Stopped);
  });

  it('two stops at once, and one after, give the same end', async () => {
    const machine = make();
    await machine.start();
    const [first, second] = await Promise.all([machine.stop(), machine.stop()]);
    assert.equal(first, second);
    assert.equal(await machine.stop(), first);
  });

  it('an AbortSignal aborted before or during the start rejects it with its reason', async () => {
    const early = make({ signal: AbortSignal.abort(new Error('early')) });
    await assert.rejects(early.start(), /early/);
    assert.match((await early.ended).message, /did not start: early/);
    const abort = new AbortController();
    const late = make({ signal: abort.signal });
    const start = late.start();
    abort.abort(new Error('late'));
    await assert.rejects(start, /late/);
    await late.ended;
  });

  it('a bad kernel and a bad route together are one rejection', async () => {
    const machine = make({
      kernel: { name: 'text', bytes: Buffer.from('text') },
      native: false,
      signals: [{ signal: 'SIGRTMIN+5', irq: 5 }],
    });
    await assert.rejects(machine.start(), withCode('NO_ADDON'));
    const ended = await machine.ended;
    assert.equal(ended.reason, ExitReason.Stopped);
    assert.equal(ended.status, 1);
  });

  it('ended says why a machine did not start', async () => {
    const missing = make({ kernel: '/nowhere/kernel' });
    await assert.rejects(missing.start(), withCode('NO_FILE'));
    assert.match((await missing.ended).message, /did not start: cannot read kernel/);
    const damaged = make({ kernel: { name: 'text', bytes: Buffer.from('text') } });
    await assert.rejects(damaged.start(), withCode('KERNEL_NOT_RECOGNISED'));
    assert.match((await damaged.ended).message, /did not start: kernel 'text'/);
  });

  it('a machine paused before its start comes up paused, and runs after resume', async () => {
    const machine = make();
    machine.pause();
    const paused = once(machine, 'paused');
    await machine.start();
    await paused;
    assert.equal(machine.stats().instructions, 0);
    machine.resume();
    while (machine.stats().instructions === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await machine.stop();
  });

  it('each pause is told, though the resume between two is too short to be seen', async () => {
    const machine = make();
    await machine.start();
    for (let i = 0; i < 20; i++) {
      const paused = once(machine, 'paused');
      machine.resume();
      machine.pause();
      await paused;
    }
    await machine.stop();
  });

  it('a later route of a signal replaces the earlier one, with the addon and without', async () => {
    for (const native of [true, false]) {
      const machine = make({ native });
      await machine.start();
      machine.onSignal('SIGUSR2', { irq: 5 });
      machine.onSignal('SIGUSR2', { irq: 6 });
      process.kill(process.pid, 'SIGUSR2');
      while (!machine.stats().lines.some(({ irq }) => irq === 6))
        await new Promise((resolve) => setTimeout(resolve, 1));
      assert.deepEqual(
        machine
          .stats()
          .lines.filter(({ irq }) => irq === 5 || irq === 6)
          .map(({ irq, raised }) => [irq, raised]),
        [[6, 1]],
      );
      await machine.stop();
      assert.equal(process.listenerCount('SIGUSR2'), 0);
    }
  });

  it('a vCPU thread that is ended from outside is the end of the machine', async () => {
    const thread = new VcpuThread();
    const machine = new Machine({ kernel: { name: 'idle', bytes: IDLE }, memoryBytes: 8 << 20 }, thread);
    machines.push(machine);
    await machine.start();
    await thread.terminate();
    const ended = await machine.ended;
    assert.equal(ended.reason, ExitReason.Killed);
    assert.match(ended.message, /the vCPU thread failed/);
  });

  it('a kernel whose bytes cannot be sent is an error of start, and its thread ends', async () => {
    const bytes = new Uint8Array(IDLE);
    structuredClone(undefined, { transfer: [bytes.buffer] });
    const machine = make({ kernel: { name: 'gone', bytes } });
    await assert.rejects(machine.start(), withCode('VCPU_THREAD'));
    assert.match((await machine.ended).message, /cannot be given its files/);
  });

  it('a thread that was started ahead is used, or ended with a machine that never runs', async () => {
    const used = new Machine({ kernel: { name: 'idle', bytes: IDLE }, memoryBytes: 8 << 20 }, new VcpuThread());
    await used.start();
    assert.equal((await used.stop()).reason, ExitReason.Stopped);
    const program = `
      const { run } = await import(${JSON.stringify(new URL('../../src/cli/run.js', import.meta.url).href)});
      try {
        await run({}, () => { throw new Error('no front end'); });
      } catch (error) {
        console.log(error.message);
      }`;
    // the process ends only if nothing is left of the thread
    const parameters = ['--input-type=module', '--eval', program];
    const { status, stdout } = spawnSync(process.execPath, parameters, { encoding: 'utf8', timeout: 15_000 });
    assert.deepEqual({ status, stdout }, { status: 0, stdout: 'no front end\n' });
  });
});
