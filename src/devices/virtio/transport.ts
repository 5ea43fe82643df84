/**
 * What the transports share: the device's status, feature negotiation, the set-up of queues, the interrupt cause. `pciTransport.ts`
 * and `mmioTransport.ts` put registers in front of it.
 *
 * Only virtio 1.x is spoken: a driver that does not accept VIRTIO_F_VERSION_1 does not get FEATURES_OK.
 *
 * Read before: virtio 1.1 §2.1 "Device Status Field", §3.1 "Device Initialization". Read after: the two transports.
 */
import { log } from '../../log.js';
import type { PhysMemory } from '../../memory/phys.js';
import type { Trigger } from '../trigger.js';
import { Feature, type VirtioDevice, type VirtioHost } from './device.js';
import { QueueError, VirtQueue } from './queue.js';

/** virtio 1.1 §2.1 "Device Status Field" */
export const enum Status {
  Acknowledge = 1 << 0,
  Driver = 1 << 1,
  DriverOk = 1 << 2,
  FeaturesOk = 1 << 3,
  NeedsReset = 1 << 6,
  Failed = 1 << 7,
  Writable = Acknowledge | Driver | DriverOk | FeaturesOk | Failed,
}

/** Why the device interrupts. (virtio 1.1 §4.1.4.5 "ISR status capability", §4.2.2 InterruptStatus: the same bits) */
export const enum Cause {
  Queue = 1 << 0,
  Configuration = 1 << 1,
}

/** Words of feature bits that exist. */
const FEATURE_WORDS = 2;
const COMMON_FEATURES = (1 << Feature.IndirectDescriptors) | (1 << Feature.EventIndex);
const VERSION_1_WORD = 1;
const VERSION_1_BIT = 1 << (Feature.Version1 - 32);

export class VirtioTransport implements VirtioHost {
  readonly queues: readonly VirtQueue[];
  /** Which words and which queue the selectors of the registers mean. */
  deviceFeaturesSelect = 0;
  driverFeaturesSelect = 0;
  queueSelect = 0;
  /** Changes with every change of the configuration structure. */
  configGeneration = 0;
  private readonly _driverFeatures = new Int32Array(FEATURE_WORDS);
  private _status = 0;
  private _causes = 0;

  constructor(
    readonly device: VirtioDevice,
    phys: PhysMemory,
    private readonly _interrupt: Trigger,
  ) {
    this.queues = device.queueSizes.map((size) => new VirtQueue(phys, size));
    device.attach(this);
  }

  get status(): number {
    return this._status;
  }

  get causes(): number {
    return this._causes;
  }

  /** The queue that the selector means; undefined when there is none. */
  get selectedQueue(): VirtQueue | undefined {
    return this.queues[this.queueSelect];
  }

  queue(index: number): VirtQueue {
    return this.queues[index];
  }

  /** The word of the offered features that the selector means. */
  readDeviceFeatures(): number {
    return this._offered(this.deviceFeaturesSelect) >>> 0;
  }

  readDriverFeatures(): number {
    return (this._driverFeatures[this.driverFeaturesSelect] ?? 0) >>> 0;
  }

  writeDriverFeatures(value: number): void {
    // What the driver wants is settled with FEATURES_OK.
    if (this._status & Status.FeaturesOk) return;
    if (this.driverFeaturesSelect < FEATURE_WORDS) this._driverFeatures[this.driverFeaturesSelect] = value;
  }

  writeStatus(value: number): void {
    if (value === 0) {
      this._reset();
      return;
    }
    const risen = value & Status.Writable & ~this._status;
    // The driver only sets bits. (virtio 1.1 §2.1.1)
    this._status |= risen;
    if (risen & Status.FeaturesOk && !this._featuresAcceptable()) this._status &= ~Status.FeaturesOk;
    if (risen & Status.DriverOk) this._start();
  }

  /** The driver says that a queue is set up. */
  enableQueue(queue: VirtQueue): void {
    if (queue.isReady) return;
    this.guard(() => queue.enable((this._driverFeatures[0] & (1 << Feature.EventIndex)) !== 0));
  }

  /** The driver says that a queue has new chains. */
  notify(index: number): void {
    if (!this._isLive() || this.queues[index]?.isReady !== true) return;
    this.guard(() => this.device.notify(index));
  }

  /** The driver has seen these causes. */
  acknowledge(causes: number): void {
    this._causes &= ~causes;
    this._drive();
  }

  interruptUsed(index: number): void {
    if (this.queues[index].takeInterruptWanted()) this._raise(Cause.Queue);
  }

  configChanged(): void {
    this.configGeneration++;
    if (this._isLive()) this._raise(Cause.Configuration);
  }

  guard(serve: () => void): void {
    if (this._status & Status.NeedsReset) return;
    try {
      serve();
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      this.fail(error.message);
    }
  }

  /** virtio 1.1 §2.1.2: NEEDS_RESET, told by a configuration interrupt once the driver is up. */
  fail(reason: string): void {
    if (this._status & Status.NeedsReset) return;
    log.virtio('%s needs a reset: %s', this.device.name, reason);
    this._status |= Status.NeedsReset;
    if (this._status & Status.DriverOk) this._raise(Cause.Configuration);
  }

  private _offered(word: number): number {
    if (word === 0) return this.device.features | COMMON_FEATURES;
    return word === VERSION_1_WORD ? VERSION_1_BIT : 0;
  }

  private _featuresAcceptable(): boolean {
    const isOffered = this._driverFeatures.every((features, word) => (features & ~this._offered(word)) === 0);
    return isOffered && (this._driverFeatures[VERSION_1_WORD] & VERSION_1_BIT) !== 0;
  }

  /** Whether rings may be touched. */
  private _isLive(): boolean {
    return (this._status & (Status.DriverOk | Status.NeedsReset)) === Status.DriverOk;
  }

  private _start(): void {
    if (!(this._status & Status.FeaturesOk)) {
      this.fail('DRIVER_OK without FEATURES_OK');
      return;
    }
    if (this._isLive()) this.guard(() => this.device.start(this._driverFeatures[0]));
  }

  private _reset(): void {
    this._status = 0;
    this._causes = 0;
    this._driverFeatures.fill(0);
    this.deviceFeaturesSelect = this.driverFeaturesSelect = this.queueSelect = 0;
    for (const queue of this.queues) queue.reset();
    this.device.reset();
    this._drive();
  }

  private _raise(cause: Cause): void {
    this._causes |= cause;
    this._drive();
  }

  private _drive(): void {
    this._interrupt.set(this._causes !== 0);
  }
}

/** Reads `size` bytes of a device's configuration structure; behind its end there are zeros. */
export function readDeviceConfig(config: Uint8Array, offset: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (config[offset + i] ?? 0) << (8 * i);
  return value >>> 0;
}
