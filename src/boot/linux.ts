/**
 * What a Linux kernel finds at its 32-bit entry point: `struct boot_params` (the "zero page"), the command line, the initrd and a
 * GDT with the selectors that the protocol fixes.
 *
 * Separate from `bzimage.ts` because an uncompressed vmlinux is entered in the same way. References are to the Linux kernel's
 * Documentation/x86/boot.rst and zero-page.rst. Read before: `plan.ts`. Read after: `bzimage.ts`.
 */
import { ConfigError } from '../errors.js';
import { BOOT_CS, BOOT_DS } from '../vcpu/powerOn.js';
import { HIGH_RAM_START, memoryMap } from './e820.js';
import { type BootImage, type BootPlan, commandLineBytes } from './plan.js';

const BOOT_PARAMS_BYTES = 4096;

/** Offsets in `struct boot_params`; from 0x1F1 on they are those of the setup header in a bzImage too. */
export const enum Param {
  /** KiB of memory above 1 MiB, as BIOS call 0x88 tells it: 16 bits. */
  ExtMemK = 0x002,
  AltMemK = 0x1e0,
  E820Entries = 0x1e8,
  SetupSects = 0x1f1,
  /** Size of the protected-mode code in paragraphs of 16 bytes. */
  SysSize = 0x1f4,
  BootFlag = 0x1fe,
  /** Second byte of the header's jump: 0x202 + this is where the header ends. */
  JumpOffset = 0x201,
  HeaderMagic = 0x202,
  Version = 0x206,
  /** Where a string with the kernel's release is, 0x200 bytes less; 0 = there is none. */
  KernelVersion = 0x20e,
  TypeOfLoader = 0x210,
  LoadFlags = 0x211,
  Code32Start = 0x214,
  RamdiskImage = 0x218,
  RamdiskSize = 0x21c,
  CmdLinePtr = 0x228,
  InitrdAddrMax = 0x22c,
  KernelAlignment = 0x230,
  RelocatableKernel = 0x234,
  XLoadFlags = 0x236,
  CmdLineSize = 0x238,
  PayloadOffset = 0x248,
  PayloadLength = 0x24c,
  PrefAddress = 0x258,
  InitSize = 0x260,
  E820Table = 0x2d0,
}

/** 'HdrS' as a little-endian word. */
export const HEADER_MAGIC = 0x53726448;
/** type_of_loader for a loader without a number of its own. */
const LOADER_UNDEFINED = 0xff;

/** Flat 4 GiB descriptors, accessed, DPL 0, 32-bit: execute/read and read/write. (SDM 3A, "Segment descriptors") */
const CODE_DESCRIPTOR = [0x0000ffff, 0x00cf9b00];
const DATA_DESCRIPTOR = [0x0000ffff, 0x00cf9300];

export interface LinuxHandover {
  /** Setup header to copy from 0x1F1 on, empty for a kernel that has none. */
  readonly header: Uint8Array;
  /** Physical address of the 32-bit entry point. */
  readonly eip: number;
  /** First address that the initrd must not reach. */
  readonly initrdCeiling: number;
  /** Longest command line in bytes, without its NUL. */
  readonly cmdlineMax: number;
}

/**
 * Adds boot_params and what it points at to `plan` and sets the plan's entry.
 *
 * @throws ConfigError `APPEND_TOO_LONG` and the codes of `plan.ts`
 */
export function handOverToLinux(plan: BootPlan, image: BootImage, handover: LinuxHandover): void {
  const line = commandLineBytes(image.append ?? '');
  if (line.length - 1 > handover.cmdlineMax)
    throw new ConfigError(
      'APPEND_TOO_LONG',
      `the kernel command line is ${line.length - 1} bytes long, this kernel takes at most ${handover.cmdlineMax}; shorten it`,
    );

  const params = new DataView(new ArrayBuffer(BOOT_PARAMS_BYTES));
  new Uint8Array(params.buffer).set(handover.header, Param.SetupSects);
  params.setUint8(Param.TypeOfLoader, LOADER_UNDEFINED);
  params.setUint32(Param.Code32Start, handover.eip, true);
  params.setUint32(Param.CmdLinePtr, plan.placeLow('kernel command line', line), true);
  if (image.initrd !== undefined) {
    params.setUint32(Param.RamdiskImage, plan.placeInitrdBelow(handover.initrdCeiling, image.initrd), true);
    params.setUint32(Param.RamdiskSize, image.initrd.length, true);
  }
  writeMemoryMap(params, plan.ramBytes);

  // The kernel reloads its segments by these selectors. ("32-bit Boot Protocol")
  const gdt = new Uint32Array(8);
  gdt.set(CODE_DESCRIPTOR, BOOT_CS / 4);
  gdt.set(DATA_DESCRIPTOR, BOOT_DS / 4);
  const gdtPhys = plan.placeLow('boot GDT', new Uint8Array(gdt.buffer));
  const esi = plan.placeLow('boot_params', new Uint8Array(params.buffer));
  plan.entry = {
    eip: handover.eip,
    eax: 0,
    ebx: 0,
    esi,
    gdt: { phys: gdtPhys, limit: gdt.byteLength - 1 },
  };
}

function writeMemoryMap(params: DataView, ramBytes: number): void {
  const highKiB = (ramBytes - HIGH_RAM_START) >>> 10;
  params.setUint16(Param.ExtMemK, Math.min(highKiB, 0xfc00), true);
  params.setUint32(Param.AltMemK, highKiB, true);
  const ranges = memoryMap(ramBytes);
  params.setUint8(Param.E820Entries, ranges.length);
  ranges.forEach(({ phys, sizeBytes, type }, index) => {
    const entry = Param.E820Table + index * 20;
    params.setUint32(entry, phys, true);
    params.setUint32(entry + 8, sizeBytes, true);
    params.setUint32(entry + 16, type, true);
  });
}
