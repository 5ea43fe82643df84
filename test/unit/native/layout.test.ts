import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { layoutHeader } from '../../../scripts/layout.js';

describe('scripts/layout', () => {
  it('agrees with the committed native/layout.h', () => {
    const committed = readFileSync(new URL('../../../../native/layout.h', import.meta.url), 'utf8');
    assert.equal(committed, layoutHeader(), 'native/layout.h is stale: run npm run build:layout');
  });

  it('gives byte offsets', () => {
    assert.match(layoutHeader(), /constexpr std::size_t PicIrr = 320;/);
    assert.match(layoutHeader(), /constexpr std::int32_t Stop = 32;/);
  });
});
