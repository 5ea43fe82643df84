/**
 * Linux' bzImage: reads its setup header, decides where the compressed kernel goes, and enters it by the 32-bit boot protocol. The
 * real-mode setup code in front is not run: what it would have asked a BIOS stands in boot_params already.
 *
 * References are to the Linux kernel's Documentation/x86/boot.rst. Read before: `linux.ts`. Read after: `index.ts`.
 */
import { HIGH_RAM_START } from './e820.js';
import { handOverToLinux, HEADER_MAGIC, Param } from './linux.js';
import { alignUp, type BootImage, BootPlan, kernelError } from './plan.js';

const SECTOR_BYTES = 512;
/** setup_sects = 0 means 4. ("The Real-Mode Kernel Header", setup_sects) */
const DEFAULT_SETUP_SECTORS = 4;
/** Oldest protocol taken: 2.02 brought the 32-bit command line pointer. */
const OLDEST_VERSION = 0x0202;
/** Where a kernel that is not relocatable is loaded (code32_start's default for LOADED_HIGH). */
const LOAD_ADDRESS = HIGH_RAM_START;
/** Bounds before the header could name its own. (initrd_addr_max, cmdline_size) */
const DEFAULT_INITRD_MAX = 0x37ffffff;
const DEFAULT_CMDLINE_MAX = 255;

/** Bit of loadflags: the protected-mode code belongs at 1 MiB (bzImage, as against zImage). */
const LOADED_HIGH = 1 << 0;
/** Bit of xloadflags: the kernel has a 64-bit entry point, so it is an x86-64 kernel. */
const XLF_KERNEL_64 = 1 << 0;
const PARAGRAPH_BYTES = 16;
/** Longest kernel release that is looked at. */
const MAX_RELEASE_BYTES = 256;

/** The header fields in use; those that came with a later protocol version hold their defaults before it. */
interface SetupHeader {
  readonly version: number;
  readonly setupBytes: number;
  readonly raw: Uint8Array;
  readonly initrdAddrMax: number;
  readonly cmdlineMax: number;
  readonly relocatable: boolean;
  readonly kernelAlignment: number;
  readonly prefAddress: number;
  /** Memory the kernel needs from its run-time start until it reads the memory map; 0 = not told. */
  readonly initBytes: number;
}

export function isBzImage(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return (
    file.length >= Param.Version + 2 &&
    view.getUint16(Param.BootFlag, true) === 0xaa55 &&
    view.getUint32(Param.HeaderMagic, true) === HEADER_MAGIC
  );
}

/**
 * The release that a bzImage tells, such as `6.1.0-50-686`; undefined where it tells none. ("kernel_version")
 */
export function bzImageRelease(file: Uint8Array): string | undefined {
  const pointer = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint16(Param.KernelVersion, true);
  if (pointer === 0) return undefined;
  const start = pointer + SECTOR_BYTES;
  const text = Buffer.from(file.subarray(start, start + MAX_RELEASE_BYTES)).toString('latin1');
  return /^[\w.+~-]+/.exec(text)?.[0];
}

/**
 * The compressed kernel within a bzImage, an ELF file once it is unpacked; empty where the header does not tell, which it does since
 * protocol 2.8. ("payload_offset")
 */
export function bzImagePayload(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint16(Param.Version, true) < 0x0208) return new Uint8Array(0);
  const start = setupSizeBytes(view) + view.getUint32(Param.PayloadOffset, true);
  return file.subarray(start, start + view.getUint32(Param.PayloadLength, true));
}

function setupSizeBytes(view: DataView): number {
  return ((view.getUint8(Param.SetupSects) || DEFAULT_SETUP_SECTORS) + 1) * SECTOR_BYTES;
}

/**
 * Plans the start of a bzImage.
 *
 * @param ramBytes size of guest memory in bytes
 * @throws ConfigError `KERNEL_TOO_OLD`, `KERNEL_NOT_BZIMAGE`, `KERNEL_64_BIT`, `KERNEL_NEEDS_PAE`, `KERNEL_TRUNCATED`, `KERNEL_DAMAGED` and the codes
 *   of `plan.ts` and `linux.ts`
 */
export function planBzImage(image: BootImage, ramBytes: number): BootPlan {
  const { kernel, kernelName } = image;
  const header = readHeader(kernel, kernelName);
  const plan = new BootPlan('bzImage', ramBytes, kernelName);
  const loadPhys = loadAddress(header, ramBytes);
  const code = kernel.subarray(header.setupBytes);
  plan.placeKernel('compressed image', loadPhys, code, Math.max(code.length, runEnd(header, loadPhys) - loadPhys));
  handOverToLinux(plan, image, {
    header: header.raw,
    eip: loadPhys,
    initrdCeiling: header.initrdAddrMax + 1,
    cmdlineMax: header.cmdlineMax,
  });
  return plan;
}

function readHeader(file: Uint8Array, name: string): SetupHeader {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint16(Param.Version, true);
  if (version < OLDEST_VERSION) {
    const text = `has boot protocol ${version >>> 8}.${version & 0xff}; this loader needs 2.2 or newer: use a later Linux`;
    throw kernelError('KERNEL_TOO_OLD', name, text);
  }
  const setupBytes = setupSizeBytes(view);
  if (setupBytes >= file.length) {
    const text = `is truncated: its setup code alone has ${setupBytes} bytes, the file ${file.length}; copy it again`;
    throw kernelError('KERNEL_TRUNCATED', name, text);
  }
  if ((view.getUint8(Param.LoadFlags) & LOADED_HIGH) === 0)
    throw kernelError('KERNEL_NOT_BZIMAGE', name, 'is a zImage, loaded below 1 MiB; build it as bzImage');
  const since = (minimum: number): boolean => version >= minimum;
  if (since(0x020c) && (view.getUint16(Param.XLoadFlags, true) & XLF_KERNEL_64) !== 0)
    throw kernelError(
      'KERNEL_64_BIT',
      name,
      'is a 64-bit Linux; this machine is an i386: use one built with CONFIG_X86_32',
    );

  const wholeBytes = since(0x0204) ? setupBytes + view.getUint32(Param.SysSize, true) * PARAGRAPH_BYTES : 0;
  if (wholeBytes > file.length) {
    const text = `is truncated: it should have ${wholeBytes} bytes and has ${file.length}; copy it again`;
    throw kernelError('KERNEL_TRUNCATED', name, text);
  }
  const release = bzImageRelease(file);
  if (release?.endsWith('-pae') === true)
    throw kernelError(
      'KERNEL_NEEDS_PAE',
      name,
      `is Linux ${release}, for processors with PAE, which this one has not; use the same kernel without, such as Debian's 686`,
    );

  const kernelAlignment = since(0x0205) ? view.getUint32(Param.KernelAlignment, true) : 0;
  const relocatable = since(0x0205) && view.getUint8(Param.RelocatableKernel) !== 0;
  if (relocatable && (kernelAlignment === 0 || (kernelAlignment & (kernelAlignment - 1)) !== 0))
    throw kernelError(
      'KERNEL_DAMAGED',
      name,
      `is damaged: its alignment ${kernelAlignment} is no power of two; copy it again`,
    );
  return {
    version,
    setupBytes,
    raw: file.subarray(Param.SetupSects, Math.min(Param.HeaderMagic + view.getUint8(Param.JumpOffset), setupBytes)),
    initrdAddrMax: since(0x0203) ? view.getUint32(Param.InitrdAddrMax, true) : DEFAULT_INITRD_MAX,
    cmdlineMax: since(0x0206) ? view.getUint32(Param.CmdLineSize, true) : DEFAULT_CMDLINE_MAX,
    relocatable,
    kernelAlignment,
    prefAddress: since(0x020a) ? view.getUint32(Param.PrefAddress, true) : 0,
    initBytes: since(0x020a) ? view.getUint32(Param.InitSize, true) : 0,
  };
}

/**
 * A relocatable kernel goes to the address it prefers when its memory fits there, else as low as its alignment allows; any other
 * to 1 MiB, from where it moves itself. ("Details of Header Fields": pref_address, relocatable_kernel)
 */
function loadAddress(header: SetupHeader, ramBytes: number): number {
  if (!header.relocatable) return LOAD_ADDRESS;
  if (header.prefAddress >= LOAD_ADDRESS && header.prefAddress + header.initBytes <= ramBytes)
    return header.prefAddress;
  return alignUp(LOAD_ADDRESS, header.kernelAlignment);
}

/** End of the memory that the kernel uses before it knows the memory map, so that nothing else is put there. (init_size) */
function runEnd(header: SetupHeader, loadPhys: number): number {
  const start = header.relocatable ? alignUp(loadPhys, header.kernelAlignment) : Math.max(header.prefAddress, loadPhys);
  return header.initBytes === 0 ? loadPhys : start + header.initBytes;
}
