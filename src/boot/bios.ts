/**
 * Starts a machine from a firmware image instead of a kernel: the flat image ends at 1 MiB, is there again below 4 GiB, and the
 * processor comes out of reset at F000:FFF0 with the base of CS at 0xFFFF0000. (SDM 3A, "First Instruction Executed")
 *
 *     0x000C0000 ┬ at the earliest: the image, as it is
 *     0x00100000 ┴ its end
 *     0xFFFC0000 ┬ at the earliest: the image again
 *     0xFFFFFFF0 │ the reset vector, 16 bytes before the end
 *     4 GiB      ┴
 *
 * Separate from the kernel loaders because nothing is handed over: no command line, no memory map, no flat protected mode.
 * Read before: `index.ts`.
 */
import { ConfigError } from '../errors.js';
import type { PhysMemory } from '../memory/phys.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { hex } from './plan.js';

/** The reset vector's far jump fits into what is left of the image behind it. */
const MIN_BIOS_BYTES = 16;
const MAX_BIOS_BYTES = 256 * 1024;
const LOW_END = 0x100000;
const HIGH_END = 0x100000000;
const PAGE_BYTES = 0x1000;

export interface BiosTarget {
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
  /** Where the VMI ROM lies, if there is one. */
  readonly rom: { readonly base: number; readonly sizeBytes: number } | undefined;
}

/**
 * Puts a firmware image into the machine, read-only, and resets the processor.
 *
 * @param image the file's contents, 16 bytes to 256 KiB
 * @param name how messages call it
 * @throws ConfigError `BIOS_SIZE`, `BIOS_OVER_ROM`, before anything has changed
 */
export function loadBios(target: BiosTarget, image: Uint8Array, name: string): void {
  const { phys, cpu, rom } = target;
  if (image.length < MIN_BIOS_BYTES || image.length > MAX_BIOS_BYTES)
    throw new ConfigError(
      'BIOS_SIZE',
      `BIOS '${name}' has ${image.length} bytes; a flat image of ${MIN_BIOS_BYTES} bytes to 256 KiB is needed`,
    );
  const start = LOW_END - image.length;
  if (rom !== undefined && start < rom.base + rom.sizeBytes)
    throw new ConfigError(
      'BIOS_OVER_ROM',
      `BIOS '${name}' begins at ${hex(start)} and would cover the VMI ROM at ${hex(rom.base)}; leave the ROM out (--no-rom)`,
    );
  phys.load(start, image);
  // Pages are read-only as a whole: what lies before the image in its first page is firmware space, too.
  const firstPage = start & -PAGE_BYTES;
  phys.addReadOnly(firstPage, LOW_END - firstPage);
  phys.addMmio(HIGH_END - image.length, image.length, {
    read: (offset, size) => {
      let value = 0;
      for (let i = 0; i < size; i++) value |= phys.read8(start + offset + i) << (i * 8);
      return value >>> 0;
    },
    write: () => {
      phys.droppedWrites++;
    },
  });
  cpu.reset();
}
