/**
 * A command in the guest as what the user sees of the machine: its streams are this program's, its status becomes ours, and the guest powers off
 * when it has ended. The console is kept back, to be shown when something goes wrong.
 *
 * Where standard input, output and errors are all terminals, the command gets one of its own, with Ctrl-A kept back as on the console;
 * else bytes pass as they are. Read before: `run.ts`, `terminal.ts`, `../machine/exec/agent.ts`.
 */
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { RomulusError } from '../errors.js';
import type { GuestProcess } from '../machine/exec/guestProcess.js';
import type { Machine } from '../machine/machine.js';
import type { Ended } from '../machine/messages.js';
import { statusOfSignal } from './signals.js';
import { Terminal, type TerminalOwner, type TerminalStreams } from './terminal.js';

/** Exit statuses of a command that could not be run, as of a shell. (POSIX, "Shell Command Language", "Exit Status for Commands") */
const STATUS_NOT_FOUND = 127;
const STATUS_NOT_RUNNABLE = 126;
const STATUS_FAILED = 1;

/** What is kept of the console for a look when something goes wrong. */
const CONSOLE_BYTES = 16384;
/** How long the guest may take to write what it holds and power off; its command has ended by then. */
const POWER_OFF_MS = 20_000;
/** How long the guest may take to boot. */
const BOOT_MS = 180_000;

export interface CommandStreams extends TerminalStreams {
  readonly stdin: TerminalStreams['stdin'];
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly rows?: number; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** What of a machine is used. */
export type CommandMachine = Pick<Machine, 'exec' | 'powerOff' | 'stop'> & { readonly console: Readable };

export class CommandSession {
  private readonly _process: GuestProcess;
  private readonly _terminal: Terminal | undefined;
  private readonly _outputs: readonly Promise<void>[];
  private _console = Buffer.alloc(0);
  private _status: number | undefined;
  private _error: RomulusError | undefined;
  private _powerOffTimer: NodeJS.Timeout | undefined;
  private readonly _onResize = (): void => {
    const { rows, columns } = this._streams.stdout;
    if (rows !== undefined && columns !== undefined) this._process.resize({ rows, columns });
  };
  private readonly _onLost = (error: NodeJS.ErrnoException): void => this._owner.lost(error);

  /**
   * Asks the machine, which has not started yet, for the command.
   *
   * @param words the program and its arguments
   * @throws ConfigError `BAD_COMMAND`
   */
  constructor(
    private readonly _machine: CommandMachine,
    [program, ...parameters]: readonly string[],
    private readonly _streams: CommandStreams,
    private readonly _owner: TerminalOwner,
    isVerbose: boolean,
  ) {
    const { stdin, stdout, stderr } = _streams;
    const size = { rows: stdout.rows ?? 0, columns: stdout.columns ?? 0 };
    const isTerminal = stdin.isTTY === true && stdout.isTTY === true && stderr.isTTY === true;
    this._process = _machine.exec(program, parameters, {
      agentTimeoutMs: BOOT_MS,
      ...(isTerminal && { terminal: size, env: { TERM: process.env.TERM } }),
    });
    const { stdin: input, stdout: output } = this._process;
    if (isTerminal && input !== undefined) this._terminal = new Terminal(output, input, _streams, _owner);
    this._outputs = [finished(output), finished(this._process.stderr)];
    _machine.console.on('data', (chunk: Buffer) => {
      if (isVerbose) stderr.write(chunk);
      else this._console = Buffer.concat([this._console, chunk]).subarray(-CONSOLE_BYTES);
    });
    this._process.exit.then(
      ({ status, signal }) => {
        this._status = status ?? (signal === null ? STATUS_FAILED : statusOfSignal(signal));
        this._machine.powerOff();
        this._powerOffTimer = setTimeout(() => void this._machine.stop(), POWER_OFF_MS);
      },
      (error: unknown) => {
        this._error = error as RomulusError;
        void this._machine.stop();
      },
    );
  }

  /** Connects the streams. */
  open(): void {
    const { stdin, stdout, stderr } = this._streams;
    if (this._terminal !== undefined) {
      this._terminal.open();
      // It is empty, and a stream ends only when it is read.
      this._process.stderr.resume();
      stdout.on('resize', this._onResize);
      return;
    }
    stdout.on('error', this._onLost);
    pass(this._process.stdout, stdout);
    pass(this._process.stderr, stderr);
    const input = this._process.stdin;
    if (input === undefined) return;
    // Nobody reads any more: ours is not read either.
    input.on('close', () => this._giveInputBack()).on('error', () => undefined);
    stdin.ref?.();
    stdin.on('error', () => input.end()).pipe(input);
  }

  suspend(): void {
    this._terminal?.suspend();
  }

  reopen(): void {
    this._terminal?.reopen();
  }

  close(): void {
    clearTimeout(this._powerOffTimer);
    this._terminal?.close();
    this._streams.stdout.off('resize', this._onResize);
    this._giveInputBack();
  }

  /** Hands a signal that was meant for this program to the command. Returns false when there is none to take it. */
  signalled(signal: NodeJS.Signals): boolean {
    return this._process.pid !== undefined && this._process.kill(signal);
  }

  /**
   * The exit status, once the machine has ended and all output is handed on; undefined where it is the machine's, which ended before the
   * command.
   *
   * @param isStopped somebody here has ended the machine
   * @throws RomulusError for a guest that cannot run commands
   */
  async conclude(ended: Ended, isStopped: boolean): Promise<number | undefined> {
    if (isStopped) {
      // It was not up yet: then what it printed is what there is to see.
      if (this._process.pid === undefined) this._streams.stderr.write(this._console);
      return undefined;
    }
    await Promise.allSettled(this._outputs);
    if (this._status !== undefined) return this._status;
    const error = this._error;
    if (error?.code === 'COMMAND_NOT_FOUND' || error?.code === 'COMMAND_FAILED' || error?.code === 'NO_FOLDER') {
      this._streams.stderr.write(`romulus: ${error.message}\n`);
      return error.code === 'COMMAND_NOT_FOUND' ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
    }
    // The command itself may have asked for the machine's end.
    if (error?.code === 'MACHINE_ENDED' && ended.status === 0) return 0;
    this._streams.stderr.write(this._console);
    if (error?.code === 'COMMAND_NOT_RUN' && ended.status !== 0) return undefined;
    if (error !== undefined && error.code !== 'MACHINE_ENDED') throw error;
    return undefined;
  }

  private _giveInputBack(): void {
    const { stdin } = this._streams;
    stdin.unpipe();
    stdin.pause();
    stdin.unref?.();
  }
}

/** As pipe(), which would end standard output. */
function pass(from: Readable, to: Writable): void {
  from.on('data', (chunk: Buffer) => {
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
}
