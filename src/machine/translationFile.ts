/**
 * The file that translations are kept in between runs, one for each kernel: `../translator/translationStore.ts` says what is in it.
 *
 * What it holds is run by this process, so it is taken only when it is this user's, nobody else may write to it, it is whole, and it was written by the very
 * translator that reads it. Any other file is passed over and replaced; the guest then runs as if there had been none.
 *
 *     bytes 0 to 31    "romulus translations" and zeros
 *           32 to 63   SHA-256 of the translator (`identity`)
 *           64 to 95   SHA-256 of names and records
 *           96 to 99   bytes of the names
 *           100        the names as JSON, and the records
 *
 * Read before: `../translator/translationStore.ts`. Read after: `worker.ts`.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { makeFolder } from '../folder.js';
import { log } from '../log.js';
import { TranslationStore, type KeptTranslations } from '../translator/translationStore.js';
import type { NamedFile } from './messages.js';

const MAGIC = Buffer.from('romulus translations'.padEnd(32, '\0'), 'latin1');
/** Offsets in the file. */
const enum Header {
  Translator = 32,
  Content = 64,
  NamesBytes = 96,
  Bytes = 100,
}
const WORD_BYTES = 4;
/** Room for new records behind those of a file. */
const ROOM_WORDS = 1 << 18;
const SUFFIX = '.translations';
/** Of a kernel's file, for its name among the files: enough to tell kernels apart. */
const KERNEL_BYTES = 1 << 20;
/** A run that has made fewer than one in this many of its fragments leaves the file as it is. */
const WORTH_WRITING = 50;
/** Files that are kept; those that were not written for longest go. */
const MAX_FILES = 16;
/** Files of ours, and what becomes one: that is written within seconds, or its writer was killed. */
const OURS = /-[0-9a-f]{16}\.translations(\.[0-9a-f]{8})?$/;
const ABANDONED_MS = 3_600_000;
const OTHERS_MAY_WRITE = 0o022;

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Folders, beside this one, with all that decides what a translation is: whatever the front end imports. */
export const DECISIVE: readonly string[] = ['translator', 'translator/emit', 'x86', 'x86/opcodes', 'vcpu'];

/** A hash of the translator's own code: another translator makes other translations. */
function identity(): Buffer {
  const parts = DECISIVE.flatMap((folder) => {
    const url = new URL(`../${folder}/`, import.meta.url);
    const files = readdirSync(url).filter((name) => name.endsWith('.js'));
    return files.sort().flatMap((name) => [Buffer.from(`${folder}/${name}`), readFileSync(new URL(name, url))]);
  });
  return sha256(...parts);
}

/** Reads until a buffer is full. @throws Error where the file ends before */
function readWhole(fd: number, buffer: Uint8Array): void {
  for (let at = 0; at < buffer.length;) {
    const count = readSync(fd, buffer, at, buffer.length - at, null);
    if (count === 0) throw new Error('it is cut short');
    at += count;
  }
}

/** @throws Error that says why the file is not taken; of the file system */
function read(path: string, translator: Buffer): KeptTranslations {
  // a pipe would keep us waiting
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(fd);
    const { uid, mode, size } = status;
    if (!status.isFile()) throw new Error('it is no file');
    if (uid !== process.geteuid?.() || (mode & OTHERS_MAY_WRITE) !== 0)
      throw new Error('somebody else may have written it');
    const header = Buffer.alloc(Header.Bytes);
    readWhole(fd, header);
    if (!header.subarray(0, Header.Translator).equals(MAGIC)) throw new Error('it holds something else');
    if (!header.subarray(Header.Translator, Header.Content).equals(translator))
      throw new Error('another version wrote it');
    const namesBytes = header.readUInt32LE(Header.NamesBytes);
    const usedWords = (size - Header.Bytes - namesBytes) / WORD_BYTES;
    if (!(usedWords >= 0) || !Number.isInteger(usedWords)) throw new Error('it is cut short');
    const names = Buffer.alloc(namesBytes);
    readWhole(fd, names);
    const words = new Int32Array(usedWords + ROOM_WORDS);
    const records = new Uint8Array(words.buffer, 0, usedWords * WORD_BYTES);
    readWhole(fd, records);
    if (!header.subarray(Header.Content, Header.NamesBytes).equals(sha256(names, records)))
      throw new Error('it is damaged');
    return { words, usedWords, names: JSON.parse(names.toString()) as string[] };
  } finally {
    closeSync(fd);
  }
}

function write(path: string, translator: Buffer, { words, usedWords, names }: KeptTranslations): void {
  const text = Buffer.from(JSON.stringify(names));
  const namesBytes = Buffer.alloc(WORD_BYTES);
  namesBytes.writeUInt32LE(text.length);
  const records = Buffer.from(words.buffer, words.byteOffset, usedWords * WORD_BYTES);
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    try {
      for (const part of [MAGIC, translator, sha256(text, records), namesBytes, text, records]) writeWhole(fd, part);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeWhole(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

/** Removes the files that were not written for longest, and what writers that were killed have left. What cannot be removed stays. */
function removeOld(folder: string): void {
  const files: { path: string; writtenMs: number }[] = [];
  for (const name of readdirSync(folder)) {
    if (!OURS.test(name)) continue;
    const path = join(folder, name);
    const writtenMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (name.endsWith(SUFFIX)) files.push({ path, writtenMs });
    else if (writtenMs < Date.now() - ABANDONED_MS) remove(path);
  }
  files.sort((a, b) => b.writtenMs - a.writtenMs);
  for (const { path } of files.slice(MAX_FILES)) remove(path);
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    log.boot('cannot remove %s: %s', path, (error as Error).message);
  }
}

export interface TranslationFile {
  readonly store: TranslationStore;
  /** Writes what the run has added to what it has found, if that is worth it. A file that cannot be written is warned of. */
  readonly save: () => void;
}

/**
 * @param folder where the files are; made when it is not there
 * @param warn told once why translations are not kept, where they cannot be
 */
export function openTranslationFile(
  folder: string,
  kernel: NamedFile,
  warn: (text: string) => void,
): TranslationFile | undefined {
  const key = sha256(kernel.bytes.subarray(0, KERNEL_BYTES)).toString('hex', 0, 8);
  const name = basename(kernel.name).replace(/[^\w.-]/g, '_');
  const path = join(folder, `${name}-${key}${SUFFIX}`);
  const cannotKeep = (error: unknown): void =>
    warn(`translations are not kept for the next run in '${folder}': ${(error as Error).message}`);
  const translator = identity();
  let kept: KeptTranslations | undefined;
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    cannotKeep(error);
    return undefined;
  }
  try {
    kept = read(path, translator);
  } catch (error) {
    log.boot('no translations of an earlier run: %s: %s', path, (error as Error).message);
  }
  const store = new TranslationStore(kept);
  return {
    store,
    save: () => {
      const isWorthIt = kept === undefined ? store.made > 0 : store.made * WORTH_WRITING > store.found;
      if (!isWorthIt) return;
      try {
        write(path, translator, store.keep());
        removeOld(folder);
      } catch (error) {
        cannotKeep(error);
      }
    },
  };
}
