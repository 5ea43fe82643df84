/** What the main thread and a vCPU's worker say to each other. Bytes go through `byteRing.ts`, events through the state block. */
import type { TraceItem } from '../interp/trace.js';
import type { StrategyName } from '../irq/strategies/index.js';
import type { EngineName, PageFaultWay } from '../options.js';
import type { Profile } from '../profile/sampler.js';
import type { TranslatorStatistics } from '../translator/stats.js';
import type { ExitReason } from '../vcpu/layout.js';
import type { VirtioSetup } from './virtioDevices.js';

/** Guest RAM or a state block as another thread can map it: an id of the addon's, or shared memory of JavaScript's. */
export type SharedRegion = { readonly nativeId: number } | { readonly buffer: SharedArrayBuffer };

export interface NamedFile {
  /** How errors name it: usually its path. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface SentFile extends NamedFile {
  /** The bytes have a buffer of their own that nobody else uses, so that it goes to the other thread without a copy. */
  readonly isOurs: boolean;
}

/** A channel's rings as the vCPU thread gets them: input is what the guest reads. */
export interface ChannelSetup {
  readonly name: string;
  readonly input: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
}

/** Everything a worker needs to build its board. */
export interface WorkerSetup {
  readonly ram: SharedRegion;
  readonly state: SharedRegion;
  readonly consoleInput: SharedArrayBuffer;
  readonly consoleOutput: SharedArrayBuffer;
  readonly debugOutput: SharedArrayBuffer;
  readonly channels: readonly ChannelSetup[];
  readonly virtio: readonly VirtioSetup[];
  /** Where COM1 leads: the console, nowhere, or an open file. */
  readonly serial: 'stdio' | 'null' | { readonly name: string; readonly fd: number };
  /** One word: columns (high half) and rows of the terminal behind the console; 0 = not known. */
  readonly terminalSize: SharedArrayBuffer;
  /** One word: how often pause() and resume() have changed something; see `isPaused`. */
  readonly pause: SharedArrayBuffer;
  readonly kernel: SentFile;
  /** The kernel is a firmware image, entered at the reset vector. */
  readonly isBios: boolean;
  /** The initrd, or the multiboot modules. */
  readonly modules: readonly SentFile[];
  readonly append: string;
  readonly rom: boolean;
  readonly interrupts: StrategyName;
  readonly engine: EngineName;
  readonly pageFaults: PageFaultWay;
  /** Folder for translations that are kept from one run to the next; undefined: they are not. */
  readonly translations: string | undefined;
  /** What is to be written about fragments; undefined: nothing. */
  readonly fragments: { readonly perfMap: boolean; readonly dumpFile: string | undefined } | undefined;
  readonly latencies: SharedArrayBuffer;
  readonly profileHz: number | undefined;
  readonly trace: { readonly items: readonly TraceItem[]; readonly file?: string | undefined } | undefined;
}

/** Whether the machine is to stand still. */
export function isPaused(pauses: Int32Array): boolean {
  return (Atomics.load(pauses, 0) & 1) !== 0;
}

/** A terminal's size as the word of `WorkerSetup.terminalSize`. */
export function packTerminalSize(columns: number, rows: number): number {
  return ((columns & 0xffff) << 16) | (rows & 0xffff);
}

export function unpackTerminalSize(word: number): { readonly columns: number; readonly rows: number } {
  return { columns: word >>> 16, rows: word & 0xffff };
}

/** Which engine runs the guest. */
export interface EngineChoice {
  readonly name: 'interpreter' | 'translator';
  readonly why: string;
  /** It is not what was asked for, or not what this host could do at best. */
  readonly isFallback: boolean;
}

/** How a machine ended. */
export interface Ended {
  readonly reason: ExitReason;
  /** Exit status for the command line: the guest's own where it gave one (isa-debug-exit), else by reason. */
  readonly status: number;
  /** One line: what happened. */
  readonly message: string;
  /** Registers and last ROM calls, where the guest died or was stopped while it ran. */
  readonly report: string | undefined;
}

export type FromWorker =
  | { readonly type: 'running'; readonly engine: EngineChoice }
  | { readonly type: 'failed'; readonly name: string; readonly code: string; readonly message: string }
  | { readonly type: 'paused' }
  | { readonly type: 'outputReady' }
  | { readonly type: 'inputDrained' }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'channelOpened'; readonly name: string; readonly isOpen: boolean }
  | {
      readonly type: 'ended';
      readonly ended: Ended;
      readonly profile: Profile | undefined;
      readonly translator: TranslatorStatistics | undefined;
    };
