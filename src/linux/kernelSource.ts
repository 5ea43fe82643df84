/**
 * Where the source of a kernel comes from: Debian's package, unpacked once into the cache, or a folder of the user's, which is only read.
 *
 * Read before: `archive.ts`, `deb.ts`. Read after: `sourceTree.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, HostError } from '../errors.js';
import type { Archive } from './archive.js';
import type { Cache } from './cache.js';
import { readDeb } from './deb.js';
import { needProgram, runProgram } from './programs.js';
import type { Task } from './progress.js';

/** Debian's package with the source of its kernel. */
const SOURCE_PACKAGE = 'linux-source-6.1';
const SOURCE_ARCHIVE = `usr/src/${SOURCE_PACKAGE}.tar.xz`;
/** The series that our patches are written for. */
const SERIES = '6.1';

/** Digits of a hash in the name of a cache entry. */
const NAME_DIGITS = 12;

export interface KernelSource {
  readonly folder: string;
  /** Such as 6.1.192. */
  readonly version: string;
  /** Tells sources apart in the cache. */
  readonly id: string;
  /** Nobody changes it. */
  readonly isFixed: boolean;
}

/** Part of a cache entry's name. */
export const shortHash = (data: string): string =>
  createHash('sha256').update(data).digest('hex').slice(0, NAME_DIGITS);

/** Fetches and unpacks the package where the cache does not have it: 140 MB to fetch, 1.5 GB unpacked. */
export async function packagedSource(
  cache: Cache,
  archive: Archive,
  task: Task,
  refresh = false,
): Promise<KernelSource> {
  const found = (await archive.index(task, refresh)).get(SOURCE_PACKAGE);
  const id = shortHash(found.sha256);
  const entry = `sources/${SOURCE_PACKAGE}-${id}`;
  if (!cache.has(entry)) {
    const tar = needProgram('tar', 'tar', "to unpack Linux's source");
    needProgram('xz', 'xz-utils', "to unpack Linux's source");
    const [file = ''] = await archive.files([found], task);
    task.progress(`unpacking ${SOURCE_PACKAGE} ${found.version}`);
    await cache.make(entry, (temporary) => unpack(file, tar, temporary, task));
  }
  return { folder: cache.path(entry), version: await versionOf(cache.path(entry)), id, isFixed: true };
}

async function unpack(file: string, tar: string, folder: string, task: Task): Promise<void> {
  await mkdir(folder);
  const inner = `${folder}.tar.xz`;
  try {
    let isThere = false;
    await readDeb(
      file,
      async ({ path, bytes }) => {
        if (path !== SOURCE_ARCHIVE) return;
        await writeFile(inner, await bytes());
        isThere = true;
      },
      task.signal,
    );
    if (!isThere)
      throw new HostError('PACKAGE_DAMAGED', `'${file}' has no '${SOURCE_ARCHIVE}'; remove it and try again`);
    await runProgram(
      tar,
      ['--extract', '--file', inner, '--directory', folder, '--strip-components=1', '--no-same-owner'],
      task.signal,
    );
  } finally {
    await rm(inner, { force: true });
  }
}

/**
 * A folder with a kernel's source, such as a clone of the stable tree.
 *
 * @throws ConfigError `BAD_SOURCE` if it is none of the series
 */
export async function folderSource(folder: string): Promise<KernelSource> {
  const path = await realpath(folder).catch(() => folder);
  return { folder: path, version: await versionOf(path), id: `folder-${shortHash(path)}`, isFixed: false };
}

async function versionOf(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'Makefile'), 'utf8').catch(() => '');
  const field = (name: string): string | undefined => new RegExp(`^${name} = (\\d+)$`, 'm').exec(text)?.[1];
  const [version, level, sub] = ['VERSION', 'PATCHLEVEL', 'SUBLEVEL'].map(field);
  if (version === undefined || level === undefined || sub === undefined)
    throw new ConfigError(
      'BAD_SOURCE',
      `'${folder}' is no source tree of Linux; give the folder with its top Makefile`,
    );
  if (`${version}.${level}` !== SERIES)
    throw new ConfigError(
      'BAD_SOURCE',
      `'${folder}' is Linux ${version}.${level}.${sub}; the VMI patches are for ${SERIES}: give a tree of that series`,
    );
  return `${version}.${level}.${sub}`;
}
