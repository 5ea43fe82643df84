/**
 * What a virtio device is to its transport, and the transport to the device. A device knows neither PCI nor MMIO, a transport no
 * device (Firecracker's and rust-vmm's cut).
 *
 * Read before: virtio 1.1, chapter 2 "Basic Facilities of a Virtio Device". Read after: `queue.ts`, `transport.ts`.
 */
import type { VirtQueue } from './queue.js';

/** Device IDs. (virtio 1.1, chapter 5 "Device Types") */
export const enum DeviceType {
  Block = 2,
  Console = 3,
  Entropy = 4,
}

/** Feature bits that all devices here offer, by number. (virtio 1.1, chapter 6 "Reserved Feature Bits") */
export const enum Feature {
  IndirectDescriptors = 28,
  EventIndex = 29,
  Version1 = 32,
}

/** What a device can ask of its transport. */
export interface VirtioHost {
  queue(index: number): VirtQueue;
  /** Chains of this queue were given back: the driver gets an interrupt if it wants one. */
  interruptUsed(index: number): void;
  /** The device's configuration bytes have changed. */
  configChanged(): void;
  /** Runs what reads rings outside of a notification: a ring that breaks the rules stops the device, not the machine. */
  guard(serve: () => void): void;
  /** The driver broke the device's rules: the device needs a reset. */
  fail(reason: string): void;
}

export interface VirtioDevice {
  readonly name: string;
  readonly type: DeviceType;
  /** The device's own feature bits, 0 to 23. */
  readonly features: number;
  /** Most entries of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  /** The configuration structure, as the driver reads it. */
  readonly config: Uint8Array;
  /** Told its transport, once. */
  attach(host: VirtioHost): void;
  /**
   * The driver is ready (DRIVER_OK).
   * @param features the bits that it has accepted, of the lower 32
   */
  start(features: number): void;
  /** The driver has made chains available in a queue. Errors of the ring may be thrown. */
  notify(queueIndex: number): void;
  /** Back to how it was before `start`. */
  reset(): void;
}
