/** Reading the files of packages when whoever reads them gives up. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readDeb } from '../../../src/linux/deb.js';
import { deb } from '../../helpers/debianArchive.js';

describe('linux/deb', () => {
  let folder = '';
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'romulus-deb-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('does nothing any more once it has failed', async () => {
    const file = join(folder, 'a.deb');
    const big = Buffer.alloc(3 << 20, 'x');
    writeFileSync(file, deb({ slow: 'slow', full: 'full', later: big, last: big }));
    let isFinished = false;
    let hasFailed = false;
    const visited: string[] = [];
    const read = readDeb(
      file,
      async ({ path, bytes }) => {
        assert.equal(hasFailed, false);
        visited.push(path);
        await bytes();
        if (path === 'full') throw new Error('no space left on device');
        if (path !== 'slow') return;
        // As a file that is being written when another one finds the disk full.
        await setTimeout(100);
        isFinished = true;
      },
      new AbortController().signal,
    );
    await assert.rejects(read, /no space left/);
    hasFailed = true;
    assert.equal(isFinished, true);
    assert.ok(!visited.includes('last'), 'the rest is not read');
    await setTimeout(50);
  });
});
