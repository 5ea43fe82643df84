/**
 * Linear memory: the page walker and a software TLB in front of guest-physical memory. (SDM 3A, "Paging", 32-bit paging)
 *
 * The TLB holds one word for each of the 2^20 linear pages, so a look-up is one load with no tag to compare:
 *
 *     31                    12 11        6   5      4     3    2    1    0
 *     [ physical page         |     0     |listed|global| UW | SW | UR | SR ]
 *
 * A permission bit is there only if the access may go straight to RAM with nothing left to do: the page tables allow it at
 * that privilege, Accessed (and for writes Dirty) are set, and the physical page is plain RAM. Everything else takes the
 * slow way. As in hardware the TLB is not kept coherent with the tables in memory: the guest invalidates.
 *
 * Linear addresses may be given signed or unsigned. Read before: `phys.ts`, `../vcpu/layout.ts`. Read after:
 * `../vcpu/segments.ts`.
 */
import { Word } from '../vcpu/layout.js';
import { Cr0, Cr4 } from '../x86/control.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Direct, type PhysMemory } from './phys.js';

const enum Tlb {
  SupervisorRead = 1 << 0,
  UserRead = 1 << 1,
  SupervisorWrite = 1 << 2,
  UserWrite = 1 << 3,
  AnyWrite = SupervisorWrite | UserWrite,
  /** Survives `flushNonGlobal`. */
  Global = 1 << 4,
  /** The page number stands in `_listed`. */
  Listed = 1 << 5,
}

/** Bits of page-directory and page-table entries (SDM 3A, "Paging", figure "Formats of CR3 and Paging-Structure Entries"). */
const enum Entry {
  Present = 1 << 0,
  Writable = 1 << 1,
  User = 1 << 2,
  Accessed = 1 << 5,
  Dirty = 1 << 6,
  /** Page-directory entries: maps 4 MiB if CR4.PSE. In page-table entries the PAT bit: reserved, as there is no PAT. */
  Large = 1 << 7,
  Global = 1 << 8,
  /** Bits 21..12 of a 4 MiB entry: reserved without PAT and PSE-36. */
  LargeReserved = 0x3ff000,
}

/** Bits of the page-fault error code (SDM 3A, "Interrupt 14"). */
const enum FaultCode {
  Present = 1 << 0,
  Write = 1 << 1,
  User = 1 << 2,
  Reserved = 1 << 3,
}

const PAGE_MASK = 0xfffff000 | 0;
const OFFSET_MASK = 0xfff;
const LARGE_MASK = 0xffc00000 | 0;
const PAGE_COUNT = 1 << 20;

/**
 * Linear pages remembered as filled, so that a flush clears those few and not all of the 4 MiB array. When the list is full
 * everything is flushed, which is always allowed.
 */
const LIST_CAPACITY = 1 << 15;

/** In `_writer`: more than one linear page may write this physical page, or which one is forgotten. */
const MANY_WRITERS = -1;

function requireAlignment(linear: number, alignmentBytes: number): void {
  if ((linear & (alignmentBytes - 1)) !== 0) throw new GuestFault(Vector.AC, 0);
}

/** Alignment of an operand by its size (SDM 3A, "Alignment Requirements by Data Type"); 1 for images, whose users check it themselves. */
function alignmentOf(sizeBytes: number): number {
  if (sizeBytes === 10) return 8;
  return sizeBytes <= 16 && (sizeBytes & (sizeBytes - 1)) === 0 ? sizeBytes : 1;
}

/** Who keeps translations of its own outside the TLB (the translator's windows) and has to drop them when the TLB does. */
export interface FlushListener {
  flushPage(linear: number): void;
  flushAll(): void;
  /** CR3 was loaded: all but global translations. */
  flushSwitch(): void;
  /** All of the current address space but its global pages. */
  flushSpace(): void;
  /** A page-table entry has changed that may map another address space (VMI's SetPxE and its kin). */
  tablesChanged(): void;
  /** The page at this physical address (int32) becomes a page directory, or ceases to be one. */
  directoryChanged(phys: number): void;
}

export class Mmu {
  /** Told of the flushes the guest asks for. */
  flushListener: FlushListener | undefined = undefined;
  /** Called for every access to a page that is watched, once it has been made. */
  onWatched: (linear: number, sizeBytes: number, write: boolean) => void = () => undefined;
  /** Called when cached translations, code fetches' included, may have lost their meaning: a flush or a change of privilege. */
  onFlush: () => void = () => undefined;

  private readonly _tlb = new Int32Array(PAGE_COUNT);
  private readonly _view: DataView;
  /** TLB bits that allow a read and a write at the current privilege. */
  private _readMask = Tlb.SupervisorRead as number;
  private _writeMask = Tlb.SupervisorWrite as number;
  private _user = false;
  /** User accesses must be aligned (CR0.AM and EFLAGS.AC). */
  private _aligned = false;
  /** Linear pages whose accesses are told to `onWatched`. */
  private _watched: readonly number[] = [];

  private readonly _phys: PhysMemory;
  private readonly _words: Int32Array;
  private readonly _listed = new Int32Array(LIST_CAPACITY);
  private _listedCount = 0;
  /** Per 4 MiB of linear space: 1 when pages of a large mapping are in the TLB, for which INVLPG works on all of it. */
  private readonly _large = new Uint8Array(1024);
  /** Per physical RAM page: 0, or 1 + the linear page that may write it directly, or `MANY_WRITERS`. */
  private readonly _writer: Int32Array;

  /**
   * @param phys guest-physical memory
   * @param words the vCPU's state block, of which CR0, CR2, CR3 and CR4 are used
   */
  constructor(phys: PhysMemory, words: Int32Array) {
    this._phys = phys;
    this._view = phys.view;
    this._words = words;
    this._writer = new Int32Array(phys.sizeBytes >>> 12);
    phys.onCodeMarked((pageNumber) => this._revokeWrites(pageNumber));
  }

  // Accesses at the current privilege. The fast way is one TLB load, one mask test and one memory access.

  /** @returns the byte, unsigned */
  read8(linear: number): number {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._readMask) !== 0) {
      return this._view.getUint8(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0);
    }
    return this._readSlow(linear, 1);
  }

  /** @returns the 16-bit word, unsigned */
  read16(linear: number): number {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._readMask) !== 0 && (linear & OFFSET_MASK) <= 0xffe) {
      return this._view.getUint16(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, true);
    }
    return this._readSlow(linear, 2);
  }

  /** @returns the 32-bit word as int32 */
  read32(linear: number): number {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._readMask) !== 0 && (linear & OFFSET_MASK) <= 0xffc) {
      return this._view.getInt32(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, true);
    }
    return this._readSlow(linear, 4);
  }

  write8(linear: number, value: number): void {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._writeMask) !== 0) {
      this._view.setUint8(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, value);
    } else {
      this.writeAs(linear, 1, value, this._user);
    }
  }

  write16(linear: number, value: number): void {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._writeMask) !== 0 && (linear & OFFSET_MASK) <= 0xffe) {
      this._view.setUint16(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, value, true);
    } else {
      this.writeAs(linear, 2, value, this._user);
    }
  }

  write32(linear: number, value: number): void {
    const entry = this._tlb[linear >>> 12];
    if ((entry & this._writeMask) !== 0 && (linear & OFFSET_MASK) <= 0xffc) {
      this._view.setInt32(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, value, true);
    } else {
      this.writeAs(linear, 4, value, this._user);
    }
  }

  /**
   * Does all that a write of `sizeBytes` (1 to 4096) would do but the write: faults, or sets Accessed and Dirty. After it a write
   * to that range cannot fault. Alignment is checked for operands of 2, 4, 8, 10 and 16 bytes.
   */
  probeWrite(linear: number, sizeBytes: number): void {
    if ((this._tlb[linear >>> 12] & this._writeMask) === 0 || (linear & OFFSET_MASK) + sizeBytes > 0x1000) {
      if (this._aligned && this._user) requireAlignment(linear, alignmentOf(sizeBytes));
      this.probeAs(linear, sizeBytes, true, this._user);
    }
  }

  /** As `probeWrite`, for a read. */
  probeRead(linear: number, sizeBytes: number): void {
    this.probeAs(linear, sizeBytes, false, this._user);
  }

  // Accesses at supervisor privilege whatever CPL is: descriptor tables, TSS (SDM 3A, "Paging", "implicit" supervisor accesses).

  readSystem8(linear: number): number {
    return this.readAs(linear, 1, false);
  }

  readSystem16(linear: number): number {
    return this.readAs(linear, 2, false);
  }

  readSystem32(linear: number): number {
    const entry = this._tlb[linear >>> 12];
    if ((entry & Tlb.SupervisorRead) !== 0 && (linear & OFFSET_MASK) <= 0xffc) {
      return this._view.getInt32(((entry & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0, true);
    }
    return this.readAs(linear, 4, false);
  }

  writeSystem8(linear: number, value: number): void {
    this._write(linear, 1, value, false);
  }

  writeSystem16(linear: number, value: number): void {
    this._write(linear, 2, value, false);
  }

  writeSystem32(linear: number, value: number): void {
    this._write(linear, 4, value, false);
  }

  /** As `probeRead` or `probeWrite`, at supervisor privilege. */
  probeSystem(linear: number, sizeBytes: number, write: boolean): void {
    this.probeAs(linear, sizeBytes, write, false);
  }

  // Accesses at a stated privilege: gates push on the stack of another level before CPL changes.

  private _readSlow(linear: number, sizeBytes: 1 | 2 | 4): number {
    if (this._aligned && this._user) requireAlignment(linear, sizeBytes);
    const value = this.readAs(linear, sizeBytes, this._user);
    if (this._watched.length !== 0) this.onWatched(linear, sizeBytes, false);
    return value;
  }

  /** Reads 1, 2 or 4 bytes with user or supervisor privilege; 8 and 16 bits unsigned, 32 as int32. No breakpoint sees it. */
  readAs(linear: number, sizeBytes: 1 | 2 | 4, user: boolean): number {
    const phys = this._translate(linear, false, user);
    const inFirst = 0x1000 - (linear & OFFSET_MASK);
    if (sizeBytes <= inFirst) {
      if (sizeBytes === 4) return this._phys.read32(phys);
      return sizeBytes === 2 ? this._phys.read16(phys) : this._phys.read8(phys);
    }
    const second = this._translate(linear + inFirst, false, user);
    let value = 0;
    for (let i = 0; i < sizeBytes; i++) {
      value |= this._phys.read8(i < inFirst ? phys + i : second + i - inFirst) << (i * 8);
    }
    return value;
  }

  /** Writes the low 1, 2 or 4 bytes of `value` with user or supervisor privilege. Both pages are checked before a byte changes. */
  writeAs(linear: number, sizeBytes: 1 | 2 | 4, value: number, user: boolean): void {
    if (this._aligned && user) requireAlignment(linear, sizeBytes);
    this._write(linear, sizeBytes, value, user);
    if (this._watched.length !== 0) this.onWatched(linear, sizeBytes, true);
  }

  private _write(linear: number, sizeBytes: 1 | 2 | 4, value: number, user: boolean): void {
    const phys = this._translate(linear, true, user);
    const inFirst = 0x1000 - (linear & OFFSET_MASK);
    if (sizeBytes <= inFirst) {
      if (sizeBytes === 4) this._phys.write32(phys, value);
      else if (sizeBytes === 2) this._phys.write16(phys, value);
      else this._phys.write8(phys, value & 0xff);
      return;
    }
    const second = this._translate(linear + inFirst, true, user);
    for (let i = 0; i < sizeBytes; i++) {
      this._phys.write8(i < inFirst ? phys + i : second + i - inFirst, (value >>> (i * 8)) & 0xff);
    }
  }

  /** Checks an access of 1 to 4096 bytes without making it: faults, or leaves it with Accessed (and for writes Dirty) set. */
  probeAs(linear: number, sizeBytes: number, write: boolean, user: boolean): void {
    this._translate(linear, write, user);
    const inFirst = 0x1000 - (linear & OFFSET_MASK);
    if (sizeBytes > inFirst) this._translate(linear + inFirst, write, user);
  }

  /**
   * Translates the address of a code byte at the current privilege.
   * @returns the physical address, unsigned
   */
  translateFetch(linear: number): number {
    return this._translate(linear, false, this._user);
  }

  /**
   * Looks an address up in the page tables for a debugger or a message: no fault, no Accessed bit, no TLB.
   * @returns the physical address, unsigned, or undefined where nothing is mapped
   */
  lookUp(linear: number): number | undefined {
    if ((this._words[Word.Cr0] & Cr0.PG) === 0) return linear >>> 0;
    const pde = this._phys.read32((this._words[Word.Cr3] & PAGE_MASK) + ((linear >>> 22) << 2));
    if ((pde & Entry.Present) === 0) return undefined;
    if ((pde & Entry.Large) !== 0 && (this._words[Word.Cr4] & Cr4.PSE) !== 0) {
      return ((pde & LARGE_MASK) | (linear & ~LARGE_MASK)) >>> 0;
    }
    const pte = this._phys.read32((pde & PAGE_MASK) + (((linear >>> 12) & 0x3ff) << 2));
    if ((pte & Entry.Present) === 0) return undefined;
    return ((pte & PAGE_MASK) | (linear & OFFSET_MASK)) >>> 0;
  }

  /** Tells the privilege of the accesses that follow: true for CPL 3. */
  setUser(user: boolean): void {
    if (user === this._user) return;
    this._user = user;
    this._setMasks();
    this.onFlush();
  }

  /** Says whether user accesses must be aligned to their size (SDM 3A, "Interrupt 17"): then all of them take the slow way. */
  setAligned(aligned: boolean): void {
    this._aligned = aligned;
    this._setMasks();
  }

  /**
   * Checks the alignment of an operand that is not read or written in one piece (8 bytes and more).
   * @throws GuestFault #AC(0) where alignment is checked and `linear` is no multiple of `alignmentBytes`
   */
  requireAligned(linear: number, alignmentBytes: number): void {
    if (this._aligned && this._user) requireAlignment(linear, alignmentBytes);
  }

  /** True while nobody wants to see single accesses, so that several may be made at once behind the TLB's back. */
  get isPlain(): boolean {
    return !this._aligned && this._watched.length === 0;
  }

  /** Names the linear pages whose accesses `onWatched` is to hear of, in place of those named before. */
  watch(pages: readonly number[]): void {
    if (pages.length === 0 && this._watched.length === 0) return;
    for (const page of [...this._watched, ...pages]) this._tlb[page] &= Tlb.Listed;
    this._watched = pages;
  }

  private _setMasks(): void {
    if (this._user && this._aligned) {
      this._readMask = 0;
      this._writeMask = 0;
    } else {
      this._readMask = this._user ? Tlb.UserRead : Tlb.SupervisorRead;
      this._writeMask = this._user ? Tlb.UserWrite : Tlb.SupervisorWrite;
    }
  }

  /** Forgets all translations, global ones too (a change of CR0.PG, CR0.WP, CR4.PGE, CR4.PSE). */
  flushAll(): void {
    const tlb = this._tlb;
    const listed = this._listed;
    for (let i = 0; i < this._listedCount; i++) tlb[listed[i]] = 0;
    this._listedCount = 0;
    this._large.fill(0);
    this.flushListener?.flushAll();
    this.onFlush();
  }

  /**
   * Forgets all translations but the global ones.
   * @param isSwitch CR3 was loaded, and that is the only reason
   */
  flushNonGlobal(isSwitch = false): void {
    const tlb = this._tlb;
    const listed = this._listed;
    let kept = 0;
    for (let i = 0; i < this._listedCount; i++) {
      const page = listed[i];
      if ((tlb[page] & Tlb.Global) !== 0) listed[kept++] = page;
      else tlb[page] = 0;
    }
    this._listedCount = kept;
    if (isSwitch) this.flushListener?.flushSwitch();
    else this.flushListener?.flushSpace();
    this.onFlush();
  }

  /** Forgets the translation of one address, global or not; all of a 4 MiB page if it lies in one (INVLPG). */
  flushPage(linear: number): void {
    this.forgetPage(linear);
    this.flushListener?.flushPage(linear);
  }

  /** As `flushPage`, where the listener knows already. */
  forgetPage(linear: number): void {
    const region = linear >>> 22;
    if (this._large[region] !== 0) {
      this._large[region] = 0;
      for (let page = region << 10; page < (region + 1) << 10; page++) this._tlb[page] &= Tlb.Listed;
    } else {
      this._tlb[linear >>> 12] &= Tlb.Listed;
    }
    this.onFlush();
  }

  /** @returns the physical address of one byte, unsigned; faults as the access would */
  private _translate(linear: number, write: boolean, user: boolean): number {
    const entry = this._tlb[linear >>> 12];
    const needed = write ? (user ? Tlb.UserWrite : Tlb.SupervisorWrite) : user ? Tlb.UserRead : Tlb.SupervisorRead;
    const frame = (entry & needed) !== 0 ? entry & PAGE_MASK : this._walk(linear, write, user);
    return (frame | (linear & OFFSET_MASK)) >>> 0;
  }

  /**
   * Walks the page tables, sets Accessed and Dirty and fills the TLB. A walk that ends in a fault changes no entry: SDM 3A,
   * "Accessed and Dirty Flags", asks for the flags only where an entry is used for a translation.
   * @returns the physical page as int32, low 12 bits 0
   */
  private _walk(linear: number, write: boolean, user: boolean): number {
    const words = this._words;
    const cr0 = words[Word.Cr0];
    if ((cr0 & Cr0.PG) === 0) {
      const frame = linear & PAGE_MASK;
      this._fill(linear, frame, Tlb.SupervisorRead | Tlb.UserRead | Tlb.AnyWrite);
      return frame;
    }
    const phys = this._phys;
    const cr4 = words[Word.Cr4];
    const pdePhys = (words[Word.Cr3] & PAGE_MASK) + ((linear >>> 22) << 2);
    const pde = phys.read32(pdePhys);
    if ((pde & Entry.Present) === 0) this._fault(linear, write, user, 0);

    const large = (pde & Entry.Large) !== 0 && (cr4 & Cr4.PSE) !== 0;
    let leaf = pde;
    let leafPhys = pdePhys;
    let rights = pde;
    let frame: number;
    if (large) {
      if ((pde & Entry.LargeReserved) !== 0) {
        this._fault(linear, write, user, FaultCode.Present | FaultCode.Reserved);
      }
      frame = (pde & LARGE_MASK) | (linear & (PAGE_MASK & ~LARGE_MASK));
    } else {
      leafPhys = (pde & PAGE_MASK) + (((linear >>> 12) & 0x3ff) << 2);
      leaf = phys.read32(leafPhys);
      if ((leaf & Entry.Present) === 0) this._fault(linear, write, user, 0);
      if ((leaf & Entry.Large) !== 0) this._fault(linear, write, user, FaultCode.Present | FaultCode.Reserved);
      rights &= leaf;
      frame = leaf & PAGE_MASK;
    }

    const userPage = (rights & Entry.User) !== 0;
    const userWritable = userPage && (rights & Entry.Writable) !== 0;
    const supervisorWritable = (rights & Entry.Writable) !== 0 || (cr0 & Cr0.WP) === 0;
    const allowed = user ? (write ? userWritable : userPage) : !write || supervisorWritable;
    if (!allowed) this._fault(linear, write, user, FaultCode.Present);

    if (!large && (pde & Entry.Accessed) === 0) phys.write32(pdePhys, pde | Entry.Accessed);
    const used = leaf | Entry.Accessed | (write ? Entry.Dirty : 0);
    if (used !== leaf) phys.write32(leafPhys, used);

    let bits: number = Tlb.SupervisorRead;
    if (userPage) bits |= Tlb.UserRead;
    if ((used & Entry.Dirty) !== 0) {
      if (supervisorWritable) bits |= Tlb.SupervisorWrite;
      if (userWritable) bits |= Tlb.UserWrite;
    }
    if ((leaf & Entry.Global) !== 0 && (cr4 & Cr4.PGE) !== 0) bits |= Tlb.Global;
    this._fill(linear, frame, bits);
    if (large) this._large[linear >>> 22] = 1;
    return frame;
  }

  private _fault(linear: number, write: boolean, user: boolean, code: number): never {
    this._words[Word.Cr2] = linear;
    throw new GuestFault(Vector.PF, code | (write ? FaultCode.Write : 0) | (user ? FaultCode.User : 0));
  }

  /** Enters a translation, without the permissions for which `PhysMemory` must be asked each time. */
  private _fill(linear: number, frame: number, bits: number): void {
    const page = linear >>> 12;
    const direct = this._phys.direct[frame >>> 12];
    if ((direct & Direct.Read) === 0) bits &= ~(Tlb.SupervisorRead | Tlb.UserRead);
    if ((direct & Direct.Write) === 0) bits &= ~Tlb.AnyWrite;
    if (this._watched.length !== 0 && this._watched.includes(page)) bits &= Tlb.Global;
    if ((bits & Tlb.AnyWrite) !== 0) this._noteWriter(page, frame);
    if ((this._tlb[page] & Tlb.Listed) === 0) {
      if (this._listedCount === LIST_CAPACITY) this.flushAll();
      this._listed[this._listedCount++] = page;
    }
    this._tlb[page] = frame | bits | Tlb.Listed;
  }

  private _noteWriter(page: number, frame: number): void {
    const index = frame >>> 12;
    const known = this._writer[index];
    if (known === 0 || known === page + 1) {
      this._writer[index] = page + 1;
    } else if (known !== MANY_WRITERS) {
      const entry = this._tlb[known - 1];
      const stale = (entry & PAGE_MASK) !== frame || (entry & Tlb.AnyWrite) === 0;
      this._writer[index] = stale ? page + 1 : MANY_WRITERS;
    }
  }

  /** Takes the write permissions of a physical page that became code out of the TLB. */
  private _revokeWrites(pageNumber: number): void {
    const known = this._writer[pageNumber];
    if (known === 0) return;
    this._writer[pageNumber] = 0;
    const frame = pageNumber << 12;
    const tlb = this._tlb;
    if (known !== MANY_WRITERS) {
      if ((tlb[known - 1] & PAGE_MASK) === frame) tlb[known - 1] &= ~Tlb.AnyWrite;
      return;
    }
    for (let i = 0; i < this._listedCount; i++) {
      const page = this._listed[i];
      if ((tlb[page] & PAGE_MASK) === frame) tlb[page] &= ~Tlb.AnyWrite;
    }
  }
}
