/**
 * A walk through the guest's page tables that changes nothing: no Accessed or Dirty bit, no TLB entry, no CR2. For those who look at
 * the guest from outside, and for the strategy that does in software what a trap of a sensitive instruction costs.
 *
 * Separate from the MMU because that one's walks are accesses of the guest. (SDM 3A, "32-Bit Paging") Read before: `mmu.ts`. Read
 * after: `../interp/trapPath.ts`, `../profile/sampler.ts`.
 */
import { Cr0, Cr4 } from '../x86/control.js';
import { Word } from '../vcpu/layout.js';
import type { PhysMemory } from './phys.js';

/** What `walk` returns for an address that is not mapped. */
export const NOT_MAPPED = -1;

const PRESENT = 1 << 0;
const LARGE = 1 << 7;
const PAGE_MASK = ~0xfff;
const LARGE_MASK = ~0x3f_ffff;

/** Finds where linear addresses lie in physical memory. */
export class TableWalk {
  /** Entries read by all walks of this object. */
  entries = 0;

  /** @param words the state block, for CR0, CR3 and CR4 */
  constructor(
    private readonly _words: Int32Array,
    private readonly _phys: PhysMemory,
  ) {}

  /** @returns the physical address, unsigned, or `NOT_MAPPED` */
  walk(linear: number): number {
    const words = this._words;
    if ((words[Word.Cr0] & Cr0.PG) === 0) return linear >>> 0;
    const pde = this._phys.read32(((words[Word.Cr3] & PAGE_MASK) >>> 0) + ((linear >>> 22) << 2));
    this.entries++;
    if ((pde & PRESENT) === 0) return NOT_MAPPED;
    if ((pde & LARGE) !== 0 && (words[Word.Cr4] & Cr4.PSE) !== 0) {
      return ((pde & LARGE_MASK) | (linear & ~LARGE_MASK)) >>> 0;
    }
    const pte = this._phys.read32(((pde & PAGE_MASK) >>> 0) + (((linear >>> 12) & 0x3ff) << 2));
    this.entries++;
    if ((pte & PRESENT) === 0) return NOT_MAPPED;
    return ((pte & PAGE_MASK) | (linear & ~PAGE_MASK)) >>> 0;
  }

  /** @returns 32 bits at a linear address as int32, or undefined where any of them is not mapped */
  read32(linear: number): number | undefined {
    const first = this.walk(linear);
    if (first === NOT_MAPPED) return undefined;
    if ((first & 0xfff) <= 0xffc) return this._phys.read32(first);
    let value = 0;
    for (let byte = 0; byte < 4; byte++) {
      const phys = this.walk((linear + byte) | 0);
      if (phys === NOT_MAPPED) return undefined;
      value |= this._phys.read8(phys) << (8 * byte);
    }
    return value;
  }
}
