/**
 * ELF32 for i386: checks a kernel file and names the segments to load, by physical address.
 *
 * Separate because two boot protocols need it: multiboot and the plain kernel ELF (Linux' vmlinux). Everything in the file is
 * distrusted: each number is checked against the file's length before it is used. (System V ABI, "Object files"; Intel386
 * supplement.) Read before: `plan.ts`.
 */
import { type BootPlan, hex, kernelError } from './plan.js';

const HEADER_BYTES = 52;
const PROGRAM_HEADER_BYTES = 32;

const enum Class {
  Elf32 = 1,
  Elf64 = 2,
}
const enum Type {
  Rel = 1,
  Exec = 2,
  Dyn = 3,
  Core = 4,
}
const enum Machine {
  I386 = 3,
  X86_64 = 62,
}
const enum SegmentType {
  Load = 1,
  Dynamic = 2,
  Interp = 3,
}

const machineNames: Readonly<Record<number, string>> = {
  2: 'SPARC',
  8: 'MIPS',
  20: 'PowerPC',
  40: 'ARM',
  183: 'AArch64',
  243: 'RISC-V',
};
const typeNames: Readonly<Record<number, string>> = {
  [Type.Rel]: 'a relocatable object file',
  [Type.Dyn]: 'a shared object or position-independent program',
  [Type.Core]: 'a core dump',
};

export interface ElfSegment {
  readonly phys: number;
  readonly linear: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

export interface ElfKernel {
  /** Physical address of the first instruction. */
  readonly entryPhys: number;
  readonly segments: readonly ElfSegment[];
}

export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/**
 * Reads an ELF file that must be a 32-bit x86 kernel.
 *
 * @param file the whole file
 * @param name how messages call it
 * @throws ConfigError `KERNEL_TRUNCATED`, `KERNEL_64_BIT`, `KERNEL_WRONG_MACHINE`, `KERNEL_NOT_EXECUTABLE`, `KERNEL_DAMAGED`
 */
export function parseElf(file: Uint8Array, name: string): ElfKernel {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < HEADER_BYTES) throw truncated(name, `its ELF header needs ${HEADER_BYTES} bytes`, file);
  checkKind(view, name);

  const entry = view.getUint32(24, true);
  const tableOffset = view.getUint32(28, true);
  const entryBytes = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (count === 0) throw notExecutable(name, 'an ELF file without program headers');
  if (entryBytes !== PROGRAM_HEADER_BYTES)
    throw damaged(name, `its program headers are ${entryBytes} bytes long instead of ${PROGRAM_HEADER_BYTES}`);
  if (tableOffset + count * PROGRAM_HEADER_BYTES > file.length)
    throw truncated(name, `its program headers end at ${tableOffset + count * PROGRAM_HEADER_BYTES}`, file);

  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const header = tableOffset + index * PROGRAM_HEADER_BYTES;
    const type: SegmentType = view.getUint32(header, true);
    if (type === SegmentType.Interp || type === SegmentType.Dynamic)
      throw notExecutable(name, 'a dynamically linked program');
    if (type === SegmentType.Load) segments.push(...loadSegment(file, view, header, index, name));
  }
  if (segments.length === 0) throw notExecutable(name, 'an ELF file with nothing to load');
  return { entryPhys: entryPhys(segments, entry, name), segments };
}

/** Adds the segments of `kernel` to `plan`. */
export function placeElf(plan: BootPlan, kernel: ElfKernel): void {
  kernel.segments.forEach((segment, index) => {
    plan.placeKernel(`segment ${index}`, segment.phys, segment.bytes, segment.sizeBytes);
  });
}

function checkKind(view: DataView, name: string): void {
  const elfClass: Class = view.getUint8(4);
  const isLittleEndian = view.getUint8(5) !== 2;
  const machine: Machine = view.getUint16(18, isLittleEndian);
  const type: Type = view.getUint16(16, isLittleEndian);
  if (elfClass === Class.Elf64 || machine === Machine.X86_64)
    throw kernelError(
      'KERNEL_64_BIT',
      name,
      'is a 64-bit ELF file; this machine is an i386: build the kernel with -m32',
    );
  if (elfClass !== Class.Elf32) throw damaged(name, `its ELF class is ${view.getUint8(4)}`);
  if (!isLittleEndian || machine !== Machine.I386) {
    const what = machineNames[machine] ?? (isLittleEndian ? `ELF machine ${machine}` : 'a big-endian machine');
    throw kernelError('KERNEL_WRONG_MACHINE', name, `is built for ${what}; this machine is an i386: build it for i386`);
  }
  if (type !== Type.Exec) throw notExecutable(name, typeNames[type] ?? `an ELF file of type ${type}`);
}

function loadSegment(file: Uint8Array, view: DataView, header: number, index: number, name: string): ElfSegment[] {
  const offset = view.getUint32(header + 4, true);
  const linear = view.getUint32(header + 8, true);
  const phys = view.getUint32(header + 12, true);
  const fileBytes = view.getUint32(header + 16, true);
  const sizeBytes = view.getUint32(header + 20, true);
  if (fileBytes > sizeBytes) throw damaged(name, `segment ${index} has more bytes in the file than in memory`);
  if (offset + fileBytes > file.length) throw truncated(name, `segment ${index} ends at ${offset + fileBytes}`, file);
  if (sizeBytes === 0) return [];
  return [{ phys, linear, sizeBytes, bytes: file.subarray(offset, offset + fileBytes) }];
}

/** Higher-half kernels give the entry point either way, as a physical or as a linear address: both are taken. */
function entryPhys(segments: readonly ElfSegment[], entry: number, name: string): number {
  if (segments.some(({ phys, sizeBytes }) => entry >= phys && entry < phys + sizeBytes)) return entry;
  const home = segments.find(({ linear, sizeBytes }) => entry >= linear && entry < linear + sizeBytes);
  if (home === undefined) throw damaged(name, `its entry point ${hex(entry)} is outside every segment`);
  return entry - home.linear + home.phys;
}

const truncated = (name: string, need: string, file: Uint8Array): Error =>
  kernelError(
    'KERNEL_TRUNCATED',
    name,
    `is truncated: ${need}, the file has ${file.length} bytes; copy or build it again`,
  );

const damaged = (name: string, what: string): Error =>
  kernelError('KERNEL_DAMAGED', name, `is damaged: ${what}; copy or build it again`);

const notExecutable = (name: string, what: string): Error =>
  kernelError('KERNEL_NOT_EXECUTABLE', name, `is ${what}, not a kernel; link it statically at a fixed address`);
