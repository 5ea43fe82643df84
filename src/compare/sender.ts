/**
 * A thread that sends trains of events to one machine: the native call blocks, which neither the main thread nor the vCPU's can do. `Sender` is its handle. Read before: native/train.cc. Read after: `runner.ts`.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { HostError } from '../errors.js';
import type { Machine } from '../machine/machine.js';
import { loadNative, type Train } from '../native.js';

interface Order {
  readonly irq: number;
  readonly rateHz: number;
  readonly durationNs: number;
}

type Answer = { readonly train: Train } | { readonly error: string };

export class Sender {
  private readonly _worker: Worker;

  /** @throws HostError without the addon, or while the machine does not run */
  constructor(machine: Machine) {
    const region = machine.stateRegion;
    if (region === undefined || !('nativeId' in region))
      throw new HostError(
        'NO_ADDON',
        'events are sent by the native addon; run `romulus doctor` to see why it is not there',
      );
    this._worker = new Worker(new URL(import.meta.url), { workerData: region.nativeId, name: 'romulus-sender' });
    this._worker.setMaxListeners(0);
  }

  /** Sends events at a rate; settles when the time is over. @throws HostError when the host refuses */
  async send(order: Order): Promise<Train> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      this._worker.once('message', resolve);
      this._worker.once('error', reject);
      this._worker.postMessage(order);
    });
    this._worker.removeAllListeners('error');
    if ('error' in answer) throw new HostError('SENDER', answer.error);
    return answer.train;
  }

  async close(): Promise<void> {
    await this._worker.terminate();
  }
}

function serve(nativeId: number): void {
  const native = loadNative()!;
  const state = native.memoryMap(nativeId);
  parentPort!.on('message', ({ irq, rateHz, durationNs }: Order) => {
    let answer: Answer;
    try {
      answer = { train: native.train(state, irq, rateHz, durationNs) };
    } catch (error) {
      answer = { error: (error as Error).message };
    }
    parentPort!.postMessage(answer);
  });
}

if (!isMainThread && typeof workerData === 'number') serve(workerData);
