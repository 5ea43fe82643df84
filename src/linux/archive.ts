/**
 * An archive of Debian packages: its index and its files, in the cache.
 *
 * What is the same however an archive is reached stands here: the index is kept, a file counts only when its SHA-256 is the index's,
 * and a damaged one is fetched anew. Read before: `packageIndex.ts`. Read after: `aptArchive.ts`, `mirrorArchive.ts`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { HostError } from '../errors.js';
import type { Cache } from './cache.js';
import { PackageIndex, type Package } from './packageIndex.js';
import type { Task } from './progress.js';

/** The Debian release that guests are made of: the last one with a kernel for i386. */
export const RELEASE = 'bookworm';

/** A way to reach an archive. */
export interface ArchiveSource {
  /** Tells archives apart in the cache: letters, digits and dashes. */
  readonly name: string;
  /**
   * Fetches the index, checked as far as this way can, as `condense` writes it.
   *
   * @param folder empty, for what is needed on the way
   */
  fetchIndex(folder: string, task: Task): Promise<string>;
  /**
   * Fetches one file.
   *
   * @param file path to write to
   * @param onBytes called with the number of bytes that are there so far
   */
  fetchFile(uri: string, file: string, onBytes: (sizeBytes: number) => void, signal: AbortSignal): Promise<void>;
}

/** A file that does not agree with the index may be a passing fault of the way here: it is fetched once more. */
const ATTEMPTS = 2;

export class Archive {
  private _index: PackageIndex | undefined;

  constructor(
    private readonly _cache: Cache,
    private readonly _source: ArchiveSource,
  ) {}

  /**
   * The index, from the cache where it is there.
   *
   * @param refresh fetches it anew
   */
  async index(task: Task, refresh = false): Promise<PackageIndex> {
    if (this._index !== undefined && !refresh) return this._index;
    const name = `archives/${this._source.name}/index`;
    if (refresh || !this._cache.has(name)) {
      task.progress('fetching the list of packages');
      const text = await this._cache.scratch((folder) => this._source.fetchIndex(folder, task));
      await this._cache.write(name, text);
    }
    this._index = new PackageIndex(await readFile(this._cache.path(name), 'utf8'));
    return this._index;
  }

  /**
   * The files of packages, fetched where the cache has no sound one.
   *
   * @returns their paths, in the order of `packages`
   * @throws HostError `DOWNLOAD_FAILED`, `DOWNLOAD_DAMAGED` and the codes of `Cache`
   */
  async files(packages: readonly Package[], task: Task): Promise<string[]> {
    const totalBytes = packages.reduce((sum, each) => sum + each.sizeBytes, 0);
    let doneBytes = 0;
    const paths: string[] = [];
    for (const each of packages) {
      const onBytes = (sizeBytes: number): void =>
        task.progress(`downloading ${each.name} ${each.version}`, (doneBytes + sizeBytes) / totalBytes);
      paths.push(await this._file(each, onBytes, task));
      doneBytes += each.sizeBytes;
    }
    return paths;
  }

  private async _file(wanted: Package, onBytes: (sizeBytes: number) => void, task: Task): Promise<string> {
    const name = `packages/${fileName(wanted)}`;
    const cached = this._cache.path(name);
    if (this._cache.has(name)) {
      if (await isSound(cached, wanted)) return cached;
      task.warn(`the cached file of ${wanted.name} is damaged and is fetched anew`);
    }
    onBytes(0);
    return this._cache.make(name, async (temporary) => {
      for (let attempt = 1; ; attempt++) {
        task.signal.throwIfAborted();
        await this._source.fetchFile(wanted.uri, temporary, onBytes, task.signal);
        if (await isSound(temporary, wanted)) return;
        if (attempt === ATTEMPTS)
          throw new HostError(
            'DOWNLOAD_DAMAGED',
            `'${wanted.uri}' is not the file that the list of packages promises (SHA-256 ${wanted.sha256}); the archive may have changed: try again with --refresh`,
          );
      }
    });
  }
}

/** The name that apt gives a package's file. */
export const fileName = ({ name, version, architecture }: Package): string =>
  `${name}_${version.replace(':', '%3a')}_${architecture}.deb`;

async function isSound(path: string, { sizeBytes, sha256 }: Package): Promise<boolean> {
  if ((await stat(path)).size !== sizeBytes) return false;
  return (await sha256Of(path)) === sha256;
}

/** SHA-256 of a file in hexadecimal digits. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
