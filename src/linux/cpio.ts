/**
 * Writes cpio archives in the "new ASCII" format, which Linux takes as initial RAM file system.
 *
 * Written here because it is one page, and because the bytes must be the same for the same entries: inode numbers count up, times are
 * zero, everything is root's. That also lets a user without privileges pack device nodes. (Linux: Documentation/driver-api/
 * early-userspace/buffer-format.rst) Read after: `initramfs.ts`.
 */
import { ConfigError } from '../errors.js';

/** File types in the mode. (stat(2), inode(7)) */
export const enum FileType {
  CharacterDevice = 0o020000,
  Directory = 0o040000,
  Regular = 0o100000,
  SymbolicLink = 0o120000,
}

/** One file of the archive. */
export interface CpioEntry {
  /** Path without a leading slash. */
  readonly path: string;
  readonly type: FileType;
  /** Permission bits. */
  readonly mode: number;
  /** Contents, or the target of a link. */
  readonly bytes?: Uint8Array;
  /** Numbers of a device node. */
  readonly device?: { readonly major: number; readonly minor: number };
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const ALIGNMENT = 4;
/** Fields are eight hexadecimal digits. */
const MAX_FILE_BYTES = 0xffff_ffff;
/** Inode 0 stands for none; numbering starts where nothing else does. */
const FIRST_INODE = 1;

const hex = (value: number): string => value.toString(16).padStart(8, '0');
const padding = (sizeBytes: number): Buffer => Buffer.alloc((ALIGNMENT - (sizeBytes % ALIGNMENT)) % ALIGNMENT);

/**
 * @param entries folders before what is in them
 * @throws ConfigError `FILE_TOO_BIG`
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const append = (path: string, inode: number, mode: number, links: number, entry?: CpioEntry): void => {
    const bytes = entry?.bytes ?? new Uint8Array(0);
    if (bytes.length > MAX_FILE_BYTES)
      throw new ConfigError('FILE_TOO_BIG', `'${path}' is too big for an initramfs; put it on a disk image`);
    const name = Buffer.from(`${path}\0`, 'utf8');
    const { major = 0, minor = 0 } = entry?.device ?? {};
    const fields = [inode, mode, 0, 0, links, 0, bytes.length, 0, 0, major, minor, name.length, 0];
    const header = Buffer.from(MAGIC + fields.map(hex).join(''), 'latin1');
    parts.push(header, name, padding(header.length + name.length));
    parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), padding(bytes.length));
  };
  entries.forEach((entry, index) => {
    const links = entry.type === FileType.Directory ? 2 : 1;
    append(entry.path, FIRST_INODE + index, entry.type | entry.mode, links, entry);
  });
  append(TRAILER, 0, 0, 1);
  return Buffer.concat(parts);
}
