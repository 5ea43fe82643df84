/**
 * The virtio block device: a disk of 512-byte sectors over a back end that reads and writes at byte offsets. A request is served
 * while the driver notifies it, so each is complete when the notification returns (docs/decisions/0012).
 *
 * Read before: virtio 1.1 §5.2 "Block Device"; `device.ts`. Read after: `../../machine/disk/`, the back ends.
 */
import { DeviceType, type VirtioDevice, type VirtioHost } from './device.js';
import { gather, slice, type Chain } from './queue.js';

export const SECTOR_BYTES = 512;
/** How long an ID can be; a shorter one is filled up with zeros. (virtio 1.1 §5.2.6) */
const ID_BYTES = 20;
const QUEUE_SIZE = 256;
/** A request is a header, the data's segments and a status byte. */
const MAX_SEGMENTS = QUEUE_SIZE - 2;
/** So that the longest request stays below what a queue takes as a chain. */
const MAX_SEGMENT_BYTES = 256 << 10;
const HEADER_BYTES = 16;

/** virtio 1.1 §5.2.3 "Feature bits" */
const enum BlockFeature {
  SizeMax = 1 << 1,
  SegMax = 1 << 2,
  ReadOnly = 1 << 5,
  BlockSize = 1 << 6,
  Flush = 1 << 9,
}

/** virtio 1.1 §5.2.4 "Device configuration layout" */
const enum Config {
  Capacity = 0,
  SizeMax = 8,
  SegMax = 12,
  BlockSize = 20,
  Bytes = 24,
}

/** virtio 1.1 §5.2.6 "Device Operation" */
const enum RequestType {
  In = 0,
  Out = 1,
  Flush = 4,
  GetId = 8,
}

const enum RequestStatus {
  Ok = 0,
  IoError = 1,
  Unsupported = 2,
}

/** The back end could not do it; the guest gets an I/O error. */
export class BlockError extends Error {}

/** What a disk is made of. All calls return when they are done and throw `BlockError` when they cannot be. */
export interface BlockBackend {
  /** A multiple of `SECTOR_BYTES`. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills the buffers from `offsetBytes` on. */
  read(offsetBytes: number, buffers: readonly Uint8Array[]): void;
  write(offsetBytes: number, buffers: readonly Uint8Array[]): void;
  /** What was written is on the medium when this returns. */
  flush(): void;
}

export class VirtioBlock implements VirtioDevice {
  readonly type = DeviceType.Block;
  readonly features: number;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(Config.Bytes);
  private readonly _header = new Uint8Array(HEADER_BYTES);
  private readonly _id = new Uint8Array(ID_BYTES);
  private _host: VirtioHost | undefined;
  /** A driver that cannot ask for a flush expects each write to be on the medium. (virtio 1.1 §5.2.6.2) */
  private _isWriteThrough = true;

  /**
   * @param name for logs
   * @param id what the driver gets for GET_ID: at most 20 bytes of ASCII
   * @param onError told of each request that the back end failed
   */
  constructor(
    readonly name: string,
    private readonly _backend: BlockBackend,
    id: string,
    private readonly _onError: (message: string) => void,
  ) {
    this.features =
      BlockFeature.SizeMax |
      BlockFeature.SegMax |
      BlockFeature.BlockSize |
      BlockFeature.Flush |
      (_backend.isReadOnly ? BlockFeature.ReadOnly : 0);
    const config = new DataView(this.config.buffer);
    const sectors = _backend.sizeBytes / SECTOR_BYTES;
    config.setUint32(Config.Capacity, sectors % 2 ** 32, true);
    config.setUint32(Config.Capacity + 4, Math.floor(sectors / 2 ** 32), true);
    config.setUint32(Config.SizeMax, MAX_SEGMENT_BYTES, true);
    config.setUint32(Config.SegMax, MAX_SEGMENTS, true);
    config.setUint32(Config.BlockSize, SECTOR_BYTES, true);
    this._id.set(Buffer.from(id, 'latin1').subarray(0, ID_BYTES));
  }

  attach(host: VirtioHost): void {
    this._host = host;
  }

  start(features: number): void {
    this._isWriteThrough = (features & BlockFeature.Flush) === 0;
  }

  reset(): void {
    this._isWriteThrough = true;
  }

  notify(queueIndex: number): void {
    const host = this._host!;
    const queue = host.queue(queueIndex);
    for (const chain of queue.chains()) {
      if (chain.writableBytes === 0) {
        host.fail('a request without a place for its status');
        return;
      }
      queue.give(chain, this._serve(chain));
    }
    host.interruptUsed(queueIndex);
  }

  /** Serves a request and writes its status; returns how many bytes of the chain it wrote. */
  private _serve(chain: Chain): number {
    const dataBytes = chain.writableBytes - 1;
    const [status] = slice(chain.writable, dataBytes, dataBytes + 1);
    const data = slice(chain.writable, 0, dataBytes);
    const result = this._perform(chain, data, dataBytes);
    status[0] = result;
    // The length that goes back counts from the first byte on, so up to the status there must be no byte that was not written.
    if (result !== RequestStatus.Ok) for (const buffer of data) buffer.fill(0);
    return chain.writableBytes;
  }

  private _perform(chain: Chain, into: readonly Uint8Array[], intoBytes: number): RequestStatus {
    if (gather(chain.readable, this._header) < HEADER_BYTES) return RequestStatus.IoError;
    const header = new DataView(this._header.buffer);
    const sector = header.getUint32(8, true) + header.getUint32(12, true) * 2 ** 32;
    const fromBytes = chain.readableBytes - HEADER_BYTES;
    try {
      switch (header.getUint32(0, true) as RequestType) {
        case RequestType.In:
          if (!this._isOnDisk(sector, intoBytes)) return RequestStatus.IoError;
          this._backend.read(sector * SECTOR_BYTES, into);
          return RequestStatus.Ok;
        case RequestType.Out:
          if (this._backend.isReadOnly || !this._isOnDisk(sector, fromBytes)) return RequestStatus.IoError;
          this._backend.write(sector * SECTOR_BYTES, slice(chain.readable, HEADER_BYTES, chain.readableBytes));
          if (this._isWriteThrough) this._backend.flush();
          return RequestStatus.Ok;
        case RequestType.Flush:
          this._backend.flush();
          return RequestStatus.Ok;
        case RequestType.GetId:
          scatter(this._id, into);
          return RequestStatus.Ok;
        default:
          return RequestStatus.Unsupported;
      }
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      this._onError(`${this.name}: ${error.message}`);
      return RequestStatus.IoError;
    }
  }

  private _isOnDisk(sector: number, lengthBytes: number): boolean {
    return lengthBytes % SECTOR_BYTES === 0 && sector * SECTOR_BYTES + lengthBytes <= this._backend.sizeBytes;
  }
}

/** Copies `bytes` into the buffers, as far as they go. */
function scatter(bytes: Uint8Array, buffers: readonly Uint8Array[]): void {
  let offset = 0;
  for (const buffer of buffers) {
    const part = bytes.subarray(offset, offset + buffer.length);
    buffer.set(part);
    offset += part.length;
  }
}
