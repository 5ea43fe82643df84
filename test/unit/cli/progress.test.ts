/** Progress where lines stay, as in a log. */
import assert from 'node:assert/strict';
import { progressLines } from '../../../src/cli/progress.js';

describe('progress in a log', () => {
  it('has a line for each step, and for each tenth of a step of many parts', () => {
    const lines: string[] = [];
    const progress = progressLines((line) => lines.push(line));
    progress('configuring');
    progress('configuring');
    for (let part = 0; part < 35; part++) progress('building', part / 100, `${part}.o`);
    progress('packing', 0.5);
    progress('packing', 0.9);
    assert.deepEqual(lines, [
      'configuring',
      'building',
      'building, 10 %',
      'building, 20 %',
      'building, 30 %',
      'packing',
    ]);
  });

  it('says a step of unknown length once', () => {
    const lines: string[] = [];
    const progress = progressLines((line) => lines.push(line));
    for (const file of ['a.o', 'b.o', 'c.o']) progress('building', undefined, file);
    assert.deepEqual(lines, ['building']);
  });
});
