import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PAGE, vmiCallsPage } from '../../../scripts/vmi-calls.js';
import { calls } from '../../../src/rom/calls.js';

describe('docs/vmi-calls.md', () => {
  it('is fresh (npm run docs:vmi)', () => {
    assert.equal(readFileSync(PAGE, 'utf8'), vmiCallsPage());
  });

  it('has a row for every call, the absent ones included', () => {
    const page = vmiCallsPage();
    for (const call of calls) assert.ok(page.includes(`\n| ${call.number} | ${call.name} | `), call.name);
  });
});
