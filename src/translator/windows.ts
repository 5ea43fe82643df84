/**
 * Which window guest code runs in: one for each address space (CR3) and privilege, the least recently used one given up for a new one.
 *
 * The rules are those of a TLB. A flush does not empty windows: it makes each of them due for a check before it is next used, in
 * which the page tables are walked again for every page and those that would now translate otherwise are dropped. The guest cannot
 * tell that from a flush, and it costs some 10 ns a page instead of several µs. Where the page tables change without a flush
 * the old translation may live on, as in hardware. Read before: `host.ts`, `../memory/mmu.ts`. Read after: `engine.ts`.
 */
import { Word } from '../vcpu/layout.js';
import { Cr0 } from '../x86/control.js';
import { type TranslatorHost, WINDOW_COUNT } from './host.js';

const PAGE_MASK = 0xfffff000 | 0;
/** Stands for CR3 while paging is off; no page-aligned value equals it. */
const UNPAGED = 1;
const NO_SPACE = 2;

interface Slot {
  space: number;
  user: boolean;
  /** Value of `_flushes` when the window was last checked, and of `_globalFlushes` when its global pages were. */
  checkedAt: number;
  globalCheckedAt: number;
  /** Value of `Word.TableChanges` when the window was last checked. */
  changesAt: number;
  /** Value of `_uses` when it was last selected. */
  usedAt: number;
}

export class Windows {
  /** Windows given another address space, checks after a flush, changes of window: for --stats. */
  evictions = 0;
  checks = 0;
  switches = 0;

  private readonly _slots: Slot[] = Array.from({ length: WINDOW_COUNT }, () => ({
    space: NO_SPACE,
    user: false,
    checkedAt: -1,
    globalCheckedAt: -1,
    changesAt: 0,
    usedAt: 0,
  }));
  /** Value of `_flushes` when the current window was selected. */
  private _selectedAt = -1;
  private _space = NO_SPACE;
  private _user = false;
  private _flushes = 0;
  /** Those of them that take global translations as well. */
  private _globalFlushes = 0;
  private _uses = 0;

  /**
   * @param isTold whether the guest tells of every page-table entry that it changes
   * @param onCheck called when a window is checked: translations that other things rest on may have changed as well
   */
  constructor(
    private readonly _words: Int32Array,
    private readonly _host: TranslatorHost,
    private readonly _isTold: () => boolean,
    private readonly _onCheck: () => void,
  ) {}

  /** Makes the window of the vCPU's address space at this privilege the current one, with nothing stale in it. */
  use(user: boolean): void {
    const space = this._spaceNow();
    if (space === this._space && user === this._user && this._selectedAt === this._flushes) return;
    let index = this._indexOf(space, user);
    if (index < 0) index = this._replace(space, user);
    const slot = this._slots[index];
    slot.usedAt = ++this._uses;
    const isSwitch = space !== this._space;
    this._makeFit(index, slot, isSwitch);
    // the addon goes there and back by itself at system calls, so it has to be fit for use as well
    const twin = this._indexOf(space, !user);
    if (twin >= 0) {
      const other = this._slots[twin];
      other.usedAt = this._uses;
      this._makeFit(twin, other, isSwitch);
    }
    this._space = space;
    this._user = user;
    this._selectedAt = this._flushes;
    this.switches++;
    this._host.select(index, twin);
  }

  /** All translations may have lost their meaning. */
  flushAll(): void {
    this._flushes++;
    this._globalFlushes++;
  }

  /**
   * CR3 was loaded: all but global translations may have lost their meaning. A VMI guest tells of every entry that it changes, so
   * that a mere change of address space leaves its windows as they are.
   */
  flushSwitch(): void {
    if (!this._isTold()) this._flushes++;
  }

  /** The current address space has changed, and its global pages have not: tablesChanged() has told a VMI guest's changes of others. */
  flushSpace(): void {
    if (this._isTold()) this.directoryChanged(this._spaceNow());
    else this._flushes++;
  }

  /** The current address space is left alone, as on hardware: the guest has to flush what it changes there. */
  tablesChanged(): void {
    this._words[Word.TableChanges]++;
  }

  /** A page becomes another address space's page directory, or none: what its window holds is the old one's. */
  directoryChanged(phys: number): void {
    for (const slot of this._slots) if (slot.space === phys) slot.checkedAt = -1;
    if (phys === this._space) this._selectedAt = -1;
  }

  /** One page may have lost its translation. */
  flushPage(linear: number): void {
    this._host.invalidatePage(linear);
    this._onCheck();
  }

  private _spaceNow(): number {
    const words = this._words;
    return (words[Word.Cr0] & Cr0.PG) === 0 ? UNPAGED : words[Word.Cr3] & PAGE_MASK;
  }

  private _indexOf(space: number, user: boolean): number {
    const slots = this._slots;
    for (let index = 0; index < slots.length; index++) {
      if (slots[index].space === space && slots[index].user === user) return index;
    }
    return -1;
  }

  private _leastRecent(fits: (slot: Slot) => boolean): number | undefined {
    let found: number | undefined;
    this._slots.forEach((slot, index) => {
      if (fits(slot) && (found === undefined || slot.usedAt < this._slots[found].usedAt)) found = index;
    });
    return found;
  }

  /** Checks a window after a flush, and one of an address space that comes back after changes of page tables. */
  private _makeFit(index: number, slot: Slot, isSwitch: boolean): void {
    if (slot.checkedAt === this._flushes && (!isSwitch || slot.changesAt === this._words[Word.TableChanges])) return;
    this._host.revalidate(index, slot.user, slot.globalCheckedAt === this._globalFlushes);
    this._onCheck();
    slot.checkedAt = this._flushes;
    slot.globalCheckedAt = this._globalFlushes;
    slot.changesAt = this._words[Word.TableChanges];
    this.checks++;
  }

  /**
   * One that was never used, else the least recently used one of this privilege: it keeps what is the same in the new address space, as a
   * kernel's memory and code are in all.
   */
  private _replace(space: number, user: boolean): number {
    let index = this._slots.findIndex((slot) => slot.space === NO_SPACE);
    if (index < 0) index = this._leastRecent((slot) => slot.user === user) ?? this._leastRecent(() => true)!;
    const slot = this._slots[index];
    if (slot.space !== NO_SPACE) {
      if (slot.user === user) this._host.revalidate(index, user, slot.globalCheckedAt === this._globalFlushes);
      else this._host.clear(index);
      this._onCheck();
      this.evictions++;
    }
    slot.space = space;
    slot.user = user;
    slot.checkedAt = this._flushes;
    slot.globalCheckedAt = this._globalFlushes;
    slot.changesAt = this._words[Word.TableChanges];
    return index;
  }
}
