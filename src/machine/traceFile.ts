/**
 * Where traces go: a file or standard error, written in blocks from the vCPU's own thread, so that the trace is whole however the
 * machine ends. Read before: `../interp/trace.ts`.
 */
import { closeSync, writeSync } from 'node:fs';
import { HostError } from '../errors.js';
import { openOutput } from '../outputFile.js';

const STDERR = 2;
const BLOCK_CHARACTERS = 65536;

export class TraceFile {
  private readonly _fd: number;
  private _text = '';

  /**
   * @param path undefined: standard error
   * @throws HostError `FILE_UNWRITABLE`
   */
  constructor(private readonly _path: string | undefined) {
    try {
      this._fd = _path === undefined ? STDERR : openOutput(_path);
    } catch (error) {
      throw this._failed(error);
    }
  }

  /** @throws HostError `FILE_UNWRITABLE` */
  write(text: string): void {
    this._text += text;
    if (this._text.length >= BLOCK_CHARACTERS) this.flush();
  }

  flush(): void {
    const bytes = Buffer.from(this._text);
    this._text = '';
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this._fd, bytes, done);
    } catch (error) {
      throw this._failed(error);
    }
  }

  /** Writes what is left and closes the file. */
  dispose(): void {
    this.flush();
    if (this._path !== undefined) closeSync(this._fd);
  }

  private _failed(error: unknown): HostError {
    const where = this._path === undefined ? 'standard error' : `'${this._path}'`;
    return new HostError('FILE_UNWRITABLE', `cannot write the trace to ${where}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
