/**
 * The Multiboot protocol, version 1: finds the header in a kernel file, loads the kernel by it or by its ELF headers, and hands
 * over the information structure.
 *
 * References are to the "Multiboot Specification" 0.6.96. Read before: `plan.ts`, `elf.ts`. Read after: `index.ts`.
 */
import { ConfigError } from '../errors.js';
import { HIGH_RAM_START, LOW_RAM_END, memoryMap } from './e820.js';
import { isElf, parseElf, placeElf } from './elf.js';
import { type BootImage, type BootModule, BootPlan, commandLineBytes, hex, kernelError } from './plan.js';

/** The header is wholly within this much of the file, on a 4-byte boundary. (§3.1) */
const SEARCH_BYTES = 8192;
const HEADER_MAGIC = 0x1badb002;
/** What EAX holds at entry. (§3.2) */
const LOADER_MAGIC = 0x2badb002;

/** Header flags; the low half are demands that a loader must meet or refuse. (§3.1.2) */
const enum HeaderFlag {
  AlignModules = 1 << 0,
  MemoryInfo = 1 << 1,
  VideoMode = 1 << 2,
  AddressFields = 1 << 16,
}
const MET_DEMANDS = HeaderFlag.AlignModules | HeaderFlag.MemoryInfo;

/** Flags of the information structure. (§3.3) */
const enum InfoFlag {
  Memory = 1 << 0,
  CommandLine = 1 << 2,
  Modules = 1 << 3,
  MemoryMap = 1 << 6,
  LoaderName = 1 << 9,
}
const INFO_BYTES = 120;

interface Header {
  readonly offset: number;
  readonly flags: number;
  /** The address fields, present with `HeaderFlag.AddressFields`. (§3.1.3) */
  readonly headerAddr: number;
  readonly loadAddr: number;
  readonly loadEndAddr: number;
  readonly bssEndAddr: number;
  readonly entryAddr: number;
}

/** Finds the multiboot header of `file`, or undefined. */
export function findMultibootHeader(file: Uint8Array): Header | undefined {
  const view = new DataView(file.buffer, file.byteOffset, Math.min(file.byteLength, SEARCH_BYTES));
  const word = (offset: number): number => (offset + 4 <= view.byteLength ? view.getUint32(offset, true) : 0);
  for (let offset = 0; offset + 12 <= view.byteLength; offset += 4) {
    if (word(offset) !== HEADER_MAGIC) continue;
    const flags = word(offset + 4);
    if (((HEADER_MAGIC + flags + word(offset + 8)) | 0) !== 0) continue;
    if ((flags & HeaderFlag.AddressFields) !== 0 && offset + 32 > view.byteLength) continue;
    return {
      offset,
      flags,
      headerAddr: word(offset + 12),
      loadAddr: word(offset + 16),
      loadEndAddr: word(offset + 20),
      bssEndAddr: word(offset + 24),
      entryAddr: word(offset + 28),
    };
  }
  return undefined;
}

/**
 * Plans a multiboot start.
 *
 * @param header what `findMultibootHeader` found in `image.kernel`
 * @param ramBytes size of guest memory in bytes
 * @throws ConfigError any code of `elf.ts` and `plan.ts`, `KERNEL_UNMET_DEMAND`, `KERNEL_DAMAGED`, `KERNEL_TRUNCATED`
 */
export function planMultiboot(image: BootImage, header: Header, ramBytes: number): BootPlan {
  const plan = new BootPlan('multiboot', ramBytes, image.kernelName);
  checkDemands(header, image.kernelName);
  const eip =
    (header.flags & HeaderFlag.AddressFields) !== 0
      ? placeByAddressFields(plan, image, header)
      : placeByElf(plan, image);
  const ebx = placeInfo(plan, image);
  plan.entry = { eip, eax: LOADER_MAGIC, ebx, esi: 0 };
  return plan;
}

function checkDemands(header: Header, name: string): void {
  const unmet = header.flags & 0xffff & ~MET_DEMANDS;
  if (unmet === 0) return;
  const what = (unmet & HeaderFlag.VideoMode) !== 0 ? 'a video mode' : `the multiboot features ${hex(unmet)}`;
  throw kernelError(
    'KERNEL_UNMET_DEMAND',
    name,
    `demands ${what} in its multiboot header; this machine has none: build it without`,
  );
}

function placeByElf(plan: BootPlan, image: BootImage): number {
  if (!isElf(image.kernel)) {
    const text = 'has a multiboot header without load addresses and is no ELF file; set flag bit 16 or link it as ELF';
    throw kernelError('KERNEL_NOT_EXECUTABLE', image.kernelName, text);
  }
  const kernel = parseElf(image.kernel, image.kernelName);
  placeElf(plan, kernel);
  return kernel.entryPhys;
}

/** Loads by the header's own addresses, the way meant for a.out files and raw binaries. (§3.1.3) */
function placeByAddressFields(plan: BootPlan, image: BootImage, header: Header): number {
  const { kernel, kernelName } = image;
  const damaged = (what: string): ConfigError =>
    kernelError('KERNEL_DAMAGED', kernelName, `is damaged: ${what} in its multiboot header; build it again`);
  const { headerAddr, loadAddr, loadEndAddr, bssEndAddr, entryAddr } = header;
  const start = header.offset - (headerAddr - loadAddr);
  if (headerAddr < loadAddr || start < 0)
    throw damaged(`header_addr ${hex(headerAddr)} does not fit load_addr ${hex(loadAddr)}`);
  if (loadEndAddr !== 0 && loadEndAddr < loadAddr)
    throw damaged(`load_end_addr ${hex(loadEndAddr)} is below load_addr ${hex(loadAddr)}`);
  const end = loadEndAddr === 0 ? kernel.length : start + loadEndAddr - loadAddr;
  if (end > kernel.length) {
    const text = `is truncated: it loads up to ${end}, the file has ${kernel.length} bytes; copy or build it again`;
    throw kernelError('KERNEL_TRUNCATED', kernelName, text);
  }
  const loadedBytes = end - start;
  if (bssEndAddr !== 0 && bssEndAddr < loadAddr + loadedBytes)
    throw damaged(`bss_end_addr ${hex(bssEndAddr)} is below the end of what is loaded`);
  const sizeBytes = bssEndAddr === 0 ? loadedBytes : bssEndAddr - loadAddr;
  if (entryAddr < loadAddr || entryAddr >= loadAddr + sizeBytes)
    throw damaged(`entry_addr ${hex(entryAddr)} is outside what is loaded`);
  plan.placeKernel('image', loadAddr, kernel.subarray(start, end), sizeBytes);
  return entryAddr;
}

/** Builds the information structure and what it points at; returns its physical address. (§3.3) */
function placeInfo(plan: BootPlan, image: BootImage): number {
  const info = new DataView(new ArrayBuffer(INFO_BYTES));
  const set = (offset: number, value: number): void => info.setUint32(offset, value, true);
  let flags = InfoFlag.Memory | InfoFlag.CommandLine | InfoFlag.MemoryMap | InfoFlag.LoaderName;

  set(4, LOW_RAM_END >>> 10);
  set(8, (plan.ramBytes - HIGH_RAM_START) >>> 10);
  // The kernel's name comes first, as with GRUB Legacy and QEMU, so that guests can parse all three alike.
  const line = [image.kernelName, image.append ?? ''].filter((part) => part !== '').join(' ');
  set(16, plan.placeLow('kernel command line', commandLineBytes(line)));
  if (image.initrd !== undefined) {
    const modules = [{ bytes: image.initrd, name: image.initrdName ?? 'initrd' }, ...(image.modules ?? [])];
    flags |= InfoFlag.Modules;
    set(20, modules.length);
    set(24, placeModules(plan, modules));
  }
  const map = multibootMap(plan.ramBytes);
  set(44, map.length);
  set(48, plan.placeLow('memory map', map));
  set(64, plan.placeLow('boot loader name', commandLineBytes('Romulus')));
  set(0, flags);
  return plan.placeLow('multiboot information', new Uint8Array(info.buffer));
}

/** Modules, page-aligned whether the kernel asks for it or not; returns the address of the list of their entries. */
function placeModules(plan: BootPlan, modules: readonly BootModule[]): number {
  const list = new DataView(new ArrayBuffer(16 * modules.length));
  modules.forEach(({ bytes, name }, index) => {
    const start = plan.placeInitrdAfterKernel(bytes);
    list.setUint32(16 * index, start, true);
    list.setUint32(16 * index + 4, start + bytes.length, true);
    list.setUint32(16 * index + 8, plan.placeLow('module name', commandLineBytes(name)), true);
  });
  return plan.placeLow('module list', new Uint8Array(list.buffer));
}

/** The memory map in multiboot's form: each entry preceded by its size, not counting the size field. (§3.3) */
function multibootMap(ramBytes: number): Uint8Array {
  const ranges = memoryMap(ramBytes);
  const map = new DataView(new ArrayBuffer(ranges.length * 24));
  ranges.forEach(({ phys, sizeBytes, type }, index) => {
    const entry = index * 24;
    map.setUint32(entry, 20, true);
    map.setUint32(entry + 4, phys, true);
    map.setUint32(entry + 12, sizeBytes, true);
    map.setUint32(entry + 20, type, true);
  });
  return new Uint8Array(map.buffer);
}
