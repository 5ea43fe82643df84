/**
 * Opens the files of a drive on the main thread, before there is a guest: everything that can be wrong with an image is said here, in
 * words, and nothing is left open or locked if it is.
 *
 * Locks are advisory (flock): a disk that is written excludes everybody else, one that is only read excludes writers. They go
 * with the file, however the process ends. Without the addon there are none.
 *
 * Read before: `../../deviceOptions.ts`, `overlay.ts`.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DriveOption } from '../../deviceOptions.js';
import { SECTOR_BYTES, type BlockBackend } from '../../devices/virtio/block.js';
import { ConfigError, HostError } from '../../errors.js';
import type { Native } from '../../native.js';
import { ImageFile } from './imageFile.js';
import { makeOverlayHeader, Overlay, OVERLAY_HEADER_BYTES, whyNotOverlayOf, type OverlaidImage } from './overlay.js';

/** An opened drive, as the vCPU thread gets it. Descriptors belong to the process, so they are good in every thread. */
export interface DriveSetup {
  readonly name: string;
  readonly fd: number;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly overlay?: { readonly name: string; readonly fd: number; readonly isTemporary: boolean };
}

/**
 * @param native for the locks
 * @throws ConfigError `NO_FILE`, `DRIVE_LOCKED`, `DRIVE_READ_ONLY`, `DRIVE_SIZE`, `BAD_OVERLAY`; HostError `FILE_UNWRITABLE`
 */
export function openDrive(option: DriveOption, native: Native | undefined): DriveSetup {
  const opened: number[] = [];
  const open: Open = (path, flags, isExclusive, mode) => {
    const fd = openSync(path, flags, mode);
    opened.push(fd);
    lock(native, fd, path, isExclusive);
    return fd;
  };
  try {
    const isCopied = option.snapshot === true || option.overlay !== undefined;
    const isReadOnly = option.readonly === true;
    const { fd, image } = openImage(option.file, !isCopied && !isReadOnly, open);
    const drive = { name: option.file, fd, sizeBytes: image.sizeBytes, isReadOnly };
    if (option.overlay !== undefined) return { ...drive, overlay: openOverlay(option.overlay, image, open) };
    return option.snapshot === true ? { ...drive, overlay: openTemporary(image, open) } : drive;
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

/** Gives a drive's files back. */
export function closeDrive(drive: DriveSetup): void {
  closeSync(drive.fd);
  if (drive.overlay) closeSync(drive.overlay.fd);
}

/** The back end over an opened drive, made on the thread that uses it. */
export function makeDisk(drive: DriveSetup): BlockBackend {
  const { name, fd, sizeBytes, overlay } = drive;
  const image = new ImageFile(name, fd, sizeBytes, drive.isReadOnly || overlay !== undefined);
  if (overlay === undefined) return image;
  return new Overlay(image, new ImageFile(overlay.name, overlay.fd, Infinity, false), overlay.isTemporary);
}

type Open = (path: string, flags: number, isExclusive: boolean, mode?: number) => number;

function openImage(path: string, isWritten: boolean, open: Open): { fd: number; image: OverlaidImage } {
  let fd: number;
  try {
    fd = open(path, isWritten ? constants.O_RDWR : constants.O_RDONLY, isWritten);
  } catch (error) {
    throw unopened(path, error);
  }
  const stat = fstatSync(fd, { bigint: true });
  if (!stat.isFile()) throw new ConfigError('NO_FILE', `the disk image '${path}' is no file; give a raw image file`);
  const sizeBytes = Number(stat.size);
  if (sizeBytes < SECTOR_BYTES || sizeBytes % SECTOR_BYTES !== 0)
    throw new ConfigError(
      'DRIVE_SIZE',
      `the disk image '${path}' has ${sizeBytes} bytes, which is no whole number of sectors of ${SECTOR_BYTES}; ` +
        `'truncate -s %${SECTOR_BYTES}' fills it up, 'truncate -s 1G' makes one`,
    );
  return { fd, image: { sizeBytes, mtimeNs: stat.mtimeNs } };
}

function unopened(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return new ConfigError('NO_FILE', `there is no disk image '${path}'; 'truncate -s 1G' makes an empty one`, {
      cause: error,
    });
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
    return new ConfigError(
      'DRIVE_READ_ONLY',
      `the disk image '${path}' cannot be opened for writing: ${message}; give readonly=on, snapshot=on or overlay=FILE`,
      { cause: error },
    );
  if (code === undefined || error instanceof ConfigError) return error as Error;
  return new ConfigError('NO_FILE', `cannot open the disk image '${path}': ${message}`, { cause: error });
}

function openOverlay(path: string, image: OverlaidImage, open: Open): NonNullable<DriveSetup['overlay']> {
  let fd: number;
  try {
    fd = open(path, constants.O_RDWR | constants.O_CREAT, true);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new HostError('FILE_UNWRITABLE', `cannot write the overlay '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
  const header = new Uint8Array(OVERLAY_HEADER_BYTES);
  const found = readSync(fd, header, 0, header.length, 0);
  if (found === 0) writeHeader(fd, image);
  const why = found === 0 ? undefined : whyNotOverlayOf(header, image);
  if (why !== undefined)
    throw new ConfigError(
      'BAD_OVERLAY',
      `'${path}' cannot be the overlay here: ${why}; give another file, or remove it`,
    );
  return { name: path, fd, isTemporary: false };
}

/** A file that has no name any more, so that it goes with the process. */
function openTemporary(image: OverlaidImage, open: Open): NonNullable<DriveSetup['overlay']> {
  const path = join(tmpdir(), `romulus-snapshot-${randomUUID()}`);
  try {
    const fd = open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, true, 0o600);
    unlinkSync(path);
    writeHeader(fd, image);
    return { name: path, fd, isTemporary: true };
  } catch (error) {
    throw new HostError('FILE_UNWRITABLE', `cannot make a file for snapshot=on: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function writeHeader(fd: number, image: OverlaidImage): void {
  writeSync(fd, makeOverlayHeader(image), 0, OVERLAY_HEADER_BYTES, 0);
  ftruncateSync(fd, Overlay.emptyBytes(image.sizeBytes));
}

function lock(native: Native | undefined, fd: number, path: string, isExclusive: boolean): void {
  if (native?.fileLock(fd, isExclusive) !== false) return;
  throw new ConfigError(
    'DRIVE_LOCKED',
    `another process has '${path}' open; end it, or give this machine a copy` +
      (isExclusive ? ', readonly=on, snapshot=on or overlay=FILE' : ''),
  );
}
