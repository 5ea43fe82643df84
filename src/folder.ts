/** Makes folders. Separate because several layers keep files. Read after: `linux/cache.ts`, `machine/translationFile.ts`. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/**
 * Makes a folder and those above it, where they are not there. Not `mkdir` with `recursive`: where the file system has no room for new folders but
 * says that the one above is missing, as /proc does, Node tries for ever.
 *
 * @param mode of the folder, less the umask
 * @throws Error of the file system
 */
export function makeFolder(path: string, mode = 0o777): void {
  try {
    makeOne(path, mode);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    makeOne(path, mode);
  }
}
