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
import { constants } from 'node:os';
import { basename } from 'node:path';
import { ConfigError, HostError, RomulusError } from '../errors.js';
import { loadNative, type Native } from '../native.js';
import { routableSignal } from '../hostSignals.js';
import {
  checkIrq,
  checkMachineOptions,
  DEFAULT_MEMORY_BYTES,
  type EngineName,
  type HostSignal,
  type PageFaultWay,
} from '../options.js';
import type { TraceItem } from '../interp/trace.js';
import { log } from '../log.js';
import { Latencies, LATENCIES_BYTES, type LatencySummary } from '../irq/latency.js';
import { record } from '../irq/record.js';
import type { StrategyName } from '../irq/strategies/index.js';
import type { Profile } from '../profile/sampler.js';
import { Attention, ExitReason, MaskSignals, STATE_BYTES, Word } from '../vcpu/layout.js';
import { ByteRing } from './byteRing.js';
import { GuestChannel, type Channel } from './channel.js';
import { Console } from './console.js';
import { DeviceFiles, type DeviceOptions } from './deviceFiles.js';
import { Agent, type ExecOptions } from './exec/agent.js';
import type { GuestProcess } from './exec/guestProcess.js';
import { EXEC_PORT } from './exec/protocol.js';
import { readInput } from './inputFile.js';
import {
  isPaused,
  packTerminalSize,
  type Ended,
  type EngineChoice,
  type FromWorker,
  type NamedFile,
  type SentFile,
  type SharedRegion,
  type WorkerSetup,
} from './messages.js';
import { attach, closeRegion, openRegion, type View } from './regions.js';
import type { TranslatorStatistics } from '../translator/stats.js';
import { readStatistics, type Statistics } from './statistics.js';
import { VcpuThread } from './vcpuThread.js';
import { describeRegisters } from './report.js';

/** A file by path, or already in memory. */
export type FileOption = string | NamedFile;

export interface SignalRoute {
  /** Host signal, such as 'SIGUSR1'. */
  readonly signal: HostSignal;
  /** 8259 input that it raises, 0 to 15 (2 is the cascade and cannot be raised). */
  readonly irq: number;
}

export interface MachineOptions extends DeviceOptions {
  /** Guest memory in bytes: 8 MiB to 3 GiB, a multiple of 4 KiB. Default 128 MiB. */
  readonly memoryBytes?: number;
  /** Multiboot ELF, ELF vmlinux or bzImage. */
  readonly kernel?: FileOption;
  /** Flat firmware image of 16 bytes to 256 KiB, instead of a kernel: the machine starts at the reset vector. */
  readonly bios?: FileOption;
  /** Initial RAM disk; for a multiboot kernel its module, or several. */
  readonly initrd?: FileOption | readonly FileOption[] | undefined;
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
  /** What runs the guest. Default 'auto': the translator where the host allows it, else the interpreter. */
  readonly engine?: EngineName;
  /** Who hands page faults of translated code to the guest's handler, see docs/interrupts.md. Default 'reflect': the addon. */
  readonly pageFaults?: PageFaultWay;
  /**
   * Folder in which translations are kept from one run to the next, a file for each kernel; made when it is not there. A machine that finds
   * those of an earlier run boots faster. It is written when the guest ends. Default: they are not kept.
   */
  readonly translations?: string;
  /** Writes /tmp/perf-PID.map, by which Linux perf names translated code. Needs the translator. */
  readonly perfMap?: boolean;
  /** File that gets a listing of each piece of translated code as it is made. Needs the translator; slow. */
  readonly dumpFragments?: string;
  /** How the guest's interrupt flag reaches the host, see docs/interrupts.md. Default 'virtual-mask'. */
  readonly interrupts?: StrategyName;
  /** The kind of host signal that carries events to the vCPU thread, where signals do. Default 'realtime'. */
  readonly maskSignals?: 'realtime' | 'standard';
  /** What to trace, and the file that the trace goes to (undefined: standard error). Slow. */
  readonly trace?: { readonly items: readonly TraceItem[]; readonly file?: string | undefined };
  /** Samples the guest's EIP this often a second, for `profile()`. Needs the addon. */
  readonly profileHz?: number;
}

export interface MachineEvents {
  /** The kernel is loaded and the vCPU runs. */
  running: [];
  /** Guest time stands still: the vCPU has seen `pause`. */
  paused: [];
  /** `resume` was called on a paused machine. */
  resumed: [];
  /** A machine that ran has ended, and everything it held is given back. */
  ended: [Ended];
  /** Bytes the guest wrote to port 0xE9. */
  debug: [Buffer];
  /** Something on the host went wrong for the guest, such as an image that cannot be written: one sentence, once. */
  warning: [string];
}

const INPUT_BYTES = 4096;
const OUTPUT_BYTES = 65536;
/** The end of a machine whose thread had to be ended with it. */
const FORCED: Ended = {
  reason: ExitReason.Stopped,
  status: 0,
  message: 'stopped by the host by force: the vCPU thread did not answer',
  report: undefined,
};
/** After a stop request, how long the vCPU thread may take before it is ended by force. */
const STOP_TIMEOUT_MS = 5000;

export class Machine extends EventEmitter<MachineEvents> implements AsyncDisposable {
  /**
   * What the guest prints (readable) and what it is typed (writable). A guest that prints more than 64 KiB which nobody reads waits for
   * a reader, as a program does that writes into a pipe; `console.resume()` reads and drops, `console.destroy()` drops for good.
   */
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
  private readonly _latencyBuffer = new SharedArrayBuffer(LATENCIES_BYTES);
  private readonly _latencies = new Latencies(this._latencyBuffer);
  private readonly _pause = new SharedArrayBuffer(4);
  private readonly _pauses = new Int32Array(this._pause);
  private readonly _terminalSize = new SharedArrayBuffer(4);
  private readonly _files = new DeviceFiles();
  private readonly _channels = new Map<string, GuestChannel>();
  /** Undefined before the first command. */
  private _agent: Agent | undefined;
  /** Routes of host signals, by signal number. */
  private readonly _routed = new Map<number, number>();
  /** Listeners that stand in for routes where there is no addon, by signal. */
  private readonly _listeners = new Map<HostSignal, () => void>();
  private readonly _regions: SharedRegion[] = [];
  private _stateRegion: SharedRegion | undefined;
  private _state: View | undefined;
  private _words: Int32Array | undefined;
  /** It has been given its work: it says when it is over. */
  private _isLaunched = false;
  private _last: Statistics | undefined;
  private _profile: Profile | undefined;
  private _engine: EngineChoice | undefined;
  private _translator: TranslatorStatistics | undefined;
  private _settle!: (ended: Ended) => void;
  private _isStarted = false;
  /** `_emitDebug` is going to be called again. */
  private _isDebugScheduled = false;
  private _isRunning = false;
  private _isStopAsked = false;
  /** Ends the reading of the files to boot. */
  private readonly _reading = new AbortController();
  private _isOver = false;

  /**
   * @param _thread where the caller has started it ahead; it is the machine's from then on
   * @throws ConfigError for options out of range; nothing is opened before `start`.
   */
  constructor(
    options: MachineOptions,
    private _thread?: VcpuThread,
  ) {
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

  /** Where the state block is, for tools of this project that send events from threads of their own; undefined while not running. */
  get stateRegion(): SharedRegion | undefined {
    return this._words && !this._isOver ? this._stateRegion : undefined;
  }

  /** Host thread that is the vCPU, as in /proc/PID/task; undefined without the addon and while not running. */
  get threadId(): number | undefined {
    const tid = this._words && !this._isOver ? Atomics.load(this._words, Word.Tid) : 0;
    return tid === 0 ? undefined : tid;
  }

  /** Which engine runs the guest, and why; undefined before it runs. */
  get engine(): EngineChoice | undefined {
    return this._engine;
  }

  /** What the translator has done, once the machine has ended; undefined where the interpreter ran. */
  translatorStatistics(): TranslatorStatistics | undefined {
    return this._translator;
  }

  /**
   * Loads the kernel and lets the vCPU run. A machine whose start fails is over: `ended` settles and says why.
   *
   * @throws ConfigError if the kernel or initrd cannot be booted (`STOPPED` if `stop` came first), HostError if the host refuses
   *   memory or a thread, the reason of the AbortSignal if that was aborted
   */
  async start(): Promise<void> {
    if (this._isStarted || this._isOver)
      throw new ConfigError('ALREADY_STARTED', 'a machine starts once; make another one');
    this._isStarted = true;
    const abort = this._options.signal;
    const onAbort = (): void => void this.stop();
    abort?.addEventListener('abort', onAbort, { once: true });
    void this.ended.then(() => abort?.removeEventListener('abort', onAbort));
    try {
      abort?.throwIfAborted();
      const { kernel: kernelOption, bios, initrd = [] } = this._options;
      const kernel = await this._read((kernelOption ?? bios)!, bios === undefined ? 'kernel' : 'BIOS');
      const modules = await Promise.all([initrd].flat().map((file: FileOption) => this._read(file, 'initrd')));
      abort?.throwIfAborted();
      this._reading.signal.throwIfAborted();
      const files = this._files.open(this._options, this._channels.size > 0, this._native);
      const append = (this._options.append ?? '') + files.announcement;
      const started = this._launch({ ...this._share(kernel, modules), ...files.setup, append });
      for (const route of this._options.signals ?? []) this.onSignal(route.signal, { irq: route.irq });
      await started;
    } catch (error) {
      await this._stopFailed(error);
      throw error;
    }
  }

  /** Opens the memory that the threads share. */
  private _share(kernel: SentFile, modules: readonly SentFile[]): Omit<WorkerSetup, 'virtio' | 'serial' | 'append'> {
    const open = (sizeBytes: number, label: string): SharedRegion => {
      const region = openRegion(this._native, sizeBytes, label);
      this._regions.push(region);
      return region;
    };
    const ram = open(this._memoryBytes, 'romulus-ram');
    const state = open(STATE_BYTES, 'romulus-vcpu');
    this._stateRegion = state;
    this._state = attach(this._native, state);
    this._words = new Int32Array(this._state.buffer);
    const isStandard = this._options.maskSignals === 'standard';
    this._words[Word.MaskSignals] = isStandard ? MaskSignals.Standard : MaskSignals.Realtime;
    // A pause() that came before there was a vCPU.
    this._attention(Attention.Pause);
    log.machine(
      '%d MiB of memory, %s',
      this._memoryBytes / 2 ** 20,
      this._native ? 'with the addon' : 'without the addon',
    );
    return {
      ram,
      state,
      consoleInput: this._input,
      consoleOutput: this._output,
      debugOutput: this._debugOutput,
      channels: [...this._channels.values()].map((channel) => channel.setup),
      terminalSize: this._terminalSize,
      pause: this._pause,
      kernel,
      isBios: this._options.bios !== undefined,
      modules,
      rom: this._options.rom ?? true,
      interrupts: this._options.interrupts ?? 'virtual-mask',
      engine: this._options.engine ?? 'auto',
      pageFaults: this._options.pageFaults ?? 'reflect',
      translations: this._options.translations,
      fragments:
        this._options.perfMap === true || this._options.dumpFragments !== undefined
          ? { perfMap: this._options.perfMap === true, dumpFile: this._options.dumpFragments }
          : undefined,
      latencies: this._latencyBuffer,
      profileHz: this._options.profileHz,
      trace: this._options.trace,
    };
  }

  /** @throws ConfigError `NO_FILE`, `STOPPED` */
  private async _read(file: FileOption, what: string): Promise<SentFile> {
    if (typeof file !== 'string') return { name: file.name, bytes: file.bytes, isOurs: false };
    const { signal } = this._reading;
    try {
      const bytes = await readInput(file, signal);
      return { name: basename(file), bytes, isOurs: bytes.byteLength === bytes.buffer.byteLength };
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === 'ENOENT' ? 'there is no such file' : message;
      throw new ConfigError('NO_FILE', `cannot read ${what} '${file}': ${why}`, { cause: error });
    }
  }

  /** Gives the vCPU thread its work. The promise settles when it runs the guest, or will not. */
  private _launch(setup: WorkerSetup): Promise<void> {
    const thread = (this._thread ??= new VcpuThread());
    const started = new Promise<void>((resolve, reject) => {
      let ended: Ended | undefined;
      // V8 cannot end a thread while it is in translated code: at process.exit() the guest has to be asked to leave it.
      const onProcessExit = (): void => this._attention(Attention.Stop);
      process.once('exit', onProcessExit);
      const message = (received: FromWorker): void => {
        switch (received.type) {
          case 'running':
            this._isRunning = true;
            this._engine = received.engine;
            resolve();
            this.emit('running');
            break;
          case 'failed':
            ended = this._isRunning ? hostFailed(received.message) : notStarted(received.message);
            reject(toError(received));
            break;
          case 'paused':
            this.emit('paused');
            break;
          case 'outputReady':
            this.console.outputReady();
            this._emitDebug();
            for (const channel of this._channels.values()) channel.outputReady();
            break;
          case 'inputDrained':
            this.console.inputDrained();
            for (const channel of this._channels.values()) channel.inputDrained();
            break;
          case 'warning':
            this.emit('warning', received.text);
            break;
          case 'channelOpened':
            this._channels.get(received.name)?.guestOpened(received.isOpen);
            break;
          case 'ended':
            ended = received.ended;
            this._profile = received.profile;
            this._translator = received.translator;
            break;
        }
      };
      const error = (reason: Error): void => {
        ended ??= crashed(reason);
        // After `running` this is the machine's end and no error of start(): nobody hears the rejection.
        reject(new HostError('VCPU_THREAD', `the vCPU thread failed: ${reason.message}`, { cause: reason }));
      };
      const exit = (): void => {
        process.off('exit', onProcessExit);
        reject(new HostError('VCPU_THREAD', 'the vCPU thread ended before the guest ran'));
        this._finish(
          ended ?? (this._isStopAsked ? FORCED : crashed(new Error('the vCPU thread ended without a word'))),
        );
      };
      try {
        thread.begin(setup, { message, error, exit });
        this._isLaunched = true;
      } catch (reason) {
        process.off('exit', onProcessExit);
        const text = `the vCPU thread cannot be given its files: ${(reason as Error).message}`;
        reject(new HostError('VCPU_THREAD', text, { cause: reason }));
      }
    });
    // Whoever waits for it gets the rejection; start() may have failed for another reason by then.
    started.catch(() => undefined);
    return started;
  }

  /**
   * A byte channel to a program in the guest, which sees it as the virtio console's port of that name
   * (/dev/virtio-ports/NAME). Asking for it before `start` plugs the port in; later it only finds it.
   *
   * @throws ConfigError `BAD_CHANNEL` for a name that cannot be a port's, `NO_CHANNEL` for a new one after the start
   */
  channel(name: string): Channel {
    const known = this._channels.get(name);
    if (known) return known;
    if (this._isStarted || this._isOver)
      throw new ConfigError('NO_CHANNEL', `the machine has no channel '${name}'; ask for it before start()`);
    const channel = new GuestChannel(name, () => this._attention(Attention.Device));
    this._channels.set(name, channel);
    return channel;
  }

  /**
   * Runs a command in a Linux guest whose init has started our agent, as `romulus linux` has it; the result is shaped like Node's
   * ChildProcess. Commands wait for the agent to come up, and any number can run side by side. The first one, or `channel(EXEC_PORT)`,
   * must come before `start`, so that the guest finds the port.
   *
   *     const process = machine.exec('uname', ['-a']);
   *     process.stdout.pipe(output);
   *     const { status } = await process.exit;
   *
   * @throws ConfigError `BAD_COMMAND` for what cannot be a command line, `NO_CHANNEL` without the port, `NOT_RUNNING` after the end
   */
  exec(command: string, parameters: readonly string[] = [], options: ExecOptions = {}): GuestProcess {
    return this._needAgent().exec(command, parameters, options);
  }

  /**
   * Asks the guest, by the same agent, to write what it holds to its disks and to power off: `ended` settles when it has.
   *
   * @throws ConfigError as `exec`
   */
  powerOff(): void {
    this._needAgent().powerOff();
  }

  private _needAgent(): Agent {
    if (this._isOver) throw new ConfigError('NOT_RUNNING', 'the machine has ended: no command can be run');
    return (this._agent ??= new Agent(this.channel(EXEC_PORT), () =>
      this._isOver
        ? new RomulusError('MACHINE_ENDED', 'the machine ended before the command did')
        : new RomulusError('AGENT_GONE', 'the agent in the guest has ended; the console may say why'),
    ));
  }

  /** Tells the guest's virtio console the size of the terminal behind it, in characters; again whenever that changes. */
  resizeConsole(columns: number, rows: number): void {
    Atomics.store(new Int32Array(this._terminalSize), 0, packTerminalSize(columns, rows));
    this._attention(Attention.Device);
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

  /** Raises the guest's NMI line once: vector 2, whatever IF says. */
  nmi(): void {
    if (!this._words) throw new ConfigError('NOT_RUNNING', 'the machine is not running: no NMI can be raised');
    Atomics.store(this._words, Word.Nmi, 1);
    this._attention(Attention.Nmi);
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
      const earlier = this._listeners.get(signal);
      const listener = (): void => this.raise(route.irq);
      process.on(signal, listener);
      this._listeners.set(signal, listener);
      if (earlier !== undefined) process.off(signal, earlier);
    }
  }

  /** Stops guest time at the next safe point; events go on being recorded. */
  pause(): void {
    if (this._isOver || isPaused(this._pauses)) return;
    Atomics.add(this._pauses, 0, 1);
    this._attention(Attention.Pause);
  }

  /** Lets guest time go on after `pause`. */
  resume(): void {
    if (this._isOver || !isPaused(this._pauses)) return;
    Atomics.add(this._pauses, 0, 1);
    this._attention(Attention.Pause);
    this.emit('resumed');
  }

  /** Ends the machine and waits until its thread, memory and signal routes are given back. Safe to call at any time, repeatedly. */
  async stop(): Promise<Ended> {
    if (!this._isLaunched) {
      this._reading.abort(new ConfigError('STOPPED', 'the machine was stopped before it ran'));
      this._finish({ reason: ExitReason.Stopped, status: 0, message: 'stopped before it started', report: undefined });
    } else if (!this._isOver) {
      this._isStopAsked = true;
      this._attention(Attention.Stop);
      const timer = setTimeout(() => void this._thread?.terminate(), STOP_TIMEOUT_MS);
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

  /**
   * How long the events of a line waited, from their stamp to the first instruction of the guest's handler: in all, or since
   * `clearLatency`. The stamp of a signal sent by `raise` under host-mask is when it was sent, of others when their handler ran.
   *
   * @returns undefined when nothing was delivered on the line
   */
  latency(irq: number): LatencySummary | undefined {
    checkIrq(irq);
    return this._latencies.summary(irq);
  }

  clearLatency(irq: number): void {
    checkIrq(irq);
    this._latencies.clear(irq);
  }

  /** The samples of `profileHz`, once the machine has ended; undefined before, and where none were asked for. */
  profile(): Profile | undefined {
    return this._profile;
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

  /** Ends a machine whose start has failed. */
  private async _stopFailed(error: unknown): Promise<void> {
    if (!this._isLaunched) this._finish(notStarted(error instanceof Error ? error.message : String(error)));
    await this.stop();
  }

  /** Emits what is there; what comes meanwhile waits for the next turn of the event loop, or a guest could keep it for itself. */
  private _emitDebug(): void {
    const chunk = this._debug.read();
    if (this._debug.takeWriterWaits()) this._attention(Attention.Device);
    if (chunk.length) this.emit('debug', Buffer.from(chunk.buffer));
    if (!this._debug.awaitBytes() || this._isDebugScheduled) return;
    this._isDebugScheduled = true;
    setImmediate(() => {
      this._isDebugScheduled = false;
      this._emitDebug();
    });
  }

  private _finish(ended: Ended): void {
    if (this._isOver) return;
    this._isOver = true;
    if (!this._isLaunched) void this._thread?.terminate();
    log.machine('ended: %s, status %d', ended.message, ended.status);
    for (const id of this._routed.values()) this._native?.signalUnroute(id);
    for (const [signal, listener] of this._listeners) process.off(signal, listener);
    this._emitDebug();
    this.console.close();
    for (const channel of this._channels.values()) channel.finish();
    this._agent?.close();
    if (this._words) this._last = readStatistics(this._words);
    this._words = undefined;
    this._state?.release();
    this._state = undefined;
    this._files.close();
    for (const region of this._regions) closeRegion(this._native, region);
    this._settle(ended);
    if (this._isRunning) this.emit('ended', ended);
  }
}

/** The end of a machine that did not get as far as its guest. */
function notStarted(why: string): Ended {
  return { reason: ExitReason.Stopped, status: 1, message: `did not start: ${why}`, report: undefined };
}

/** The end of a guest for which the host lacked something on the way: memory, room for a file. */
function hostFailed(why: string): Ended {
  return { reason: ExitReason.Killed, status: 1, message: `the guest cannot go on: ${why}`, report: undefined };
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
