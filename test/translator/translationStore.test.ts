/** Translations that are kept are those that the front end would make, whatever has changed since they were made. */
import assert from 'node:assert/strict';
import type { Fragment, TranslationRequest } from '../../src/translator/fragment.js';
import { translate } from '../../src/translator/frontend.js';
import { TranslationStore } from '../../src/translator/translationStore.js';
import { request, START } from '../emit/golden.js';
import { nextRun } from '../helpers/nextRun.js';

const PROGRAMS = 400;
const PROGRAM_BYTES = 48;

/** A generator of numbers below 2^32. (Marsaglia, "Xorshift RNGs") */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Opcodes of all kinds, more of them ordinary than chance would give. */
const OPCODES = [
  ...[0x01, 0x03, 0x29, 0x31, 0x40, 0x4f, 0x50, 0x5d, 0x74, 0x75, 0x83, 0x85, 0x89, 0x8b, 0x8d, 0x90, 0xb8, 0xc3],
  ...[0xc7, 0xd9, 0xdc, 0xe8, 0xe9, 0xeb, 0xf7, 0xff, 0xfa, 0xfb, 0x64, 0x66, 0x0f, 0xf0, 0xf3, 0xf4, 0xa4, 0xcd],
];

function program(next: () => number): number[] {
  return Array.from({ length: PROGRAM_BYTES }, () =>
    next() % 3 === 0 ? OPCODES[next() % OPCODES.length] : next() & 0xff,
  );
}

const EIPS = [0x10000, 0x10ff0, 0xc0101234 | 0, 0x8048003];
const MODES: readonly Partial<TranslationRequest>[] = [
  {},
  { cpl: 3, virtualMask: false },
  { xmmUsable: false },
  { virtualMask: false, trapsSensitive: true },
  { maxInstructions: 1 },
];

/** A copy that stands whatever is translated next. */
const copied = (fragment: Fragment | undefined): Fragment | undefined =>
  fragment && {
    ...fragment,
    code: fragment.code.slice(),
    side: fragment.side.slice(),
    links: fragment.links.slice(),
  };

/** What the store answers, and what the front end says. */
function answers(store: TranslationStore, asked: TranslationRequest): [Fragment | undefined, Fragment | undefined] {
  return [copied(store.translate(asked)), copied(translate(asked))];
}

/** All requests for some programs. */
function* requests(): Generator<{ code: number[]; changes: Partial<TranslationRequest> }> {
  const next = numbers(20061);
  for (let number = 0; number < PROGRAMS; number++) {
    const changes = { eip: EIPS[next() % EIPS.length], ...MODES[next() % MODES.length] };
    yield { code: program(next), changes };
  }
}

describe('translator: translations that are kept', () => {
  it('are the same at the second request and in the next run', () => {
    const store = new TranslationStore();
    for (const { code, changes } of requests()) store.translate(request(code, changes));
    const { made } = store;
    assert.ok(made > PROGRAMS / 2);
    for (const later of [store, nextRun(store)]) {
      const before = later.given;
      for (const { code, changes } of requests()) {
        const [answer, expected] = answers(later, request(code, changes));
        assert.deepEqual(answer, expected);
      }
      assert.ok(later.given - before >= made);
    }
  });

  it('are not given out for code that has changed in any byte that was looked at', () => {
    const store = new TranslationStore();
    const next = numbers(77);
    for (const { code, changes } of requests()) {
      const { bytesRead = 0 } = store.translate(request(code, changes)) ?? {};
      for (let at = 0; at < Math.min(bytesRead + 2, PROGRAM_BYTES); at++) {
        const changed = [...code];
        changed[at] ^= 1 << (next() % 8);
        const [answer, expected] = answers(store, request(changed, changes));
        assert.deepEqual(answer, expected, `byte ${at} of ${code.join(' ')}`);
      }
    }
  });

  it('are not given out where another mode rules', () => {
    const store = new TranslationStore();
    for (const { code, changes } of requests()) {
      for (const mode of MODES) {
        const [answer, expected] = answers(store, request(code, { eip: changes.eip ?? 0, ...mode }));
        assert.deepEqual(answer, expected);
      }
    }
  });

  it('are not given out where a call has become one of the ROM, or is none any more', () => {
    // call FIRST; call SECOND; ret
    const code = [0xe8, 0xfb, 0x00, 0, 0, 0xe8, 0xf6, 0x01, 0, 0, 0xc3];
    const [FIRST, SECOND] = [START + 0x100, START + 0x200];
    const [GET_CR2, GET_CR3] = [20, 21];
    const store = new TranslationStore();
    for (const slots of [{}, { [FIRST]: GET_CR2 }, { [FIRST]: GET_CR3, [SECOND]: GET_CR2 }, { [FIRST]: GET_CR2 }, {}]) {
      const romSlotAt = (linear: number): number | undefined => (slots as Record<number, number>)[linear];
      const [answer, expected] = answers(store, request(code, { romSlotAt }));
      assert.deepEqual(answer, expected);
    }
    assert.equal(store.made, 3);
    assert.equal(store.given, 2);
  });

  it('do not grow without end where a guest keeps changing its code', () => {
    const store = new TranslationStore();
    // eight bytes of NOP, then what changes: mov eax, value; ret
    const variants = Array.from({ length: 100 }, (_, value) => [
      ...new Array<number>(8).fill(0x90),
      0xb8,
      value,
      0,
      0,
      0,
      0xc3,
    ]);
    for (const code of [...variants, ...variants]) {
      const [answer, expected] = answers(store, request(code));
      assert.deepEqual(answer, expected);
    }
    assert.equal(store.made, 16);
    assert.equal(store.given, 16);
  });

  it('are those of the last run where there is no room for all', () => {
    const all = [...requests()];
    const half = all.slice(0, PROGRAMS / 2);
    const maxWords = (() => {
      const store = new TranslationStore();
      for (const { code, changes } of all) store.translate(request(code, changes));
      return store.keep().usedWords + 1;
    })();
    const first = new TranslationStore(undefined, maxWords);
    for (const { code, changes } of all) first.translate(request(code, changes));
    const { words, usedWords, names } = first.keep();
    const second = new TranslationStore({ words: words.slice(), usedWords, names }, maxWords);
    for (const { code, changes } of half) second.translate(request(code, changes));
    const kept = second.keep();
    assert.ok(kept.usedWords < usedWords * 0.7, `${kept.usedWords} of ${usedWords}`);
    const third = new TranslationStore(kept, maxWords);
    for (const { code, changes } of half) {
      const [answer, expected] = answers(third, request(code, changes));
      assert.deepEqual(answer, expected);
    }
    assert.equal(third.found, second.given);
  });

  it('end where there is no room', () => {
    const store = new TranslationStore(undefined, 1 << 10);
    for (const { code, changes } of requests()) {
      const [answer, expected] = answers(store, request(code, changes));
      assert.deepEqual(answer, expected);
    }
    assert.ok(store.keep().usedWords <= 1 << 10);
  });
});
