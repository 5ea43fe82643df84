/**
 * The control messages of a virtio console with several ports: the host announces its ports, the driver says which it knows and which
 * are open. Separate from `console.ts`, which moves the ports' bytes and to which a message is nothing.
 *
 * Read before: virtio 1.1 §5.3.6.2 "Multiport Device Operation". Read after: `console.ts`.
 */
import { gather, type VirtQueue } from './queue.js';

const enum ControlEvent {
  DeviceReady = 0,
  DeviceAdd = 1,
  PortReady = 3,
  ConsolePort = 4,
  Resize = 5,
  PortOpen = 6,
  PortName = 7,
}

/** struct virtio_console_control: id (4) · event (2) · value (2). */
const MESSAGE_BYTES = 8;
/** Most messages that wait for a driver. An honest one gets a few for each port. */
const MAX_WAITING = 1024;

export class ConsoleControl {
  private readonly _waiting: Uint8Array[] = [];
  private _isConsoleReady = false;
  private _columns = 0;
  private _rows = 0;

  /**
   * @param _ports by number; undefined where there is none, a port without a name is the console
   * @param _onOpen told that the guest has opened or closed its end
   */
  constructor(
    private readonly _ports: readonly ({ readonly name?: string | undefined } | undefined)[],
    private readonly _onOpen: (port: number, isOpen: boolean) => void,
  ) {}

  reset(): void {
    this._waiting.length = 0;
    this._isConsoleReady = false;
  }

  resize(columns: number, rows: number): void {
    this._columns = columns;
    this._rows = rows;
    if (this._isConsoleReady) this._sayResize();
  }

  /** Takes the driver's messages. */
  take(queue: VirtQueue): void {
    const bytes = new Uint8Array(MESSAGE_BYTES);
    const message = new DataView(bytes.buffer);
    for (const chain of queue.chains()) {
      const length = gather(chain.readable, bytes);
      queue.give(chain, 0);
      if (length < MESSAGE_BYTES) continue;
      this._handle(message.getUint32(0, true), message.getUint16(4, true), message.getUint16(6, true));
    }
  }

  /**
   * Gives the driver the messages that wait for it.
   * @returns false when too many wait
   */
  give(queue: VirtQueue): boolean {
    while (this._waiting.length > 0 && queue.hasChain()) {
      const chain = queue.take()!;
      const message = this._waiting.shift()!;
      let written = 0;
      for (const buffer of chain.writable) {
        const part = message.subarray(written, written + buffer.length);
        buffer.set(part);
        written += part.length;
      }
      queue.give(chain, written);
    }
    return this._waiting.length <= MAX_WAITING;
  }

  private _handle(id: number, event: ControlEvent, value: number): void {
    if (event === ControlEvent.DeviceReady) {
      if (value === 1) this._ports.forEach((port, number) => port && this._say(number, ControlEvent.DeviceAdd, 0));
      return;
    }
    const port = this._ports[id];
    if (port === undefined) return;
    if (event === ControlEvent.PortOpen) this._onOpen(id, value === 1);
    if (event === ControlEvent.PortReady && value === 1) this._introduce(id, port.name);
  }

  /** What the driver is told of a port that it has set up. */
  private _introduce(number: number, name: string | undefined): void {
    if (name === undefined) {
      this._say(number, ControlEvent.ConsolePort, 1);
      this._isConsoleReady = true;
      this._sayResize();
    } else {
      this._say(number, ControlEvent.PortName, 1, Buffer.from(name, 'latin1'));
    }
    // The host's end is always open.
    this._say(number, ControlEvent.PortOpen, 1);
  }

  /** Columns first, as virtio 1.1 §5.3.6.2 has it. Linux before 6.15, and stable releases from before that, took them for the rows. */
  private _sayResize(): void {
    if (this._columns === 0 || this._rows === 0) return;
    const size = new DataView(new ArrayBuffer(4));
    size.setUint16(0, this._columns, true);
    size.setUint16(2, this._rows, true);
    this._say(0, ControlEvent.Resize, 0, new Uint8Array(size.buffer));
  }

  private _say(id: number, event: ControlEvent, value: number, extra = new Uint8Array(0)): void {
    const bytes = new Uint8Array(MESSAGE_BYTES + extra.length);
    const message = new DataView(bytes.buffer);
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    bytes.set(extra, MESSAGE_BYTES);
    this._waiting.push(bytes);
  }
}
