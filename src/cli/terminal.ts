/**
 * The user's terminal as the guest's console: raw mode, so that every key reaches the guest, with Ctrl-A as the one key kept back
 * for talking to Romulus itself (QEMU's and screen's habit). Where stdin is no terminal, bytes pass as they are.
 *
 * Separate from `run.ts` because it alone must leave the terminal as it found it, however the program ends. Read after: `run.ts`.
 */
import type { Readable, Writable } from 'node:stream';

/** What can be asked for after Ctrl-A. */
export type TerminalCommand = 'quit' | 'help' | 'status';

const CTRL_A = 0x01;
/** Typed ahead of a guest that does not read: more than this is refused with the bell, so that Ctrl-A stays alive. */
const TYPE_AHEAD_BYTES = 16384;
const BELL = '\x07';

export const TERMINAL_HELP = [
  'Ctrl-A x       end the machine',
  'Ctrl-A s       show registers and counters',
  'Ctrl-A h       this help',
  'Ctrl-A Ctrl-A  send Ctrl-A to the guest',
].join('\n');

/** Splits what is typed into bytes for the guest and commands. It remembers a Ctrl-A at the end of a chunk. */
export class EscapeFilter {
  private _isEscaped = false;

  /** @returns bytes and commands in the order they were typed */
  feed(chunk: Uint8Array): (Uint8Array | TerminalCommand)[] {
    const parts: (Uint8Array | TerminalCommand)[] = [];
    let start = 0;
    const flush = (end: number): void => {
      if (end > start) parts.push(chunk.subarray(start, end));
    };
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index];
      if (this._isEscaped) {
        this._isEscaped = false;
        if (byte === CTRL_A) {
          // The second Ctrl-A is the guest's: it begins the next run of bytes.
          start = index;
          continue;
        }
        parts.push(commandOf(byte));
        start = index + 1;
      } else if (byte === CTRL_A) {
        flush(index);
        this._isEscaped = true;
        start = index + 1;
      }
    }
    if (!this._isEscaped) flush(chunk.length);
    return parts;
  }
}

/** Any key without a meaning asks for the help. */
function commandOf(byte: number): TerminalCommand {
  switch (String.fromCharCode(byte).toLowerCase()) {
    case 'x':
      return 'quit';
    case 's':
      return 'status';
    default:
      return 'help';
  }
}

/** The process' streams, or a test's. */
export interface TerminalStreams {
  readonly stdin: Readable & {
    isTTY?: boolean;
    setRawMode?(raw: boolean): unknown;
    unref?(): unknown;
    ref?(): unknown;
  };
  readonly stdout: Writable & { isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly stderr: Writable;
}

export interface TerminalOwner {
  command(command: TerminalCommand): void;
  /** The terminal has this size, in characters: told when it is opened and whenever it changes. */
  resized(columns: number, rows: number): void;
  /** Nobody reads what the guest prints, or nobody can type any more: the terminal is gone, a reader has had enough, or the error says what. */
  lost(error: NodeJS.ErrnoException): void;
}

export class Terminal {
  private readonly _filter: EscapeFilter | undefined;
  private _isOpen = false;
  private _isColumnZero = true;
  private _isLost = false;
  private readonly _onData = (chunk: Buffer): void => this._typed(chunk);
  private readonly _onLost = (error: NodeJS.ErrnoException): void => this._lost(error);
  private readonly _onResize = (): void => this._resized();
  private readonly _onExit = (): void => this._setRaw(false);

  /**
   * @param _output what the guest prints
   * @param _input where what is typed goes
   */
  constructor(
    private readonly _output: Readable,
    private readonly _input: Writable,
    private readonly _streams: TerminalStreams,
    private readonly _owner: TerminalOwner,
  ) {
    if (_streams.stdin.isTTY === true) this._filter = new EscapeFilter();
  }

  /** True if keys are read from a terminal, so that Ctrl-A works. */
  get isInteractive(): boolean {
    return this._filter !== undefined;
  }

  /** Connects the guest's console with the terminal. */
  open(): void {
    const { stdin, stdout } = this._streams;
    this._isOpen = true;
    this._setRaw(true);
    process.once('exit', this._onExit);
    stdin.on('data', this._onData);
    stdin.on('error', this._onLost);
    // The end of a piped stdin leaves the guest running: its input simply stays empty.
    stdin.ref?.();
    stdout.on('error', this._onLost);
    // Node's word for SIGWINCH.
    stdout.on('resize', this._onResize);
    this._resized();
    this._output.on('data', (chunk: Buffer) => this._printed(chunk));
  }

  /** Back to raw mode after the process was stopped and continued. */
  reopen(): void {
    if (this._isOpen) this._setRaw(true);
  }

  /** Gives the terminal back as it was found, for a while or for good. */
  suspend(): void {
    this._setRaw(false);
  }

  /** Disconnects and restores; stdin no longer keeps the process alive. */
  close(): void {
    if (!this._isOpen) return;
    this._isOpen = false;
    const { stdin, stdout } = this._streams;
    this._setRaw(false);
    process.off('exit', this._onExit);
    stdin.off('data', this._onData);
    stdin.off('error', this._onLost);
    stdout.off('resize', this._onResize);
    stdin.pause();
    stdin.unref?.();
    if (this.isInteractive && !this._isColumnZero) stdout.write('\n');
  }

  private _resized(): void {
    const { isTTY, columns, rows } = this._streams.stdout;
    if (isTTY === true && columns !== undefined && rows !== undefined) this._owner.resized(columns, rows);
  }

  private _setRaw(raw: boolean): void {
    if (this.isInteractive) this._streams.stdin.setRawMode?.(raw);
  }

  private _typed(chunk: Buffer): void {
    if (this._filter === undefined) {
      const { stdin } = this._streams;
      if (!this._input.write(chunk)) {
        stdin.pause();
        this._input.once('drain', () => stdin.resume());
      }
      return;
    }
    for (const part of this._filter.feed(chunk)) {
      if (typeof part === 'string') this._owner.command(part);
      else if (this._input.writableLength + part.length > TYPE_AHEAD_BYTES) this._streams.stderr.write(BELL);
      else this._input.write(part);
    }
  }

  /** From here on the guest's output is dropped, so that the machine can end. */
  private _lost(error: NodeJS.ErrnoException): void {
    if (this._isLost) return;
    this._isLost = true;
    this._output.resume();
    this._owner.lost(error);
  }

  private _printed(chunk: Buffer): void {
    if (this._isLost) return;
    const { stdout } = this._streams;
    this._isColumnZero = chunk[chunk.length - 1] === 0x0a;
    if (!stdout.write(chunk)) {
      this._output.pause();
      stdout.once('drain', () => this._output.resume());
    }
  }
}
