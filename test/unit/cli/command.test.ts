/** A command's streams and status as the command line hands them on; the command runs through an agent on the host. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { RomulusError } from '../../../src/errors.js';
import { CommandSession, type CommandStreams } from '../../../src/cli/command.js';
import { Agent } from '../../../src/machine/exec/agent.js';
import type { GuestProcess } from '../../../src/machine/exec/guestProcess.js';
import type { Ended } from '../../../src/machine/messages.js';
import { ExitReason } from '../../../src/vcpu/layout.js';
import { AgentChannel, needsAgents, TestChannel } from '../../helpers/agentChannel.js';

const ended = (status: number): Ended => ({ reason: ExitReason.Shutdown, status, message: 'over', report: undefined });

class Sink extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly rows = 12;
  readonly columns = 34;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

describe('cli/command', () => {
  const channels: AgentChannel[] = [];
  before(needsAgents);
  afterEach(async () => {
    await Promise.all(channels.splice(0).map((channel) => channel.hangUp()));
  });

  /** A session, and promises of what it asks the machine to do. */
  function start(words: readonly string[], isTTY = false, channel: TestChannel = new AgentChannel()) {
    if (channel instanceof AgentChannel) channels.push(channel);
    const agent = new Agent(channel, () => new RomulusError('MACHINE_ENDED', 'the machine has ended'));
    const stdin = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
    const streams = { stdin, stdout: new Sink(isTTY), stderr: new Sink(isTTY) } satisfies CommandStreams;
    const console = new PassThrough();
    const processes: GuestProcess[] = [];
    let powerOff!: () => void;
    let stop!: () => void;
    const poweredOff = new Promise<void>((resolve) => (powerOff = resolve));
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const machine = {
      console,
      exec: (...parameters: Parameters<Agent['exec']>) => {
        const process = agent.exec(...parameters);
        processes.push(process);
        return process;
      },
      powerOff,
      stop: () => {
        stop();
        return Promise.resolve(ended(0));
      },
    };
    const owner = { command: () => undefined, lost: () => undefined, resized: () => undefined };
    const session = new CommandSession(machine, words, streams, owner, false);
    session.open();
    const [process] = processes;
    /** As the machine does when it has ended. */
    const end = (status: number): Promise<number | undefined> => {
      agent.close();
      session.close();
      return session.conclude(ended(status), false);
    };
    return { session, streams, console, process, poweredOff, stopped, end };
  }

  it('keeps output and errors apart, takes the status and powers the guest off', async () => {
    const { streams, poweredOff, end } = start(['sh', '-c', 'cat; echo bad >&2; exit 7']);
    streams.stdin.end('good');
    await poweredOff;
    assert.equal(await end(0), 7);
    assert.equal(streams.stdout.text, 'good');
    assert.equal(streams.stderr.text, 'bad\n');
  });

  it('tells a signal as shells do', async () => {
    const { poweredOff, end } = start(['sh', '-c', 'kill -KILL $$']);
    await poweredOff;
    assert.equal(await end(0), 128 + 9);
  });

  it('says that there is no such command, with the status of shells', async () => {
    const { streams, stopped, end } = start(['no-such-command']);
    await stopped;
    assert.equal(await end(0), 127);
    assert.equal(streams.stderr.text, 'romulus: there is no such command in the guest\n');
  });

  it('hands a signal to the command once it runs', async () => {
    const { session, streams, process, poweredOff, end } = start(['sh', '-c', 'trap "exit 3" INT; echo up; read x']);
    assert.equal(session.signalled('SIGINT'), false);
    await once(process, 'spawn');
    while (streams.stdout.text === '') await once(process.stdout, 'data');
    assert.equal(session.signalled('SIGINT'), true);
    await poweredOff;
    assert.equal(await end(0), 3);
  });

  it('gives it a terminal where all three streams are one', async () => {
    const { streams, poweredOff, end } = start(['sh', '-c', 'stty size; tty >&2'], true);
    await poweredOff;
    assert.equal(await end(0), 0);
    assert.match(streams.stdout.text, /^12 34\r\n\/dev\/pts\/\d+\r\n/);
    assert.equal(streams.stderr.text, '');
  });

  it('shows the console, else kept back, when the machine ends before the command', async () => {
    const { streams, console, end } = start(['true'], false, new TestChannel());
    console.write('Kernel panic');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await end(70), undefined);
    assert.equal(streams.stderr.text, 'Kernel panic');
  });

  it('takes a guest that powers itself off for the end of the command', async () => {
    const { streams, process, end } = start(['sleep', '60']);
    await once(process, 'spawn');
    assert.equal(await end(0), 0);
    assert.equal(streams.stderr.text, '');
  });

  it('takes a guest that powers off before it runs the command for a failure, and shows why', async () => {
    const { streams, console, end } = start(['true'], false, new TestChannel());
    console.write('no file system');
    await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(end(0), { code: 'COMMAND_NOT_RUN' });
    assert.equal(streams.stderr.text, 'no file system');
  });
});
