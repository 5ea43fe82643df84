/** What the main thread and a vCPU's worker say to each other. Bytes go through `byteRing.ts`, events through the state block. */
import type { ExitReason } from '../vcpu/layout.js';

/** Guest RAM or a state block as another thread can map it: an id of the addon's, or shared memory of JavaScript's. */
export type SharedRegion = { readonly nativeId: number } | { readonly buffer: SharedArrayBuffer };

export interface NamedFile {
  /** How errors name it: usually its path. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything a worker needs to build its board. */
export interface WorkerSetup {
  readonly ram: SharedRegion;
  readonly state: SharedRegion;
  readonly consoleInput: SharedArrayBuffer;
  readonly consoleOutput: SharedArrayBuffer;
  readonly debugOutput: SharedArrayBuffer;
  /** One word: 1 while the machine is to be paused. */
  readonly pause: SharedArrayBuffer;
  readonly kernel: NamedFile;
  readonly initrd: NamedFile | undefined;
  readonly append: string;
  readonly rom: boolean;
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
  | { readonly type: 'running' }
  | { readonly type: 'failed'; readonly name: string; readonly code: string; readonly message: string }
  | { readonly type: 'paused' }
  | { readonly type: 'outputReady' }
  | { readonly type: 'inputDrained' }
  | { readonly type: 'ended'; readonly ended: Ended };
