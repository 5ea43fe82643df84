/**
 * A named byte channel between this program and one in the guest: a port of the virtio console, which the guest finds as
 * /dev/virtio-ports/NAME. Separate from `console.ts` because a channel has two ends that come and go: the guest opens and closes its
 * end, and bytes written before it has opened wait for it.
 *
 * Read before: `byteRing.ts`. Read after: `../devices/virtio/console.ts`, the guest's side.
 */
import { EventEmitter } from 'node:events';
import { ConfigError } from '../errors.js';
import { ByteRing } from './byteRing.js';
import type { ChannelSetup } from './messages.js';

export interface ChannelEvents {
  /** Bytes from the guest. They wait, and the guest with them, until somebody listens. */
  data: [Buffer];
  /** All that was written has been taken, after `write` had returned false. */
  drain: [];
  /** A program in the guest has opened the port. */
  open: [];
  /** It has closed it, or the machine has ended. */
  close: [];
}

/** The program's end of a channel. */
export interface Channel extends EventEmitter<ChannelEvents> {
  readonly name: string;
  /** Whether a program in the guest has the port open. */
  readonly isOpen: boolean;
  /**
   * Sends bytes. After the machine's end they go nowhere.
   *
   * @returns false when they wait for the guest: write more after `drain`
   */
  write(bytes: Uint8Array): boolean;
  /** Takes no more from the guest, which then waits as a program does that writes into a full pipe. */
  pause(): void;
  resume(): void;
}

/** Of each direction; the guest's driver asks for pages of 4 KiB. */
const RING_BYTES = 65536;
/** Names go into a control message and become file names below /dev/virtio-ports. */
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export class GuestChannel extends EventEmitter<ChannelEvents> implements Channel {
  /** For the vCPU thread. */
  readonly setup: ChannelSetup;
  private readonly _input: ByteRing;
  private readonly _output: ByteRing;
  /** Written and not yet in the ring, in order. */
  private readonly _queue: Uint8Array[] = [];
  private _isOpen = false;
  private _isPaused = false;
  private _isFinished = false;
  /** `outputReady` is going to be called again. */
  private _isScheduled = false;

  /**
   * @param _ring tells the vCPU thread that the rings have changed
   * @throws ConfigError `BAD_CHANNEL` for a name that cannot be a port's
   */
  constructor(
    readonly name: string,
    private readonly _ring: () => void,
  ) {
    super();
    if (!NAME_PATTERN.test(name))
      throw new ConfigError(
        'BAD_CHANNEL',
        `a channel cannot be called '${name}'; give up to 63 letters, digits, dots, dashes and underscores`,
      );
    const input = ByteRing.allocate(RING_BYTES);
    const output = ByteRing.allocate(RING_BYTES);
    this.setup = { name, input, output };
    this._input = new ByteRing(input);
    this._output = new ByteRing(output);
    (this as EventEmitter).on('newListener', (event) => {
      if (event === 'data') this._schedule();
    });
  }

  get isOpen(): boolean {
    return this._isOpen;
  }

  write(bytes: Uint8Array): boolean {
    if (this._isFinished) return true;
    const taken = this._queue.length === 0 ? this._send(bytes) : 0;
    // The caller may use its buffer again.
    if (taken < bytes.length) this._queue.push(Uint8Array.from(bytes.subarray(taken)));
    return this._queue.length === 0;
  }

  pause(): void {
    this._isPaused = true;
  }

  resume(): void {
    this._isPaused = false;
    this._schedule();
  }

  /** The worker rang: output has arrived. */
  outputReady(): void {
    if (this._isPaused || this.listenerCount('data') === 0) return;
    const chunk = this._output.read();
    if (this._output.takeWriterWaits()) this._ring();
    if (chunk.length > 0) this.emit('data', Buffer.from(chunk.buffer));
    if (!this._isFinished && this._output.awaitBytes()) this._schedule();
  }

  /** The worker rang: there is room for input again. */
  inputDrained(): void {
    if (this._queue.length === 0) return;
    while (this._queue.length > 0) {
      const taken = this._send(this._queue[0]);
      if (taken < this._queue[0].length) {
        this._queue[0] = this._queue[0].subarray(taken);
        return;
      }
      this._queue.shift();
    }
    this.emit('drain');
  }

  /** The worker says that the guest has opened or closed its end. */
  guestOpened(isOpen: boolean): void {
    if (isOpen === this._isOpen) return;
    // What the guest wrote before it closed comes before the news that it has.
    this.outputReady();
    this._isOpen = isOpen;
    if (isOpen) this.emit('open');
    else this.emit('close');
  }

  /** The machine has ended: what is left in the ring is the last output. */
  finish(): void {
    if (this._isFinished) return;
    this._isFinished = true;
    this._queue.length = 0;
    this.outputReady();
    this.guestOpened(false);
  }

  private _send(bytes: Uint8Array): number {
    const taken = this._input.write(bytes);
    if (this._input.takeReaderWaits()) this._ring();
    return taken;
  }

  /** A guest can write faster than anybody reads: between two chunks everything else of the program gets its turn. */
  private _schedule(): void {
    if (this._isScheduled) return;
    this._isScheduled = true;
    setImmediate(() => {
      this._isScheduled = false;
      this.outputReady();
    });
  }
}
