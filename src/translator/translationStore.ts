/**
 * Translations that are kept: a memo of the front end, which can be written to a file and read by a later run. Booting the same kernel
 * again, or running the same program at the same address, then takes a comparison in the place of a translation.
 *
 * What `translate` makes depends on three things only: the mode (privilege, strategy and so on), the guest's bytes, and which of the targets of its
 * calls are ROM entries. All three are kept beside each fragment and compared before it is given out, so that nothing needs to be invalidated: a guest that has
 * changed its code finds no match. Fragments that cross into another page are not kept; there are few.
 *
 * Records lie one behind another in an array of words, found through a hash table that is made anew when they are read:
 *
 *     header of `Field.Count` words · calls: linear address and slot, -1 = none · side entries · links · guest bytes · host code
 *
 * Read before: `fragment.ts`. Read after: `engine.ts`, `../machine/translationFile.ts`.
 */
import type { Fragment, Interpreted, TranslationRequest } from './fragment.js';
import { translate } from './frontend.js';

/** Words of a record's header. */
const enum Field {
  /** Words of the whole record. */
  Size,
  Hash,
  Eip,
  Mode,
  Flags,
  GuestEnd,
  Instructions,
  LiveEntry,
  InterpretedEip,
  /** Index into the names. */
  InterpretedName,
  AskedWords,
  SideWords,
  LinkWords,
  GuestBytes,
  CodeBytes,
  Count,
}

const enum Bit {
  UsesFpu = 1,
  UsesXmm = 2,
  InterpretsFirst = 4,
  Interpreted = 8,
  Traps = 16,
  /** Given out or made in this run: the first to be kept when there is too much. */
  Used = 32,
}

/** Words of all records at most: 64 MiB, some four times what a boot of Linux makes. */
const MAX_WORDS = 1 << 24;
/** A guest that rewrites its code makes many fragments which begin alike: no more of them are kept, as the search goes through all. */
const MAX_ALIKE = 16;
/** Bytes from the start of a fragment that its hash is made of. */
const HASHED_BYTES = 8;
/** What a search ends with where it finds nothing: there is no such record; nor may one be added, as too many begin alike. */
const NONE = -1;
const CROWDED = -2;

const FIRST_WORDS = 1 << 16;
const FIRST_SLOTS = 1 << 12;

const wordsOf = (bytes: number): number => (bytes + 3) >>> 2;

/** All that a translation depends on but for the guest's code and its ROM. */
function modeOf({ cpl, xmmUsable, virtualMask, trapsSensitive, maxInstructions }: TranslationRequest): number {
  return (
    cpl |
    (xmmUsable ? 1 << 2 : 0) |
    (virtualMask ? 1 << 3 : 0) |
    (trapsSensitive ? 1 << 4 : 0) |
    (Math.min(maxInstructions, 0xffff) << 8)
  );
}

/** FNV-1a over the words. */
function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}

function hashOf({ eip, source, bytesLeftInPage }: TranslationRequest, mode: number): number {
  let hash = mix(mix(0x811c9dc5 | 0, eip | 0), mode);
  const count = Math.min(HASHED_BYTES, bytesLeftInPage);
  for (let index = 0; index < count; index++) hash = mix(hash, source.byte(index));
  // the table takes the low bits, which must know of all
  return hash ^ (hash >>> 15);
}

/** What a store is on disk. */
export interface KeptTranslations {
  /** All records, and behind them room for more. */
  readonly words: Int32Array;
  /** Words of `words` that are in use. */
  readonly usedWords: number;
  /** Mnemonics that records name by number. */
  readonly names: readonly string[];
}

export class TranslationStore {
  /** Fragments given out in the place of a translation, those of them that an earlier run had made, and fragments that this one has made and kept. */
  given = 0;
  found = 0;
  made = 0;

  private _words: Int32Array;
  private _bytes: Uint8Array;
  /** Words in use. */
  private _end: number;
  private _count = 0;
  /** First words of records plus 1, by hash; 0 = none. Open addressing. */
  private _table = new Int32Array(FIRST_SLOTS);
  /** Records before it are of an earlier run. */
  private readonly _firstOwn: number;
  private readonly _names: string[];
  private readonly _numbers = new Map<string, number>();
  /** Calls that the translation at hand asked about: linear address and slot, -1 = none. */
  private readonly _asked: number[] = [];

  private readonly _maxWords: number;

  /**
   * @param kept what `keep` of an earlier run gave; its words are the store's from then on
   * @param maxWords words of all records at most
   */
  constructor(
    kept: KeptTranslations = { words: new Int32Array(FIRST_WORDS), usedWords: 0, names: [] },
    maxWords = MAX_WORDS,
  ) {
    this._maxWords = maxWords;
    const { words, usedWords, names } = kept;
    this._names = [...names];
    names.forEach((name, number) => this._numbers.set(name, number));
    this._words = words;
    this._bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this._end = usedWords;
    this._firstOwn = usedWords;
    for (let at = 0; at < usedWords; at += words[at + Field.Size]) {
      words[at + Field.Flags] &= ~Bit.Used;
      this._enter(at);
    }
  }

  /** As `translate` of the front end. */
  readonly translate = (request: TranslationRequest): Fragment | undefined => {
    const mode = modeOf(request);
    const hash = hashOf(request, mode);
    const record = this._find(request, mode, hash);
    if (record >= 0) {
      this.given++;
      if (record < this._firstOwn) this.found++;
      return this._read(record);
    }
    const asked = this._asked;
    asked.length = 0;
    const fragment = translate({
      ...request,
      romSlotAt: (linear) => {
        const slot = request.romSlotAt(linear);
        asked.push(linear, slot ?? -1);
        return slot;
      },
    });
    if (fragment === undefined || fragment.crosses || record === CROWDED) return fragment;
    this._add(fragment, request, mode, hash);
    return fragment;
  };

  /** All records; or, where these are more than half of what there is room for, those that this run has used. */
  keep(): KeptTranslations {
    const all = { words: this._words, usedWords: this._end, names: this._names };
    if (this._end <= this._maxWords / 2) return all;
    const words = new Int32Array(this._end);
    let usedWords = 0;
    for (let at = 0; at < this._end; at += this._words[at + Field.Size]) {
      if ((this._words[at + Field.Flags] & Bit.Used) === 0) continue;
      words.set(this._words.subarray(at, at + this._words[at + Field.Size]), usedWords);
      usedWords += this._words[at + Field.Size];
    }
    return { ...all, words, usedWords };
  }

  /** @returns first word of the record that answers the request, or `NONE`, or `CROWDED` */
  private _find(request: TranslationRequest, mode: number, hash: number): number {
    const words = this._words;
    const mask = this._table.length - 1;
    let alike = 0;
    for (let slot = hash & mask; this._table[slot] !== 0; slot = (slot + 1) & mask) {
      const at = this._table[slot] - 1;
      if (words[at + Field.Hash] !== hash) continue;
      if (this._answers(at, request, mode)) return at;
      if (++alike >= MAX_ALIKE) return CROWDED;
    }
    return NONE;
  }

  private _answers(at: number, request: TranslationRequest, mode: number): boolean {
    const words = this._words;
    if (words[at + Field.Eip] !== (request.eip | 0) || words[at + Field.Mode] !== mode) return false;
    const { source } = request;
    const guest = this._guestAt(at);
    const count = words[at + Field.GuestBytes];
    for (let index = 0; index < count; index++) if (this._bytes[guest + index] !== source.byte(index)) return false;
    const calls = at + Field.Count;
    const end = calls + words[at + Field.AskedWords];
    for (let call = calls; call < end; call += 2)
      if ((request.romSlotAt(words[call]) ?? -1) !== words[call + 1]) return false;
    return true;
  }

  /** Place of a record's guest bytes in `_bytes`. */
  private _guestAt(at: number): number {
    const words = this._words;
    return (
      4 * (at + Field.Count + words[at + Field.AskedWords] + words[at + Field.SideWords] + words[at + Field.LinkWords])
    );
  }

  private _read(at: number): Fragment {
    const words = this._words;
    const flags = words[at + Field.Flags];
    words[at + Field.Flags] = flags | Bit.Used;
    const side = at + Field.Count + words[at + Field.AskedWords];
    const links = side + words[at + Field.SideWords];
    const guest = links + words[at + Field.LinkWords];
    const bytesRead = words[at + Field.GuestBytes];
    const code = 4 * (guest + wordsOf(bytesRead));
    const interpreted: Interpreted | undefined =
      (flags & Bit.Interpreted) === 0
        ? undefined
        : {
            guestEip: words[at + Field.InterpretedEip],
            mnemonic: this._names[words[at + Field.InterpretedName]],
            traps: (flags & Bit.Traps) !== 0,
          };
    return {
      code: this._bytes.subarray(code, code + words[at + Field.CodeBytes]),
      guestStart: words[at + Field.Eip],
      guestEnd: words[at + Field.GuestEnd],
      bytesRead,
      crosses: false,
      instructions: words[at + Field.Instructions],
      usesFpu: (flags & Bit.UsesFpu) !== 0,
      usesXmm: (flags & Bit.UsesXmm) !== 0,
      liveEntry: words[at + Field.LiveEntry],
      side: words.subarray(side, links),
      links: words.subarray(links, guest),
      interpreted,
      interpretsFirst: (flags & Bit.InterpretsFirst) !== 0,
    };
  }

  private _add(fragment: Fragment, { source }: TranslationRequest, mode: number, hash: number): void {
    const { code, side, links, bytesRead, interpreted } = fragment;
    const asked = this._asked;
    const bodyWords = asked.length + side.length + links.length + wordsOf(bytesRead) + wordsOf(code.length);
    const at = this._end;
    const end = at + Field.Count + bodyWords;
    if (end > this._maxWords) return;
    this.made++;
    if (end > this._words.length) this._grow(end);
    const words = this._words;
    words[at + Field.Size] = end - at;
    words[at + Field.Hash] = hash;
    words[at + Field.Eip] = fragment.guestStart;
    words[at + Field.Mode] = mode;
    words[at + Field.Flags] =
      Bit.Used |
      (fragment.usesFpu ? Bit.UsesFpu : 0) |
      (fragment.usesXmm ? Bit.UsesXmm : 0) |
      (fragment.interpretsFirst ? Bit.InterpretsFirst : 0) |
      (interpreted === undefined ? 0 : Bit.Interpreted) |
      (interpreted?.traps === true ? Bit.Traps : 0);
    words[at + Field.GuestEnd] = fragment.guestEnd;
    words[at + Field.Instructions] = fragment.instructions;
    words[at + Field.LiveEntry] = fragment.liveEntry;
    words[at + Field.InterpretedEip] = interpreted?.guestEip ?? 0;
    words[at + Field.InterpretedName] = interpreted === undefined ? 0 : this._numberOf(interpreted.mnemonic);
    words[at + Field.AskedWords] = asked.length;
    words[at + Field.SideWords] = side.length;
    words[at + Field.LinkWords] = links.length;
    words[at + Field.GuestBytes] = bytesRead;
    words[at + Field.CodeBytes] = code.length;
    const calls = at + Field.Count;
    words.set(asked, calls);
    words.set(side, calls + asked.length);
    words.set(links, calls + asked.length + side.length);
    const guest = calls + asked.length + side.length + links.length;
    // the last words of a record may hold bytes of nothing, which a file would show
    words.fill(0, guest, end);
    for (let index = 0; index < bytesRead; index++) this._bytes[4 * guest + index] = source.byte(index);
    this._bytes.set(code, 4 * (guest + wordsOf(bytesRead)));
    this._end = end;
    this._enter(at);
  }

  private _numberOf(name: string): number {
    let number = this._numbers.get(name);
    if (number === undefined) {
      number = this._names.push(name) - 1;
      this._numbers.set(name, number);
    }
    return number;
  }

  private _grow(words: number): void {
    const grown = new Int32Array(Math.min(this._maxWords, Math.max(words, this._words.length * 2)));
    grown.set(this._words);
    this._words = grown;
    this._bytes = new Uint8Array(grown.buffer);
  }

  /** Puts a record into the table, which is at most half full. */
  private _enter(at: number): void {
    if (++this._count * 2 > this._table.length) {
      const before = this._table;
      this._table = new Int32Array(before.length * 2);
      for (const entry of before) if (entry !== 0) this._put(entry - 1);
    }
    this._put(at);
  }

  private _put(at: number): void {
    const mask = this._table.length - 1;
    let slot = this._words[at + Field.Hash] & mask;
    while (this._table[slot] !== 0) slot = (slot + 1) & mask;
    this._table[slot] = at + 1;
  }
}
