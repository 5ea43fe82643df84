/**
 * A command that runs in the guest, shaped like Node's ChildProcess: three streams, an exit. It knows frames only as what it is told and
 * asks for; which channel they take is its agent's business.
 *
 * Read before: `protocol.ts`. Read after: `agent.ts`.
 */
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { ConfigError, type RomulusError } from '../../errors.js';
import { INPUT_WINDOW_BYTES, OUTPUT_WINDOW_BYTES, PAYLOAD_BYTES_MAX } from './protocol.js';

/** SIGRTMAX of Linux. */
const MAX_SIGNAL = 64;

/** How a command ended: by itself with a status, or by a signal. */
export interface ExecResult {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GuestProcessEvents {
  /** The program runs. */
  spawn: [];
  /** It has ended, and what it had written has arrived; descendants of it may still hold its outputs. */
  exit: [status: number | null, signal: NodeJS.Signals | null];
  /** It has ended, and so have its outputs. */
  close: [status: number | null, signal: NodeJS.Signals | null];
  /** It could not be started, or the agent or the machine ended first. */
  error: [RomulusError];
}

/** What a process asks of its agent. */
export interface ProcessLink {
  /** Bytes for standard input; none: its end. Returns false when the channel wants a rest, see `GuestProcess.drained`. */
  input(bytes: Uint8Array): boolean;
  /** The reader has taken this many bytes. */
  taken(stream: 'stdout' | 'stderr', sizeBytes: number): void;
  signal(number: number): void;
  resize(rows: number, columns: number): void;
}

/** Room is told anew when this much has been taken: seldom, and before the agent has to wait. */
const ROOM_STEP_BYTES = OUTPUT_WINDOW_BYTES / 4;

/** One output: what has arrived waits here until it is read, never more than the window that the agent knows. */
class GuestOutput extends Readable {
  private readonly _chunks: Buffer[] = [];
  private _hasEnded = false;
  private _isWanted = false;
  private _takenBytes = 0;
  /** What the agent may still send. */
  private _room = OUTPUT_WINDOW_BYTES;

  constructor(private readonly _taken: (sizeBytes: number) => void) {
    super();
  }

  get hasEnded(): boolean {
    return this._hasEnded;
  }

  /** Returns false for more than there was room for. */
  arrived(chunk: Buffer): boolean {
    if (this._hasEnded || chunk.length > this._room) return false;
    this._room -= chunk.length;
    if (this.destroyed) {
      this._take(chunk.length);
      return true;
    }
    this._chunks.push(chunk);
    if (this._isWanted) this._read();
    return true;
  }

  ended(): void {
    this._hasEnded = true;
    if (this._isWanted) this._read();
  }

  override _read(): void {
    this._isWanted = true;
    while (this._isWanted) {
      const chunk = this._chunks.shift();
      if (chunk === undefined) break;
      this._isWanted = this.push(chunk);
      this._take(chunk.length);
    }
    if (!this._hasEnded || this._chunks.length > 0) return;
    this._isWanted = false;
    this.push(null);
  }

  /** Nobody reads any more: the command is not to wait for that. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const chunk of this._chunks.splice(0)) this._take(chunk.length);
    done(error);
  }

  private _take(sizeBytes: number): void {
    this._takenBytes += sizeBytes;
    if (this._takenBytes < ROOM_STEP_BYTES) return;
    this._room += this._takenBytes;
    this._taken(this._takenBytes);
    this._takenBytes = 0;
  }
}

/** Standard input: sends what the agent has room for. */
class GuestInput extends Writable {
  private _room = INPUT_WINDOW_BYTES;
  private _isResting = false;
  private _pending: { rest: Buffer; readonly done: () => void } | undefined;

  constructor(private readonly _send: (bytes: Uint8Array) => boolean) {
    super({ decodeStrings: true });
  }

  /** The agent has room for so much more. */
  roomed(sizeBytes: number): void {
    this._room += sizeBytes;
    this._go();
  }

  /** The channel has had its rest. */
  drained(): void {
    this._isResting = false;
    this._go();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this._pending = { rest: chunk, done };
    this._go();
  }

  override _final(done: () => void): void {
    this._send(new Uint8Array());
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this._pending = undefined;
    done(error);
  }

  private _go(): void {
    const pending = this._pending;
    if (pending === undefined) return;
    while (pending.rest.length > 0 && this._room > 0 && !this._isResting) {
      const part = pending.rest.subarray(0, Math.min(this._room, PAYLOAD_BYTES_MAX));
      pending.rest = pending.rest.subarray(part.length);
      this._room -= part.length;
      this._isResting = !this._send(part);
    }
    if (pending.rest.length > 0) return;
    this._pending = undefined;
    pending.done();
  }
}

/** Linux numbers its signals alike on i386 and x86-64. */
const NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]));

export class GuestProcess extends EventEmitter<GuestProcessEvents> {
  /** Undefined unless the command was started with `stdin: 'pipe'` or a terminal. A command without reads an empty one. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  /** Empty where the command has a terminal. */
  readonly stderr: Readable;
  /** Settles when the command has ended; rejects with a RomulusError if it did not start, or if the agent or the machine ended first. */
  readonly exit: Promise<ExecResult>;

  private readonly _stdin: GuestInput | undefined;
  private readonly _stdout: GuestOutput;
  private readonly _stderr: GuestOutput;
  private _pid: number | undefined;
  private _result: ExecResult | undefined;
  private _isOver = false;
  private _settle!: (result: ExecResult) => void;
  private _fail!: (error: RomulusError) => void;

  /** Made by `Agent.exec`. */
  constructor(
    hasInput: boolean,
    private readonly _link: ProcessLink,
  ) {
    super();
    this.stdin = this._stdin = hasInput ? new GuestInput((bytes) => this._link.input(bytes)) : undefined;
    this.stdout = this._stdout = new GuestOutput((sizeBytes) => this._tell('stdout', sizeBytes));
    this.stderr = this._stderr = new GuestOutput((sizeBytes) => this._tell('stderr', sizeBytes));
    this.exit = new Promise((resolve, reject) => {
      this._settle = resolve;
      this._fail = reject;
    });
    // Who only listens to events need not catch it as well.
    this.exit.catch(() => undefined);
  }

  /** Process number in the guest; undefined before the program runs. */
  get pid(): number | undefined {
    return this._pid;
  }

  /**
   * Sends a signal to the command and what it has started (its process group).
   *
   * @returns false when it has ended already
   * @throws ConfigError `BAD_SIGNAL` for one that Linux has not
   */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const number: number | undefined = typeof signal === 'number' ? signal : constants.signals[signal];
    if (!Number.isInteger(number) || number < 0 || number > MAX_SIGNAL)
      throw new ConfigError(
        'BAD_SIGNAL',
        `there is no signal '${signal}'; give a name such as SIGTERM, or a number from 1 to ${MAX_SIGNAL}`,
      );
    if (this._isOver || this._result !== undefined) return false;
    this._link.signal(number);
    return true;
  }

  /** Tells the command's terminal its size; without a terminal this does nothing. */
  resize(size: { readonly rows: number; readonly columns: number }): void {
    if (!this._isOver) this._link.resize(size.rows, size.columns);
  }

  /** The agent says: the program runs. */
  started(pid: number): void {
    if (this._pid !== undefined) return;
    this._pid = pid;
    this.emit('spawn');
  }

  /**
   * Bytes of an output; none: its end.
   *
   * @returns false when the agent has sent more than it may
   */
  arrived(stream: 'stdout' | 'stderr', bytes: Buffer): boolean {
    const output = stream === 'stdout' ? this._stdout : this._stderr;
    if (bytes.length > 0) return output.arrived(bytes);
    output.ended();
    this._closeIfDone();
    return true;
  }

  inputRoomed(sizeBytes: number): void {
    this._stdin?.roomed(sizeBytes);
  }

  /** The channel can take more. */
  drained(): void {
    this._stdin?.drained();
  }

  /** Nobody in the guest reads it any more: what is still written goes nowhere. */
  inputClosed(): void {
    this._stdin?.destroy();
  }

  exited(status: number, signal: number): void {
    if (this._result !== undefined) return;
    const name = NAMES.get(signal) ?? null;
    this._result = { status: signal === 0 ? status : null, signal: name };
    this._stdin?.destroy();
    this._settle(this._result);
    this.emit('exit', this._result.status, this._result.signal);
    this._closeIfDone();
  }

  /** It is over without an exit, or before its outputs have ended. */
  failed(error: RomulusError): void {
    if (this._isOver) return;
    this._isOver = true;
    this._stdin?.destroy();
    this._stdout.ended();
    this._stderr.ended();
    if (this._result !== undefined) {
      this.emit('close', this._result.status, this._result.signal);
      return;
    }
    this._fail(error);
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  private _tell(stream: 'stdout' | 'stderr', sizeBytes: number): void {
    if (!this._isOver) this._link.taken(stream, sizeBytes);
  }

  private _closeIfDone(): void {
    if (this._result === undefined || this._isOver || !this._stdout.hasEnded || !this._stderr.hasEnded) return;
    this._isOver = true;
    this.emit('close', this._result.status, this._result.signal);
  }
}
