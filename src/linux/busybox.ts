/**
 * Busybox, the guest's commands, out of Debian's package into the cache. Read before: `deb.ts`. Read after: `guest.ts`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HostError } from '../errors.js';
import type { Archive } from './archive.js';
import type { Cache } from './cache.js';
import { cacheDamaged } from './damage.js';
import { readDeb } from './deb.js';
import type { Task } from './progress.js';

const PACKAGE = 'busybox-static';
const BINARY = 'bin/busybox';

/**
 * Fetches and unpacks busybox where the cache does not have it.
 *
 * @returns path of the binary
 */
export async function unpackBusybox(cache: Cache, archive: Archive, task: Task): Promise<string> {
  const found = (await archive.index(task)).get(PACKAGE);
  const entry = join('busybox', found.sha256.slice(0, 12));
  if (!cache.has(entry)) {
    const [file = ''] = await archive.files([found], task);
    task.progress(`unpacking ${PACKAGE}`);
    await cache.make(entry, async (temporary) => {
      await mkdir(temporary);
      let isThere = false;
      await readDeb(
        file,
        async ({ path, bytes }) => {
          if (path !== BINARY && path !== `usr/${BINARY}`) return;
          await writeFile(join(temporary, 'busybox'), await bytes());
          isThere = true;
        },
        task.signal,
      );
      if (!isThere)
        throw new HostError('PACKAGE_DAMAGED', `'${file}' has no '${BINARY}'; remove it, and the next call fetches it`);
    });
  }
  return cache.path(entry, 'busybox');
}

/**
 * The commands that a busybox stands for. It cannot be asked, because it may not run on this host; its list is a table of names, each
 * ended by a NUL, in alphabetical order, that begins with `[` and `[[`.
 *
 * @throws HostError `CACHE_DAMAGED`
 */
export async function busyboxApplets(path: string): Promise<string[]> {
  const text = (await readFile(path)).toString('latin1');
  const table = /\0(\[\0\[\[\0(?:[a-z0-9._-]+\0)+)/i.exec(text)?.[1];
  if (table === undefined) throw cacheDamaged(`'${path}' has no list of commands`, dirname(path));
  return table.split('\0').filter((name) => name !== '');
}
