/** What the code cache keeps is bounded, and a host instruction leads back to the guest's before and after everything was dropped. */
import assert from 'node:assert/strict';
import { CodeCache } from '../../src/translator/codeCache.js';
import type { Fragment } from '../../src/translator/fragment.js';
import type { TranslatorHost } from '../../src/translator/host.js';
import { MAX_SIDE_ENTRIES, SIDE_TABLE_WORDS } from '../../src/translator/sideTable.js';

const CODE_BYTES = 8;

/** A fragment of `entries` guest instructions of a byte each, as many host bytes at least, without links. */
function fragmentAt(guestStart: number, entries: number): Fragment {
  return {
    code: new Uint8Array(Math.max(CODE_BYTES, entries)),
    guestStart,
    guestEnd: guestStart + entries,
    instructions: entries,
    usesFpu: false,
    usesXmm: false,
    liveEntry: 0,
    bytesRead: entries,
    side: Int32Array.from(Array.from({ length: entries }, (_, index) => [index, guestStart + index, 0]).flat()),
    links: new Int32Array(0),
    interpreted: undefined,
    crosses: false,
    interpretsFirst: false,
  };
}

describe('translator: the code cache', () => {
  it('drops everything before it holds too many side entries, and begins anew', () => {
    let drops = 0;
    const side = new Int32Array(SIDE_TABLE_WORDS);
    const host = { code: new Uint8Array(4 << 20), side, dropCode: () => undefined, dropAllCode: () => drops++ };
    const cache = new CodeCache(host as unknown as TranslatorHost, 0x1000);
    const perFragment = 1024;
    const count = MAX_SIDE_ENTRIES / perFragment;
    const first = cache.place(fragmentAt(0x1000, perFragment), 1, false, true);
    for (let index = 1; index < count; index++)
      cache.place(fragmentAt(0x1000 + index * perFragment, perFragment), 1, false, true);
    assert.equal(drops, 0);
    assert.equal(cache.find(0x1000, 1, false), first);
    const last = cache.find(0x1000 + (count - 1) * perFragment, 1, false);
    assert.equal(last && cache.eipAt(last.offset + 7), last && last.eip + 7);
    assert.equal(cache.eipAt(first.offset + perFragment - 1), first.eip + perFragment - 1);

    const next = cache.place(fragmentAt(0x400000, 3), 0x400, false, true);
    assert.deepEqual([drops, cache.limitsReached, cache.buffersFilled], [1, 1, 0]);
    assert.equal(cache.find(0x1000, 1, false), undefined);
    assert.equal(next.offset, first.offset);
    assert.deepEqual(
      [0, 1, 2, CODE_BYTES - 1, CODE_BYTES].map((inside) => cache.eipAt(next.offset + inside)),
      [0x400000, 0x400001, 0x400002, 0x400002, undefined],
    );
  });

  it('drops everything before it holds code of too many pages', () => {
    let drops = 0;
    const side = new Int32Array(SIDE_TABLE_WORDS);
    const host = { code: new Uint8Array(4 << 20), side, dropCode: () => undefined, dropAllCode: () => drops++ };
    const cache = new CodeCache(host as unknown as TranslatorHost, 0x10000);
    const maxPages = 0x2000;
    for (let page = 0; page < maxPages; page++) cache.place(fragmentAt(page << 12, 1), page, false, true);
    cache.place(fragmentAt(0x10, 1), 0, false, true);
    assert.equal(drops, 0);
    cache.place(fragmentAt(maxPages << 12, 1), maxPages, false, true);
    assert.equal(drops, 1);
    assert.equal(cache.find(0, 0, false), undefined);
  });
});
