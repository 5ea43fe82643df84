/** The host's side of the agent alone: waiting for it, losing it, and an agent that says anything. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { RomulusError } from '../../../../src/errors.js';
import { Agent } from '../../../../src/machine/exec/agent.js';
import * as protocol from '../../../../src/machine/exec/protocol.js';
import {
  encodeFrame,
  encodeNumbers,
  FrameReader,
  FrameType,
  PROTOCOL_VERSION,
} from '../../../../src/machine/exec/protocol.js';
import { TestChannel } from '../../../helpers/agentChannel.js';

const hello = (pid: number, version = PROTOCOL_VERSION): Buffer =>
  encodeFrame(0, FrameType.Hello, encodeNumbers(version, pid));
const types = (channel: TestChannel): number[] =>
  new FrameReader().push(Buffer.concat(channel.written)).map(({ type }) => type);

describe('protocol', () => {
  const header = readFileSync(new URL('../../../../../guest/agent/protocol.h', import.meta.url), 'utf8');
  const number = (name: string): number => {
    const [, value] = new RegExp(`\\b${name} = (\\d+)`).exec(header) ?? [];
    assert.ok(value, `${name} is not in protocol.h`);
    return Number(value);
  };

  it('has the numbers of guest/agent/protocol.h', () => {
    for (const name of [
      'PROTOCOL_VERSION',
      'HEADER_BYTES',
      'PAYLOAD_BYTES_MAX',
      'INPUT_WINDOW_BYTES',
      'OUTPUT_WINDOW_BYTES',
    ] as const)
      assert.equal(protocol[name], number(name), name);
    assert.match(header, new RegExp(`EXEC_PORT "${protocol.EXEC_PORT}"`));
    const frames: Record<string, number> = {
      HELLO: FrameType.Hello,
      START: FrameType.Start,
      INPUT: FrameType.Input,
      ROOM: FrameType.Room,
      SIGNAL: FrameType.Signal,
      RESIZE: FrameType.Resize,
      POWER: FrameType.Power,
      STARTED: FrameType.Started,
      FAILED: FrameType.Failed,
      OUTPUT: FrameType.Output,
      ERRORS: FrameType.Errors,
      INPUT_CLOSED: FrameType.InputClosed,
      EXITED: FrameType.Exited,
    };
    assert.equal(header.match(/\bFRAME_[A-Z_]+ = /g)?.length, Object.keys(frames).length);
    for (const [name, value] of Object.entries(frames)) assert.equal(value, number(`FRAME_${name}`), name);
  });

  it('finds frames however the bytes are cut', () => {
    const bytes = Buffer.concat([hello(1), encodeFrame(9, FrameType.Output, Buffer.from('text')), hello(2)]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new FrameReader();
      const frames = [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))];
      assert.deepEqual(
        frames.map(({ command, type, payload }) => [command, type, payload.toString('hex')]),
        [
          [0, FrameType.Hello, '0100000001000000'],
          [9, FrameType.Output, '74657874'],
          [0, FrameType.Hello, '0100000002000000'],
        ],
      );
    }
  });
});

describe('Agent', () => {
  const gone = (): RomulusError => new RomulusError('AGENT_GONE', 'gone');

  it('holds commands back until the agent answers', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    const process = agent.exec('cat');
    process.stdin?.write('text');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(types(channel), []);
    channel.open();
    assert.deepEqual(types(channel), [FrameType.Hello]);
    channel.emit('data', hello(5));
    assert.deepEqual(types(channel), [FrameType.Hello, FrameType.Start, FrameType.Input]);
    channel.emit('data', encodeFrame(1, FrameType.Exited, encodeNumbers(4, 0)));
    assert.deepEqual(await process.exit, { status: 4, signal: null });
  });

  it('gives up when no agent answers in time, and sends nothing of the command later', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    await assert.rejects(agent.exec('true', [], { agentTimeoutMs: 1 }).exit, {
      code: 'NO_AGENT',
      message: /romulus linux/,
    });
    channel.emit('data', hello(5));
    assert.deepEqual(types(channel), []);
  });

  it('refuses an agent of another version', async () => {
    const channel = new TestChannel();
    const { exit } = new Agent(channel, gone).exec('true');
    channel.emit('data', hello(5, PROTOCOL_VERSION + 1));
    await assert.rejects(exit, { code: 'NO_AGENT', message: /version 2 .*version 1/ });
  });

  it('ends what ran when the guest closes the port, and serves the next agent', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    channel.open();
    channel.emit('data', hello(5));
    const first = agent.exec('sleep');
    channel.close();
    await assert.rejects(first.exit, { code: 'AGENT_GONE' });
    const second = agent.exec('true');
    channel.open();
    channel.emit('data', hello(6));
    channel.emit('data', encodeFrame(2, FrameType.Exited, encodeNumbers(0, 9)));
    assert.deepEqual(await second.exit, { status: null, signal: 'SIGKILL' });
  });

  it('ends what ran when another agent says hello', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    channel.emit('data', hello(5));
    const { exit } = agent.exec('sleep');
    channel.emit('data', hello(6));
    await assert.rejects(exit, { code: 'AGENT_GONE' });
  });

  it('ends everything with the machine', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    channel.emit('data', hello(5));
    const { exit } = agent.exec('true');
    agent.close();
    await assert.rejects(exit, { code: 'AGENT_GONE' });
  });

  it('tells commands that the guest never got', async () => {
    const agent = new Agent(new TestChannel(), gone);
    const { exit } = agent.exec('true');
    agent.close();
    await assert.rejects(exit, { code: 'COMMAND_NOT_RUN' });
  });

  it('ends a command that sends more than there was room for', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    channel.emit('data', hello(5));
    const process = agent.exec('yes');
    for (let i = 0; i < 5; i++) channel.emit('data', encodeFrame(1, FrameType.Output, Buffer.alloc(65535)));
    await assert.rejects(process.exit, { code: 'AGENT_GONE' });
  });

  it('survives an agent that says anything', async () => {
    const channel = new TestChannel();
    const agent = new Agent(channel, gone);
    channel.emit('data', hello(5));
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    const processes = Array.from({ length: 8 }, () => {
      const process = agent.exec('cat');
      process.stdin?.on('error', () => undefined).write(Buffer.alloc(200_000));
      process.stdout.resume();
      return process;
    });
    for (let i = 0; i < 20_000; i++) {
      const payload = Buffer.from(Array.from({ length: random(12) }, () => random(256)));
      // Hello is left out: of another agent or another version, it would end all commands at once.
      const type = 2 + random(24);
      channel.emit('data', encodeFrame(random(10), type, payload));
    }
    agent.close();
    const ends = await Promise.allSettled(processes.map(({ exit }) => exit));
    assert.equal(ends.length, 8);
    assert.ok(ends.some(({ status }) => status === 'fulfilled'));
  });
});
