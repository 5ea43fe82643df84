/** Files to boot that are none, or not yet. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInput } from '../../../src/machine/inputFile.js';

describe('machine/inputFile', () => {
  let folder = '';
  const never = new AbortController().signal;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-input-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads a file', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'abc');
    assert.equal((await readInput(path, never)).toString(), 'abc');
  });

  it('reads a named pipe whose writer comes later', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const bytes = Buffer.alloc(300_000, 'romulus');
    const [read] = await Promise.all([readInput(path, never), appendFile(path, bytes)]);
    assert.ok(read.equals(bytes));
  });

  it('stops waiting for a pipe when it is told to', async () => {
    const path = join(folder, 'silent');
    execFileSync('mkfifo', [path]);
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('enough')), 30);
    await assert.rejects(readInput(path, abort.signal), /enough|aborted/);
  });

  it('refuses folders, devices and what is too large', async () => {
    await assert.rejects(readInput(folder, never), /it is a folder/);
    await assert.rejects(readInput('/dev/zero', never), /it is neither a file nor a pipe/);
    const path = join(folder, 'large');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 31);
    await assert.rejects(readInput(path, never), /it is larger than 2 GiB/);
  });
});
