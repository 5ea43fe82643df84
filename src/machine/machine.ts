/**
 * A machine as its user sees it: the public API. It owns the shared memory, the worker thread that is the vCPU, the console and the
 * host signals routed to it, and gives all of them back when the machine ends.
 *
 *     const machine = new Machine({ kernel: 'remus.elf', memoryBytes: 128 << 20 });
 *     machine.console.pipe(process.stdout);
 *     await machine.start();
 *     const { status } = await machine.ended;
 *
 * Read before: docs/how-it-works.md. Read after: `worker.ts` (the other side), `board.ts` (the machine's parts).
 */
import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ConfigError, HostError, RomulusError } from '../errors.js';
import { loadNative, type Native } from '../native.js';
import { routableSignal } from '../hostSignals.js';
import { checkIrq, checkMachineOptions, DEFAULT_MEMORY_BYTES, type HostSignal } from '../options.js';
import { log } from '../log.js';
import { record } from '../irq/record.js';
import { Attention, ExitReason, STATE_BYTES, Word } from '../vcpu/layout.js';
import { ByteRing } from './byteRing.js';
import { Console } from './console.js';
import type { Ended, FromWorker, NamedFile, WorkerSetup } from './messages.js';
import { attach, closeRegion, openRegion, type View } from './regions.js';
import { readStatistics, type Statistics } from './statistics.js';
import { describeRegisters } from './report.js';

/** A file by path, or already in memory. */
export type FileOption = string | NamedFile;

export interface SignalRoute {
  /** Host signal, such as 'SIGUSR1'. */
  readonly signal: HostSignal;
  /** 8259 input that it raises, 0 to 15 (2 is the cascade and cannot be raised). */
  readonly irq: number;
}

export interface MachineOptions {
  /** Guest memory in bytes: 8 MiB to 3 GiB, a multiple of 4 KiB. Default 128 MiB. */
  readonly memoryBytes?: number;
  /** Multiboot ELF, ELF vmlinux or bzImage. */
  readonly kernel: FileOption;
  readonly initrd?: FileOption | undefined;
  /** Kernel command line. */
  readonly append?: string;
  /** Whether the VMI ROM is plugged in. Default true. */
  readonly rom?: boolean;
  /** Host signals that become guest interrupts. */
  readonly signals?: readonly SignalRoute[];
  /** Stops the machine when aborted. */
  readonly signal?: AbortSignal;
  /** False runs without the addon: no POSIX signals, the clock is polled. Default: the addon where it loads. */
  readonly native?: boolean;
}

export interface MachineEvents {
  running: [];
  paused: [];
  resumed: [];
  ended: [Ended];
  /** Bytes the guest wrote to port 0xE9. */
  debug: [Buffer];
}

const INPUT_BYTES = 4096;
const OUTPUT_BYTES = 65536;
/** After a stop request, how long the vCPU thread may take before it is ended by force. */
const STOP_TIMEOUT_MS = 5000;

export class Machine extends EventEmitter<MachineEvents> implements AsyncDisposable {
  /** What the guest prints (readable) and what it is typed (writable). */
  readonly console: Console;
  /** Settles when the machine has ended and everything it held is given back. Never rejects. */
  readonly ended: Promise<Ended>;

  private readonly _options: MachineOptions;
  private readonly _memoryBytes: number;
  private readonly _native: Native | undefined;
  private readonly _input = ByteRing.allocate(INPUT_BYTES);
  private readonly _output = ByteRing.allocate(OUTPUT_BYTES);
  private readonly _debugOutput = ByteRing.allocate(OUTPUT_BYTES);
  private readonly _debug = new ByteRing(this._debugOutput);
  private readonly _pause = new SharedArrayBuffer(4);
  /** Routes of host signals, by signal number. */
  private readonly _routed = new Map<number, number>();
  private _state: View | undefined;
  private _words: Int32Array | undefined;
  private _worker: Worker | undefined;
  private _last: Statistics | undefined;
  private _settle!: (ended: Ended) => void;
  private _isRunning = false;
  private _isOver = false;

  /** @throws ConfigError for options out of range; nothing is opened before `start`. */
  constructor(options: MachineOptions) {
    super();
    checkMachineOptions(options);
    this._memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    this._options = options;
    this._native = options.native === false ? undefined : loadNative();
    if (options.native === true && !this._native) {
      throw new HostError('NO_ADDON', 'the native addon did not load; run `romulus doctor` to see why');
    }
    this.console = new Console(new ByteRing(this._input), new ByteRing(this._output), () =>
      this._attention(Attention.Device),
    );
    this.ended = new Promise((resolve) => (this._settle = resolve));
  }

  /** True if POSIX signals and timers drive this machine, false if the clock is polled. */
  get isNative(): boolean {
    return this._native !== undefined;
  }

  /**
   * Loads the kernel and lets the vCPU run.
   *
   * @throws ConfigError if the kernel or initrd cannot be booted, HostError if the host refuses memory or a thread
   */
  async start(): Promise<void> {
    if (this._worker || this._isOver)
      throw new ConfigError('ALREADY_STARTED', 'a machine starts once; make another one');
    const abort = this._options.signal;
    abort?.throwIfAborted();
    const kernel = await readNamed(this._options.kernel, 'kernel');
    const initrd = this._options.initrd === undefined ? undefined : await readNamed(this._options.initrd, 'initrd');
    abort?.throwIfAborted();

    const ram = openRegion(this._native, this._memoryBytes, 'romulus-ram');
    const state = openRegion(this._native, STATE_BYTES, 'romulus-vcpu');
    // The worker and this view keep the memory alive; the owner's hold ends with the worker.
    this._state = attach(this._native, state);
    this._words = new Int32Array(this._state.buffer);
    const setup: WorkerSetup = {
      ram,
      state,
      consoleInput: this._input,
      consoleOutput: this._output,
      debugOutput: this._debugOutput,
      pause: this._pause,
      kernel,
      initrd,
      append: this._options.append ?? '',
      rom: this._options.rom ?? true,
    };
    log.machine(
      '%d MiB of memory, %s',
      this._memoryBytes / 2 ** 20,
      this._native ? 'with the addon' : 'without the addon',
    );
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup, name: 'romulus-vcpu' });
    this._worker = worker;

    const started = new Promise<void>((resolve, reject) => {
      let ended: Ended | undefined;
      worker.on('message', (message: FromWorker) => {
        switch (message.type) {
          case 'running':
            this._isRunning = true;
            resolve();
            this.emit('running');
            break;
          case 'failed':
            reject(toError(message));
            break;
          case 'paused':
            this.emit('paused');
            break;
          case 'outputReady':
            this.console.outputReady();
            this._emitDebug();
            break;
          case 'inputDrained':
            this.console.inputDrained();
            break;
          case 'ended':
            ended = message.ended;
            break;
        }
      });
      worker.on('error', (error) =>
        reject(new HostError('VCPU_THREAD', `the vCPU thread failed: ${error.message}`, { cause: error })),
      );
      // A rejection after `running` is the machine's end, not an error of start().
      worker.on('error', (error: Error) => (ended ??= crashed(error)));
      worker.on('exit', () => {
        reject(new HostError('VCPU_THREAD', 'the vCPU thread ended before the guest ran'));
        this._finish(ended ?? crashed(new Error('the vCPU thread ended without a word')));
        closeRegion(this._native, ram);
        closeRegion(this._native, state);
      });
    });

    const onAbort = (): void => void this.stop();
    abort?.addEventListener('abort', onAbort, { once: true });
    void this.ended.then(() => abort?.removeEventListener('abort', onAbort));

    try {
      for (const route of this._options.signals ?? []) this.onSignal(route.signal, { irq: route.irq });
      await started;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Raises an interrupt line once, as an external event: recorded in the virtual PIC, delivered when the guest allows. */
  raise(irq: number): void {
    checkIrq(irq);
    const state = this._state;
    if (!state || !this._words)
      throw new ConfigError('NOT_RUNNING', 'the machine is not running: no interrupt can be raised');
    if (this._native) {
      this._native.raise(state.buffer, irq);
    } else {
      record(this._words, irq, performance.now() * 1e6);
      Atomics.notify(this._words, Word.Attention);
    }
  }

  /** Makes a host signal of this process raise a guest interrupt, until the machine ends. Replaces an earlier route of that signal. */
  onSignal(signal: HostSignal, route: { readonly irq: number }): void {
    checkIrq(route.irq);
    const number = routableSignal(signal);
    const state = this._state;
    if (!state) throw new ConfigError('NOT_RUNNING', 'the machine is not running: no signal can be routed to it');
    if (this._native) {
      const earlier = this._routed.get(number);
      this._routed.set(number, this._native.signalRoute(number, state.buffer, route.irq));
      if (earlier !== undefined) this._native.signalUnroute(earlier);
    } else {
      if (!Object.hasOwn(constants.signals, signal)) {
        throw new HostError('NO_ADDON', `${signal} can be routed with the native addon only; use SIGUSR1 or SIGUSR2`);
      }
      const listener = (): void => this.raise(route.irq);
      process.on(signal, listener);
      void this.ended.then(() => process.off(signal, listener));
    }
  }

  /** Stops guest time at the next safe point; events go on being recorded. */
  pause(): void {
    if (this._isOver) return;
    Atomics.store(new Int32Array(this._pause), 0, 1);
    this._attention(Attention.Pause);
  }

  resume(): void {
    if (Atomics.exchange(new Int32Array(this._pause), 0, 0) === 0) return;
    this._attention(Attention.Pause);
    if (!this._isOver) this.emit('resumed');
  }

  /** Ends the machine and waits until its thread, memory and signal routes are given back. Safe to call at any time, repeatedly. */
  async stop(): Promise<Ended> {
    const worker = this._worker;
    if (!worker) {
      this._finish({ reason: ExitReason.Stopped, status: 0, message: 'stopped before it started', report: undefined });
    } else if (!this._isOver) {
      this._attention(Attention.Stop);
      const timer = setTimeout(() => void worker.terminate(), STOP_TIMEOUT_MS);
      await this.ended;
      clearTimeout(timer);
    }
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Counters of the machine; after its end, as they stood then. */
  stats(): Statistics {
    if (this._words && !this._isOver) return readStatistics(this._words);
    if (this._last) return this._last;
    throw new ConfigError('NOT_RUNNING', 'the machine has not been started: there are no statistics');
  }

  /** The vCPU's registers as text. They are exact while the machine is paused and approximate while it runs. */
  status(): string {
    if (!this._words || this._isOver) return 'not running';
    return describeRegisters(this._words);
  }

  private _attention(bits: number): void {
    if (!this._words || !this._state) return;
    Atomics.or(this._words, Word.Attention, bits);
    if (this._native) this._native.vcpuWake(this._state.buffer);
    else Atomics.notify(this._words, Word.Attention);
  }

  private _emitDebug(): void {
    do {
      const chunk = this._debug.read();
      if (chunk.length) this.emit('debug', Buffer.from(chunk.buffer));
    } while (this._debug.awaitBytes());
    if (this._debug.takeWriterWaits()) this._attention(Attention.Device);
  }

  private _finish(ended: Ended): void {
    if (this._isOver) return;
    this._isOver = true;
    log.machine('ended: %s, status %d', ended.message, ended.status);
    for (const id of this._routed.values()) this._native?.signalUnroute(id);
    this._emitDebug();
    this.console.close();
    if (this._words) this._last = readStatistics(this._words);
    this._words = undefined;
    this._state?.release();
    this._state = undefined;
    this._settle(ended);
    if (this._isRunning) this.emit('ended', ended);
  }
}

async function readNamed(file: FileOption, what: string): Promise<NamedFile> {
  if (typeof file !== 'string') return file;
  try {
    return { name: basename(file), bytes: await readFile(file) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : (error as Error).message;
    throw new ConfigError('NO_FILE', `cannot read ${what} '${file}': ${why}`, { cause: error });
  }
}

function crashed(error: Error): Ended {
  return {
    reason: ExitReason.Killed,
    status: 70,
    message: `the vCPU thread failed: ${error.message}`,
    report: error.stack,
  };
}

function toError(message: { name: string; code: string; message: string }): RomulusError {
  const Kind = message.name === 'HostError' ? HostError : ConfigError;
  return new Kind(message.code, message.message);
}
