/**
 * The host thread of a vCPU. It takes longer to load its code than a machine takes to be put together, so whoever knows early that there will be a
 * machine starts the thread first. Separate for that: it loads nothing else. Read before: `messages.ts`. Read after: `machine.ts`, `worker.ts`.
 */
import { Worker } from 'node:worker_threads';
import type { FromWorker, WorkerSetup } from './messages.js';

/**
 * Room for new objects of the thread, which V8 would let grow to 48 MiB and keep. What it makes and keeps, fragments and decoded
 * instructions, is a few MiB in all.
 */
const YOUNG_GENERATION_MIB = 12;

/** Who is told of a thread. */
export interface ThreadListener {
  message(message: FromWorker): void;
  /** It has failed; `exit` follows. */
  error(error: Error): void;
  exit(): void;
}

export class VcpuThread {
  private readonly _worker: Worker;
  private _listener: ThreadListener | undefined;
  /** What happened before there was a listener. */
  private _error: Error | undefined;
  private _isOver = false;

  /** Starts a thread that waits for its machine. */
  constructor() {
    this._worker = new Worker(new URL('./worker.js', import.meta.url), {
      name: 'romulus-vcpu',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
      // That option is for the text that a program is given with -e, and a thread, which has a file, refuses it.
      ...(process.execArgv.some((word) => word.startsWith('--input-type')) && { execArgv: [] }),
    });
    this._worker.on('message', (message: FromWorker) => this._listener?.message(message));
    this._worker.on('error', (error: Error) => {
      this._error ??= error;
      this._listener?.error(error);
    });
    this._worker.on('exit', () => {
      this._isOver = true;
      this._listener?.exit();
    });
  }

  /**
   * Gives the thread its machine, and the bytes of files that are ours.
   *
   * @param listener is told of everything, what has happened before included
   * @throws DataCloneError for bytes that cannot be sent
   */
  begin(setup: WorkerSetup, listener: ThreadListener): void {
    const ours = [setup.kernel, ...setup.modules].filter(({ isOurs }) => isOurs);
    this._worker.postMessage(
      setup,
      ours.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    );
    this._listener = listener;
    if (this._error !== undefined) listener.error(this._error);
    if (this._isOver) listener.exit();
  }

  /** Ends the thread by force. It does not end while it is in translated code. */
  async terminate(): Promise<void> {
    await this._worker.terminate();
  }
}
