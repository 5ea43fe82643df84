/**
 * What a boot loader decides before it touches the machine: which bytes go where, and how the CPU is entered.
 *
 * A plan is made from the kernel image and the memory size alone, so every mistake in an image is found and reported before any
 * state changes, and loaders can be tested without a machine. It owns the one rule that all loaders share: pieces lie in RAM and
 * never overlap. Read before: `e820.ts`. Read after: `multiboot.ts`, `bzimage.ts`, `index.ts`.
 */
import { ConfigError } from '../errors.js';
import { BIOS_DATA_AREA, BIOS_DATA_END, biosDataArea, HIGH_RAM_START, LOW_RAM_END } from './e820.js';

/** A multiboot module: a file that the loader puts into memory, and the string that goes with it. */
export interface BootModule {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** What the caller wants booted. */
export interface BootImage {
  /** The kernel file's contents. */
  readonly kernel: Uint8Array;
  /** Its name, for messages and for the first word of a multiboot command line. */
  readonly kernelName: string;
  /** Initial RAM disk, or the first multiboot module. */
  readonly initrd?: Uint8Array | undefined;
  readonly initrdName?: string | undefined;
  /** Multiboot modules behind the first one. */
  readonly modules?: readonly BootModule[] | undefined;
  /** Kernel command line. */
  readonly append?: string | undefined;
}

/** Bytes at a physical address; what `sizeBytes` exceeds `bytes` is zero. */
export interface Piece {
  readonly what: string;
  readonly phys: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

/** Registers at the kernel's first instruction beyond the flat 32-bit protected mode that all protocols share. */
export interface Entry {
  readonly eip: number;
  readonly eax: number;
  readonly ebx: number;
  readonly esi: number;
  /** A GDT that the protocol promises; it describes what the segment caches hold already. */
  readonly gdt?: { readonly phys: number; readonly limit: number };
}

export type BootKind = 'multiboot' | 'bzImage' | 'elf';

const PAGE_BYTES = 0x1000;
/** Lowest place for what the loader hands over, and where other loaders put it too: above what kernels use as scratch. */
const HANDOVER_START = 0x9000;

export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;
export const alignDown = (value: number, alignment: number): number => Math.floor(value / alignment) * alignment;
export const hex = (value: number): string => `0x${value.toString(16)}`;

/** `name` of the kernel, as messages quote it. */
export const kernelError = (code: string, name: string, rest: string): ConfigError =>
  new ConfigError(code, `kernel '${name}' ${rest}`);

export class BootPlan {
  readonly pieces: Piece[] = [];
  entry: Entry = { eip: 0, eax: 0, ebx: 0, esi: 0 };

  constructor(
    readonly kind: BootKind,
    /** Size of guest memory in bytes. */
    readonly ramBytes: number,
    private readonly _kernelName: string,
  ) {
    this.pieces.push({ what: 'BIOS data area', phys: BIOS_DATA_AREA, sizeBytes: 0x100, bytes: biosDataArea() });
  }

  /**
   * Puts a part of the kernel at the address that the kernel itself demands.
   *
   * @param sizeBytes bytes to occupy, at least `bytes.length`; the rest is zeroed
   * @throws ConfigError `KERNEL_OUTSIDE_RAM`, `KERNEL_OVERLAPS`
   */
  placeKernel(what: string, phys: number, bytes: Uint8Array, sizeBytes: number = bytes.length): void {
    const end = phys + sizeBytes;
    const low = phys >= BIOS_DATA_END && end <= LOW_RAM_END;
    const high = phys >= HIGH_RAM_START && end <= this.ramBytes;
    const range = `${hex(phys)} to ${hex(end - 1)}`;
    if (!low && !high) {
      const remedy =
        end > this.ramBytes && phys >= HIGH_RAM_START && end <= 0xc0000000
          ? `give the machine at least ${Math.ceil(end / 0x100000)}M of memory`
          : `link it to a physical address from ${hex(HIGH_RAM_START)} on`;
      const text = `wants its ${what} at ${range}, where this machine has no RAM for it; ${remedy}`;
      throw kernelError('KERNEL_OUTSIDE_RAM', this._kernelName, text);
    }
    const other = this._overlapping(phys, sizeBytes);
    if (other !== undefined) {
      const text = `puts its ${what} at ${range}, over its ${other.what}; the file is damaged or badly linked`;
      throw kernelError('KERNEL_OVERLAPS', this._kernelName, text);
    }
    this.pieces.push({ what, phys, sizeBytes, bytes });
  }

  /**
   * Finds a free place in low memory for something the loader hands over (boot information, command line, GDT) and puts it there.
   *
   * @returns its physical address
   * @throws ConfigError `HANDOVER_TOO_BIG`
   */
  placeLow(what: string, bytes: Uint8Array, alignment = 16): number {
    let phys = alignUp(HANDOVER_START, alignment);
    for (let other = this._overlapping(phys, bytes.length); other; other = this._overlapping(phys, bytes.length))
      phys = alignUp(other.phys + other.sizeBytes, alignment);
    if (phys + bytes.length > LOW_RAM_END)
      throw new ConfigError(
        'HANDOVER_TOO_BIG',
        `no room below ${hex(LOW_RAM_END)} for the ${what} of ${bytes.length} bytes; shorten it or link the kernel higher`,
      );
    this.pieces.push({ what, phys, sizeBytes: bytes.length, bytes });
    return phys;
  }

  /**
   * Puts the initrd on the first page boundary behind the kernel.
   *
   * @returns its physical address
   * @throws ConfigError `INITRD_TOO_BIG`
   */
  placeInitrdAfterKernel(bytes: Uint8Array): number {
    return this._placeInitrd(alignUp(this._end(), PAGE_BYTES), this.ramBytes, bytes);
  }

  /**
   * Puts the initrd on the highest page boundary at which it ends below `ceiling` and the end of memory.
   *
   * @returns its physical address
   * @throws ConfigError `INITRD_TOO_BIG`
   */
  placeInitrdBelow(ceiling: number, bytes: Uint8Array): number {
    const top = Math.min(ceiling, this.ramBytes);
    return this._placeInitrd(alignDown(top - bytes.length, PAGE_BYTES), top, bytes);
  }

  private _placeInitrd(phys: number, top: number, bytes: Uint8Array): number {
    const floor = alignUp(this._end(), PAGE_BYTES);
    if (phys < floor || phys + bytes.length > top) {
      const roomBytes = Math.max(0, top - floor);
      const remedy =
        top < this.ramBytes
          ? 'use a smaller one'
          : `use a smaller one or give the machine at least ${Math.ceil((floor + bytes.length) / 0x100000)}M of memory`;
      throw new ConfigError(
        'INITRD_TOO_BIG',
        `the initrd of ${bytes.length} bytes does not fit into the ${roomBytes} bytes beside the kernel; ${remedy}`,
      );
    }
    this.pieces.push({ what: 'initrd', phys, sizeBytes: bytes.length, bytes });
    return phys;
  }

  /** End of the highest piece, at least 1 MiB. */
  private _end(): number {
    return this.pieces.reduce((end, piece) => Math.max(end, piece.phys + piece.sizeBytes), HIGH_RAM_START);
  }

  private _overlapping(phys: number, sizeBytes: number): Piece | undefined {
    return this.pieces.find((piece) => phys < piece.phys + piece.sizeBytes && piece.phys < phys + sizeBytes);
  }
}

/**
 * The bytes of a command line: UTF-8 with a closing NUL.
 *
 * @throws ConfigError `APPEND_HAS_NUL`
 */
export function commandLineBytes(text: string): Uint8Array {
  if (text.includes('\0'))
    throw new ConfigError('APPEND_HAS_NUL', 'the kernel command line contains a NUL character; remove it');
  return Buffer.from(`${text}\0`, 'utf8');
}
