/**
 * What each physical page is to the guest: plain memory, or a page table the guest has announced with AllocatePage. One byte per
 * page of RAM. The software TLB walks the guest's own tables and needs none of this; the accounts show what the guest does with
 * its address spaces, and an engine that keeps mappings per table hangs them on these announcements.
 *
 * The guest also uses tables it never announces (those it booted on), so an unknown page is normal
 * everywhere but in AllocatePage. (VMI spec, "MMU calls"; Linux 2.6.24 never releases page directories)
 */

/** Flags of AllocatePage and ReleasePage, spelled as in vmi.h (VMI_PAGE_...). */
export const enum PageFlag {
  PT = 0x01,
  PD = 0x02,
  PDP = 0x04,
  PML4 = 0x08,
  PAE = 0x10,
  /** Entries of a source page have just been copied into this one. */
  CLONE = 0x20,
  /** The page holds zeros. A hint that is sometimes false. */
  ZEROED = 0x40,
  Levels = PT | PD | PDP | PML4,
  All = 0x7f,
}

export class PageTypes {
  /** Announcements of page tables. */
  allocated = 0;
  /** Those that came with CLONE. */
  cloned = 0;
  /** Announcements for a page that was a table already (the guest had not released it). */
  retyped = 0;
  released = 0;
  /** Releases of a page that was never announced. */
  unknownReleases = 0;

  private readonly _flags: Uint8Array;

  /** @param pages number of pages of RAM. */
  constructor(pages: number) {
    this._flags = new Uint8Array(pages);
  }

  /** Number of pages that have a type at all: the pages of RAM. */
  get pages(): number {
    return this._flags.length;
  }

  /** Number of pages that are announced tables now. */
  get live(): number {
    return this.allocated - this.retyped - (this.released - this.unknownReleases);
  }

  /** `PageFlag` bits of the last announcement of page `pfn`, 0 for plain memory. */
  typeOf(pfn: number): number {
    return this._flags[pfn] ?? 0;
  }

  /** Page `pfn` (inside RAM) becomes a table of the type that `flags` tell. */
  allocate(pfn: number, flags: number): void {
    this.allocated++;
    if ((flags & PageFlag.CLONE) !== 0) this.cloned++;
    if (this._flags[pfn] !== 0) this.retyped++;
    this._flags[pfn] = flags;
  }

  /** Page `pfn` (inside RAM) becomes plain memory again. */
  release(pfn: number): void {
    this.released++;
    if (this._flags[pfn] === 0) this.unknownReleases++;
    this._flags[pfn] = 0;
  }
}
