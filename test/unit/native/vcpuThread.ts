/**
 * The worker thread of the tests in this folder: does one job on a memory of the addon and posts the result. `run` starts it.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { NativeHost } from '../../../src/machine/nativeHost.js';
import { loadNative, type Native } from '../../../src/native.js';
import { Attention, Word } from '../../../src/vcpu/layout.js';

export type Job =
  /** Writes to word `Word.Eax`, and releases the view or leaves that to the end of the thread. */
  | { readonly task: 'write'; readonly value: number; readonly release: boolean }
  /** Is the vCPU: takes what is recorded in the IRR until `Attention.Stop`; posts 'bound', then how often each irq was found. */
  | { readonly task: 'consume' }
  /** Arms the timer `ticks` times, `periodNs` apart; posts how late each tick was. */
  | { readonly task: 'tick'; readonly ticks: number; readonly periodNs: number }
  /** Answers each wake-up with one for the thread of the memory `peer`, until `Attention.Stop`. */
  | { readonly task: 'echo'; readonly peer: number }
  /** Sleeps until it is terminated, after posting 'bound'. */
  | { readonly task: 'sleep' }
  /** Binds two threads' worth of things that must fail; posts the error codes. */
  | { readonly task: 'bindTwice' }
  /** Sends signals to this process; posts how often the queue was full. */
  | { readonly task: 'storm'; readonly signo: number; readonly count: number };

interface Setup {
  readonly memory: number;
  readonly job: Job;
}

/** Starts a thread on a memory. `result` settles when the thread has ended: its last message, or the error that ended it. */
export function run(memory: number, job: Job): { worker: Worker; bound: Promise<unknown>; result: Promise<unknown> } {
  const worker = new Worker(new URL('./vcpuThread.js', import.meta.url), {
    workerData: { memory, job } satisfies Setup,
  });
  const bound = new Promise((resolve) => worker.once('message', resolve));
  const result = new Promise((resolve, reject) => {
    let last: unknown;
    let failure: Error | undefined;
    worker.on('message', (message: unknown) => {
      last = message;
    });
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => (failure === undefined ? resolve(last) : reject(failure)));
  });
  return { worker, bound, result };
}

function main(native: Native, { memory, job }: Setup): unknown {
  const state = native.memoryMap(memory);
  const words = new Int32Array(state);
  switch (job.task) {
    case 'write':
      words[Word.Eax] = job.value;
      if (job.release) native.memoryRelease(state);
      return words.length;
    case 'consume':
      return consume(native, state, words);
    case 'tick':
      return tick(native, state, words, job.ticks, job.periodNs);
    case 'echo': {
      const peer = native.memoryMap(job.peer);
      native.vcpuBind(state);
      for (let count = 0; ; count++) {
        while (native.vcpuWait() === 0);
        if (Atomics.exchange(words, Word.Attention, 0) & Attention.Stop) return count;
        Atomics.or(new Int32Array(peer), Word.Attention, Attention.Device);
        native.vcpuWake(peer);
      }
    }
    case 'sleep':
      native.vcpuBind(state);
      parentPort!.postMessage('bound');
      for (;;) native.vcpuWait();
    case 'bindTwice':
      native.vcpuBind(state);
      return [code(() => native.vcpuBind(state)), code(() => native.vcpuBind(new ArrayBuffer(4096)))];
    case 'storm':
      return native.signalStorm(process.pid, job.signo, job.count);
  }
}

function consume(native: Native, state: ArrayBuffer, words: Int32Array): number[] {
  const found = new Array<number>(16).fill(0);
  native.vcpuBind(state);
  parentPort!.postMessage('bound');
  for (;;) {
    native.vcpuWait();
    const attention = Atomics.exchange(words, Word.Attention, 0);
    const requests = Atomics.exchange(words, Word.PicIrr, 0);
    for (let irq = 0; irq < 16; irq++) if (requests & (1 << irq)) found[irq]++;
    if (attention & Attention.Stop) break;
  }
  native.vcpuUnbind();
  return found;
}

function tick(native: Native, state: ArrayBuffer, words: Int32Array, ticks: number, periodNs: number): number[] {
  const host = new NativeHost(native, state);
  const lateNs: number[] = [];
  let deadlineNs = host.clock.now();
  for (let count = 0; count < ticks; count++) {
    deadlineNs += periodNs;
    host.timer.arm(deadlineNs);
    while (Atomics.load(words, Word.Attention) === 0) host.wait();
    lateNs.push(host.clock.now() - deadlineNs);
    Atomics.store(words, Word.Attention, 0);
  }
  host.timer.arm(undefined);
  host.dispose();
  return lateNs;
}

/** The `code` of the error that a call throws. */
export function code(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

if (!isMainThread) parentPort!.postMessage(main(loadNative()!, workerData as Setup));
