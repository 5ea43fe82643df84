/**
 * Opens the files that options name for output, so that none keeps the program waiting: a named pipe without a reader would, before
 * there is a guest to stop. Separate because options of several layers name such files. Read after: `cli/run.ts`, `machine/deviceFiles.ts`.
 */
import { closeSync, constants, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { HostError } from './errors.js';

const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK } = constants;

/** @throws Error of the file system, or for a named pipe that nobody has open for reading */
function openNow(path: string, flags: number): number {
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK | flags, 0o666);
  } catch (error) {
    // fifo(7): no reader.
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    throw new Error('it is a pipe that nobody reads, or has no device; start the reader first', { cause: error });
  }
}

/**
 * Makes the file or empties it. A write to a named pipe then waits for its reader, as one to standard output does.
 *
 * @returns a descriptor that can be written to
 * @throws Error of the file system, or for a named pipe that nobody has open for reading
 */
export function openOutput(path: string): number {
  closeSync(openNow(path, O_TRUNC));
  return openSync(path, 'w');
}

/**
 * Finds out whether a file can be written later on, and leaves what is in it alone until then.
 *
 * @param purpose the option that names it
 * @throws HostError `FILE_UNWRITABLE`
 */
export function checkOutput(path: string, purpose: string): void {
  try {
    const isNew = statSync(path, { throwIfNoEntry: false }) === undefined;
    closeSync(openNow(path, 0));
    if (isNew) rmSync(path);
  } catch (error) {
    throw unwritable(path, purpose, error);
  }
}

/**
 * Writes a whole file.
 *
 * @param purpose the option that names it
 * @throws HostError `FILE_UNWRITABLE`
 */
export function writeOutput(path: string, text: string, purpose: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw unwritable(path, purpose, error);
  }
}

/** What is told of a file that cannot be opened or written. @param purpose the option that names it */
export function unwritable(path: string, purpose: string, error: unknown): HostError {
  return new HostError('FILE_UNWRITABLE', `cannot write to '${path}' for ${purpose}: ${(error as Error).message}`, {
    cause: error,
  });
}
