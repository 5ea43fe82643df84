/**
 * What the host and the agent in a Linux guest say to each other: frames over a byte channel. The agent's side of the same numbers, with
 * what each frame means, is guest/agent/protocol.h.
 *
 *     0 command, 32 bits · 4 type, 16 bits · 6 payload bytes, 16 bits · 8 payload        all little-endian
 *
 * Read after: `agent.ts`.
 */

/** The virtio console's port that the agent looks for. */
export const EXEC_PORT = 'romulus.exec.0';
export const PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 8;
export const PAYLOAD_BYTES_MAX = 65535;
/** What the agent has room for when a command starts, of its standard input. */
export const INPUT_WINDOW_BYTES = 65536;
/** What the host has room for when a command starts, of each of its outputs. */
export const OUTPUT_WINDOW_BYTES = 262144;

export const enum FrameType {
  Hello = 1,
  Start = 2,
  Input = 3,
  Room = 4,
  Signal = 5,
  Resize = 6,
  Power = 7,
  Started = 16,
  Failed = 17,
  Output = 18,
  Errors = 19,
  InputClosed = 20,
  Exited = 21,
}

/** Streams as Room frames number them. */
export const enum Stream {
  Input = 0,
  Output = 1,
  Errors = 2,
}

export const enum StartFlag {
  Input = 1,
  Terminal = 2,
}

/** Where a start failed. */
export const enum StartStep {
  Request = 0,
  Resources = 1,
  Folder = 2,
  Program = 3,
}

export interface Frame {
  /** Number of the command, 0 where there is none. */
  readonly command: number;
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** A frame as bytes. @param payload at most `PAYLOAD_BYTES_MAX` bytes */
export function encodeFrame(command: number, type: FrameType, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(command, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(payload.length, 6);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** 32-bit numbers as a payload. */
export function encodeNumbers(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(numbers.length * 4);
  numbers.forEach((number, i) => bytes.writeUInt32LE(number, i * 4));
  return bytes;
}

export interface StartRequest {
  readonly flags: number;
  readonly rows: number;
  readonly columns: number;
  /** Folder to start in; '' is the agent's own. */
  readonly folder: string;
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** `NAME=value` each. */
  readonly variables: readonly string[];
}

/** The payload of a Start frame; longer than `PAYLOAD_BYTES_MAX` it cannot be sent. */
export function encodeStart(request: StartRequest): Buffer {
  const { flags, rows, columns, folder, words, variables } = request;
  const texts = [folder, ...words, ...variables].map((text) => `${text}\0`).join('');
  return Buffer.concat([encodeNumbers(flags, rows, columns, words.length, variables.length), Buffer.from(texts)]);
}

/** Makes frames of the bytes of a channel, however they are cut. */
export class FrameReader {
  private _rest: Buffer = Buffer.alloc(0);

  /** Takes the next bytes; returns the frames that are complete with them. */
  push(bytes: Buffer): Frame[] {
    const all = this._rest.length === 0 ? bytes : Buffer.concat([this._rest, bytes]);
    const frames: Frame[] = [];
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + all.readUInt16LE(at + 6);
      if (end > all.length) break;
      const payload = all.subarray(at + HEADER_BYTES, end);
      frames.push({ command: all.readUInt32LE(at), type: all.readUInt16LE(at + 4), payload });
      at = end;
    }
    this._rest = all.subarray(at);
    return frames;
  }

  /** Forgets what is incomplete: the other side begins anew. */
  reset(): void {
    this._rest = Buffer.alloc(0);
  }
}
