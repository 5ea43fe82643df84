/**
 * Where the code of each call stands in the ROM: the geometry that the image builder, the dispatcher and the relocation answers
 * share. Read before: nothing. Read after: `image.ts`.
 */

export const SLOTS_OFFSET = 0x400;
export const SLOT_SHIFT = 4;
/** Number of slots, and of call counters in the state block. */
export const SLOT_COUNT = 80;
/** Slots of the two entry points, which are counted like calls. */
export const INIT_SLOT = 78;
export const RELOC_SLOT = 79;

/** Length of the VMCALL instruction: while a call runs, EIP is this far behind the start of its stub. */
export const VMCALL_BYTES = 3;

/** @returns the slot that begins at an offset in the ROM, or undefined. */
export function slotAt(offset: number): number | undefined {
  const slot = (offset - SLOTS_OFFSET) >> SLOT_SHIFT;
  return offset >= SLOTS_OFFSET && slot < SLOT_COUNT && slotOffset(slot) === offset ? slot : undefined;
}

/** @returns offset in the ROM of slot `slot` (a call's number, `INIT_SLOT` or `RELOC_SLOT`). */
export function slotOffset(slot: number): number {
  return SLOTS_OFFSET + (slot << SLOT_SHIFT);
}
