/**
 * MMU calls. The machine's software TLB walks the guest's own page tables on a miss and remembers only translations that exist, so
 * the rules for these calls are those of hardware:
 *
 * - an entry that becomes present needs nothing: its absence was never remembered;
 * - any other change may leave the old translation in the TLB until the guest drops it with InvalPage, FlushTLB or SetCR3. Guests send
 *   those for bare hardware's sake anyway, because they must flush after taking rights away;
 * - where the call tells the linear address (CURRENT_AS), that page is dropped at once: it is cheap, and it makes the
 *   change visible without the flush.
 *
 * Deferred updates (DEFER, lazy MMU mode) are carried out at once, which the ABI always allows. (VMI spec, "MMU calls")
 */
import { Word } from '../vcpu/layout.js';
import { breach, hex, stackArgument, unsigned } from './context.js';
import type { RomContext } from './context.js';
import { PageFlag } from './pageTypes.js';

/** Flags of the PxE calls, spelled as in vmi.h. Bits 0 to 3 tell the level; bits 31..12 hold the linear address with CURRENT_AS. */
const enum PxeFlag {
  CURRENT_AS = 0x10,
  DEFER = 0x20,
  LinearMask = ~0xfff,
}

/** Flags of FlushTLB. `TLB` is always set. */
const enum FlushFlag {
  TLB = 0x01,
  GLOBAL = 0x02,
}

/** Slots for linear mappings (VMI_LINEAR_MAP_SLOTS). */
export const LINEAR_MAP_SLOTS = 4;

/** Of a page-table entry. */
const PRESENT = 1;
const PAGE_SHIFT = 12;

function dropChangedPage(rom: RomContext, flags: number): void {
  if ((flags & PxeFlag.CURRENT_AS) !== 0) rom.cpu.mmu.flushPage(flags & PxeFlag.LinearMask);
  else rom.cpu.mmu.flushListener?.tablesChanged();
}

/**
 * @vmi SetPxE: stores the page-table entry at the given linear address. If the old one was present, drops the page from the TLB where
 *   the flags tell its address.
 */
export function setPxe(rom: RomContext): void {
  const words = rom.words;
  const { mmu } = rom.cpu;
  mmu.probeWrite(words[Word.Edx], 4);
  const old = mmu.read32(words[Word.Edx]);
  mmu.write32(words[Word.Edx], words[Word.Eax]);
  if ((old & PRESENT) !== 0) dropChangedPage(rom, words[Word.Ecx]);
}

/**
 * @vmi SetPxELong: the same for a 64-bit entry. The entry is made not present first and its low half, with the Present bit, is
 *   written last, so that nobody ever sees half an entry. CPUID does not announce PAE, so such a table is never walked.
 */
export function setPxeLong(rom: RomContext): void {
  const words = rom.words;
  const { mmu } = rom.cpu;
  const entry = words[Word.Ecx];
  const flags = stackArgument(rom, 0);
  mmu.probeWrite(entry, 8);
  mmu.write32(entry, 0);
  mmu.write32((entry + 4) | 0, words[Word.Edx]);
  mmu.write32(entry, words[Word.Eax]);
  dropChangedPage(rom, flags);
}

/** @vmi UpdatePxE, UpdatePxELong: the guest has changed the entry itself; drops the page from the TLB if the flags tell its address. */
export function updatePxe(rom: RomContext): void {
  dropChangedPage(rom, rom.words[Word.Edx]);
}

function checkPageFlags(rom: RomContext, call: string, pfn: number, flags: number): void {
  if (pfn >= rom.pageTypes.pages) {
    breach(rom, call, `page number ${hex(pfn)} is outside RAM, which has ${hex(rom.pageTypes.pages)} pages`);
  }
  if ((flags & ~PageFlag.All) !== 0 || (flags & PageFlag.Levels) === 0) {
    breach(
      rom,
      call,
      `flags ${hex(flags)} name no page-table level or have undefined bits (PT 1, PD 2, PDP 4, PML4 8, up to 0x7f)`,
    );
  }
}

/** The end of an address space is not told entry by entry (Linux: ptep_get_and_clear_full()), and its page directory is used again. */
function tellDirectory(rom: RomContext, pfn: number, flags: number): void {
  if ((flags & PageFlag.PD) !== 0) rom.cpu.mmu.flushListener?.directoryChanged(pfn << PAGE_SHIFT);
}

/** @vmi AllocatePage: records that the page becomes a page table. Tables that are never announced work just as well. */
export function allocatePage(rom: RomContext): void {
  const pfn = unsigned(rom, Word.Eax);
  const flags = rom.words[Word.Edx];
  checkPageFlags(rom, 'AllocatePage', pfn, flags);
  rom.pageTypes.allocate(pfn, flags);
  tellDirectory(rom, pfn, flags);
}

/** @vmi ReleasePage: records that the page is plain memory again. */
export function releasePage(rom: RomContext): void {
  const pfn = unsigned(rom, Word.Eax);
  const flags = rom.words[Word.Edx];
  checkPageFlags(rom, 'ReleasePage', pfn, flags);
  rom.pageTypes.release(pfn);
  tellDirectory(rom, pfn, flags);
}

/** @vmi InvalPage: the INVLPG instruction: drops one page, global or not. */
export function invalPage(rom: RomContext): void {
  rom.cpu.mmu.flushPage(rom.words[Word.Eax]);
}

/** @vmi FlushTLB: drops all translations but global ones; with GLOBAL (2) those too. */
export function flushTlb(rom: RomContext): void {
  if ((rom.words[Word.Eax] & FlushFlag.GLOBAL) !== 0) rom.cpu.mmu.flushAll();
  else rom.cpu.mmu.flushNonGlobal();
}

/**
 * @vmi SetLinearMapping: recorded, and shown in crash reports. The page walker follows the guest's own tables and needs no hint; the
 *   count may exceed RAM, as Linux sends the largest direct map it could have.
 */
export function setLinearMapping(rom: RomContext): void {
  const slot = unsigned(rom, Word.Eax);
  if (slot >= LINEAR_MAP_SLOTS)
    breach(rom, 'SetLinearMapping', `slot ${slot} does not exist (0 to ${LINEAR_MAP_SLOTS - 1})`);
  rom.linearMappings[slot] = {
    linear: unsigned(rom, Word.Edx),
    pages: unsigned(rom, Word.Ecx),
    firstPfn: stackArgument(rom, 0) >>> 0,
  };
}
