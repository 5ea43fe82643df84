/** The cache: entries are whole or not there, and refusals of the file system name the cure. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cache, defaultCacheFolder } from '../../../src/linux/cache.js';

/** A process id that Linux never gives. */
const NO_PROCESS = 2 ** 22 + 1;

describe('Cache', () => {
  let folder = '';
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'romulus-cache-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is where the XDG specification says', () => {
    assert.equal(defaultCacheFolder({ XDG_CACHE_HOME: '/x' }), '/x/romulus');
    for (const ignored of [undefined, '', 'relative'])
      assert.match(defaultCacheFolder({ XDG_CACHE_HOME: ignored }), /\/\.cache\/romulus$/);
  });

  it('makes an entry whole', async () => {
    const cache = new Cache(join(folder, 'deep'));
    const path = await cache.write('a/b', 'text');
    assert.equal(readFileSync(path, 'utf8'), 'text');
    await cache.write('a/b', 'newer');
    assert.equal(readFileSync(path, 'utf8'), 'newer');
    assert.deepEqual(readdirSync(cache.path('tmp')), []);
  });

  it('knows what it holds, without what its links point at', async () => {
    const cache = new Cache(join(folder, 'cache'));
    assert.deepEqual(await cache.contents(), { names: [], sizeBytes: 0 });
    await cache.write('b/deep/file', Buffer.alloc(1 << 20, 1));
    writeFileSync(join(folder, 'outside'), Buffer.alloc(8 << 20, 1));
    mkdirSync(cache.path('a'));
    symlinkSync(folder, cache.path('a/link'));
    const { names, sizeBytes } = await cache.contents();
    assert.deepEqual(names, ['a', 'b', 'tmp']);
    assert.ok(sizeBytes < 2 << 20, String(sizeBytes));
  });

  it('says so where no folder can be made', async () => {
    // There mkdir says that the folder above is missing, though it is there.
    for (const place of ['/proc/romulus', '/dev/null']) {
      await assert.rejects(new Cache(join(place, 'cache')).write('a', 'text'), { code: 'CACHE_UNWRITABLE' });
      await assert.rejects(
        new Cache(join(place, 'cache')).scratch(() => Promise.resolve()),
        { code: 'CACHE_UNWRITABLE' },
      );
    }
  });

  it('leaves nothing of an entry that could not be made', async () => {
    const cache = new Cache(folder);
    const attempt = cache.make('a', async (temporary) => {
      await writeFile(temporary, 'half');
      throw new Error('no more');
    });
    await assert.rejects(attempt, /no more/);
    assert.equal(cache.has('a'), false);
    assert.deepEqual(readdirSync(cache.path('tmp')), []);
  });

  it('keeps a folder that another process has put there first', async () => {
    const cache = new Cache(folder);
    const fill =
      (text: string) =>
      (temporary: string): Promise<void> => {
        mkdirSync(temporary);
        return writeFile(join(temporary, 'x'), text);
      };
    await cache.make('a', fill('first'));
    assert.equal(readFileSync(join(await cache.make('a', fill('second')), 'x'), 'utf8'), 'first');
  });

  it('says so when the disk is full or cannot be written to', async () => {
    const cache = new Cache(folder);
    const refuse = (code: string): Promise<string> =>
      cache.make('a', () => Promise.reject(Object.assign(new Error(code), { code })));
    await assert.rejects(refuse('ENOSPC'), {
      code: 'CACHE_FULL',
      message: /free some space there, or set XDG_CACHE_HOME/,
    });
    await assert.rejects(refuse('DISK_FULL'), { code: 'CACHE_FULL' });
    const built = new Error('Linux could not be built', { cause: Object.assign(new Error(), { code: 'DISK_FULL' }) });
    await assert.rejects(
      cache.make('a', () => Promise.reject(built)),
      { code: 'CACHE_FULL' },
    );
    await assert.rejects(refuse('EROFS'), { code: 'CACHE_UNWRITABLE' });
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(new Cache(join(folder, 'file', 'below')).write('a', ''), {
      code: 'CACHE_UNWRITABLE',
      message: /XDG_CACHE_HOME/,
    });
  });

  it('removes what dead processes have left, and nothing else', async () => {
    const cache = new Cache(folder);
    const leftovers = [`${NO_PROCESS}-0`, `${process.pid}-7`].map((name) => cache.path('tmp', name));
    for (const path of leftovers) mkdirSync(join(path, 'x'), { recursive: true });
    await cache.removeLeftovers();
    assert.deepEqual(leftovers.map(existsSync), [false, true]);
  });
});
