import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { coveragePage, PAGE } from '../../scripts/coverage.js';
import { isImplemented } from '../../src/interp/binders.js';
import { forms } from '../../src/x86/table.js';

describe('docs/coverage.md', () => {
  it('is fresh (npm run docs:coverage)', () => {
    assert.equal(readFileSync(PAGE, 'utf8'), coveragePage());
  });

  it('has every row of the instruction table, and all of them are implemented', () => {
    const page = readFileSync(PAGE, 'utf8');
    for (const form of forms) {
      assert.ok(page.includes(`\n| ${form.opcode} | ${form.mnemonic} | `), form.opcode);
      assert.ok(isImplemented(form.mnemonic), form.mnemonic);
    }
  });
});
