/**
 * Reads the files out of a Debian package, one after the other, without unpacking the rest.
 *
 * The container is an ar archive with a compressed tar inside (deb(5)). Where the host has dpkg-deb, it opens that; else ar is read here
 * and the host's xz or zstd decompresses. The tar is read by the `tar` library either way. Read after: `kernelPackage.ts`.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { PassThrough, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { HostError } from '../errors.js';
import { findProgram, finished, needProgram, spawnProgram } from './programs.js';

const AR_MAGIC = '!<arch>\n';
/** Sizes in an ar member's header. (ar(5): name 16, date 12, uid 6, gid 6, mode 8, size 10, end mark 2) */
const AR_HEADER_BYTES = 60;
const AR_NAME_BYTES = 16;
const AR_SIZE_OFFSET = 48;
const AR_SIZE_BYTES = 10;

/** One member of a package. */
export interface DebEntry {
  /** Path without a leading `./` or `/`. */
  readonly path: string;
  readonly type: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'other';
  readonly mode: number;
  /** Target of a link. */
  readonly linkpath: string;
  /** Contents of the file; it has to be called before the next entry is asked for. */
  readonly bytes: () => Promise<Buffer>;
}

/** @returns the name under which a package's path is known here */
const plainPath = (path: string): string => path.replace(/^(\.?\/)+/, '').replace(/\/$/, '');

/**
 * Calls `visit` for each entry of a package's file system archive.
 *
 * @param file path of the .deb
 * @param visit entries whose contents it does not ask for are skipped
 * @throws HostError `PACKAGE_DAMAGED`, `PROGRAM_MISSING`, `PROGRAM_FAILED`
 */
export async function readDeb(
  file: string,
  visit: (entry: DebEntry) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  const parser = new Parser({ strict: true });
  const visits: Promise<void>[] = [];
  const stop = new AbortController();
  const stopped = new Promise<never>((_resolve, reject) =>
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error), { once: true }),
  );
  stopped.catch(() => undefined);
  const failed = new Promise<never>((_resolve, reject) => {
    parser.on('entry', (entry: ReadEntry) => {
      const visited = visitEntry(entry, visit, stopped);
      visited.catch(reject);
      visits.push(visited);
    });
    parser.on('error', (error: unknown) => reject(damaged(file, error)));
  });
  const parsed = new Promise<void>((resolve) => parser.on('end', resolve));
  const tar = findProgram('dpkg-deb');
  const either = AbortSignal.any([signal, stop.signal]);
  const source = tar === undefined ? readAr(file, either) : readByDpkg(tar, file, either);
  const fed = (async (): Promise<void> => {
    for await (const chunk of source) {
      either.throwIfAborted();
      if (!parser.write(chunk))
        await Promise.race([new Promise<void>((resolve) => parser.once('drain', resolve)), stopped]);
    }
    parser.end();
    await parsed;
    await Promise.all(visits);
  })();
  try {
    await Promise.race([fed, failed]);
  } catch (error) {
    // Whoever called removes what has been written so far: nothing may be added to it any more.
    stop.abort(error);
    await Promise.allSettled([fed, ...visits]);
    throw error;
  }
}

/** @param stopped rejects when no more of the package is read: an entry's contents would never be complete */
async function visitEntry(
  entry: ReadEntry,
  visit: (entry: DebEntry) => Promise<void> | void,
  stopped: Promise<never>,
): Promise<void> {
  let isAsked = false;
  const bytes = async (): Promise<Buffer> => {
    isAsked = true;
    return Buffer.concat(await Promise.race([entry.collect(), stopped]));
  };
  const types = ['File', 'Directory', 'SymbolicLink', 'Link'] as const;
  const visited = visit({
    path: plainPath(entry.path),
    type: types.find((type) => type === entry.type) ?? (entry.type === 'OldFile' ? 'File' : 'other'),
    mode: entry.mode ?? 0,
    linkpath: entry.linkpath ?? '',
    bytes,
  });
  if (!isAsked) entry.resume();
  await visited;
}

const damaged = (file: string, error: unknown): HostError =>
  new HostError(
    'PACKAGE_DAMAGED',
    `'${file}' cannot be unpacked: ${(error as Error).message}; remove it, and it will be fetched again`,
    { cause: error },
  );

async function* readByDpkg(program: string, file: string, signal: AbortSignal): AsyncIterable<Buffer> {
  const child = spawnProgram(program, ['--fsys-tarfile', file], signal);
  const ended = finished(child, program, signal);
  // Reported below, after what was printed.
  ended.catch(() => undefined);
  yield* child.stdout as AsyncIterable<Buffer>;
  await ended;
}

/** The tar inside the ar archive, decompressed. */
async function* readAr(file: string, signal: AbortSignal): AsyncIterable<Buffer> {
  const handle = await open(file);
  try {
    const member = await findData(handle, file);
    const input = handle.createReadStream({
      start: member.offset,
      end: member.offset + member.sizeBytes - 1,
      autoClose: false,
    });
    yield* decompress(input, member.name, signal);
  } finally {
    await handle.close();
  }
}

/** Finds the member that holds the files. */
async function findData(handle: FileHandle, file: string): Promise<ArMember> {
  for await (const member of arMembers(handle, file)) if (member.name.startsWith('data.tar')) return member;
  throw damaged(file, new Error('it has no member data.tar'));
}

interface ArMember {
  readonly name: string;
  /** Where its contents begin in the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

async function* arMembers(handle: FileHandle, file: string): AsyncIterable<ArMember> {
  const header = Buffer.alloc(AR_HEADER_BYTES);
  await handle.read(header, 0, AR_MAGIC.length, 0);
  if (header.toString('latin1', 0, AR_MAGIC.length) !== AR_MAGIC)
    throw damaged(file, new Error('it is no Debian package'));
  for (let offset = AR_MAGIC.length; ;) {
    const { bytesRead } = await handle.read(header, 0, AR_HEADER_BYTES, offset);
    if (bytesRead === 0) return;
    const sizeBytes = Number(header.toString('latin1', AR_SIZE_OFFSET, AR_SIZE_OFFSET + AR_SIZE_BYTES));
    if (bytesRead < AR_HEADER_BYTES || !Number.isSafeInteger(sizeBytes))
      throw damaged(file, new Error('it ends within a member'));
    const name = header.toString('latin1', 0, AR_NAME_BYTES).trim().replace(/\/$/, '');
    offset += AR_HEADER_BYTES;
    yield { name, offset, sizeBytes };
    // Members begin at even offsets.
    offset += sizeBytes + (sizeBytes % 2);
  }
}

const arHeader = (name: string, sizeBytes: number): Buffer =>
  Buffer.from(
    `${name.padEnd(AR_NAME_BYTES)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(sizeBytes).padEnd(AR_SIZE_BYTES)}\`\n`,
    'latin1',
  );

/**
 * Writes a package whose files are not compressed: decompressing is work that a guest would do many times slower than its host.
 *
 * @returns size of what was written, in bytes
 * @throws HostError as `readDeb`
 */
export async function expandDeb(file: string, target: string, signal: AbortSignal): Promise<number> {
  const [input, output] = [await open(file), await open(target, 'w')];
  let offset = AR_MAGIC.length;
  const append = async (bytes: Uint8Array): Promise<void> => {
    await output.write(bytes, 0, bytes.length, offset);
    offset += bytes.length;
  };
  try {
    await output.write(AR_MAGIC, 0, 'latin1');
    for await (const { name, offset: start, sizeBytes } of arMembers(input, file)) {
      const headerOffset = offset;
      await append(arHeader(name, sizeBytes));
      const isData = name.startsWith('data.tar');
      const bytes = input.createReadStream({ start, end: start + sizeBytes - 1, autoClose: false });
      for await (const chunk of isData ? decompress(bytes, name, signal) : (bytes as AsyncIterable<Buffer>))
        await append(chunk);
      const writtenBytes = offset - headerOffset - AR_HEADER_BYTES;
      await output.write(arHeader(isData ? 'data.tar' : name, writtenBytes), 0, AR_HEADER_BYTES, headerOffset);
      if (writtenBytes % 2 === 1) await append(Buffer.from('\n'));
    }
    return offset;
  } finally {
    await Promise.all([input.close(), output.close()]);
  }
}

function decompress(input: Readable, name: string, signal: AbortSignal): AsyncIterable<Buffer> {
  const purpose = 'to unpack Debian packages';
  if (name === 'data.tar') return input;
  if (name === 'data.tar.gz') return input.pipe(createGunzip());
  const program =
    name === 'data.tar.zst' ? needProgram('zstd', 'zstd', purpose) : needProgram('xz', 'xz-utils', purpose);
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'inherit'], signal, detached: true });
  const output = new PassThrough();
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new HostError('PROGRAM_FAILED', `'${program}' failed on ${name}`)),
    );
  });
  Promise.all([pipeline(input, child.stdin), pipeline(child.stdout, output, { end: false }), ended]).then(
    () => output.end(),
    (error: unknown) => output.destroy(error as Error),
  );
  return output;
}
