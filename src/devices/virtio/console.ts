/**
 * The virtio console: byte ports between guest and host. Port 0 is the console (hvc0), the others have names by which programs in
 * the guest find them. A port without room on one side holds the other side back; no byte is lost while the port is open.
 *
 *     queue 0, 1        port 0: to the guest, from the guest
 *     queue 2, 3        control messages: to the guest, from the guest
 *     queue 2n+2, 2n+3  port n
 *
 * Read before: virtio 1.1 §5.3 "Console Device"; `device.ts`. Read after: `consoleControl.ts`, the control messages.
 */
import { ConsoleControl } from './consoleControl.js';
import { DeviceType, type VirtioDevice, type VirtioHost } from './device.js';
import type { Chain } from './queue.js';

/** The host's end of a port. */
export interface PortBackend {
  /** Takes bytes from the guest; returns how many. If not all, `serve` of the device is called when there is room. */
  transmit(bytes: Uint8Array): number;
  /** Whether there are bytes for the guest. If not, `serve` of the device is called when there are. */
  hasInput(): boolean;
  /** Fills `target` with bytes for the guest; returns how many there were. */
  receive(target: Uint8Array): number;
  /** The guest has opened or closed its end. */
  opened(isOpen: boolean): void;
}

export interface ConsolePort {
  /** Undefined: the console itself. */
  readonly name?: string;
  readonly backend: PortBackend;
}

/** virtio 1.1 §5.3.3 "Feature bits" */
const enum ConsoleFeature {
  Size = 1 << 0,
  Multiport = 1 << 1,
}

/** virtio 1.1 §5.3.4 "Device configuration layout" */
const enum Config {
  Columns = 0,
  Rows = 2,
  MaxPorts = 4,
  Bytes = 8,
}

const QUEUE_SIZE = 64;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** A port as the device keeps it. */
interface Port {
  readonly backend: PortBackend;
  readonly receiveQueue: number;
  readonly transmitQueue: number;
  isOpen: boolean;
  /** What the guest sent and the host had no room for, with the bytes already taken. */
  held: Chain | undefined;
  heldBytes: number;
}

export class VirtioConsole implements VirtioDevice {
  readonly name = 'virtio-console';
  readonly type = DeviceType.Console;
  readonly features = ConsoleFeature.Size | ConsoleFeature.Multiport;
  readonly queueSizes: readonly number[];
  readonly config = new Uint8Array(Config.Bytes);
  /** By number; number 0 is undefined where there is no console, only named ports. */
  private readonly _ports: (Port | undefined)[] = [];
  private readonly _control: ConsoleControl;
  private _host: VirtioHost | undefined;
  private _isStarted = false;
  private _isMultiport = false;

  /** @param ports the named ones, and at most one without a name: the console */
  constructor(ports: readonly ConsolePort[]) {
    const numbered = [
      ports.find((port) => port.name === undefined),
      ...ports.filter((port) => port.name !== undefined),
    ];
    numbered.forEach((port, number) => this._ports.push(port && makePort(port.backend, number)));
    this.queueSizes = new Array<number>(2 * numbered.length + 2).fill(QUEUE_SIZE);
    new DataView(this.config.buffer).setUint32(Config.MaxPorts, numbered.length, true);
    this._control = new ConsoleControl(
      numbered.map((port) => port && { name: port.name }),
      (number, isOpen) => this._open(this._ports[number], isOpen),
    );
  }

  /** Whether what is typed at the console reaches a driver. */
  get isConsoleOpen(): boolean {
    return this._ports[0]?.isOpen === true;
  }

  /** The terminal behind the console has another size. */
  resize(columns: number, rows: number): void {
    const config = new DataView(this.config.buffer);
    if (columns === config.getUint16(Config.Columns, true) && rows === config.getUint16(Config.Rows, true)) return;
    config.setUint16(Config.Columns, columns, true);
    config.setUint16(Config.Rows, rows, true);
    this._control.resize(columns, rows);
    this._host?.configChanged();
    this.serve();
  }

  attach(host: VirtioHost): void {
    this._host = host;
  }

  start(features: number): void {
    this._isStarted = true;
    this._isMultiport = (features & ConsoleFeature.Multiport) !== 0;
    // A driver of one port has it open from the start.
    if (!this._isMultiport) this._open(this._ports[0], true);
  }

  reset(): void {
    this._isStarted = false;
    this._control.reset();
    for (const port of this._ports) {
      if (port === undefined) continue;
      port.held = undefined;
      this._open(port, false);
    }
  }

  notify(queueIndex: number): void {
    if (queueIndex === CONTROL_RECEIVE || queueIndex === CONTROL_TRANSMIT) this._serveControl();
    for (const port of this._ports) {
      if (port?.transmitQueue === queueIndex) this._transmit(port);
      if (port?.receiveQueue === queueIndex) this._receive(port);
    }
  }

  /** The host's ends have bytes, or room, that they had not. */
  serve(): void {
    if (!this._isStarted) return;
    this._host!.guard(() => {
      this._serveControl();
      for (const port of this._ports) {
        if (port === undefined) continue;
        this._transmit(port);
        this._receive(port);
      }
    });
  }

  private _open(port: Port | undefined, isOpen: boolean): void {
    if (port === undefined || port.isOpen === isOpen) return;
    port.isOpen = isOpen;
    port.backend.opened(isOpen);
    if (isOpen && this._isStarted) this._receive(port);
  }

  private _serveControl(): void {
    if (!this._isMultiport) return;
    const host = this._host!;
    this._control.take(host.queue(CONTROL_TRANSMIT));
    host.interruptUsed(CONTROL_TRANSMIT);
    if (!this._control.give(host.queue(CONTROL_RECEIVE))) host.fail('the driver makes control messages and takes none');
    host.interruptUsed(CONTROL_RECEIVE);
  }

  /** From the guest to the host. */
  private _transmit(port: Port): void {
    const queue = this._host!.queue(port.transmitQueue);
    for (;;) {
      if (port.held === undefined) {
        port.held = queue.take();
        port.heldBytes = 0;
      }
      const chain = port.held;
      if (chain === undefined) break;
      if (!this._send(port, chain)) break;
      port.held = undefined;
      queue.give(chain, 0);
    }
    this._host!.interruptUsed(port.transmitQueue);
  }

  /** Sends the rest of a chain; false when the host has no more room. */
  private _send(port: Port, chain: Chain): boolean {
    let start = 0;
    for (const buffer of chain.readable) {
      const skip = Math.max(0, Math.min(buffer.length, port.heldBytes - start));
      const rest = buffer.subarray(skip);
      const taken = rest.length === 0 ? 0 : port.backend.transmit(rest);
      port.heldBytes += taken;
      if (taken < rest.length) return false;
      start += buffer.length;
    }
    return true;
  }

  /** From the host to the guest. What comes while the guest's end is closed waits with the host. */
  private _receive(port: Port): void {
    if (!port.isOpen) return;
    const queue = this._host!.queue(port.receiveQueue);
    while (queue.hasChain() && port.backend.hasInput()) {
      const chain = queue.take()!;
      let written = 0;
      for (const buffer of chain.writable) {
        const count = port.backend.receive(buffer);
        written += count;
        if (count < buffer.length) break;
      }
      queue.give(chain, written);
    }
    this._host!.interruptUsed(port.receiveQueue);
  }
}

function makePort(backend: PortBackend, number: number): Port {
  const receiveQueue = number === 0 ? 0 : 2 * number + 2;
  return { backend, receiveQueue, transmitQueue: receiveQueue + 1, isOpen: false, held: undefined, heldBytes: 0 };
}
