/**
 * Guest-physical memory: the RAM buffer and everything that is not plain RAM (the ROM, device windows, the legacy video hole,
 * nothing at all). Separate from `mmu.ts`, which owns linear addresses and only takes the short way for pages that
 * `direct` calls plain.
 *
 * It also keeps track of pages that hold decoded code, so that a decode cache learns of every write to them, whether the CPU,
 * a device or the host's loader made it. Read before: nothing. Read after: `mmu.ts`.
 */

const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;
/** Physical pages in 4 GiB. */
const PAGE_COUNT = 1 << 20;

/** The legacy video window: no RAM behind it (IBM PC memory map). */
const HOLE_START = 0xa0000;
const HOLE_END = 0xc0000;

/** What may be done with a physical page without asking `PhysMemory`, as bits. */
export const enum Direct {
  /** Reads come straight from `bytes`. */
  Read = 1 << 0,
  /** Writes go straight to `bytes`. */
  Write = 1 << 1,
  /** Marked by `markCode`: the next write has to be told to the listeners. */
  Code = 1 << 2,
}

/** A device window in physical memory. Offsets count from the window's start; values are unsigned. */
export interface MmioHandler {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

interface Range {
  readonly start: number;
  /** First address behind the range. */
  readonly end: number;
}

interface Window extends Range {
  readonly handler: MmioHandler;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
const describe = (range: Range): string => `${hex(range.start)}-${hex(range.end - 1)}`;

export class PhysMemory {
  /** Bytes of the RAM buffer; RAM begins at physical 0. */
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** `Direct` bits of every physical page. */
  readonly direct = new Uint8Array(PAGE_COUNT);
  /** Bytes read where nothing answers. */
  openReads = 0;
  /** Bytes written to where nothing takes them: no memory, or the ROM. */
  droppedWrites = 0;

  private readonly _windows: Window[] = [];
  private readonly _readOnly: Range[] = [];
  private readonly _writtenListeners: ((pageNumber: number) => void)[] = [];
  private readonly _markedListeners: ((pageNumber: number) => void)[] = [];

  /**
   * @param ram the buffer behind the guest's RAM; its length is the RAM size, a multiple of 4096 bytes, at least 1 MiB and
   *   less than 4 GiB
   * @throws RangeError for any other length
   */
  constructor(ram: ArrayBufferLike) {
    const sizeBytes = ram.byteLength;
    if (sizeBytes % PAGE_BYTES !== 0 || sizeBytes < 0x100000 || sizeBytes >= 0x100000000) {
      throw new RangeError(`RAM of ${sizeBytes} bytes: the size must be a multiple of 4096, from 1 MiB to below 4 GiB`);
    }
    this.sizeBytes = sizeBytes;
    this.bytes = new Uint8Array(ram);
    this.view = new DataView(ram);
    this.direct.fill(Direct.Read | Direct.Write, 0, sizeBytes >>> PAGE_SHIFT);
    this.direct.fill(0, HOLE_START >>> PAGE_SHIFT, HOLE_END >>> PAGE_SHIFT);
  }

  /** @returns the byte at `phys`, unsigned */
  read8(phys: number): number {
    return (this.direct[phys >>> PAGE_SHIFT] & Direct.Read) !== 0
      ? this.bytes[phys >>> 0]
      : this._readSlow(phys >>> 0, 1);
  }

  /** @returns the 16-bit word at `phys`, unsigned */
  read16(phys: number): number {
    if ((this.direct[phys >>> PAGE_SHIFT] & Direct.Read) !== 0 && (phys & 0xfff) <= 0xffe) {
      return this.view.getUint16(phys >>> 0, true);
    }
    return this._readSlow(phys >>> 0, 2);
  }

  /** @returns the 32-bit word at `phys` as int32 */
  read32(phys: number): number {
    if ((this.direct[phys >>> PAGE_SHIFT] & Direct.Read) !== 0 && (phys & 0xfff) <= 0xffc) {
      return this.view.getInt32(phys >>> 0, true);
    }
    return this._readSlow(phys >>> 0, 4) | 0;
  }

  write8(phys: number, value: number): void {
    if ((this.direct[phys >>> PAGE_SHIFT] & Direct.Write) !== 0) this.bytes[phys >>> 0] = value;
    else this._writeSlow(phys >>> 0, 1, value);
  }

  write16(phys: number, value: number): void {
    if ((this.direct[phys >>> PAGE_SHIFT] & Direct.Write) !== 0 && (phys & 0xfff) <= 0xffe) {
      this.view.setUint16(phys >>> 0, value, true);
    } else {
      this._writeSlow(phys >>> 0, 2, value);
    }
  }

  write32(phys: number, value: number): void {
    if ((this.direct[phys >>> PAGE_SHIFT] & Direct.Write) !== 0 && (phys & 0xfff) <= 0xffc) {
      this.view.setInt32(phys >>> 0, value, true);
    } else {
      this._writeSlow(phys >>> 0, 4, value);
    }
  }

  /**
   * Makes a part of RAM read-only for the guest: its writes are dropped and counted. The host fills it with `load`.
   * @param start first physical address
   * @throws RangeError when the range is not within RAM or touches the video hole
   */
  addReadOnly(start: number, sizeBytes: number): void {
    const range = { start, end: start + sizeBytes };
    this._mustBeRam(range, 'read-only memory');
    this._readOnly.push(range);
    for (let page = start >>> PAGE_SHIFT; page <= (range.end - 1) >>> PAGE_SHIFT; page++) {
      this.direct[page] &= ~Direct.Write;
    }
  }

  /**
   * Puts a device window at a physical range. It hides RAM that lies there.
   * @throws RangeError when it overlaps another window or read-only memory, or leaves the 32-bit space
   */
  addMmio(start: number, sizeBytes: number, handler: MmioHandler): void {
    const window = { start, end: start + sizeBytes, handler };
    if (start < 0 || sizeBytes < 1 || window.end > 0x100000000) {
      throw new RangeError(`device window ${describe(window)}: must lie within the 32-bit physical space`);
    }
    for (const other of [...this._windows, ...this._readOnly]) {
      if (start < other.end && other.start < window.end) {
        throw new RangeError(
          `device window ${describe(window)} overlaps ${describe(other)}: give it a place of its own`,
        );
      }
    }
    this._windows.push(window);
    this.direct.fill(0, start >>> PAGE_SHIFT, ((window.end - 1) >>> PAGE_SHIFT) + 1);
  }

  /**
   * Copies host data into RAM, read-only parts included.
   * @throws RangeError when the data does not fit into RAM at that place
   */
  load(phys: number, data: Uint8Array): void {
    if (data.length === 0) return;
    const range = { start: phys, end: phys + data.length };
    this._mustBeRam(range, 'data to load');
    for (let page = phys >>> PAGE_SHIFT; page <= (range.end - 1) >>> PAGE_SHIFT; page++) {
      if ((this.direct[page] & Direct.Code) !== 0) this._codeWritten(page);
    }
    this.bytes.set(data, phys);
  }

  /**
   * RAM as a device reads it by DMA.
   * @returns a view of the RAM itself, or undefined unless all of the range is RAM
   */
  dmaReadable(phys: number, sizeBytes: number): Uint8Array | undefined {
    const end = phys + sizeBytes;
    const isRam = phys >= 0 && end <= this.sizeBytes && !(phys < HOLE_END && end > HOLE_START);
    return isRam ? this.bytes.subarray(phys, end) : undefined;
  }

  /**
   * RAM as a device writes it by DMA, now: whoever keeps code of these pages is told here.
   * @returns a view of the RAM itself, or undefined unless all of the range is RAM that may be written
   */
  dmaWritable(phys: number, sizeBytes: number): Uint8Array | undefined {
    const end = phys + sizeBytes;
    const bytes = this.dmaReadable(phys, sizeBytes);
    if (bytes === undefined || sizeBytes === 0) return bytes;
    if (this._readOnly.some((range) => phys < range.end && end > range.start)) return undefined;
    for (let page = phys >>> PAGE_SHIFT; page <= (end - 1) >>> PAGE_SHIFT; page++) {
      if ((this.direct[page] & Direct.Code) !== 0) this._codeWritten(page);
    }
    return bytes;
  }

  /**
   * Says that decoded code of this page is kept somewhere, until the page is next written.
   * @returns false where writes cannot be followed (device windows, no memory): code from there must not be kept
   */
  markCode(pageNumber: number): boolean {
    const direct = this.direct[pageNumber];
    if ((direct & Direct.Read) === 0) return false;
    if ((direct & Direct.Code) === 0) {
      this.direct[pageNumber] = (direct & ~Direct.Write) | Direct.Code;
      for (const listener of this._markedListeners) listener(pageNumber);
    }
    return true;
  }

  /** Adds a listener that is told just before a page marked as code is written; the mark is gone by then. */
  onCodeWritten(listener: (pageNumber: number) => void): void {
    this._writtenListeners.push(listener);
  }

  /** Adds a listener that is told when a page becomes code: whoever may write the page directly must stop doing so. */
  onCodeMarked(listener: (pageNumber: number) => void): void {
    this._markedListeners.push(listener);
  }

  private _codeWritten(pageNumber: number): void {
    const plain = !this._readOnly.some(
      (range) => range.start < (pageNumber + 1) * PAGE_BYTES && range.end > pageNumber * PAGE_BYTES,
    );
    this.direct[pageNumber] = plain ? Direct.Read | Direct.Write : Direct.Read;
    for (const listener of this._writtenListeners) listener(pageNumber);
  }

  private _mustBeRam(range: Range, what: string): void {
    const inHole = range.start < HOLE_END && range.end > HOLE_START;
    if (range.start < 0 || range.end <= range.start || range.end > this.sizeBytes || inHole) {
      throw new RangeError(
        `${what} at ${describe(range)}: must lie in RAM, below ${hex(this.sizeBytes)} and outside 0xa0000-0xbffff`,
      );
    }
  }

  private _isRam(phys: number): boolean {
    return phys < this.sizeBytes && (phys < HOLE_START || phys >= HOLE_END);
  }

  private _window(phys: number, sizeBytes: number): Window | undefined {
    return this._windows.find((window) => phys >= window.start && phys + sizeBytes <= window.end);
  }

  private _readSlow(phys: number, size: 1 | 2 | 4): number {
    const window = this._window(phys, size);
    if (window !== undefined) {
      const value = window.handler.read(phys - window.start, size);
      return size === 4 ? value >>> 0 : value & ((1 << (size * 8)) - 1);
    }
    if (size > 1) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= this.read8(phys + i) << (i * 8);
      return value >>> 0;
    }
    if (this._isRam(phys)) return this.bytes[phys];
    this.openReads++;
    return 0xff;
  }

  private _writeSlow(phys: number, size: 1 | 2 | 4, value: number): void {
    const window = this._window(phys, size);
    if (window !== undefined) {
      const offset = phys - window.start;
      window.handler.write(offset, size, size === 4 ? value >>> 0 : value & ((1 << (size * 8)) - 1));
      return;
    }
    if (size > 1) {
      for (let i = 0; i < size; i++) this.write8(phys + i, (value >>> (i * 8)) & 0xff);
      return;
    }
    if (!this._isRam(phys) || this._readOnly.some((range) => phys >= range.start && phys < range.end)) {
      this.droppedWrites++;
      return;
    }
    const page = phys >>> PAGE_SHIFT;
    if ((this.direct[page] & Direct.Code) !== 0) this._codeWritten(page);
    this.bytes[phys] = value;
  }
}
