/**
 * The virtio entropy device: fills what the driver offers with random bytes.
 * Read before: virtio 1.1 §5.4 "Entropy Device"; `device.ts`. Read after: nothing.
 */
import { DeviceType, type VirtioDevice, type VirtioHost } from './device.js';

const QUEUE_SIZE = 8;
/** Most bytes for one request: the device may give less than it is asked for, and randomness takes time. */
const MAX_REQUEST_BYTES = 64 << 10;

export class VirtioEntropy implements VirtioDevice {
  readonly name = 'virtio-rng';
  readonly type = DeviceType.Entropy;
  readonly features = 0;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(0);
  private _host: VirtioHost | undefined;

  /** @param _fill fills an array with random bytes */
  constructor(private readonly _fill: (bytes: Uint8Array) => void) {}

  attach(host: VirtioHost): void {
    this._host = host;
  }

  start(): void {
    // Nothing to prepare.
  }

  reset(): void {
    // Nothing is kept.
  }

  notify(queueIndex: number): void {
    const host = this._host!;
    const queue = host.queue(queueIndex);
    for (const chain of queue.chains()) {
      let written = 0;
      for (const buffer of chain.writable) {
        const part = buffer.subarray(0, MAX_REQUEST_BYTES - written);
        this._fill(part);
        written += part.length;
      }
      queue.give(chain, written);
    }
    host.interruptUsed(queueIndex);
  }
}
