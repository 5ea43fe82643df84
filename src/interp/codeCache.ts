/**
 * Decoded code, page by page of physical memory: one array of steps per page and code size, indexed by the offset in the page. A
 * write to a page drops its steps; `PhysMemory` says when. Pages that mix code and data are treated otherwise, see `isChecked`.
 *
 * Separate from the interpreter so that what may be kept, and until when, stands in one place. Read before: `step.ts`,
 * `../memory/phys.ts`. Read after: `interpreter.ts`.
 */
import type { PhysMemory } from '../memory/phys.js';
import type { Step } from './step.js';

const PAGE_BYTES = 4096;

/**
 * A page that keeps being written right after it was entered holds code and data side by side. After this many drops in a row,
 * each within `CLOSE_ENTRIES` page entries of the one before, its steps are no longer dropped but check their bytes.
 */
const DROPS_UNTIL_CHECKED = 16;
const CLOSE_ENTRIES = 16;

/** Pages with steps at most; an array takes 32 KiB of host memory. When there are more, all are dropped. */
const MAX_PAGES = 4096;

/**
 * Steps at most, of some 600 bytes of host memory each: more than a kernel and its programs have instructions in use, and a bound for
 * a guest that runs through memory which holds no code at all.
 */
export const MAX_STEPS = 1 << 19;

export class CodeCache {
  private readonly _pages16: (Step[] | undefined)[];
  private readonly _pages32: (Step[] | undefined)[];
  private readonly _empty: Step[];
  private _count = 0;
  /** Steps kept since all were dropped; those of single pages that were dropped since are counted still. */
  private _kept = 0;
  /** 1 for pages whose steps check their bytes. */
  private readonly _checked: Uint8Array;
  /** Calls of `steps`, as a measure of time; the value at the last drop; which page that was, and how often in a row. */
  private _entries = 0;
  private _droppedAt = 0;
  private _droppedPage = -1;
  private _dropsInARow = 0;

  /**
   * @param phys the memory that code is fetched from
   * @param missing stands for "not decoded yet" in every array
   * @param dropped told when the steps of a page have been dropped: whoever holds that page's array must let go of it
   */
  constructor(
    private readonly _phys: PhysMemory,
    missing: Step,
    private readonly _dropped: (pageNumber: number) => void,
  ) {
    const pageCount = _phys.sizeBytes / PAGE_BYTES;
    this._pages16 = new Array<Step[] | undefined>(pageCount).fill(undefined);
    this._pages32 = new Array<Step[] | undefined>(pageCount).fill(undefined);
    this._checked = new Uint8Array(pageCount);
    this._empty = Array.from({ length: PAGE_BYTES }, () => missing);
    _phys.onCodeWritten((pageNumber) => this._drop(pageNumber));
  }

  /**
   * The steps of a page, to read and to fill.
   * @param pageNumber physical page
   * @param codeSize default operand size in bytes, which decides what the bytes mean
   * @returns undefined where code must not be kept (device windows, no memory)
   */
  steps(pageNumber: number, codeSize: 2 | 4): Step[] | undefined {
    this._entries++;
    if (this._kept >= MAX_STEPS) this._dropAll();
    const pages = codeSize === 4 ? this._pages32 : this._pages16;
    const known = pageNumber < pages.length ? pages[pageNumber] : undefined;
    if (known !== undefined) return known;
    if (pageNumber >= pages.length) return undefined;
    if (this._checked[pageNumber] === 0 && !this._phys.markCode(pageNumber)) return undefined;
    if (this._count >= MAX_PAGES) this._dropAll();
    const steps = this._empty.slice();
    pages[pageNumber] = steps;
    this._count++;
    return steps;
  }

  /** Says that a step was put into an array of `steps`. Its page has 4096 at most, so that asking at the next page is soon enough. */
  noteKept(): void {
    this._kept++;
  }

  /** True when writes to this page are not followed: a step kept for it must compare its bytes with memory when it runs. */
  isChecked(pageNumber: number): boolean {
    return pageNumber < this._checked.length && this._checked[pageNumber] !== 0;
  }

  /** An array without steps, for pages that cannot be kept. Nobody may write to it. */
  get empty(): Step[] {
    return this._empty;
  }

  private _drop(pageNumber: number): void {
    if (this._pages16[pageNumber] !== undefined) this._count--;
    if (this._pages32[pageNumber] !== undefined) this._count--;
    this._pages16[pageNumber] = undefined;
    this._pages32[pageNumber] = undefined;
    const again = pageNumber === this._droppedPage && this._entries - this._droppedAt <= CLOSE_ENTRIES;
    this._dropsInARow = again ? this._dropsInARow + 1 : 1;
    if (this._dropsInARow >= DROPS_UNTIL_CHECKED) this._checked[pageNumber] = 1;
    this._droppedPage = pageNumber;
    this._droppedAt = this._entries;
    this._dropped(pageNumber);
  }

  /** The pages stay marked in `PhysMemory`: a needless notice later costs less than looking for them. */
  private _dropAll(): void {
    this._pages16.fill(undefined);
    this._pages32.fill(undefined);
    this._checked.fill(0);
    this._count = 0;
    this._kept = 0;
  }
}
