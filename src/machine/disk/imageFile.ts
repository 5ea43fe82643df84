/**
 * An open image file: reads and writes of buffer lists at byte offsets, whole or not at all as far as the caller can see. They are
 * synchronous system calls of the vCPU thread, straight into and out of guest RAM.
 *
 * Read before: `../../devices/virtio/block.ts`. Read after: `overlay.ts`, `openDrive.ts`.
 */
import { fdatasyncSync, readvSync, writevSync } from 'node:fs';
import { BlockError, type BlockBackend } from '../../devices/virtio/block.js';
import { slice } from '../../devices/virtio/queue.js';

export class ImageFile implements BlockBackend {
  /**
   * @param name the path, for messages
   * @param _fd open file, which stays its opener's to close
   * @param sizeBytes how much of it belongs to the guest
   */
  constructor(
    readonly name: string,
    private readonly _fd: number,
    readonly sizeBytes: number,
    readonly isReadOnly: boolean,
  ) {}

  /** @throws BlockError if the host fails, or the file has become shorter */
  read(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    this._transfer('read', readvSync, offsetBytes, buffers);
  }

  /** @throws BlockError if the host fails, such as for want of space */
  write(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    this._transfer('write', writevSync, offsetBytes, buffers);
  }

  flush(): void {
    if (this.isReadOnly) return;
    try {
      fdatasyncSync(this._fd);
    } catch (error) {
      throw this._failed('flush', error);
    }
  }

  /** A system call may transfer less than it was asked for. */
  private _transfer(
    what: string,
    call: (fd: number, buffers: readonly NodeJS.ArrayBufferView[], position: number) => number,
    offsetBytes: number,
    buffers: readonly Uint8Array[],
  ): void {
    const totalBytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    let rest = buffers;
    for (let done = 0; done < totalBytes; rest = slice(buffers, done, totalBytes)) {
      const count = this._call(what, () => call(this._fd, rest, offsetBytes + done));
      if (count === 0)
        throw new BlockError(`cannot ${what} '${this.name}' at byte ${offsetBytes + done}: the file is shorter now`);
      done += count;
    }
  }

  private _call(what: string, call: () => number): number {
    for (;;) {
      try {
        return call();
      } catch (error) {
        // The signals of the guest's timer arrive on this thread too.
        if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw this._failed(what, error);
      }
    }
  }

  private _failed(what: string, error: unknown): BlockError {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOSPC' ? 'the host has no space left' : message;
    return new BlockError(`cannot ${what} '${this.name}': ${why}`, { cause: error });
  }
}
