/**
 * Decoded code, page by page of physical memory: one array of steps per page and code size, indexed by the offset in the page. A
 * write to a page drops its steps; `PhysMemory` says when.
 *
 * Separate from the interpreter so that what may be kept, and until when, stands in one place. Read before: `step.ts`,
 * `../memory/phys.ts`. Read after: `interpreter.ts`.
 */
import type { PhysMemory } from '../memory/phys.js';
import type { Step } from './step.js';

const PAGE_BYTES = 4096;

/** Pages with steps at most; an array takes 32 KiB of host memory. When there are more, all are dropped. */
const MAX_PAGES = 4096;

export class CodeCache {
  private readonly _pages16: (Step[] | undefined)[];
  private readonly _pages32: (Step[] | undefined)[];
  private readonly _empty: Step[];
  private _count = 0;

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
    const pages = codeSize === 4 ? this._pages32 : this._pages16;
    const known = pageNumber < pages.length ? pages[pageNumber] : undefined;
    if (known !== undefined) return known;
    if (pageNumber >= pages.length || !this._phys.markCode(pageNumber)) return undefined;
    if (this._count >= MAX_PAGES) this._dropAll();
    const steps = this._empty.slice();
    pages[pageNumber] = steps;
    this._count++;
    return steps;
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
    this._dropped(pageNumber);
  }

  /** The pages stay marked in `PhysMemory`: a needless notice later costs less than looking for them. */
  private _dropAll(): void {
    this._pages16.fill(undefined);
    this._pages32.fill(undefined);
    this._count = 0;
  }
}
