/**
 * Programs of the host that this layer calls: whether they are there, and running them so that Ctrl-C ends them too. Separate because
 * every missing or failing program is to be reported in one way. Read after: `aptArchive.ts`, `deb.ts`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { HostError } from '../errors.js';

/** Debian keeps administrators' programs, such as mke2fs, out of a user's PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];
/** How much of a failing program's last words is repeated. */
const REPEATED_LINES = 3;
/** How long a program that was told to end may clean up. */
const KILL_AFTER_MS = 5000;

/** @returns the program's path, or undefined if the host has none of that name */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...SYSTEM_FOLDERS];
  const paths = isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * @param packageName what to install to get it
 * @throws HostError `PROGRAM_MISSING`
 */
export function needProgram(name: string, packageName: string, purpose: string): string {
  const path = findProgram(name);
  if (path === undefined)
    throw new HostError(
      'PROGRAM_MISSING',
      `the program '${name}' is needed ${purpose}; install it (Debian and Ubuntu: apt install ${packageName})`,
    );
  return path;
}

/**
 * Runs a program to its end.
 *
 * @returns what it printed on stdout
 * @throws HostError `PROGRAM_FAILED` with its last words, `DISK_FULL` if that is what it complains of; the signal's reason if aborted
 */
export async function runProgram(path: string, words: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawnProgram(path, words, signal);
  const [output] = await Promise.all([text(child.stdout), finished(child, path, signal)]);
  return output;
}

/** A program whose stdout is read while it runs; `finished` tells how it ended. */
export function spawnProgram(
  path: string,
  words: readonly string[],
  signal: AbortSignal,
): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  signal.throwIfAborted();
  const child = spawn(path, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    // A Ctrl-C is for us; the abort signal ends the program. Its group is its own, so that its children can be ended with it.
    detached: true,
  });
  endOnAbort(child, signal);
  return child;
}

/** Ends the program and all that it has started, as make starts compilers, when the signal is aborted. */
function endOnAbort(child: ChildProcess, signal: AbortSignal): void {
  const { pid } = child;
  if (pid === undefined) return;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (killer: NodeJS.Signals): void => {
    try {
      process.kill(-pid, killer);
    } catch {
      // It has ended by itself.
    }
  };
  const onAbort = (): void => {
    end('SIGTERM');
    killTimer = setTimeout(() => end('SIGKILL'), KILL_AFTER_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  child.once('close', () => {
    clearTimeout(killTimer);
    signal.removeEventListener('abort', onAbort);
  });
}

/**
 * Resolves when the program has ended well. Throws as `runProgram` does, and when aborted not before the program is gone: what it
 * was writing is removed then, and must not come back.
 */
export async function finished(
  child: ChildProcess & { stderr: NodeJS.ReadableStream },
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killer) => resolve(code === 0 ? '' : (killer ?? `exit status ${code}`)));
  });
  const [words, failure] = await Promise.all([text(child.stderr), ended]).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  signal.throwIfAborted();
  if (failure === '') return;
  const lines = words.trim().split('\n');
  // apt marks what is an error, and the first one may be the one that counts.
  const errors = lines.filter((line) => line.startsWith('E: ')).map((line) => line.slice(3));
  const last = (errors.length > 0 ? errors : lines.slice(-REPEATED_LINES)).join('; ');
  // Not always among the last words: make goes on for a while.
  const code = words.includes('No space left on device') ? 'DISK_FULL' : 'PROGRAM_FAILED';
  throw new HostError(code, `'${path}' failed (${failure})${last === '' ? '' : `: ${last}`}`);
}
