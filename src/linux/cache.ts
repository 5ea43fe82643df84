/**
 * The cache folder: where downloaded packages and what is made from them stay between runs.
 *
 * Whatever stands under its final name is whole: files and folders are made under `tmp/` and moved by one rename. What a killed
 * process left there is removed by the next one. (`translations/` is machine/translationFile.ts's own.) Separate because every part of this layer stores things, and a full disk or a
 * read-only home must be told in one way. Read after: `packages.ts`, `kernel.ts`.
 */
import { existsSync, lstatSync } from 'node:fs';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { HostError } from '../errors.js';
import { makeFolder } from '../folder.js';

/** Folder for what is being made. */
const TEMPORARY = 'tmp';
/** The last one is what a program of the host has said. */
const FULL = ['ENOSPC', 'EDQUOT', 'DISK_FULL'];
const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'];
/** What rename says when another process has put the same folder there first. */
const TAKEN = ['ENOTEMPTY', 'EEXIST'];

/**
 * Where the cache is: `romulus` below XDG_CACHE_HOME, or below `~/.cache`. ("XDG Base Directory Specification": a relative path
 * there is to be ignored.)
 */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: folder } = environment;
  return join(folder !== undefined && isAbsolute(folder) ? folder : join(homedir(), '.cache'), 'romulus');
}

/** What `stat` counts in, whatever the file system uses. */
const BLOCK_BYTES = 512;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

export class Cache {
  private _made = 0;

  constructor(readonly folder: string = defaultCacheFolder()) {}

  /** Path of an entry, which need not exist. */
  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  has(...names: readonly string[]): boolean {
    return existsSync(this.path(...names));
  }

  /**
   * Makes an entry whole or not at all.
   *
   * @param name path below the cache folder; a file of that name is replaced, a folder is left as it is
   * @param make fills the file or folder at the path it is given, which does not exist yet
   * @returns the entry's path
   * @throws HostError `CACHE_FULL`, `CACHE_UNWRITABLE`; what `make` throws
   */
  async make(name: string, make: (temporary: string) => Promise<void>): Promise<string> {
    const target = this.path(name);
    const temporary = this.path(TEMPORARY, `${process.pid}-${this._made++}`);
    try {
      makeFolder(dirname(temporary));
      await make(temporary);
      makeFolder(dirname(target));
      await rename(temporary, target).catch((error: unknown) => {
        if (!TAKEN.includes(codeOf(error))) throw error;
      });
      return target;
    } catch (error) {
      throw this.explain(error);
    } finally {
      // What cannot be removed now, a later run removes.
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /**
   * Lends a folder for what is needed only for a while.
   *
   * @throws as `make`
   */
  async scratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const folder = this.path(TEMPORARY, `${process.pid}-${this._made++}`);
    try {
      makeFolder(folder);
      return await use(folder);
    } catch (error) {
      throw this.explain(error);
    } finally {
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** Writes a file, whole or not at all. Throws as `make` does. */
  write(name: string, bytes: string | Uint8Array): Promise<string> {
    return this.make(name, (temporary) => writeFile(temporary, bytes));
  }

  /** Removes an entry if it is there. */
  async remove(name: string): Promise<void> {
    await rm(this.path(name), { recursive: true, force: true }).catch((error: unknown) => {
      throw this.explain(error);
    });
  }

  /** Names of what is there, and the room that all of it takes on the disk: of an image that is full of holes only what was written. */
  async contents(): Promise<{ readonly names: readonly string[]; readonly sizeBytes: number }> {
    const names = (await readdir(this.folder).catch(() => [])).sort();
    let blocks = 0;
    const walk = async (folder: string): Promise<void> => {
      // What somebody else removes meanwhile does not count.
      for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
        const path = join(folder, entry.name);
        blocks += lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
        if (entry.isDirectory()) await walk(path);
      }
    };
    await walk(this.folder);
    return { names, sizeBytes: BLOCK_BYTES * blocks };
  }

  /** Removes everything. */
  async clear(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true }).catch((error: unknown) => {
      throw this.explain(error);
    });
  }

  /** Removes what processes that are gone have left half-made. */
  async removeLeftovers(): Promise<void> {
    const names = await readdir(this.path(TEMPORARY)).catch(() => []);
    for (const name of names) if (!isAlive(Number.parseInt(name, 10))) await this.remove(join(TEMPORARY, name));
  }

  /** Turns the file system's refusals into errors that name the cure; any other error stays as it is. */
  explain(error: unknown): unknown {
    if (FULL.includes(codeOf(error)) || FULL.includes(codeOf((error as Error | undefined)?.cause)))
      return new HostError(
        'CACHE_FULL',
        `the disk of the cache folder '${this.folder}' is full; free some space there, or set XDG_CACHE_HOME to a folder on another disk`,
        { cause: error },
      );
    const isNoFolder = codeOf(error) === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'mkdir';
    if (UNWRITABLE.includes(codeOf(error)) || isNoFolder)
      return new HostError(
        'CACHE_UNWRITABLE',
        `the cache folder '${this.folder}' cannot be written to (${(error as Error).message}); set XDG_CACHE_HOME to a folder that can`,
        { cause: error },
      );
    return error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
