/**
 * What is told of a cache that is not as it was left: somebody has removed a file, or a disk has lost it.
 *
 * The cure names one folder and not `--clean`, for that also removes what took minutes to build. Read after: `guest.ts`, `vmiKernel.ts`.
 */
import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../errors.js';

/**
 * @param what the finding, such as `'x' is missing`
 * @param folder entry of the cache that is made anew where it is missing
 */
export function cacheDamaged(what: string, folder: string, cause?: unknown): HostError {
  const cure = `remove the folder '${folder}', and the next call makes it anew`;
  return new HostError('CACHE_DAMAGED', `the cache is damaged: ${what}; ${cure}`, { cause });
}

/**
 * Looks whether files of an entry are there, and not empty.
 *
 * @param names paths below `folder`
 * @throws HostError `CACHE_DAMAGED`
 */
export function checkEntry(folder: string, names: readonly string[]): void {
  for (const name of names) {
    const path = join(folder, name);
    const found = statOf(path);
    if (found === undefined) throw cacheDamaged(`'${path}' is missing`, folder);
    if (!found.isFile()) throw cacheDamaged(`'${path}' is no file`, folder);
    if (found.size === 0) throw cacheDamaged(`'${path}' is empty`, folder);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
