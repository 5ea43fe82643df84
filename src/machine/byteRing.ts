/**
 * A byte queue between two threads: one writer, one reader, in shared memory. A device's registers on the vCPU thread and its
 * back end on the main thread talk through these, so that a console character never needs a message of its own.
 *
 * Each side is told of the other's progress by a doorbell, and only when it asked for one (`awaitBytes`, a full `push`): a burst of a
 * thousand characters rings once.
 *
 *     word 0 head (next byte to read) · word 1 tail (next byte to write) · word 2 reader waits · word 3 writer waits · bytes...
 *
 * head and tail run freely modulo 2^32; the capacity is a power of two, so `tail - head` is the fill level.
 */

const HEADER_WORDS = 4;
const HEAD = 0;
const TAIL = 1;
const READER_WAITS = 2;
const WRITER_WAITS = 3;

export class ByteRing {
  private readonly _words: Int32Array;
  private readonly _bytes: Uint8Array;
  private readonly _capacity: number;

  /** Shared memory for a ring that holds `capacityBytes` (a power of two). */
  static allocate(capacityBytes: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(HEADER_WORDS * 4 + capacityBytes);
    Atomics.store(new Int32Array(buffer), READER_WAITS, 1);
    return buffer;
  }

  constructor(buffer: SharedArrayBuffer) {
    this._words = new Int32Array(buffer, 0, HEADER_WORDS);
    this._bytes = new Uint8Array(buffer, HEADER_WORDS * 4);
    this._capacity = this._bytes.length;
  }

  /** Bytes waiting to be read. */
  get size(): number {
    return (Atomics.load(this._words, TAIL) - Atomics.load(this._words, HEAD)) | 0;
  }

  /** Writer: appends one byte; false when the ring is full (and the reader will ring when there is room). */
  push(byte: number): boolean {
    const tail = this._words[TAIL];
    if (((tail - Atomics.load(this._words, HEAD)) | 0) === this._capacity) {
      Atomics.store(this._words, WRITER_WAITS, 1);
      // The reader may have made room just before it could see the request.
      if (((tail - Atomics.load(this._words, HEAD)) | 0) === this._capacity) return false;
    }
    this._bytes[tail & (this._capacity - 1)] = byte;
    Atomics.store(this._words, TAIL, (tail + 1) | 0);
    return true;
  }

  /** Writer: appends as much of `chunk` as fits; returns the number of bytes taken. */
  write(chunk: Uint8Array): number {
    let count = this._append(chunk);
    if (count === chunk.length) return count;
    Atomics.store(this._words, WRITER_WAITS, 1);
    // The reader may have made room just before it could see the request.
    count += this._append(chunk.subarray(count));
    return count;
  }

  /** Reader: takes one byte, or -1 when the ring is empty. */
  shift(): number {
    const head = this._words[HEAD];
    if (head === Atomics.load(this._words, TAIL)) return -1;
    const byte = this._bytes[head & (this._capacity - 1)];
    Atomics.store(this._words, HEAD, (head + 1) | 0);
    return byte;
  }

  /** Reader: takes everything that is there, at most `limitBytes`. */
  read(limitBytes = this._capacity): Uint8Array {
    const chunk = new Uint8Array(Math.min(this.size, limitBytes));
    this.readInto(chunk);
    return chunk;
  }

  /** Reader: fills `target` with what is there; returns the number of bytes. */
  readInto(target: Uint8Array): number {
    const count = Math.min(this.size, target.length);
    const head = this._words[HEAD];
    const start = head & (this._capacity - 1);
    const first = Math.min(count, this._capacity - start);
    target.set(this._bytes.subarray(start, start + first));
    target.set(this._bytes.subarray(0, count - first), first);
    Atomics.store(this._words, HEAD, (head + count) | 0);
    return count;
  }

  /** Reader, about to sleep on an empty ring: asks for a doorbell at the next byte. Returns true if there are bytes after all. */
  awaitBytes(): boolean {
    Atomics.store(this._words, READER_WAITS, 1);
    return this.size !== 0;
  }

  /** Writer: true exactly once after `awaitBytes`: the writer must then ring the reader's doorbell. */
  takeReaderWaits(): boolean {
    return this._words[READER_WAITS] === 1 && Atomics.exchange(this._words, READER_WAITS, 0) === 1;
  }

  /** Reader: true exactly once after a push that found the ring full: the reader must then ring the writer's doorbell. */
  takeWriterWaits(): boolean {
    return this._words[WRITER_WAITS] === 1 && Atomics.exchange(this._words, WRITER_WAITS, 0) === 1;
  }

  /** Copies what fits, in the two runs that the end of the buffer makes of it. */
  private _append(chunk: Uint8Array): number {
    const tail = this._words[TAIL];
    const count = Math.min(chunk.length, this._capacity - this.size);
    const start = tail & (this._capacity - 1);
    const first = Math.min(count, this._capacity - start);
    this._bytes.set(chunk.subarray(0, first), start);
    this._bytes.set(chunk.subarray(first, count));
    Atomics.store(this._words, TAIL, (tail + count) | 0);
    return count;
  }
}
