import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { folderSource } from '../../../src/linux/kernelSource.js';
import { findProgram } from '../../../src/linux/programs.js';
import type { Task } from '../../../src/linux/progress.js';
import { prepareTree } from '../../../src/linux/sourceTree.js';

const task: Task = { progress: () => undefined, warn: () => undefined, signal: new AbortController().signal };

const SOURCE = {
  Makefile: 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\n',
  'init/main.c': 'one\ntwo\nthree\n',
  'init/main.o': 'an object of another build',
  'arch/arm/Kconfig': 'config ARM\n',
  'arch/arm/mm.c': 'not ours\n',
  '.git/config': 'not ours\n',
};
const OVERLAY = {
  'files/init/vmi.c': 'new\n',
  'patches/series': 'one.patch\n',
  'patches/one.patch': 'why\n\n--- a/init/main.c\n+++ b/init/main.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n',
};

describe('linux/sourceTree', () => {
  let folder: string;
  const source = (): string => join(folder, 'source');
  const tree = (): string => join(folder, 'work', 'tree');
  const read = (name: string): Promise<string> => readFile(join(tree(), name), 'utf8');

  async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), text);
    }
  }
  const prepare = (): Promise<string> =>
    prepareTree(source(), { folder: join(folder, 'overlay') }, join(folder, 'work'), task);

  before(function () {
    if (findProgram('patch') === undefined) this.skip();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'romulus-tree-'));
    await write(source(), SOURCE);
    await write(join(folder, 'overlay'), OVERLAY);
    await mkdir(join(folder, 'work'));
    await prepare();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('links what stays, adds and patches the rest, and leaves the source alone', async () => {
    assert.ok((await lstat(join(tree(), 'Makefile'))).isSymbolicLink());
    assert.equal(await read('init/main.c'), 'one\nTWO\nthree\n');
    assert.equal(await read('init/vmi.c'), 'new\n');
    assert.equal(await read('arch/arm/Kconfig'), SOURCE['arch/arm/Kconfig']);
    for (const name of ['init/main.o', 'arch/arm/mm.c', '.git/config'])
      await assert.rejects(lstat(join(tree(), name)), name);
    assert.equal(await readFile(join(source(), 'init/main.c'), 'utf8'), SOURCE['init/main.c']);
  });

  it('touches no file that stays the same', async () => {
    const before = await stat(join(tree(), 'init/main.c'));
    await prepare();
    const after = await stat(join(tree(), 'init/main.c'));
    assert.equal(after.mtimeMs, before.mtimeMs);
    assert.equal(after.ino, before.ino);
  });

  it('takes changes of the source and of our part', async () => {
    await write(source(), { 'init/main.c': 'zero\none\ntwo\nthree\n', 'init/new.c': 'more\n' });
    await prepare();
    assert.equal(await read('init/main.c'), 'zero\none\nTWO\nthree\n');
    assert.equal(await read('init/new.c'), 'more\n');
    await write(join(folder, 'overlay'), { 'patches/series': '' });
    await rm(join(folder, 'overlay/files/init/vmi.c'));
    await prepare();
    assert.equal(await read('init/main.c'), 'zero\none\ntwo\nthree\n');
    await assert.rejects(read('init/vmi.c'));
  });

  it('says which patch does not fit', async () => {
    await write(source(), { 'init/main.c': 'all\nis\nnew\n' });
    await assert.rejects(prepare(), { code: 'PATCH_FAILED', message: /one\.patch/ });
  });

  it('knows the series, and what is no source', async () => {
    assert.equal((await folderSource(source())).version, '6.1.7');
    await write(source(), { Makefile: 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n' });
    await assert.rejects(folderSource(source()), { code: 'BAD_SOURCE', message: /6\.12\.0/ });
    await assert.rejects(folderSource(folder), { code: 'BAD_SOURCE' });
  });
});
