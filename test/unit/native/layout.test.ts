import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { layoutHeader } from '../../../scripts/layout.js';

describe('scripts/layout', () => {
  it('agrees with the committed native/layout.h', () => {
    const committed = readFileSync(new URL('../../../../native/layout.h', import.meta.url), 'utf8');
    assert.equal(committed, layoutHeader(), 'native/layout.h is stale: run npm run build:layout');
  });

  it('gives every word a place of its own', () => {
    const [, body = ''] = /namespace word \{\n([\s\S]*?)\}/.exec(layoutHeader()) ?? [];
    const offsets = [...body.matchAll(/ = (\d+);/g)].map(([, offset]) => offset);
    assert.ok(offsets.length > 100);
    assert.equal(new Set(offsets).size, offsets.length, 'two words have the same offset');
  });

  it('gives byte offsets', () => {
    assert.match(layoutHeader(), /constexpr std::size_t PicIrr = 320;/);
    assert.match(layoutHeader(), /constexpr std::int32_t Stop = 32;/);
  });
});
