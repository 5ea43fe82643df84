/**
 * The agent of guest/agent as a process of the host at the far end of a channel: what the tests of exec need of
 * a guest, without one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Channel, ChannelEvents } from '../../src/machine/channel.js';
import { EXEC_PORT } from '../../src/machine/exec/protocol.js';
import { AGENT, i386Command } from './i386Programs.js';

/** A channel whose far end is what the test says. */
export class TestChannel extends EventEmitter<ChannelEvents> implements Channel {
  readonly name = EXEC_PORT;
  isOpen = false;
  /** What was written. */
  readonly written: Buffer[] = [];

  write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes));
    return true;
  }
  pause(): void {}
  resume(): void {}

  open(): void {
    this.isOpen = true;
    this.emit('open');
  }

  close(): void {
    this.isOpen = false;
    this.emit('close');
  }
}

/** To be called before a suite that needs agents: skips it where the host cannot run i386 programs at all. */
export function needsAgents(this: Mocha.Context): void {
  if (i386Command(AGENT) === undefined) this.skip(); // neither the host nor qemu-i386 (Debian: qemu-user) runs i386 programs
}

/** A channel to an agent that runs here. */
export class AgentChannel extends TestChannel {
  readonly process: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream };
  /** Settles when the agent has ended. */
  readonly ended: Promise<number | null>;

  constructor() {
    super();
    const [command, ...parameters] = i386Command(AGENT, 'standard') ?? [];
    const process = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process = process;
    process.stdout.on('data', (bytes: Buffer) => this.emit('data', bytes));
    process.stdin.on('drain', () => this.emit('drain')).on('error', () => undefined);
    this.ended = new Promise((resolve) =>
      process.on('close', (status) => {
        this.close();
        resolve(status);
      }),
    );
    this.isOpen = true;
  }

  override write(bytes: Uint8Array): boolean {
    return this.process.stdin.write(bytes);
  }

  /** Hangs up, upon which the agent ends. */
  hangUp(): Promise<number | null> {
    this.process.stdin.end();
    return this.ended;
  }
}
