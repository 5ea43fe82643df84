/**
 * The archive as the host's apt reaches it: the host's own mirror, proxy and keys, and apt's own check of signatures, but a state folder
 * of ours, so that nothing of the host's package set-up changes and no root is needed.
 *
 * Of the host's sources only those of Debian's release are used; where the host runs another release of Debian, its mirror serves ours
 * too. Read before: `archive.ts`, `programs.ts`. Read after: `mirrorArchive.ts`.
 */
import { mkdir, readdir, readFile, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, HostError } from '../errors.js';
import { RELEASE, type ArchiveSource } from './archive.js';
import { condense } from './packageIndex.js';
import { findProgram, runProgram } from './programs.js';
import type { Task } from './progress.js';

const APT_HELPER = '/usr/lib/apt/apt-helper';
const SOURCE_LIST = '/etc/apt/sources.list';
const SOURCE_PARTS = '/etc/apt/sources.list.d';
/** How often the size of a file that apt fetches is looked at. */
const POLL_MS = 100;

/** One archive that the host is set up for: an entry of its sources. (sources.list(5)) */
export interface SourceEntry {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** A key file or fingerprints; undefined = the host's usual keys. */
  readonly signedBy?: string;
}

/** True where the host has apt with all the parts that are used here. */
export const hasApt = (): boolean => findProgram('apt-get') !== undefined && findProgram(APT_HELPER) !== undefined;

/** Entries of a file in the one-line style. (sources.list(5), "One-Line-Style Format") */
export function parseOneLine(text: string): SourceEntry[] {
  return text.split('\n').flatMap((line): SourceEntry[] => {
    const [, options = '', uri, suite, components = ''] =
      /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line) ?? [];
    if (uri === undefined || suite === undefined) return [];
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1];
    return [{ uri, suite, components: words(components), ...(signedBy !== undefined && { signedBy }) }];
  });
}

/** Entries of a file in the style of stanzas. (sources.list(5), "deb822-Style Format") */
export function parseDeb822(text: string): SourceEntry[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((stanza): SourceEntry[] => {
    const field = (name: string): string =>
      new RegExp(`^${name}:[ \\t]*((?:.*)(?:\\n[ \\t]+.*)*)`, 'im').exec(stanza)?.[1]?.trim() ?? '';
    if (!words(field('Types')).includes('deb') || /^no$/i.test(field('Enabled'))) return [];
    const signedBy = field('Signed-By');
    const rest = { components: words(field('Components')), ...(/^\S+$/.test(signedBy) && { signedBy }) };
    return words(field('URIs')).flatMap((uri) => words(field('Suites')).map((suite) => ({ uri, suite, ...rest })));
  });
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/**
 * Chooses what serves our release.
 *
 * @throws ConfigError `NO_ARCHIVE`
 */
export function chooseEntries(entries: readonly SourceEntry[]): SourceEntry[] {
  const ofMain = entries.filter(({ components }) => components.includes('main'));
  const ofRelease = ofMain.filter(({ suite }) => suite === RELEASE || suite.startsWith(`${RELEASE}-`));
  if (ofRelease.some(({ suite }) => suite === RELEASE)) return ofRelease;
  const mirror = ofMain.find(({ uri, suite }) => /\/debian\/?$/.test(uri) && !suite.includes('/'));
  if (mirror !== undefined) return [{ ...mirror, suite: RELEASE }];
  throw new ConfigError(
    'NO_ARCHIVE',
    `this host's apt knows no mirror of Debian; name one with --mirror URL (a folder that has dists/${RELEASE})`,
  );
}

async function hostEntries(): Promise<SourceEntry[]> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const parts = (await readdir(SOURCE_PARTS).catch(() => [])).sort();
  const texts = await Promise.all(
    parts.map(async (name) => {
      const text = await read(join(SOURCE_PARTS, name));
      return name.endsWith('.list') ? parseOneLine(text) : name.endsWith('.sources') ? parseDeb822(text) : [];
    }),
  );
  return [...parseOneLine(await read(SOURCE_LIST)), ...texts.flat()];
}

const sourceLine = ({ uri, suite, components, signedBy }: SourceEntry): string =>
  `deb ${signedBy === undefined ? '' : `[signed-by=${signedBy}] `}${uri} ${suite} ${components.join(' ')}\n`;

/** apt-get's options for a state of our own below `folder`. (apt.conf(5)) */
function privateState(folder: string): string[] {
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'APT::Architecture': 'i386',
    'APT::Architectures::': 'i386',
    'APT::Update::Post-Invoke::': '',
    // Else a list that cannot be fetched is worth a warning and exit status 0. (apt.conf(5))
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::GzipIndexes': 'false',
    ...unsandboxed,
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** As root, apt would drop to a user that cannot enter our folders. */
const unsandboxed = { 'APT::Sandbox::User': '' };

export class AptArchive implements ArchiveSource {
  readonly name = 'apt';

  async fetchIndex(folder: string, task: Task): Promise<string> {
    const entries = chooseEntries(await hostEntries());
    for (const name of ['state/lists/partial', 'cache/archives/partial'])
      await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, 'status'), '');
    await writeFile(join(folder, 'sources.list'), entries.map(sourceLine).join(''));
    const failure = await this._update(folder, task);
    const targets = await runProgram(
      'apt-get',
      [
        ...privateState(folder),
        'indextargets',
        '--format',
        '$(RELEASE) $(REPO_URI) $(FILENAME)',
        'Created-By: Packages',
      ],
      task.signal,
    );
    const lists = targets.split('\n').flatMap((line) => {
      const [, suite, base, file] = /^(\S+) (\S+) (.+)$/.exec(line) ?? [];
      return suite === undefined || base === undefined || file === undefined ? [] : [{ suite, base, file }];
    });
    if (!lists.some(({ suite }) => suite === RELEASE))
      throw (
        failure ?? new HostError('NO_ARCHIVE', `apt fetched no list of ${RELEASE} for i386; try --mirror URL instead`)
      );
    // Security's list, say, has newer packages than the release's, and a guest is as good with the older ones.
    if (failure !== undefined)
      task.warn(`${failure.message.replace(CURE, '')}; going on without: try again later with --refresh`);
    const texts = await Promise.all(lists.map(async ({ file, base }) => condense(await readFile(file, 'utf8'), base)));
    return texts.join('');
  }

  async fetchFile(uri: string, file: string, onBytes: (sizeBytes: number) => void, signal: AbortSignal): Promise<void> {
    const poll = setInterval(() => {
      stat(file).then(
        ({ size }) => onBytes(size),
        () => undefined,
      );
    }, POLL_MS);
    const options = Object.entries(unsandboxed).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    try {
      await whileRoom(dirname(file), signal, (guarded) =>
        runProgram(APT_HELPER, [...options, 'download-file', uri, file], guarded),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (isFull(error)) throw error;
      throw new HostError('DOWNLOAD_FAILED', `apt cannot fetch '${uri}': ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      clearInterval(poll);
    }
  }

  /** @returns why some of the lists are not there; the ones that are may do */
  private async _update(folder: string, task: Task): Promise<HostError | undefined> {
    try {
      await whileRoom(folder, task.signal, (guarded) =>
        runProgram('apt-get', [...privateState(folder), 'update'], guarded),
      );
      return undefined;
    } catch (error) {
      task.signal.throwIfAborted();
      if (isFull(error)) throw error;
      return new HostError('ARCHIVE_UNREACHABLE', describeFailure((error as Error).message) + CURE, { cause: error });
    }
  }
}

const CURE = '; check the network, or name another archive with --mirror URL';

/**
 * What apt-get said of lists that it could not fetch, in short: which, and why.
 *
 * @param message of the error of `runProgram`
 */
export function describeFailure(message: string): string {
  const failures = message.matchAll(/Failed to fetch \S*\/dists\/(\S+?)\/\S*\s+(.*?)(?:\s+\[IP: [^\]]*\])?(?=; |$)/g);
  const suites = new Map<string, Set<string>>();
  for (const [, suite = '', reason = ''] of failures) suites.set(reason, (suites.get(reason) ?? new Set()).add(suite));
  if (suites.size === 0) return `apt cannot fetch the list of packages: ${message}`;
  const parts = [...suites].map(([reason, names]) => `of ${[...names].join(', ')} (${reason})`);
  return `apt cannot fetch the list of packages ${parts.join(' and ')}`;
}

const DISK_FULL = 'DISK_FULL';

const isFull = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === DISK_FULL;

/**
 * Runs apt, and ends it when the disk is full: its downloader may then wait for ever instead of failing.
 *
 * @param folder on the disk that apt writes to
 */
async function whileRoom<T>(
  folder: string,
  signal: AbortSignal,
  work: (guarded: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const poll = setInterval(() => {
    statfs(folder).then(
      // What is kept back for root, root may use.
      ({ bfree, bavail }) => {
        if ((process.getuid?.() === 0 ? bfree : bavail) === 0)
          abort.abort(new HostError(DISK_FULL, 'no space is left for what apt fetches'));
      },
      () => undefined,
    );
  }, POLL_MS);
  try {
    return await work(AbortSignal.any([signal, abort.signal]));
  } finally {
    clearInterval(poll);
  }
}
