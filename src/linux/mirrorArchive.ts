/**
 * An archive fetched over HTTP without apt: for hosts that are no Debian, and for `--mirror`.
 *
 * What is checked: InRelease's signature where the user names keys or the host has gpgv and Debian's, the list of packages against
 * InRelease, each file against the list. Otherwise the chain begins at an unchecked InRelease, and the user is told so. Read before:
 * `archive.ts`, `keyring.ts`.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { HostError } from '../errors.js';
import { RELEASE, type ArchiveSource } from './archive.js';
import { checkArchiveOptions, type ArchiveOptions } from './archiveOptions.js';
import { trustOf, type Trust } from './keyring.js';
import { condense } from './packageIndex.js';
import { runProgram } from './programs.js';
import type { Task } from './progress.js';

/** The forms of the list that Node can read, the smaller one first. */
const LISTS = ['main/binary-i386/Packages.gz', 'main/binary-i386/Packages'];

interface ListedFile {
  readonly name: string;
  readonly sha256: string;
}

/** The files that an InRelease vouches for. (Debian's wiki, "DebianRepository/Format", "SHA256") */
export function parseRelease(text: string): ListedFile[] {
  const block = /^SHA256:\s*\n((?: .*\n?)+)/m.exec(text)?.[1] ?? '';
  return [...block.matchAll(/^ ([0-9a-f]{64})\s+\d+\s+(\S+)$/gm)].map(([, sha256 = '', name = '']) => ({
    name,
    sha256,
  }));
}

export class MirrorArchive implements ArchiveSource {
  readonly name: string;
  private readonly _base: string;
  private readonly _trust: Trust;

  /**
   * @param mirror address of the archive's root
   * @throws ConfigError `BAD_MIRROR`; HostError `BAD_KEYRING`, `PROGRAM_MISSING`
   */
  constructor(mirror: string, { keyring, usualKeyring }: ArchiveOptions = {}) {
    checkArchiveOptions({ mirror });
    this._base = mirror.replace(/\/+$/, '');
    this._trust = trustOf(keyring, usualKeyring);
    // A list that was not checked, or with other keys, is another list.
    const identity = createHash('sha256').update(`${this._base}\n${this._trust.id}`).digest('hex');
    this.name = `mirror-${identity.slice(0, 12)}`;
  }

  async fetchIndex(folder: string, task: Task): Promise<string> {
    const root = `${this._base}/dists/${RELEASE}`;
    const release = await fetchBytes(`${root}/InRelease`, task.signal);
    await this._checkSignature(release, folder, task);
    const files = parseRelease(release.toString('utf8'));
    const wanted = LISTS.map((name) => files.find((file) => file.name === name)).find((file) => file !== undefined);
    if (wanted === undefined)
      throw new HostError(
        'NO_ARCHIVE',
        `'${this._base}' has no packages of ${RELEASE} for i386 in a form that is understood (${LISTS.join(' or ')}); use another --mirror`,
      );
    const list = await fetchBytes(`${root}/${wanted.name}`, task.signal);
    if (createHash('sha256').update(list).digest('hex') !== wanted.sha256)
      throw new HostError(
        'DOWNLOAD_DAMAGED',
        `'${root}/${wanted.name}' does not have the checksum that InRelease states; the mirror may just be changing: try again later or use another --mirror`,
      );
    return condense((wanted.name.endsWith('.gz') ? gunzipSync(list) : list).toString('utf8'), this._base);
  }

  async fetchFile(uri: string, file: string, onBytes: (sizeBytes: number) => void, signal: AbortSignal): Promise<void> {
    const body = await open(uri, signal);
    let sizeBytes = 0;
    const count = async function* (source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
      for await (const chunk of source) {
        onBytes((sizeBytes += chunk.length));
        yield chunk;
      }
    };
    await pipeline(body, count, createWriteStream(file), { signal }).catch((error: unknown) => {
      throw asDownloadError(uri, error, signal);
    });
  }

  private async _checkSignature(release: Uint8Array, folder: string, task: Task): Promise<void> {
    const trust = this._trust;
    if (!trust.isChecked) {
      task.warn(
        `the archive's signature is NOT checked, because ${trust.why}; checksums are, against what '${this._base}' itself says`,
      );
      return;
    }
    const file = join(folder, 'InRelease');
    try {
      await writeFile(file, release);
      await runProgram(trust.gpgv, ['--keyring', trust.keyring, file], task.signal);
    } catch (error) {
      task.signal.throwIfAborted();
      throw new HostError(
        'ARCHIVE_UNTRUSTED',
        `'${this._base}' is not signed by the keys in '${trust.keyring}'; use another --mirror, or name its keys with --keyring FILE`,
        { cause: error },
      );
    }
  }
}

/** @throws HostError `DOWNLOAD_FAILED` */
async function open(uri: string, signal: AbortSignal): Promise<Readable> {
  const response = await fetch(uri, { signal }).catch((error: unknown) => {
    throw asDownloadError(uri, error, signal);
  });
  if (response.ok && response.body !== null) return Readable.fromWeb(response.body);
  throw new HostError(
    'DOWNLOAD_FAILED',
    `cannot fetch '${uri}': the server answers ${response.status} ${response.statusText}; check the address, or use another --mirror`,
  );
}

async function fetchBytes(uri: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of (await open(uri, signal)) as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    throw error instanceof HostError ? error : asDownloadError(uri, error, signal);
  }
  return Buffer.concat(chunks);
}

/** What the file system refuses is not the network's fault and stays as it is. */
function asDownloadError(uri: string, error: unknown, signal: AbortSignal): unknown {
  signal.throwIfAborted();
  if (['write', 'open'].includes((error as NodeJS.ErrnoException).syscall ?? '')) return error;
  const cause = (error as { cause?: Error }).cause ?? (error as Error);
  return new HostError(
    'DOWNLOAD_FAILED',
    `cannot fetch '${uri}': ${cause.message}; check the network, or use another --mirror`,
    { cause: error },
  );
}
