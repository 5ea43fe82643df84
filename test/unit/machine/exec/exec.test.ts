/**
 * Commands run through the agent against the same commands run by Node: the agent is an i386 program, which the host runs as well as a guest.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Agent, type ExecOptions } from '../../../../src/machine/exec/agent.js';
import type { GuestProcess } from '../../../../src/machine/exec/guestProcess.js';
import { RomulusError } from '../../../../src/errors.js';
import { AgentChannel, needsAgents } from '../../../helpers/agentChannel.js';

interface Outcome {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function outcome(process: GuestProcess): Promise<Outcome> {
  const [stdout, stderr, end] = await Promise.all([collect(process.stdout), collect(process.stderr), process.exit]);
  return { ...end, stdout: stdout.toString('latin1'), stderr: stderr.toString('latin1') };
}

async function hostOutcome(command: string, parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const process = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [stdout, stderr, [status, signal]] = await Promise.all([
    collect(process.stdout),
    collect(process.stderr),
    once(process, 'close') as Promise<[number | null, string | null]>,
  ]);
  return { status, signal, stdout: stdout.toString('latin1'), stderr: stderr.toString('latin1') };
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof RomulusError, String(error));
  assert.equal(error.code, expected);
  return true;
};

describe('exec through the agent', () => {
  let channel: AgentChannel;
  let agent: Agent;
  const exec = (command: string, parameters: readonly string[] = [], options: ExecOptions = {}): GuestProcess =>
    agent.exec(command, parameters, { stdin: 'ignore', agentTimeoutMs: 10_000, ...options });
  const shell = (text: string, options: ExecOptions = {}): GuestProcess => exec('sh', ['-c', text], options);

  before(needsAgents);
  beforeEach(() => {
    channel = new AgentChannel();
    agent = new Agent(channel, () => new RomulusError('AGENT_GONE', 'gone'));
  });
  afterEach(async () => {
    await channel.hangUp();
  });

  const same: readonly (readonly [string, readonly string[]])[] = [
    ['true', []],
    ['false', []],
    ['echo', ['two words', '', 'ünïcode', '$HOME']],
    ['sh', ['-c', 'echo out; echo err >&2; exit 7']],
    ['sh', ['-c', 'kill -TERM $$']],
    ['sh', ['-c', 'kill -SEGV $$']],
    ['sh', ['-c', 'printf "no newline"; printf "\\000\\377" >&2']],
    ['sh', ['-c', 'wc -c < /dev/stdin; exit 255']],
    ['sh', ['-c', 'seq 100000']],
    ['env', []],
    ['sh', ['-c', 'grep -E "^Sig(Blk|Ign)" /proc/self/status']],
    ['sh', ['-c', 'ls -l /proc/self/fd | wc -l']],
  ];
  for (const [command, parameters] of same) {
    it(`gives the outcome that the host has for ${[command, ...parameters].join(' ')}`, async () => {
      const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', USER: 'root' };
      assert.deepEqual(await outcome(exec(command, parameters)), await hostOutcome(command, parameters, env));
    });
  }

  it('passes megabytes through standard input and output unchanged', async () => {
    const bytes = randomBytes(3_000_001);
    const process = exec('cat', [], { stdin: 'pipe' });
    process.stdin?.end(bytes);
    const [stdout, end] = await Promise.all([collect(process.stdout), process.exit]);
    assert.ok(stdout.equals(bytes));
    assert.equal(end.status, 0);
  });

  it('lets commands go on beside one whose output nobody reads', async () => {
    const flood = shell('yes');
    const [first] = (await once(flood.stdout, 'readable')) as unknown[];
    assert.equal(first, undefined);
    assert.equal((await outcome(shell('seq 200000 | tail -1'))).stdout, '200000\n');
    for (const bad of ['SIGBOGUS' as NodeJS.Signals, 65, -1, 1.5])
      assert.throws(() => flood.kill(bad), { code: 'BAD_SIGNAL' });
    assert.equal(flood.kill('SIGKILL'), true);
    flood.stdout.resume();
    assert.deepEqual(await flood.exit, { status: null, signal: 'SIGKILL' });
    assert.equal(flood.kill(), false);
  });

  it('drops what a destroyed stream would get, so that the command goes on', async () => {
    const process = shell('seq 200000; exit 3');
    process.stdout.destroy();
    assert.equal((await process.exit).status, 3);
  });

  it('closes standard input when the command does not read it any more', async () => {
    const process = exec('head', ['-c', '1'], { stdin: 'pipe' });
    process.stdin?.write(Buffer.alloc(1_000_000, 'x'), () => undefined);
    assert.equal((await outcome(process)).stdout, 'x');
    assert.equal(process.stdin?.destroyed, true);
  });

  it('closes standard input of a command that goes on without it', async () => {
    const process = shell('exec 0<&-; echo closed; sleep 60', { stdin: 'pipe' });
    const closed = once(process.stdin!, 'close');
    process.stdin?.write('nobody reads this');
    await closed;
    process.kill();
    assert.equal((await process.exit).signal, 'SIGTERM');
  });

  it('runs forty commands at once, each with its own bytes', async () => {
    const processes = Array.from({ length: 40 }, (_, i) => {
      const process = shell(`cat; echo ${i} >&2; exit ${i}`, { stdin: 'pipe' });
      process.stdin?.end(`input ${i}`);
      return outcome(process);
    });
    const outcomes = await Promise.all(processes);
    assert.deepEqual(
      outcomes,
      outcomes.map((_, i) => ({ status: i, signal: null, stdout: `input ${i}`, stderr: `${i}\n` })),
    );
  });

  it('refuses a command beyond the places that the agent has, and has them again afterwards', async () => {
    const processes = Array.from({ length: 64 }, () => exec('sleep', ['60']));
    await Promise.all(processes.map((process) => once(process, 'spawn')));
    await assert.rejects(exec('true').exit, code('COMMAND_FAILED'));
    for (const process of processes) process.kill();
    await Promise.all(processes.map(outcome));
    assert.equal((await exec('true').exit).status, 0);
  });

  it('signals all that a command has started', async () => {
    const process = shell('sleep 60 & echo started; wait');
    await once(process.stdout, 'readable');
    process.kill('SIGINT');
    process.kill('SIGTERM');
    const { stdout } = await outcome(process);
    assert.equal(stdout, 'started\n');
  });

  it('says that a command has ended before its descendants close the output', async () => {
    const process = shell('sleep 60 & echo mine; echo $!');
    const closed = once(process, 'close');
    assert.deepEqual(await process.exit, { status: 0, signal: null });
    const text = String(process.stdout.read());
    const [, first, pid] = /^(mine)\n(\d+)\n$/.exec(text) ?? [];
    assert.equal(first, 'mine');
    assert.equal(process.stdout.readableEnded, false);
    globalThis.process.kill(Number(pid));
    process.stdout.resume();
    process.stderr.resume();
    await closed;
  });

  it('starts in the folder and with the environment that are asked for', async () => {
    const { stdout } = await outcome(
      shell('pwd; echo "$HOME $GREETING ${USER-none}"', {
        cwd: '/usr',
        env: { GREETING: 'a=b c', USER: undefined },
      }),
    );
    assert.equal(stdout, '/usr\n/root a=b c none\n');
  });

  it('ends a command when its AbortSignal is aborted', async () => {
    const controller = new AbortController();
    const process = exec('sleep', ['60'], { signal: controller.signal });
    await once(process, 'spawn');
    controller.abort();
    assert.equal((await process.exit).signal, 'SIGTERM');
  });

  describe('with a terminal', () => {
    const terminal = { rows: 31, columns: 77 };

    it('gives the command a terminal of the size asked for, and both outputs in one', async () => {
      const { status, stdout, stderr } = await outcome(
        shell('test -t 0 && test -t 2 && stty size && echo $TERM >&2', { terminal }),
      );
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '31 77\r\nxterm-256color\r\n', stderr: '' });
    });

    it('turns Ctrl-C into an interrupt and ends input by Ctrl-D', async () => {
      const sleeping = shell('trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.05; done', {
        terminal,
      });
      await once(sleeping.stdout, 'readable');
      sleeping.stdin?.write('\x03');
      const { status, stdout } = await outcome(sleeping);
      assert.equal(status, 5);
      assert.match(stdout, /interrupted/);

      const cat = shell('stty -echo; cat', { terminal });
      cat.stdin?.end('a line\n');
      assert.match((await outcome(cat)).stdout, /^(a line\r\n){1,2}$/);
    });

    it('resizes it', async () => {
      const process = shell('trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done', { terminal });
      await once(process.stdout, 'readable');
      process.resize({ rows: 10, columns: 20 });
      assert.equal((await outcome(process)).stdout, 'ready\r\n10 20\r\n');
    });
  });

  describe('errors', () => {
    let folder: string;
    before(() => (folder = mkdtempSync(join(tmpdir(), 'romulus-exec-'))));
    after(() => rmSync(folder, { recursive: true }));

    it('says that there is no such command', async () => {
      await assert.rejects(exec('no-such-command').exit, code('COMMAND_NOT_FOUND'));
      await assert.rejects(exec('/no/such/command').exit, code('COMMAND_NOT_FOUND'));
    });

    it('says that a file cannot be run', async () => {
      const file = join(folder, 'text');
      writeFileSync(file, 'not a program', { mode: 0o644 });
      await assert.rejects(exec(file).exit, { code: 'COMMAND_FAILED', message: /EACCES/ });
      writeFileSync(join(folder, 'empty'), 'x', { mode: 0o755 });
      await assert.rejects(exec(join(folder, 'empty')).exit, { code: 'COMMAND_FAILED', message: /ENOEXEC/ });
    });

    it('says that there is no such folder', async () => {
      await assert.rejects(exec('true', [], { cwd: '/no/such/folder' }).exit, code('NO_FOLDER'));
    });

    it('emits the error for those who listen to events, and ends the streams', async () => {
      const process = exec('no-such-command');
      const [errors] = await Promise.all([once(process, 'error'), outcome(process).catch(() => undefined)]);
      code('COMMAND_NOT_FOUND')(errors[0]);
      assert.equal((await collect(process.stdout)).length, 0);
    });

    it('refuses what cannot be a command line', () => {
      assert.throws(() => exec(''), code('BAD_COMMAND'));
      assert.throws(() => exec('a\0b'), code('BAD_COMMAND'));
      assert.throws(() => exec('echo', ['x'.repeat(70_000)]), code('BAD_COMMAND'));
    });

    it('ends commands whose agent has gone', async () => {
      const process = exec('sleep', ['60']);
      await once(process, 'spawn');
      channel.process.kill('SIGKILL');
      await assert.rejects(process.exit, code('AGENT_GONE'));
      globalThis.process.kill(process.pid!, 'SIGKILL');
    });
  });

  it('ends the commands when the host hangs up', async () => {
    const process = exec('sleep', ['60']);
    await once(process, 'spawn');
    assert.equal(await channel.hangUp(), 0);
    await assert.rejects(process.exit, code('AGENT_GONE'));
    // Who has inherited it may be slow to collect it.
    const isThere = (): boolean => {
      try {
        return !/\) Z /.test(readFileSync(`/proc/${process.pid}/stat`, 'utf8'));
      } catch {
        return false;
      }
    };
    for (let tries = 0; tries < 100 && isThere(); tries++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(isThere(), false);
  });
});
