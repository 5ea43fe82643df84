/**
 * The guest's console on the main thread: a Node Duplex over two byte rings. What the guest prints can be read, what is written
 * reaches the guest's UART. Backpressure works both ways: a reader that pauses lets the ring fill, and then the UART stops saying
 * that it can send; a writer is called back when the guest has taken its bytes. Once the stream is destroyed (which leaving a
 * `for await` over it does) nobody can read any more, and what the guest prints is dropped: it does not wait for ever.
 */
import { Duplex } from 'node:stream';
import type { ByteRing } from './byteRing.js';

export class Console extends Duplex {
  private _pending: { rest: Uint8Array; done: (error?: Error | null) => void } | undefined;
  private _readable = false;
  private _finished = false;
  /** `outputReady` is going to be called again. */
  private _isScheduled = false;

  /**
   * @param ring tells the vCPU thread that the rings have changed
   */
  constructor(
    private readonly _input: ByteRing,
    private readonly _output: ByteRing,
    private readonly _ring: () => void,
  ) {
    super({ allowHalfOpen: true, decodeStrings: true });
  }

  /** The worker rang: output has arrived. */
  outputReady(): void {
    if (this.destroyed) {
      this._discard();
      return;
    }
    if (!this._readable || this._finished) return;
    const chunk = this._output.read();
    if (chunk.length > 0) {
      if (this._output.takeWriterWaits()) this._ring();
      if (!this.push(Buffer.from(chunk.buffer))) {
        this._readable = false;
        return;
      }
    }
    if (this._output.awaitBytes()) this._schedule();
  }

  /** A guest can print faster than anybody reads: between two chunks everything else of the program gets its turn. */
  private _schedule(): void {
    if (this._isScheduled) return;
    this._isScheduled = true;
    setImmediate(() => {
      this._isScheduled = false;
      this.outputReady();
    });
  }

  /** The worker rang: there is room for input again. */
  inputDrained(): void {
    const pending = this._pending;
    if (!pending) return;
    const taken = this._input.write(pending.rest);
    if (this._input.takeReaderWaits()) this._ring();
    if (taken < pending.rest.length) {
      pending.rest = pending.rest.subarray(taken);
      return;
    }
    this._pending = undefined;
    pending.done();
  }

  /** The machine has ended: what is left in the ring is the last output. Later writes go nowhere. */
  close(): void {
    if (this._finished) return;
    this._finished = true;
    const rest = this._output.read();
    if (rest.length) this.push(Buffer.from(rest.buffer));
    this.push(null);
    const pending = this._pending;
    this._pending = undefined;
    pending?.done();
  }

  override _read(): void {
    this._readable = true;
    if (!this._finished) this._schedule();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this._pending = undefined;
    this._discard();
    done(error);
  }

  private _discard(): void {
    this._output.read();
    if (this._output.takeWriterWaits()) this._ring();
    if (this._output.awaitBytes()) this._schedule();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this._finished) {
      done();
      return;
    }
    this._pending = { rest: chunk, done };
    this.inputDrained();
  }
}
