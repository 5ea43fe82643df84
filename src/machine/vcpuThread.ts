/**
 * The host thread of a vCPU. It takes longer to load its code than a machine takes to be put together, so whoever knows early that there will be a
 * machine starts the thread first. Separate for that: it loads nothing else. Read before: `messages.ts`. Read after: `machine.ts`, `worker.ts`.
 */
import { Worker } from 'node:worker_threads';
import type { WorkerSetup } from './messages.js';

/**
 * Room for new objects of the thread, which V8 would let grow to 48 MiB and keep. What it makes and keeps, fragments and decoded
 * instructions, is a few MiB in all.
 */
const YOUNG_GENERATION_MIB = 12;

/** Starts a thread that waits for its machine; `Machine` takes it and ends it, or whoever has started it does. */
export function startVcpuThread(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), {
    name: 'romulus-vcpu',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    // That option is for the text that a program is given with -e, and a thread, which has a file, refuses it.
    ...(process.execArgv.some((word) => word.startsWith('--input-type')) && { execArgv: [] }),
  });
}

/** Gives a thread its machine, and the bytes of files that are ours. */
export function sendSetup(thread: Worker, setup: WorkerSetup): void {
  const ours = [setup.kernel, ...setup.modules].filter(({ isOurs }) => isOurs);
  thread.postMessage(
    setup,
    ours.map(({ bytes }) => bytes.buffer as ArrayBuffer),
  );
}
