/**
 * The device's side of a split virtqueue: takes descriptor chains that the driver has made available, gives them back as used.
 * Everything read from the ring is the guest's word and is checked here: what this file hands out lies wholly in RAM, and no chain
 * is longer than the queue. A ring that breaks the rules throws `QueueError`, upon which the device needs a reset.
 *
 *     descriptor table     16 bytes each:  phys (8) · length (4) · flags (2) · next (2)
 *     available ring       flags (2) · index (2) · heads (2 each) · used_event (2)
 *     used ring            flags (2) · index (2) · { head (4) · length (4) } each · avail_event (2)
 *
 * Read before: virtio 1.1 §2.6 "Split Virtqueues". Read after: `transport.ts`.
 */
import type { PhysMemory } from '../../memory/phys.js';

/** The driver broke the rules of the ring. */
export class QueueError extends Error {}

const enum DescriptorFlag {
  Next = 1 << 0,
  /** The device writes the buffer; else it reads it. */
  Write = 1 << 1,
  /** The buffer is a table of descriptors. */
  Indirect = 1 << 2,
}

/** VIRTQ_AVAIL_F_NO_INTERRUPT */
const NO_INTERRUPT = 1;
const DESCRIPTOR_BYTES = 16;
const RING_HEADER_BYTES = 4;
const USED_ELEMENT_BYTES = 8;
/** Most bytes that a chain may have: no driver of ours comes near, and a hostile one must not keep the vCPU thread for long. */
export const MAX_CHAIN_BYTES = 64 << 20;

/** A descriptor chain: buffers of guest RAM, first those that the device reads, then those that it writes. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly Uint8Array[];
  readonly readableBytes: number;
  readonly writableBytes: number;
}

export class VirtQueue {
  /** Entries, as the driver has chosen them. */
  size: number;
  isReady = false;
  /** Where the driver has put the three parts; 64-bit addresses, low word and high word. */
  readonly descriptors = new Uint32Array(2);
  readonly available = new Uint32Array(2);
  readonly used = new Uint32Array(2);
  private _descriptorPhys = 0;
  private _availablePhys = 0;
  private _usedPhys = 0;
  private _hasEventIndex = false;
  /** Free-running 16-bit indices. */
  private _taken = 0;
  private _given = 0;
  /** `_given` when the driver was last considered for an interrupt. */
  private _considered = 0;

  /** @param maxSize most entries, a power of two */
  constructor(
    private readonly _phys: PhysMemory,
    readonly maxSize: number,
  ) {
    this.size = maxSize;
  }

  reset(): void {
    this.size = this.maxSize;
    this.isReady = false;
    this._taken = this._given = this._considered = 0;
    for (const part of [this.descriptors, this.available, this.used]) part.fill(0);
  }

  /**
   * The driver has set the queue up.
   * @param hasEventIndex whether VIRTIO_F_EVENT_IDX was negotiated
   * @throws QueueError for a size or a place that cannot be
   */
  enable(hasEventIndex: boolean): void {
    const { size } = this;
    if (size < 1 || size > this.maxSize || (size & (size - 1)) !== 0)
      throw new QueueError(`a queue of ${size} entries; it must be a power of two, at most ${this.maxSize}`);
    this._descriptorPhys = this._place('descriptor table', this.descriptors, size * DESCRIPTOR_BYTES, 16);
    this._availablePhys = this._place('available ring', this.available, RING_HEADER_BYTES + 2 * size + 2, 2);
    this._usedPhys = this._place('used ring', this.used, RING_HEADER_BYTES + USED_ELEMENT_BYTES * size + 2, 4);
    if (this._phys.dmaWritable(this._usedPhys, 1) === undefined)
      throw new QueueError('the used ring lies in read-only memory');
    this._hasEventIndex = hasEventIndex;
    this._taken = this._given = this._considered = 0;
    this.isReady = true;
  }

  /**
   * Takes the next chain; undefined when there is none.
   * @throws QueueError
   */
  take(): Chain | undefined {
    if (!this.isReady || !this.hasChain()) return undefined;
    const slot = this._taken & (this.size - 1);
    const head = this._phys.read16(this._availablePhys + RING_HEADER_BYTES + 2 * slot);
    this._taken = (this._taken + 1) & 0xffff;
    return this._walk(head);
  }

  /**
   * Takes what waits: at most as many chains as the queue has entries, so that a request whose data overwrite the ring, and with it
   * what waits, comes to an end.
   * @throws QueueError
   */
  *chains(): Generator<Chain, void> {
    for (let left = this.size; left > 0; left--) {
      const chain = this.take();
      if (chain === undefined) return;
      yield chain;
    }
    this.hasChain();
  }

  /**
   * Whether the driver has made a chain available. If not, it is asked to notify when it does.
   * @throws QueueError
   */
  hasChain(): boolean {
    if (!this.isReady) return false;
    const waiting = (this._phys.read16(this._availablePhys + 2) - this._taken) & 0xffff;
    if (waiting > this.size) throw new QueueError(`${waiting} chains available in a queue of ${this.size}`);
    if (waiting === 0 && this._hasEventIndex)
      this._phys.write16(this._usedPhys + RING_HEADER_BYTES + USED_ELEMENT_BYTES * this.size, this._taken);
    return waiting !== 0;
  }

  /** Gives a chain back, into whose writable buffers `writtenBytes` were written from the start. */
  give(chain: Chain, writtenBytes: number): void {
    const slot = this._given & (this.size - 1);
    const element = this._usedPhys + RING_HEADER_BYTES + USED_ELEMENT_BYTES * slot;
    this._phys.write32(element, chain.head);
    this._phys.write32(element + 4, writtenBytes);
    this._given = (this._given + 1) & 0xffff;
    this._phys.write16(this._usedPhys + 2, this._given);
  }

  /** Whether the driver wants an interrupt for what was given back since it was last asked. (virtio 1.1 §2.6.7) */
  takeInterruptWanted(): boolean {
    const before = this._considered;
    const given = this._given;
    if (given === before) return false;
    this._considered = given;
    if (!this._hasEventIndex) return (this._phys.read16(this._availablePhys) & NO_INTERRUPT) === 0;
    const event = this._phys.read16(this._availablePhys + RING_HEADER_BYTES + 2 * this.size);
    return ((given - event - 1) & 0xffff) < ((given - before) & 0xffff);
  }

  private _place(what: string, words: Uint32Array, sizeBytes: number, alignmentBytes: number): number {
    const [phys, high] = words;
    if (high !== 0 || phys % alignmentBytes !== 0 || this._phys.dmaReadable(phys, sizeBytes) === undefined)
      throw new QueueError(`the ${what} at 0x${high.toString(16)}:${phys.toString(16)} is not in RAM or not aligned`);
    return phys;
  }

  private _walk(head: number): Chain {
    const readable: Uint8Array[] = [];
    const writable: Uint8Array[] = [];
    let readableBytes = 0;
    let writableBytes = 0;
    let table = this._descriptorPhys;
    let entries = this.size;
    let isIndirect = false;
    let index = head;
    for (let count = 0; ; count++) {
      if (index >= entries) throw new QueueError(`descriptor ${index} of a table of ${entries}`);
      if (count >= this.size) throw new QueueError('a chain is longer than its queue, or a loop');
      const descriptor = table + index * DESCRIPTOR_BYTES;
      const flags = this._phys.read16(descriptor + 12);
      const bytes = this._buffer(
        descriptor,
        (flags & (DescriptorFlag.Write | DescriptorFlag.Indirect)) === DescriptorFlag.Write,
      );
      if (flags & DescriptorFlag.Indirect) {
        // virtio 1.1 §2.6.5.3.1: no table in a table, no NEXT beside INDIRECT; the table ends the chain.
        if (isIndirect || flags & DescriptorFlag.Next) throw new QueueError('an indirect table in the wrong place');
        if (bytes.length === 0 || bytes.length % DESCRIPTOR_BYTES !== 0)
          throw new QueueError(`an indirect table of ${bytes.length} bytes`);
        isIndirect = true;
        table = bytes.byteOffset - this._phys.bytes.byteOffset;
        entries = bytes.length / DESCRIPTOR_BYTES;
        index = 0;
        count--;
        continue;
      }
      if (flags & DescriptorFlag.Write) {
        writable.push(bytes);
        writableBytes += bytes.length;
      } else {
        if (writable.length > 0) throw new QueueError('a buffer to read behind one to write');
        readable.push(bytes);
        readableBytes += bytes.length;
      }
      if (readableBytes + writableBytes > MAX_CHAIN_BYTES)
        throw new QueueError(`a chain of more than ${MAX_CHAIN_BYTES >> 20} MiB`);
      if (!(flags & DescriptorFlag.Next)) break;
      index = this._phys.read16(descriptor + 14);
    }
    return { head, readable, writable, readableBytes, writableBytes };
  }

  private _buffer(descriptor: number, isWrite: boolean): Uint8Array {
    const phys = this._phys.read32(descriptor) >>> 0;
    const high = this._phys.read32(descriptor + 4);
    const sizeBytes = this._phys.read32(descriptor + 8) >>> 0;
    const bytes =
      high !== 0 || sizeBytes > MAX_CHAIN_BYTES
        ? undefined
        : isWrite
          ? this._phys.dmaWritable(phys, sizeBytes)
          : this._phys.dmaReadable(phys, sizeBytes);
    if (bytes === undefined)
      throw new QueueError(
        `a buffer of ${sizeBytes} bytes at 0x${(high >>> 0).toString(16)}:${phys.toString(16)} is not in RAM`,
      );
    return bytes;
  }
}

/** Copies from the start of a chain's readable buffers; returns how many bytes there were, at most `target.length`. */
export function gather(buffers: readonly Uint8Array[], target: Uint8Array): number {
  let count = 0;
  for (const buffer of buffers) {
    if (count === target.length) break;
    const part = buffer.subarray(0, target.length - count);
    target.set(part, count);
    count += part.length;
  }
  return count;
}

/** The buffers without their first `start` bytes and without what lies behind `end`. */
export function slice(buffers: readonly Uint8Array[], start: number, end: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const buffer of buffers) {
    const from = Math.max(0, start - offset);
    const to = Math.min(buffer.length, end - offset);
    if (from < to) parts.push(buffer.subarray(from, to));
    offset += buffer.length;
  }
  return parts;
}
