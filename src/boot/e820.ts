/**
 * The machine's memory map as a BIOS would tell it, and the few bytes of BIOS data that kernels look at without asking one.
 *
 *     0x00000000 ┬ RAM: interrupt table and BIOS data area up to 0x500, then free
 *     0x0009FC00 ┼ reserved: extended BIOS data area (EBDA), 1 KiB
 *     0x000A0000 ┼ nothing (video memory of a PC)
 *     0x000C0000 ┼ option ROMs, among them the VMI ROM
 *     0x000F0000 ┼ reserved: system BIOS
 *     0x00100000 ┼ RAM up to the end of memory
 *
 * Separate because all boot protocols report the same map. Read after: `plan.ts`.
 */

/** First byte behind the RAM below 640 KiB that a kernel may use; the EBDA begins here. */
export const LOW_RAM_END = 0x9fc00;
/** Where RAM goes on above the PC's hole. */
export const HIGH_RAM_START = 0x100000;
/** First byte behind the interrupt table and the BIOS data area. */
export const BIOS_DATA_END = 0x500;

const EBDA_END = 0xa0000;
const SYSTEM_BIOS_START = 0xf0000;

/** Address range types. (ACPI, "Address range types") */
export const enum RangeType {
  Memory = 1,
  Reserved = 2,
}

/** One row of the map: physical start, length in bytes, type. */
export interface MemoryRange {
  readonly phys: number;
  readonly sizeBytes: number;
  readonly type: RangeType;
}

/**
 * The map of a machine with `ramBytes` of memory.
 *
 * @param ramBytes size of guest memory in bytes, at least 2 MiB; the PC's hole is part of it, as on a real board
 */
export function memoryMap(ramBytes: number): MemoryRange[] {
  return [
    { phys: 0, sizeBytes: LOW_RAM_END, type: RangeType.Memory },
    { phys: LOW_RAM_END, sizeBytes: EBDA_END - LOW_RAM_END, type: RangeType.Reserved },
    { phys: SYSTEM_BIOS_START, sizeBytes: HIGH_RAM_START - SYSTEM_BIOS_START, type: RangeType.Reserved },
    { phys: HIGH_RAM_START, sizeBytes: ramBytes - HIGH_RAM_START, type: RangeType.Memory },
  ];
}

/**
 * The BIOS data area's facts: port of COM1 (0x400), segment of the EBDA (0x40E), KiB of low memory (0x413). Kernels find the
 * end of low memory by them (Linux: reserve_ebda_region()).
 */
export function biosDataArea(): Uint8Array {
  const area = new DataView(new ArrayBuffer(0x100));
  area.setUint16(0x00, 0x3f8, true);
  area.setUint16(0x0e, LOW_RAM_END >>> 4, true);
  area.setUint16(0x13, LOW_RAM_END >>> 10, true);
  return new Uint8Array(area.buffer);
}

/** Where `biosDataArea` belongs. */
export const BIOS_DATA_AREA = 0x400;
