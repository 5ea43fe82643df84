/**
 * The one door to the addon: loads it on first use, checks every argument before C++ sees it, and turns the errno values that
 * come back into errors. Whoever gets `undefined` from `loadNative` works on plain buffers instead.
 *
 * Read before: `vcpu/layout.ts`. Read after: `machine/nativeHost.ts`, `native/addon.cc`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { getSystemErrorMap, getSystemErrorName } from 'node:util';
import { ConfigError, HostError } from './errors.js';
import { checkRoutable, EVENT_SIGNAL, signalName, TIMER_SIGNAL } from './hostSignals.js';
import type { TranslatorHost, TranslatorUsage } from './translator/host.js';
import { SIDE_TABLE_WORDS } from './translator/sideTable.js';
import { STATE_BYTES } from './vcpu/layout.js';

/** What native/addon.cc exports: results below 0 are negated errno values. */
interface Addon {
  memoryCreate(name: string, sizeBytes: number): number;
  memoryMap(id: number): ArrayBuffer | number;
  memoryRelease(buffer: ArrayBuffer): number;
  memoryClose(id: number): number;
  fileLock(fd: number, isExclusive: boolean): number;
  live(): { mappings: number; routes: number; vcpus: number };
  vcpuBind(state: ArrayBuffer): number;
  vcpuUnbind(): number;
  vcpuWait(timeoutNs: number): number;
  vcpuWake(state: ArrayBuffer): number;
  raise(state: ArrayBuffer, irq: number): number;
  raiseBySignal(state: ArrayBuffer, irq: number): number;
  timerArm(deadlineNs: number): number;
  timerDisarm(): number;
  signalRoute(signo: number, state: ArrayBuffer, irq: number): number;
  signalUnroute(route: number): number;
  signalStorm(pid: number, signo: number, count: number): number;
  maskClose(): number;
  maskOpen(): number;
  maskWait(timeoutNs: number): number;
  samplerStart(periodNs: number): number;
  samplerStop(): number;
  train(state: ArrayBuffer, irq: number, rateHz: number, durationNs: number): Train | number;
  monotonicNs(): number;
  realtimeNs(): number;
  probe(): { memfd: number; executable: number; timer: number };
  fpuOpen(code: ArrayBuffer, words: Int32Array): (() => void) | number;
  fpuClose(run: () => void): number;
  fpuFeatures(): number;
  xlateOpen(
    ram: ArrayBuffer,
    state: ArrayBuffer,
    code: ArrayBuffer,
    direct: Uint8Array,
    maxMappings: number,
    side: Int32Array,
  ): number;
  xlateClose(slot: number): number;
  xlateEntry(slot: number): (() => void) | number;
  xlateUsage(slot: number): TranslatorUsage | number;
  xlateLive(): number;
  windowSelect(slot: number, window: number, twin: number): number;
  windowRevalidate(slot: number, window: number, user: number, sparesGlobal: number): number;
  windowsInvalidatePage(slot: number, linear: number): number;
  windowClear(slot: number, window: number): number;
  windowsClear(slot: number): number;
  windowsProtect(slot: number, frame: number): number;
  windowsDropCode(slot: number, frame: number): number;
  windowsDropAllCode(slot: number): number;
  gsWay(): number;
}

/**
 * How the host lets the GS base be changed, by which translated code reaches memory, in the order of `GsWay` in native/gsBase.h: by
 * WRGSBASE, as the kernel announces; by WRGSBASE that the kernel does not know of, so that it has to be done again when the host has switched
 * threads; by a system call.
 */
const GS_WAYS = ['announced', 'unannounced', 'system call'] as const;
export type GsWay = (typeof GS_WAYS)[number];

/** What became of a train of events. */
export interface Train {
  readonly sent: number;
  /** How often the host's queue of real-time signals was full; a standard signal went instead. */
  readonly full: number;
  readonly elapsedNs: number;
}

/** Largest memory: what one ArrayBuffer of Node 20 takes, in whole pages. */
const MAX_MEMORY_BYTES = 0xfffff000;
const PAGE_BYTES = 4096;

/** Facilities of the host as tried out by the addon: undefined = works, else the name of the error. */
export interface HostProbe {
  readonly memfd: string | undefined;
  /** Executable mapping of a memfd. */
  readonly executable: string | undefined;
  /** POSIX timer that signals one thread. */
  readonly timer: string | undefined;
  readonly gsWay: GsWay;
}

/**
 * Typed face of the addon. Everything throws ConfigError (BAD_ARGUMENT, SIGNAL_REFUSED) before anything has changed when an
 * argument is wrong, and HostError with the errno's name as `code` when the host refuses.
 *
 * A "state" argument is the whole ArrayBuffer of a memory made by `memoryCreate` that begins with a vCPU state block.
 */
export class Native {
  constructor(private readonly _addon: Addon) {}

  /**
   * Makes a zeroed memory (memfd) that threads can map. The owner closes it; the pages go when no view is left either.
   *
   * @param sizeBytes whole pages of 4096 bytes, less than 4 GiB
   * @param name shown in /proc/PID/maps; '' makes shared memory without a file, of use for a code buffer only
   * @returns an id, valid in all threads of the process
   */
  memoryCreate(sizeBytes: number, name = 'romulus'): number {
    if (
      !Number.isInteger(sizeBytes) ||
      sizeBytes <= 0 ||
      sizeBytes > MAX_MEMORY_BYTES ||
      sizeBytes % PAGE_BYTES !== 0
    ) {
      throw badArgument(
        `a memory of ${sizeBytes} bytes`,
        `whole pages of ${PAGE_BYTES} bytes, at most ${MAX_MEMORY_BYTES}`,
      );
    }
    return check('memory', this._addon.memoryCreate(name, sizeBytes));
  }

  /** Maps a memory into this thread's JavaScript: an ArrayBuffer over the shared pages, nothing is copied. */
  memoryMap(id: number): ArrayBuffer {
    checkId(id);
    const buffer = this._addon.memoryMap(id);
    if (typeof buffer === 'number') throw hostError(`memory ${id}`, buffer);
    return buffer;
  }

  /** Detaches a buffer of `memoryMap` from its memory. Without it the garbage collector does so some day. */
  memoryRelease(buffer: ArrayBufferLike): void {
    if (!(buffer instanceof ArrayBuffer)) throw badArgument(typeof buffer, 'an ArrayBuffer of memoryMap()');
    check('memory release', this._addon.memoryRelease(buffer));
  }

  /** Ends the owner's claim to a memory: it can no longer be mapped, and goes with its last view. */
  memoryClose(id: number): void {
    checkId(id);
    check(`memory ${id}`, this._addon.memoryClose(id));
  }

  /**
   * Takes an advisory lock on an open file, which goes when the file is closed (flock).
   *
   * @returns false when somebody else's lock is in the way
   */
  fileLock(fd: number, isExclusive: boolean): boolean {
    const result = this._addon.fileLock(fd, isExclusive);
    if (result === -constants.errno.EWOULDBLOCK) return false;
    check(`lock of file descriptor ${fd}`, result);
    return true;
  }

  /** Mappings of memories in this process now. */
  liveMappings(): number {
    return this._addon.live().mappings;
  }

  /** Signal routes in this process now. */
  liveRoutes(): number {
    return this._addon.live().routes;
  }

  /** Threads bound to a state block in this process now. */
  liveVcpus(): number {
    return this._addon.live().vcpus;
  }

  /** Makes the calling thread the vCPU of a state block: `Word.Tid`, a timer, a signal stack. At most one per thread. */
  vcpuBind(state: ArrayBufferLike): void {
    checkState(state);
    check('vCPU binding', this._addon.vcpuBind(state));
  }

  /** Undoes `vcpuBind`; the end of the thread does as well. */
  vcpuUnbind(): void {
    check('vCPU unbinding', this._addon.vcpuUnbind());
  }

  /**
   * Sleeps on the bound thread until `Word.Attention` is not 0. May return 0 early (after a quarter of a second at the latest),
   * so that V8 can end the thread: call it in a loop.
   *
   * @returns the attention word
   */
  vcpuWait(timeoutNs = Infinity): number {
    return check('vCPU wait', this._addon.vcpuWait(checkNs(timeoutNs)));
  }

  /** Wakes the vCPU thread after `Word.Attention` has been set from JavaScript. Costs next to nothing when it does not sleep. */
  vcpuWake(state: ArrayBufferLike): void {
    checkState(state);
    check('vCPU wake-up', this._addon.vcpuWake(state));
  }

  /** Records an event on an irq of the virtual PIC, as a signal handler would, and wakes the vCPU. From any thread. */
  raise(state: ArrayBufferLike, irq: number): void {
    checkState(state);
    check('event', this._addon.raise(state, checkIrq(irq)));
  }

  /**
   * Sends the bound vCPU thread a queued real-time signal that records an event on an irq.
   *
   * @returns false when the host's signal queue is full (RLIMIT_SIGPENDING): nothing was sent, `raise` still works
   */
  raiseBySignal(state: ArrayBufferLike, irq: number): boolean {
    checkState(state);
    const result = this._addon.raiseBySignal(state, checkIrq(irq));
    if (result < 0 && getSystemErrorName(result) === 'EAGAIN') return false;
    check('event signal', result);
    return true;
  }

  /**
   * Arms the calling vCPU thread's timer; replaces what was armed.
   *
   * @param deadlineMonotonicNs CLOCK_MONOTONIC in ns; the past fires at once
   */
  timerArm(deadlineMonotonicNs: number): void {
    check('timer', this._addon.timerArm(checkNs(deadlineMonotonicNs)));
  }

  /** Disarms the calling vCPU thread's timer; a signal on its way may still arrive. */
  timerDisarm(): void {
    check('timer', this._addon.timerDisarm());
  }

  /**
   * Makes a host signal, sent to this process by anybody, an event on an irq. Several routes may share a signal.
   *
   * @returns the route, for `signalUnroute`
   */
  signalRoute(signo: number, state: ArrayBufferLike, irq: number): number {
    checkRoutable(signo);
    checkState(state);
    return check(`route of ${signalName(signo)}`, this._addon.signalRoute(signo, state, checkIrq(irq)));
  }

  /** Removes a route; with the last of its signal the former action comes back. */
  signalUnroute(route: number): void {
    checkId(route);
    check(`route ${route}`, this._addon.signalUnroute(route));
  }

  /**
   * Sends signals to a process as fast as the host takes them, waiting while the queue is full. Blocks the calling thread.
   *
   * @returns how often the queue was found full
   */
  signalStorm(pid: number, signo: number, count: number): number {
    if (!Number.isInteger(pid) || pid <= 1) throw badArgument(`process ${pid}`, 'the id of one process');
    if (signo !== TIMER_SIGNAL && signo !== EVENT_SIGNAL) checkRoutable(signo);
    if (!Number.isSafeInteger(count) || count < 0) throw badArgument(`${count} signals`, 'a count');
    return check('signals', this._addon.signalStorm(pid, signo, count));
  }

  /**
   * Blocks the signals of events on the bound thread: the guest's CLI under host-mask. `maskOpen` unblocks them; what was pending has
   * been taken by its handlers when it returns. Both do nothing where nothing is to change.
   */
  maskClose(): void {
    const result = this._addon.maskClose();
    if (result !== 0) throw hostError('signal mask', result);
  }

  maskOpen(): void {
    const result = this._addon.maskOpen();
    if (result !== 0) throw hostError('signal mask', result);
  }

  /** As `vcpuWait`, with the mask open only while the thread sleeps and closed afterwards. */
  maskWait(timeoutNs = Infinity): number {
    return check('vCPU wait', this._addon.maskWait(checkNs(timeoutNs)));
  }

  /** Sets `Attention.Sample` of the bound thread's vCPU every `periodNs`, whatever is masked, until `samplerStop` or unbinding. */
  samplerStart(periodNs: number): void {
    if (!(periodNs >= 1000)) throw badArgument(`a period of ${periodNs} ns`, 'at least 1000 ns');
    check('sampling timer', this._addon.samplerStart(checkNs(periodNs)));
  }

  samplerStop(): void {
    check('sampling timer', this._addon.samplerStop());
  }

  /**
   * Sends events on an irq to a bound vCPU thread, as signals at a rate. Blocks the calling thread.
   *
   * @param rateHz events a second; 0 = as fast as the host takes them. What the host reached is `sent` over `elapsedNs`
   */
  train(state: ArrayBufferLike, irq: number, rateHz: number, durationNs: number): Train {
    checkState(state);
    if (!(rateHz >= 0 && rateHz <= 1e9)) throw badArgument(`a rate of ${rateHz} Hz`, '0 to 10^9');
    const result = this._addon.train(state, checkIrq(irq), rateHz, checkNs(durationNs));
    if (typeof result === 'number') throw hostError('event train', result);
    return result;
  }

  /** CLOCK_MONOTONIC in ns. */
  monotonicNs(): number {
    return this._addon.monotonicNs();
  }

  /** CLOCK_REALTIME in ns (as a double: about 256 ns of resolution). */
  realtimeNs(): number {
    return this._addon.realtimeNs();
  }

  /**
   * Makes the stubs in a memory executable against a state block.
   *
   * @param code ArrayBuffer of `memoryMap` into which stubs are written, its size a power of two
   * @param words the state block, in any kind of buffer
   * @returns the function that runs the stub whose offset stands in `Word.FpuStub`; it trusts the code
   * @throws HostError EPERM or EACCES where the host forbids executable mappings of a memfd
   */
  fpuOpen(code: ArrayBuffer, words: Int32Array): () => void {
    if (!(code instanceof ArrayBuffer) || code.byteLength === 0 || (code.byteLength & (code.byteLength - 1)) !== 0) {
      throw badArgument('this memory for stubs', 'an ArrayBuffer of memoryMap() whose size is a power of two');
    }
    if (words.byteOffset !== 0 || words.byteLength < STATE_BYTES) {
      throw badArgument('this state block', `an Int32Array of at least ${STATE_BYTES} bytes from its buffer's start`);
    }
    const run = this._addon.fpuOpen(code, words);
    if (typeof run === 'number') throw hostError('executable memory', run);
    return run;
  }

  /** Unmaps what `fpuOpen` mapped; the function does nothing from then on. The garbage collector does so too, some day. */
  fpuClose(run: () => void): void {
    check('executable memory', this._addon.fpuClose(run));
  }

  /** What the host's FPU has beyond SSE2, which is part of x86-64. */
  fpuFeatures(): { readonly sse3: boolean; readonly ssse3: boolean } {
    const bits = this._addon.fpuFeatures();
    return { sse3: (bits & 1) !== 0, ssse3: (bits & 2) !== 0 };
  }

  /**
   * Opens what translated code needs, for the calling vCPU thread.
   *
   * @param ram guest RAM, @param state the state block, @param code the code buffer: ArrayBuffers of `memoryMap`
   * @param direct `PhysMemory.direct`
   * @param maxMappings most host mappings of the windows; 0 = what the host allows
   * @throws HostError EPERM or EACCES where the host forbids executable mappings of a memfd, EMFILE for too many machines
   */
  translatorOpen(
    ram: ArrayBufferLike,
    state: ArrayBufferLike,
    code: ArrayBuffer,
    direct: Uint8Array,
    maxMappings = 0,
  ): TranslatorHost {
    if (!(ram instanceof ArrayBuffer)) throw badArgument('this memory', 'an ArrayBuffer of memoryMap()');
    checkState(state);
    const addon = this._addon;
    const side = new Int32Array(SIDE_TABLE_WORDS);
    const slot = check('translator', addon.xlateOpen(ram, state, code, direct, maxMappings, side));
    const enter = addon.xlateEntry(slot);
    if (typeof enter === 'number') throw hostError('translator', enter);
    return {
      code: new Uint8Array(code),
      side,
      enter,
      select: (window, twin) => void check('window', addon.windowSelect(slot, window, twin)),
      revalidate: (window, user, sparesGlobal) =>
        void check('window', addon.windowRevalidate(slot, window, user ? 1 : 0, sparesGlobal ? 1 : 0)),
      invalidatePage: (linear) => void check('windows', addon.windowsInvalidatePage(slot, linear)),
      clear: (window) => void check('window', addon.windowClear(slot, window)),
      clearAll: () => void check('windows', addon.windowsClear(slot)),
      protect: (frame) => void check('windows', addon.windowsProtect(slot, frame)),
      dropCode: (frame) => void check('windows', addon.windowsDropCode(slot, frame)),
      dropAllCode: () => void check('windows', addon.windowsDropAllCode(slot)),
      usage: () => {
        const usage = addon.xlateUsage(slot);
        if (typeof usage === 'number') throw hostError('translator', usage);
        return usage;
      },
      dispose: () => void check('translator', addon.xlateClose(slot)),
    };
  }

  /** Translators open in this process now. */
  liveTranslators(): number {
    return this._addon.xlateLive();
  }

  /** Tries it out on the first call. */
  gsWay(): GsWay {
    return GS_WAYS[this._addon.gsWay()];
  }

  /** Tries out what the host offers. */
  probe(): HostProbe {
    const { memfd, executable, timer } = this._addon.probe();
    const name = (result: number): string | undefined => (result < 0 ? getSystemErrorName(result) : undefined);
    return { memfd: name(memfd), executable: name(executable), timer: name(timer), gsWay: this.gsWay() };
  }
}

function badArgument(what: string, wanted: string): ConfigError {
  return new ConfigError('BAD_ARGUMENT', `${what} will not do: it must be ${wanted}`);
}

/** What to do about the errors that have one usual cause. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOMEM: 'give the guest less memory, or the host more',
  EMFILE: 'too many machines run at once, stop some',
  EAGAIN: 'raise the limit of queued signals (ulimit -i)',
  EBUSY: 'the thread or the state block is bound already',
  ESRCH: 'no thread is bound, call vcpuBind first',
  EBADF: 'it was never made or is closed',
  EINVAL: 'it is not of memoryMap(), or released',
};

function hostError(what: string, negatedErrno: number): HostError {
  const [code, description] = getSystemErrorMap().get(negatedErrno) ?? [`ERRNO_${-negatedErrno}`, 'unknown error'];
  const advice = ADVICE[code] ?? '`romulus doctor` shows what this host offers';
  return new HostError(code, `${what} failed: ${description} (${code}); ${advice}`);
}

function check(what: string, result: number): number {
  if (result < 0) throw hostError(what, result);
  return result;
}

function checkId(id: number): void {
  if (!Number.isInteger(id) || id < 1 || id > 0x7fffffff)
    throw badArgument(`id ${id}`, 'one that this class has returned');
}

function checkState(state: ArrayBufferLike): asserts state is ArrayBuffer {
  if (!(state instanceof ArrayBuffer) || state.byteLength < STATE_BYTES) {
    throw badArgument('this state block', `an ArrayBuffer of memoryMap() of at least ${STATE_BYTES} bytes`);
  }
}

function checkIrq(irq: number): number {
  if (!Number.isInteger(irq) || irq < 0 || irq > 15) throw badArgument(`irq ${irq}`, '0 to 15');
  return irq;
}

function checkNs(timeNs: number): number {
  if (typeof timeNs !== 'number' || Number.isNaN(timeNs))
    throw badArgument(`time ${timeNs}`, 'a number of nanoseconds');
  return timeNs;
}

/** Where CMakeLists.txt and binding.gyp put the addon, seen from dist/src. */
const ADDON = new URL('../../build/Release/romulus.node', import.meta.url);

/** The addon, or why there is none. */
export type NativeResult = { readonly native: Native } | { readonly native: undefined; readonly failure: string };

/** Loads an addon file. Never throws: the program can do without. */
export function loadAddon(file: URL): NativeResult {
  const path = fileURLToPath(file);
  if (!existsSync(path)) {
    return { native: undefined, failure: `the addon is not built (${path} is missing): run npm run build:native` };
  }
  try {
    return { native: new Native(createRequire(import.meta.url)(path) as Addon) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { native: undefined, failure: `the addon does not load (${detail}): run npm run build:native` };
  }
}

let loaded: NativeResult | undefined;

/** Loads the project's addon on first use, once per thread; `failure` says why when `native` is undefined. */
export function tryNative(): NativeResult {
  return (loaded ??= loadAddon(ADDON));
}

/** The project's addon, or undefined where it cannot be loaded (`tryNative` says why). */
export function loadNative(): Native | undefined {
  return tryNative().native;
}
