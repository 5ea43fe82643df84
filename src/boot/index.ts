/**
 * Boots a kernel: recognises the kind of image, plans where everything goes, then puts it there and sets the vCPU up.
 *
 * Kinds, in the order they are looked for: Multiboot 1, Linux bzImage, plain i386 ELF (entered like Linux' vmlinux).
 * Read before: `plan.ts`, `multiboot.ts`, `bzimage.ts`. Read after: `../machine/board.ts`.
 */
import { ACPI_TABLES_PHYS, acpiTables } from './acpi.js';
import type { PhysMemory } from '../memory/phys.js';
import { Word } from '../vcpu/layout.js';
import { enterProtectedFlat } from '../vcpu/powerOn.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { isBzImage, planBzImage } from './bzimage.js';
import { isElf, parseElf, placeElf } from './elf.js';
import { handOverToLinux } from './linux.js';
import { findMultibootHeader, planMultiboot } from './multiboot.js';
import { type BootImage, type BootKind, BootPlan, type Entry, kernelError } from './plan.js';

export type { BootImage, BootKind, BootPlan } from './plan.js';

/** What booting needs of a machine. */
export interface BootTarget {
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
}

/** Highest initrd end and longest command line for a vmlinux, whose header is not in the file: those of a plain i386 Linux. */
const VMLINUX_INITRD_CEILING = 0x38000000;
const VMLINUX_CMDLINE_MAX = 2047;

/**
 * Decides how `image` is booted on a machine with `ramBytes` of memory. Changes nothing.
 *
 * @throws ConfigError whose code begins with `KERNEL_`, `INITRD_`, `APPEND_` or `HANDOVER_` and whose message says what to do
 */
export function planBoot(image: BootImage, ramBytes: number): BootPlan {
  const { kernel, kernelName } = image;
  const header = findMultibootHeader(kernel);
  if (header !== undefined) return planMultiboot(image, header, ramBytes);
  if (image.modules !== undefined && image.modules.length > 0)
    throw kernelError('INITRD_SEVERAL', kernelName, 'takes one initrd; only multiboot kernels take several modules');
  if (isBzImage(kernel)) return planBzImage(image, ramBytes);
  if (isElf(kernel)) return planElf(image, ramBytes);
  throw kernelError('KERNEL_NOT_RECOGNISED', kernelName, `is not a kernel: ${describeUnknown(kernel)}`);
}

/**
 * Loads `image` into guest memory, with the ACPI tables that a BIOS would have left there, and leaves the vCPU before the kernel's first instruction.
 *
 * @returns the kind of kernel that was found
 * @throws ConfigError as `planBoot`, before anything has changed
 */
export function loadKernel(target: BootTarget, image: BootImage): BootKind {
  const plan = planBoot(image, target.phys.sizeBytes);
  for (const piece of plan.pieces) {
    target.phys.load(piece.phys, piece.bytes);
    zero(target.phys, piece.phys + piece.bytes.length, piece.sizeBytes - piece.bytes.length);
  }
  target.phys.load(ACPI_TABLES_PHYS, acpiTables());
  enter(target.cpu, plan.entry);
  return plan.kind;
}

function planElf(image: BootImage, ramBytes: number): BootPlan {
  const plan = new BootPlan('elf', ramBytes, image.kernelName);
  const kernel = parseElf(image.kernel, image.kernelName);
  placeElf(plan, kernel);
  handOverToLinux(plan, image, {
    header: new Uint8Array(0),
    eip: kernel.entryPhys,
    initrdCeiling: VMLINUX_INITRD_CEILING,
    cmdlineMax: VMLINUX_CMDLINE_MAX,
  });
  return plan;
}

/** Says what a file that nobody can boot looks like, and what would do instead. */
function describeUnknown(file: Uint8Array): string {
  const wanted = 'a multiboot or i386 ELF kernel or a Linux bzImage is needed';
  if (file.length === 0) return `the file is empty; ${wanted}`;
  if (file[0] === 0x1f && file[1] === 0x8b) return 'it is gzip-compressed; unpack it with gunzip first';
  if (file[510] === 0x55 && file[511] === 0xaa) return `it is a boot sector or disk image; ${wanted}`;
  if (hasMultiboot2Header(file)) return 'it has a Multiboot 2 header only; build it with a Multiboot 1 header';
  return `it is of no known kind; ${wanted}`;
}

/** The Multiboot 2 header: magic on an 8-byte boundary in the first 32 KiB. (Multiboot2 specification, "OS image format") */
function hasMultiboot2Header(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let offset = 0; offset + 16 <= Math.min(file.length, 32768); offset += 8)
    if (view.getUint32(offset, true) === 0xe85250d6) return true;
  return false;
}

function zero(phys: PhysMemory, start: number, sizeBytes: number): void {
  const zeros = new Uint8Array(Math.min(sizeBytes, 0x10000));
  for (let done = 0; done < sizeBytes; done += zeros.length)
    phys.load(start + done, zeros.subarray(0, Math.min(zeros.length, sizeBytes - done)));
}

function enter(cpu: Vcpu, entry: Entry): void {
  const { words } = cpu;
  enterProtectedFlat(cpu, entry.eip);
  words[Word.Eax] = entry.eax;
  words[Word.Ebx] = entry.ebx;
  words[Word.Esi] = entry.esi;
  if (entry.gdt === undefined) return;
  words[Word.GdtrBase] = entry.gdt.phys;
  words[Word.GdtrLimit] = entry.gdt.limit;
}
