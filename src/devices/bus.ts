/**
 * The port bus: owns the ranges, rejects overlap, splits accesses that no device takes whole. A device sees offsets from its
 * base, never absolute ports (crosvm's and Firecracker's rule), so the same class can sit at COM1 or COM2.
 * Read after: the devices.
 */

export interface PortDevice {
  /** The widest access, in bytes, that the device takes whole; wider ones reach it in pieces, low part first. Absent = any. */
  readonly width?: 1 | 2 | 4;
  /** Reads `size` bytes at `offset` from the device's base; returns an unsigned value. */
  readPort(offset: number, size: 1 | 2 | 4): number;
  writePort(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** One device's ports and their use. */
export interface PortRange {
  readonly name: string;
  readonly base: number;
  readonly count: number;
  /** Accesses by the guest since the start. */
  readonly accesses: number;
}

interface Range {
  readonly name: string;
  readonly base: number;
  readonly count: number;
  readonly width: number;
  readonly device: PortDevice;
}

const PORTS = 0x10000;

const hex = (port: number): string => `0x${port.toString(16)}`;

/** The 64 Ki ports of a machine; what IN and OUT reach (`Ports` of the vCPU). */
export class PortBus {
  private readonly _ranges: Range[] = [];
  /** Per port: 1 + index of its range, 0 = unclaimed. */
  private readonly _owners = new Uint8Array(PORTS);
  private readonly _accesses = new Uint32Array(PORTS);

  /**
   * Gives `count` ports from `base` on to `device`.
   * @param name for reports and error messages
   * @throws RangeError when the ports do not exist or belong to another device already.
   */
  attach(name: string, base: number, count: number, device: PortDevice): void {
    if (!(Number.isInteger(base) && Number.isInteger(count) && base >= 0 && count > 0 && base + count <= PORTS)) {
      throw new RangeError(`${name}: ${count} ports at ${hex(base)} do not lie within 0x0 to 0xffff`);
    }
    for (let port = base; port < base + count; port++) {
      const other = this._range(port);
      if (other)
        throw new RangeError(
          `${name}: port ${hex(port)} belongs to ${other.name} (${hex(other.base)}, ${other.count} ports) already`,
        );
    }
    if (this._ranges.length === 0xff) throw new RangeError(`${name}: the port bus has room for 255 ranges`);
    this._ranges.push({ name, base, count, width: device.width ?? 4, device });
    this._owners.fill(this._ranges.length, base, base + count);
  }

  /**
   * Reads `size` bytes at `port`, unsigned. The device that claims the first port gets the access if it takes it whole, else the
   * halves are accesses of their own. An access whose first port is unclaimed is unclaimed altogether (so that a doubleword at the
   * PCI address port does not touch the reset register within it) and reads all ones.
   */
  read(port: number, size: 1 | 2 | 4): number {
    const range = this._range(port);
    if (range === undefined) {
      this._accesses[port]++;
      return size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    }
    const offset = port - range.base;
    if (size === 1 || (size <= range.width && offset + size <= range.count)) {
      this._accesses[port]++;
      return range.device.readPort(offset, size) >>> 0;
    }
    const half = size === 4 ? 2 : 1;
    const low = this.read(port, half);
    return (low | (this.read((port + half) & 0xffff, half) << (8 * half))) >>> 0;
  }

  /** Writes the low `size` bytes of `value`; the rules of `read` apply. Unclaimed writes are dropped. */
  write(port: number, size: 1 | 2 | 4, value: number): void {
    const range = this._range(port);
    if (range === undefined) {
      this._accesses[port]++;
      return;
    }
    const offset = port - range.base;
    if (size === 1 || (size <= range.width && offset + size <= range.count)) {
      this._accesses[port]++;
      range.device.writePort(offset, size, size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1));
      return;
    }
    const half = size === 4 ? 2 : 1;
    this.write(port, half, value);
    this.write((port + half) & 0xffff, half, value >>> (8 * half));
  }

  /** The devices and their use, in order of attachment. */
  ranges(): PortRange[] {
    return this._ranges.map(({ name, base, count }) => ({
      name,
      base,
      count,
      accesses: this._accesses.subarray(base, base + count).reduce((sum, accesses) => sum + accesses, 0),
    }));
  }

  /** Unclaimed ports that the guest has touched, and how often. */
  unclaimed(): { readonly port: number; readonly accesses: number }[] {
    const touched: { port: number; accesses: number }[] = [];
    this._accesses.forEach((accesses, port) => {
      if (accesses > 0 && this._owners[port] === 0) touched.push({ port, accesses });
    });
    return touched;
  }

  private _range(port: number): Range | undefined {
    const owner = this._owners[port];
    return owner === 0 ? undefined : this._ranges[owner - 1];
  }
}
