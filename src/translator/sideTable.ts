/**
 * The way back from a host instruction to the guest's: for every guest instruction in the code buffer the offset of its first host
 * instruction, and its EIP. Fragments are placed at rising offsets until everything is dropped, so that the table is sorted as it grows.
 *
 * It is a plain array of words because the fault handler's side reads it as well (native/reflect.cc), on the thread that writes it:
 *
 *     word 0              number of entries
 *     words 1 + 3n to +2  offset in the code buffer, EIP, what the guest's ESP is ahead of the host's RSP
 *
 * Read before: `fragment.ts`. Read after: `codeCache.ts`.
 */
import { SIDE_WORDS as WORDS } from './fragment.js';

/** Entries between two drops of everything: more than a kernel and its programs have in use, at 12 bytes each. */
export const MAX_SIDE_ENTRIES = 1 << 20;

/** Words of the table; memory is used as far as it is filled. */
export const SIDE_TABLE_WORDS = 1 + WORDS * MAX_SIDE_ENTRIES;

export class SideTable {
  /** @param _words `SIDE_TABLE_WORDS` words */
  constructor(private readonly _words: Int32Array) {}

  /** Whether `count` entries more have room. */
  hasRoom(count: number): boolean {
    return this._words[0] + count <= MAX_SIDE_ENTRIES;
  }

  /** Adds the entries of a fragment (`Fragment.side`) that begins at `offset`, which is behind all that are in the table. */
  add(offset: number, side: Int32Array): void {
    const words = this._words;
    let at = 1 + WORDS * words[0];
    for (let index = 0; index < side.length; index += WORDS) {
      words[at++] = offset + side[index];
      words[at++] = side[index + 1];
      words[at++] = side[index + 2];
    }
    words[0] += side.length / WORDS;
  }

  clear(): void {
    this._words[0] = 0;
  }

  /** @returns EIP of the guest instruction that the host instruction at `offset` is part of, or undefined before the first one */
  eipAt(offset: number): number | undefined {
    const words = this._words;
    let low = 0;
    let high = words[0];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (words[1 + WORDS * middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : words[2 + WORDS * (low - 1)];
  }
}
