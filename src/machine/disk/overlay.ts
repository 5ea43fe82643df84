/**
 * Copy on write: a disk that reads from an image which it never writes, and keeps what the guest writes in a file of its own beside
 * it. The file is sparse, and each cluster stands in it at its place in the image; a bitmap says which ones it has.
 *
 *     0       header: magic (16) · version (4) · cluster size (4) · image size (8) · image's mtime in ns (8)
 *     4096    bitmap, one bit a cluster, lowest bit first, filled up to whole clusters
 *     ...     clusters
 *
 * The bitmap is written when the guest flushes, after the data that it speaks of is on the medium: after a crash of the host the
 * file is as of some flush or later, and no cluster that the image still holds is hidden by one that never came.
 *
 * Read before: `imageFile.ts`. Read after: `openDrive.ts`.
 */
import type { BlockBackend } from '../../devices/virtio/block.js';
import { slice } from '../../devices/virtio/queue.js';
import type { ImageFile } from './imageFile.js';

/** What file systems write at once, so that few writes need a copy. */
export const CLUSTER_BYTES = 4096;
const MAGIC = Buffer.from('romulus overlay\n', 'latin1');
const VERSION = 1;
const HEADER_BYTES = CLUSTER_BYTES;

const enum Header {
  Version = 16,
  ClusterBytes = 20,
  SizeBytes = 24,
  MtimeNs = 32,
  Bytes = 40,
}

/** The image that an overlay belongs to, as its header keeps it. */
export interface OverlaidImage {
  readonly sizeBytes: number;
  /** When the image was last changed, in ns since 1970: an overlay over another state of it would be nonsense. */
  readonly mtimeNs: bigint;
}

/** The header of a new overlay. */
export function makeOverlayHeader(image: OverlaidImage): Uint8Array {
  const header = Buffer.alloc(Header.Bytes);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, Header.Version);
  header.writeUInt32LE(CLUSTER_BYTES, Header.ClusterBytes);
  header.writeBigUInt64LE(BigInt(image.sizeBytes), Header.SizeBytes);
  header.writeBigInt64LE(image.mtimeNs, Header.MtimeNs);
  return header;
}

/** Says why `header` is not that of an overlay of `image`; undefined when it is. */
export function whyNotOverlayOf(header: Uint8Array, image: OverlaidImage): string | undefined {
  const wanted = makeOverlayHeader(image);
  const same = (start: number, end: number): boolean =>
    Buffer.compare(wanted.subarray(start, end), header.subarray(start, end)) === 0;
  if (!same(0, Header.SizeBytes)) return 'it is no overlay file of this version';
  if (!same(Header.SizeBytes, Header.MtimeNs)) return 'it belongs to an image of another size';
  return same(Header.MtimeNs, Header.Bytes) ? undefined : 'the image has been changed since the overlay was made';
}

/** Bytes of an overlay's header, for whoever reads one. */
export const OVERLAY_HEADER_BYTES = Header.Bytes;

export class Overlay implements BlockBackend {
  readonly sizeBytes: number;
  readonly isReadOnly = false;
  private readonly _bitmap: Uint8Array;
  /** Clusters of the bitmap itself that have changed since they were written. */
  private readonly _changed = new Set<number>();
  private readonly _dataStart: number;

  /**
   * @param _base the image, which is only read
   * @param _store the overlay's file, whose header is in order
   * @param _isTemporary nobody will open the file again: flushes and the bitmap on the medium are not needed
   */
  constructor(
    private readonly _base: BlockBackend,
    private readonly _store: ImageFile,
    private readonly _isTemporary: boolean,
  ) {
    this.sizeBytes = _base.sizeBytes;
    const clusters = Math.ceil(this.sizeBytes / CLUSTER_BYTES);
    const bitmapBytes = Math.ceil(clusters / 8 / CLUSTER_BYTES) * CLUSTER_BYTES;
    this._bitmap = new Uint8Array(bitmapBytes);
    this._dataStart = HEADER_BYTES + bitmapBytes;
    if (!_isTemporary) _store.read(HEADER_BYTES, [this._bitmap]);
  }

  /** Bytes that the file has when its bitmap is complete and no cluster has been written. */
  static emptyBytes(imageBytes: number): number {
    return HEADER_BYTES + Math.ceil(Math.ceil(imageBytes / CLUSTER_BYTES) / 8 / CLUSTER_BYTES) * CLUSTER_BYTES;
  }

  read(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    const end = offsetBytes + buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    for (let start = offsetBytes; start < end;) {
      const isOwn = this._has(start);
      let stop = start;
      do stop = Math.min(end, nextCluster(stop));
      while (stop < end && this._has(stop) === isOwn);
      const part = slice(buffers, start - offsetBytes, stop - offsetBytes);
      if (isOwn) this._store.read(this._dataStart + start, part);
      else this._base.read(start, part);
      start = stop;
    }
  }

  write(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    const end = offsetBytes + buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    if (end === offsetBytes) return;
    // Only the first and the last cluster can be written in part.
    this._fillIn(clusterOf(offsetBytes), offsetBytes, end);
    this._fillIn(clusterOf(end - 1), offsetBytes, end);
    this._store.write(this._dataStart + offsetBytes, buffers);
    for (let start = offsetBytes; start < end; start = nextCluster(start)) this._setOwn(start);
  }

  flush(): void {
    if (this._isTemporary) return;
    this._store.flush();
    if (this._changed.size === 0) return;
    for (const cluster of this._changed) {
      const start = cluster * CLUSTER_BYTES;
      this._store.write(HEADER_BYTES + start, [this._bitmap.subarray(start, start + CLUSTER_BYTES)]);
    }
    this._changed.clear();
    this._store.flush();
  }

  /** Copies a cluster from the image, unless it is here already or a write from `from` to `to` covers it. */
  private _fillIn(cluster: number, from: number, to: number): void {
    const start = cluster * CLUSTER_BYTES;
    const stop = Math.min(start + CLUSTER_BYTES, this.sizeBytes);
    if (this._has(start) || (from <= start && to >= stop)) return;
    const bytes = new Uint8Array(stop - start);
    this._base.read(start, [bytes]);
    this._store.write(this._dataStart + start, [bytes]);
    this._setOwn(start);
  }

  private _has(offset: number): boolean {
    const cluster = clusterOf(offset);
    return (this._bitmap[cluster >>> 3] & (1 << (cluster & 7))) !== 0;
  }

  private _setOwn(offset: number): void {
    const cluster = clusterOf(offset);
    const before = this._bitmap[cluster >>> 3];
    const after = before | (1 << (cluster & 7));
    if (after === before) return;
    this._bitmap[cluster >>> 3] = after;
    this._changed.add(Math.floor((cluster >>> 3) / CLUSTER_BYTES));
  }
}

const clusterOf = (offset: number): number => Math.floor(offset / CLUSTER_BYTES);
const nextCluster = (offset: number): number => (clusterOf(offset) + 1) * CLUSTER_BYTES;
