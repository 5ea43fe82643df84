/**
 * Reads the files that a machine boots. Separate from `machine.ts` because a pipe may have no writer yet and a device no end, and neither may
 * keep a program from stopping the machine. Read after: `machine.ts`.
 */
import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** What Node reads into one buffer. */
const MAX_BYTES = 2 ** 31 - 1;
const BLOCK_BYTES = 1 << 20;
/** Between two looks at a pipe in which there is nothing. */
const LOOK_MS = 10;

/**
 * Reads a whole file, or what comes through a pipe.
 *
 * @param signal ends the wait for a pipe
 * @throws Error that says why there is nothing to read; of the file system; the reason of `signal`
 */
export async function readInput(path: string, signal: AbortSignal): Promise<Buffer> {
  // A named pipe would be opened when its writer is there, in a thread that nothing can stop.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (status.isDirectory()) throw new Error('it is a folder');
    if (status.isFIFO()) return await readPipe(file, (await lstat(path)).isFIFO(), signal);
    if (!status.isFile()) throw new Error('it is neither a file nor a pipe');
    if (status.size > MAX_BYTES) throw tooLarge();
    return await file.readFile({ signal });
  } finally {
    await file.close();
  }
}

const tooLarge = (): Error => new Error('it is larger than 2 GiB');

/** @param isNamed its writer may come later */
async function readPipe(file: FileHandle, isNamed: boolean, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let total = 0; total <= MAX_BYTES;) {
    signal.throwIfAborted();
    const part = await readNow(file);
    if (part !== undefined && part.length > 0) {
      parts.push(part);
      total += part.length;
    } else if (part !== undefined && (total > 0 || !isNamed)) {
      return Buffer.concat(parts);
    } else {
      await wait(LOOK_MS, undefined, { signal });
    }
  }
  throw tooLarge();
}

/** @returns nothing at the end, which a pipe without a writer is at; undefined where there is something to come */
async function readNow(file: FileHandle): Promise<Buffer | undefined> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  try {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, null);
    return block.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
