/**
 * The host's side of the agent that runs commands in a Linux guest (guest/agent): waits until it is there, starts commands, and hands
 * frames to the commands they are about. It works over any byte channel; `Machine.exec` gives it the port `EXEC_PORT`.
 *
 * Read before: `protocol.ts`, `guestProcess.ts`.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { ConfigError, RomulusError } from '../../errors.js';
import { log } from '../../log.js';
import type { Channel } from '../channel.js';
import { GuestProcess } from './guestProcess.js';
import {
  FrameReader,
  FrameType,
  PAYLOAD_BYTES_MAX,
  PROTOCOL_VERSION,
  StartFlag,
  StartStep,
  Stream,
  encodeFrame,
  encodeNumbers,
  encodeStart,
  type Frame,
  type StartRequest,
} from './protocol.js';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface ExecOptions {
  /** Environment in addition to PATH, HOME, USER and, with a terminal, TERM; undefined removes one of these. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder in the guest to start in. Default: the root. */
  readonly cwd?: string;
  /** 'pipe' makes `stdin` a stream, 'ignore' an empty file. Default 'pipe'; whoever does not end it may keep the command waiting. */
  readonly stdin?: 'pipe' | 'ignore';
  /** Gives the command a terminal of that size: input is a pipe, and both outputs are one. */
  readonly terminal?: TerminalSize;
  /** How long the guest may take until its agent answers, in milliseconds. Default 60 seconds. */
  readonly agentTimeoutMs?: number;
  /** Ends the command by SIGTERM when aborted. */
  readonly signal?: AbortSignal;
}

const AGENT_TIMEOUT_MS = 60_000;
const COMMAND_MAX = 2 ** 32 - 1;
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  USER: 'root',
};
const TERM = 'xterm-256color';

/** Makes the error of commands that were running when the guest closed the port. */
export type LossReason = () => RomulusError;

export class Agent {
  private readonly _reader = new FrameReader();
  private readonly _processes = new Map<number, GuestProcess>();
  /** Frames that wait for the agent to answer; undefined once it has. */
  private _waiting: { readonly command: number; readonly bytes: Buffer }[] | undefined = [];
  private _last = 0;
  /** Process number of the agent that has answered last. */
  private _pid: number | undefined;

  constructor(
    private readonly _channel: Channel,
    private readonly _lossReason: LossReason,
  ) {
    this._channel.on('data', (bytes) => {
      for (const frame of this._reader.push(bytes)) this._received(frame);
    });
    this._channel.on('drain', () => {
      for (const process of this._processes.values()) process.drained();
    });
    this._channel.on('open', () => this._greet());
    this._channel.on('close', () => this.lost());
    if (this._channel.isOpen) this._greet();
  }

  /**
   * Starts a command in the guest, as soon as its agent is there.
   *
   * @param command a path, or a name that is looked for in the guest's PATH
   * @throws ConfigError `BAD_COMMAND` for what cannot be a command line; later errors come by the process' `exit` and 'error'
   */
  exec(command: string, parameters: readonly string[] = [], options: ExecOptions = {}): GuestProcess {
    const start = encodeStart(toRequest(command, parameters, options));
    if (start.length > PAYLOAD_BYTES_MAX)
      throw new ConfigError(
        'BAD_COMMAND',
        `arguments and environment are ${start.length} bytes long; at most ${PAYLOAD_BYTES_MAX} can be sent`,
      );
    const id = this._newNumber();
    const send = (type: FrameType, payload: Uint8Array): boolean => this._send(id, type, payload);
    const hasInput = options.terminal !== undefined || options.stdin !== 'ignore';
    const process = new GuestProcess(hasInput, {
      input: (bytes) => send(FrameType.Input, bytes),
      taken: (stream, sizeBytes) =>
        send(FrameType.Room, encodeNumbers(stream === 'stdout' ? Stream.Output : Stream.Errors, sizeBytes)),
      signal: (number) => send(FrameType.Signal, encodeNumbers(number)),
      resize: (rows, columns) => send(FrameType.Resize, encodeNumbers(rows, columns)),
    });
    this._processes.set(id, process);
    send(FrameType.Start, start);
    this._watch(id, process, options);
    return process;
  }

  /** Asks the guest to write what it holds to its disks and to power off. The machine's end is the answer. */
  powerOff(): void {
    this._send(0, FrameType.Power, encodeNumbers(0));
  }

  /** The guest has closed the port, or the machine has ended: commands that ran have no end of their own any more. */
  lost(): void {
    this._reader.reset();
    if (this._waiting === undefined) this._pid = undefined;
    this._waiting ??= [];
    const waits = new Set(this._waiting.map(({ command }) => command));
    for (const [id, process] of this._processes) if (!waits.has(id)) this._drop(id, process, this._lossReason());
  }

  /** Ends what still waits for an agent that cannot come any more. */
  close(): void {
    this.lost();
    const reason = 'the machine ended before it could run the command; its console says why';
    for (const [id, process] of this._processes) this._drop(id, process, new RomulusError('COMMAND_NOT_RUN', reason));
  }

  private _newNumber(): number {
    // The numbers of commands that live for long are left out.
    do this._last = this._last === COMMAND_MAX ? 1 : this._last + 1;
    while (this._processes.has(this._last));
    return this._last;
  }

  /** Gives up a command whose agent does not come; lets the caller's AbortSignal end it; forgets it when it is over. */
  private _watch(id: number, process: GuestProcess, { agentTimeoutMs = AGENT_TIMEOUT_MS, signal }: ExecOptions): void {
    const giveUp = (): void => {
      if (this._waiting === undefined) return;
      const seconds = agentTimeoutMs / 1000;
      const why = `no agent answered within ${seconds} s; \`romulus linux\` starts one, in another guest let its init run romulus-agent`;
      this._drop(id, process, new ConfigError('NO_AGENT', `cannot run commands in this guest: ${why}`));
    };
    const timer = setTimeout(giveUp, agentTimeoutMs);
    const onAbort = (): void => void process.kill();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const isOver = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    process.exit.then(isOver, isOver);
    process.on('close', () => this._processes.delete(id));
  }

  private _drop(id: number, process: GuestProcess, error: RomulusError): void {
    this._processes.delete(id);
    this._waiting = this._waiting?.filter(({ command }) => command !== id);
    process.failed(error);
  }

  /** Returns false when the channel wants a rest: 'drain' ends it. What waits for the agent needs none: it is bounded by windows. */
  private _send(command: number, type: FrameType, payload: Uint8Array): boolean {
    const bytes = encodeFrame(command, type, payload);
    if (this._waiting === undefined) return this._channel.write(bytes);
    this._waiting.push({ command, bytes });
    return true;
  }

  /** The agent may have spoken before anybody listened: it says again who it is. */
  private _greet(): void {
    this._channel.write(encodeFrame(0, FrameType.Hello, encodeNumbers(PROTOCOL_VERSION)));
  }

  private _received(frame: Frame): void {
    const { command, type, payload } = frame;
    if (type === FrameType.Hello) {
      this._answered(...numbers(payload));
      return;
    }
    const process = this._processes.get(command);
    // Of a command that was given up.
    if (process === undefined) return;
    switch (type) {
      case FrameType.Started:
        process.started(numbers(payload)[0]);
        break;
      case FrameType.Failed:
        this._drop(command, process, startError(...numbers(payload)));
        break;
      case FrameType.Room:
        process.inputRoomed(numbers(payload)[1]);
        break;
      case FrameType.Output:
      case FrameType.Errors:
        if (!process.arrived(type === FrameType.Output ? 'stdout' : 'stderr', payload))
          this._drop(command, process, new RomulusError('AGENT_GONE', 'the agent in the guest sent more than it may'));
        break;
      case FrameType.InputClosed:
        process.inputClosed();
        break;
      case FrameType.Exited:
        process.exited(...numbers(payload));
        break;
      default:
        log.machine('the agent sent a frame of unknown type %d', type);
    }
  }

  private _answered(version: number, pid: number): void {
    if (version !== PROTOCOL_VERSION) {
      const error = new ConfigError(
        'NO_AGENT',
        `the agent in the guest speaks version ${version} of the protocol, this program version ${PROTOCOL_VERSION}; put this program's agent into the guest`,
      );
      for (const [id, process] of this._processes) this._drop(id, process, error);
      return;
    }
    // Another agent, which knows nothing of the first one's commands.
    if (this._waiting === undefined && pid !== this._pid) this.lost();
    this._pid = pid;
    const waiting = this._waiting ?? [];
    this._waiting = undefined;
    for (const { bytes } of waiting) this._channel.write(bytes);
    if (waiting.length > 0) log.machine('the agent is there, process %d', pid);
  }
}

/** The first two numbers of a payload, 0 where it ends before. */
function numbers(payload: Buffer): [number, number] {
  return [payload.length >= 4 ? payload.readUInt32LE(0) : 0, payload.length >= 8 ? payload.readUInt32LE(4) : 0];
}

function toRequest(command: string, parameters: readonly string[], options: ExecOptions): StartRequest {
  const { cwd = '', env, stdin, terminal } = options;
  const words = [command, ...parameters];
  const variables = Object.entries({ ...ENVIRONMENT, ...(terminal && { TERM }), ...env })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  if (command === '')
    throw new ConfigError('BAD_COMMAND', 'the command is empty; give the name of a program in the guest');
  const noText = [cwd, ...words].find((text: unknown) => typeof text !== 'string');
  if (noText !== undefined)
    throw new ConfigError('BAD_COMMAND', `${String(noText)} is no text; programs are given text only`);
  const bad = [cwd, ...words, ...variables].find((text) => text.includes('\0'));
  if (bad !== undefined)
    throw new ConfigError(
      'BAD_COMMAND',
      `${JSON.stringify(bad)} cannot be passed to a program: it has a NUL character`,
    );
  const input = stdin === 'ignore' ? 0 : StartFlag.Input;
  return {
    flags: input | (terminal ? StartFlag.Terminal : 0),
    rows: terminal?.rows ?? 0,
    columns: terminal?.columns ?? 0,
    folder: cwd,
    words,
    variables,
  };
}

/** Names of Linux' error numbers, which are the same on i386 and x86-64. */
const ERRORS = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** What a Failed frame means: the numbers are Linux' error number and where it came up. */
function startError(number: number, step: StartStep): RomulusError {
  const name = ERRORS.get(number) ?? `error ${number}`;
  const text = name === 'ENOEXEC' ? 'not a program for i386' : (getSystemErrorMap().get(-number)?.[1] ?? 'refused');
  switch (step) {
    case StartStep.Folder:
      return new ConfigError('NO_FOLDER', `cannot start in that folder of the guest: ${text} (${name})`);
    case StartStep.Program:
      return name === 'ENOENT'
        ? new ConfigError('COMMAND_NOT_FOUND', 'there is no such command in the guest')
        : new ConfigError('COMMAND_FAILED', `the guest cannot run the command: ${text} (${name})`);
    case StartStep.Resources:
      return new RomulusError(
        'COMMAND_FAILED',
        `the guest has nothing left to run the command with: ${text} (${name})`,
      );
    default:
      return new RomulusError('COMMAND_FAILED', `the agent refused the command: ${text} (${name})`);
  }
}
