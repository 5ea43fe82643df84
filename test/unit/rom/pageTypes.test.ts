import assert from 'node:assert/strict';
import { PageFlag, PageTypes } from '../../../src/rom/pageTypes.js';

describe('rom/pageTypes', () => {
  it('remembers what a page was announced as, until it is released', () => {
    const types = new PageTypes(16);
    types.allocate(3, PageFlag.PT | PageFlag.ZEROED);
    assert.equal(types.typeOf(3), 0x41);
    types.release(3);
    assert.equal(types.typeOf(3), 0);
  });

  it('accounts for clones, announcements twice over and releases of the unknown', () => {
    const types = new PageTypes(16);
    types.allocate(1, PageFlag.PD | PageFlag.CLONE);
    types.allocate(1, PageFlag.PT);
    types.allocate(2, PageFlag.PT);
    types.release(5);
    types.release(2);
    const { allocated, cloned, retyped, released, unknownReleases, live } = types;
    assert.deepEqual(
      { allocated, cloned, retyped, released, unknownReleases, live },
      { allocated: 3, cloned: 1, retyped: 1, released: 2, unknownReleases: 1, live: 1 },
    );
  });

  it('takes pages outside RAM as plain memory', () => {
    assert.equal(new PageTypes(16).typeOf(99), 0);
  });
});
