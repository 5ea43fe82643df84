/**
 * What `--root` names: a folder, whose copy becomes the guest's root file system in memory; a disk image; or Debian, which is installed
 * on first use. Read before: `debianRoot.ts`. Read after: `guest.ts`, `../cli/linux.ts`.
 */
import { statSync } from 'node:fs';
import { ConfigError } from '../errors.js';
import type { ArchiveOptions } from './archiveOptions.js';
import type { Cache } from './cache.js';
import { debianRoot } from './debianRoot.js';
import { openArchive, type Root } from './guest.js';
import type { Task } from './progress.js';

/** The word that stands for Debian's userland; a file of that name is meant by `./debian`. */
const DEBIAN = 'debian';

/**
 * @param named what the user has given
 * @throws ConfigError `BAD_ROOT`; HostError of this layer
 */
export async function resolveRoot(cache: Cache, named: string, options: ArchiveOptions, task: Task): Promise<Root> {
  if (named === DEBIAN) {
    const file = await debianRoot(cache, openArchive(cache, options), options, task);
    // The image is everybody's: what one guest writes is for that guest alone.
    return { drive: { file, snapshot: true } };
  }
  const found = statSync(named, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return { folder: named };
  if (found?.isFile() === true || found?.isBlockDevice() === true) return { drive: { file: named } };
  throw new ConfigError(
    'BAD_ROOT',
    `'${named}' ${found === undefined ? 'does not exist' : 'is neither a folder nor a disk image'}; give a folder that holds a root file system, a raw disk image, or '${DEBIAN}'`,
  );
}
