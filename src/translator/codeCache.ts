/**
 * The fragments that exist: where they lie in the code buffer, which physical page they are of, how they are chained, and how to get from
 * a host instruction back to the guest's. When the buffer, the side table or a limit of this file is full everything is dropped and
 * begins anew: a guest that runs through memory which holds no code must not eat the host's.
 *
 * Chains stay within one linear page and so within one physical page: fragments of a page come and go together and no chain is ever
 * undone. No chain leads to a fragment that crosses into another page. Writing here is safe although the buffer is mapped for execution elsewhere: it is this very thread that runs the code, never at
 * the same time, and x86 keeps its instruction fetches coherent with stores by physical address (SDM 3A, "Self-Modifying Code").
 * Read before: `fragment.ts`, `host.ts`. Read after: `engine.ts`.
 */
import { type Fragment, LINK_WORDS, LinkKind, SIDE_WORDS } from './fragment.js';
import type { TranslatorHost } from './host.js';
import { SideTable } from './sideTable.js';
import { Stub, STUBS_BYTES } from './stubs.js';

/** Fragments begin at multiples of this. */
const ALIGNMENT = 16;

/**
 * Limits between two drops of everything: more than a kernel and its programs have in use. A fragment takes some 400 bytes with
 * what chains it, and a page 16 KiB in the jump table of each window that runs it.
 */
const MAX_FRAGMENTS = 1 << 18;
const MAX_PAGES = 1 << 13;

/** A fragment in the code buffer. */
export interface Placed {
  readonly eip: number;
  /** Physical address of its page. */
  readonly frame: number;
  /** Physical number of the page that its one instruction ends in; -1 when that is the page it begins in. */
  readonly nextPage: number;
  /** In the code buffer: entry, and first byte behind. */
  readonly offset: number;
  readonly end: number;
  readonly usesFpu: boolean;
  readonly liveEntry: number;
  readonly instructions: number;
  readonly interpretsFirst: boolean;
}

/** A chain whose target does not exist yet. */
interface Waiting {
  /** Offset in the code buffer of the rel32. */
  readonly at: number;
  readonly live: boolean;
}

/** Fragments of one physical page at one privilege, by the EIP they begin at. */
class PageCode {
  readonly fragments = new Map<number, Placed>();
  readonly waiting = new Map<number, Waiting[]>();
  /** Physical numbers of pages with fragments that end in this one. */
  readonly entered = new Set<number>();
}

export class CodeCache {
  /** For --stats. */
  fragments = 0;
  instructions = 0;
  hostBytes = 0;
  pagesDropped = 0;
  buffersFilled = 0;
  limitsReached = 0;

  private readonly _view: DataView;
  private _end = STUBS_BYTES;
  /** Fragments in the buffer, dropped ones too. */
  private _count = 0;
  private readonly _side: SideTable;
  /** By physical page number: code at CPL 0, code at CPL 3. */
  private readonly _kernel: (PageCode | undefined)[] = [];
  private readonly _user: (PageCode | undefined)[] = [];
  private readonly _pages = new Set<number>();

  /**
   * @param host owner of the code buffer
   * @param pageCount physical pages that may hold code
   */
  constructor(
    private readonly _host: TranslatorHost,
    pageCount: number,
  ) {
    const { code } = _host;
    this._view = new DataView(code.buffer, code.byteOffset, code.byteLength);
    this._side = new SideTable(_host.side);
    this._kernel = new Array<PageCode | undefined>(pageCount).fill(undefined);
    this._user = new Array<PageCode | undefined>(pageCount).fill(undefined);
  }

  /** The fragment that begins at `eip`, whose page is the physical page `pageNumber`. */
  find(eip: number, pageNumber: number, user: boolean): Placed | undefined {
    const page = (user ? this._user : this._kernel)[pageNumber];
    return page === undefined ? undefined : page.fragments.get(eip);
  }

  /** Whether a physical page has fragments. */
  has(pageNumber: number): boolean {
    return this._kernel[pageNumber] !== undefined || this._user[pageNumber] !== undefined;
  }

  /**
   * Puts a fragment into the buffer.
   * @param chained whether it is linked with its neighbours and they with it
   * @param nextPage physical number of the page that it ends in when it crosses, else -1
   */
  place(fragment: Fragment, pageNumber: number, user: boolean, chained: boolean, nextPage = -1): Placed {
    let offset = (this._end + ALIGNMENT - 1) & -ALIGNMENT;
    if (offset + fragment.code.length > this._host.code.length) {
      this.dropAll();
      this.buffersFilled++;
      offset = STUBS_BYTES;
    } else if (this._isOverLimit(fragment, pageNumber)) {
      this.dropAll();
      this.limitsReached++;
      offset = STUBS_BYTES;
    }
    this._host.code.set(fragment.code, offset);
    this._end = offset + fragment.code.length;
    const placed: Placed = {
      eip: fragment.guestStart | 0,
      frame: pageNumber << 12,
      nextPage,
      offset,
      end: this._end,
      usesFpu: fragment.usesFpu,
      liveEntry: fragment.liveEntry,
      instructions: fragment.instructions,
      interpretsFirst: fragment.interpretsFirst,
    };
    this._side.add(offset, fragment.side);
    this._count++;
    const pages = user ? this._user : this._kernel;
    const page = (pages[pageNumber] ??= new PageCode());
    this._pages.add(pageNumber);
    if (nextPage >= 0) {
      (pages[nextPage] ??= new PageCode()).entered.add(pageNumber);
      this._pages.add(nextPage);
    }
    page.fragments.set(placed.eip, placed);
    const { links } = fragment;
    for (let at = 0; at < links.length; at += LINK_WORDS) this._link(links, at, placed, page, chained);
    const waiting = page.waiting.get(placed.eip);
    if (waiting !== undefined) {
      page.waiting.delete(placed.eip);
      for (const { at, live } of waiting) this._chain(at, placed, live);
    }
    this.fragments++;
    this.instructions += fragment.instructions;
    this.hostBytes += fragment.code.length;
    return placed;
  }

  /**
   * The guest instruction that a host instruction belongs to.
   * @param offset in the code buffer
   * @returns its EIP, or undefined when no fragment is there
   */
  eipAt(offset: number): number | undefined {
    return offset < this._end ? this._side.eipAt(offset) : undefined;
  }

  /** Drops the fragments of a physical page, and those that end in it. */
  drop(pageNumber: number): void {
    if (!this._pages.delete(pageNumber)) return;
    for (const pages of [this._kernel, this._user]) {
      for (const before of pages[pageNumber]?.entered ?? []) {
        const fragments = pages[before]?.fragments ?? new Map<number, Placed>();
        for (const [eip, { nextPage }] of fragments) if (nextPage === pageNumber) fragments.delete(eip);
      }
      pages[pageNumber] = undefined;
    }
    this._host.dropCode(pageNumber << 12);
    this.pagesDropped++;
  }

  /** Drops all fragments. */
  dropAll(): void {
    for (const pageNumber of this._pages) {
      this._kernel[pageNumber] = undefined;
      this._user[pageNumber] = undefined;
    }
    this._pages.clear();
    this._count = 0;
    this._end = STUBS_BYTES;
    this._side.clear();
    this._host.dropAllCode();
  }

  private _isOverLimit(fragment: Fragment, pageNumber: number): boolean {
    return (
      !this._side.hasRoom(fragment.side.length / SIDE_WORDS) ||
      this._count >= MAX_FRAGMENTS ||
      (this._pages.size >= MAX_PAGES && !this._pages.has(pageNumber))
    );
  }

  /** @param index of the link's words in `links` */
  private _link(links: Int32Array, index: number, placed: Placed, page: PageCode, chained: boolean): void {
    const at = placed.offset + links[index];
    const kind: LinkKind = links[index + 1];
    switch (kind) {
      case LinkKind.Chain: {
        if (!chained) return;
        const key = links[index + 2];
        const target = page.fragments.get(key);
        if (target !== undefined) {
          this._chain(at, target, placed.usesFpu);
          return;
        }
        const waiting = page.waiting.get(key);
        if (waiting === undefined) page.waiting.set(key, [{ at, live: placed.usesFpu }]);
        else waiting.push({ at, live: placed.usesFpu });
        return;
      }
      case LinkKind.Miss:
        this._patch(at, Stub.Miss);
        return;
      case LinkKind.Attention:
        this._patch(at, Stub.Attention);
        return;
      case LinkKind.Interpret:
        this._patch(at, Stub.Interpret);
        return;
      case LinkKind.FpuLoad:
        this._patch(at, Stub.FpuLoad);
        return;
    }
  }

  private _chain(at: number, target: Placed, live: boolean): void {
    this._patch(at, target.offset + (live && target.usesFpu ? target.liveEntry : 0));
  }

  /** Writes the rel32 at `at` so that it leads to `target`. */
  private _patch(at: number, target: number): void {
    this._view.setInt32(at, target - (at + 4), true);
  }
}
