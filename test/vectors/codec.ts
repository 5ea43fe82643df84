/**
 * The files of recorded cases: how a case and its outcome become bytes, and back. Outcomes are kept as differences from the initial
 * state, which follows from the seed. `README.md` describes the format. Read before: `outcome.ts`. Read after: `replay.test.ts`.
 */
import { createHash } from 'node:crypto';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { Vector } from '../../src/x86/vectors.js';
import { comparedFx, type Ignored, type Outcome } from './outcome.js';
import { Fx, Key, initialState, type Case, type Override, type State } from './state.js';

export const FORMAT = 2;
/** Where code lies unless a case says otherwise. */
export const USUAL_START = 0x4100;

export interface FileHeader {
  readonly format: number;
  /** Processor that the cases were recorded on. */
  readonly cpu: string;
  /** Rows of the instruction table, in the order of the cases, with their number of cases. */
  readonly forms: readonly { readonly opcode: string; readonly mnemonic: string; readonly count: number }[];
}

export interface Recorded {
  readonly test: Case;
  readonly state: State;
  readonly expected: Outcome;
  readonly ignored: Ignored;
  /** Identifies the case in `revoked.ts`. */
  readonly hash: () => string;
}

const enum CaseBit {
  /** Bits 0 to 2 are the mode. */
  Fpu = 8,
  Start = 16,
  IgnoredMemory = 32,
  IgnoredCr2 = 64,
}

/** Bits 0 to 7 are changed registers. */
const enum Changed {
  Eflags = 1 << 8,
  Selectors = 1 << 9,
  Fx = 1 << 10,
  Memory = 1 << 11,
  Eip = 1 << 12,
  Error = 1 << 13,
  Cr2 = 1 << 14,
}

class Writer {
  private _bytes = new Uint8Array(1024);
  private _view = new DataView(this._bytes.buffer);
  private _at = 0;

  private _grow(count: number): number {
    const at = this._at;
    this._at += count;
    if (this._at > this._bytes.length) {
      const bytes = new Uint8Array(this._bytes.length * 2);
      bytes.set(this._bytes);
      this._bytes = bytes;
      this._view = new DataView(bytes.buffer);
    }
    return at;
  }

  u8(value: number): void {
    const at = this._grow(1);
    this._view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this._grow(2);
    this._view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this._grow(4);
    this._view.setInt32(at, value, true);
  }

  put(bytes: Uint8Array): void {
    for (const byte of bytes) this.u8(byte);
  }

  /** Seven bits a byte, the top bit says that more follow. */
  varint(value: number): void {
    let rest = value >>> 0;
    for (; rest > 0x7f; rest >>>= 7) this.u8((rest & 0x7f) | 0x80);
    this.u8(rest);
  }

  get bytes(): Uint8Array {
    return this._bytes.slice(0, this._at);
  }
}

class Reader {
  private readonly _view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {
    this._view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this._view.getUint8(this.at++);
  }

  u16(): number {
    this.at += 2;
    return this._view.getUint16(this.at - 2, true);
  }

  i32(): number {
    this.at += 4;
    return this._view.getInt32(this.at - 4, true);
  }

  take(count: number): Uint8Array {
    this.at += count;
    return this.bytes.slice(this.at - count, this.at);
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
}

/** The compared part of an FXSAVE image with the x87 registers in physical order, so that a push does not move them all. */
function physical(fx: Uint8Array, from: Uint8Array): Uint8Array {
  const ordered = from.slice(0, Fx.End);
  const top = (fx[Fx.Fsw + 1] >> 3) & 7;
  for (const offset of comparedFx) {
    if (offset < Fx.St || offset >= Fx.Xmm) ordered[offset] = fx[offset];
    else ordered[Fx.St + (((((offset - Fx.St) >> 4) + top) & 7) << 4) + (offset & 15)] = fx[offset];
  }
  return ordered;
}

/** The inverse of `physical`: stack order, by the TOP that the image holds. */
function logical(ordered: Uint8Array): Uint8Array {
  const fx = ordered.slice();
  const top = (ordered[Fx.Fsw + 1] >> 3) & 7;
  for (let i = 0; i < 8; i++) {
    const at = Fx.St + (((i + top) & 7) << 4);
    fx.set(ordered.subarray(at, at + 16), Fx.St + i * 16);
  }
  return fx;
}

const zeros = new Uint8Array(Fx.End);

function defaultEip(test: Case, state: State, vector: number): number {
  return vector === (Vector.BP as number) ? state.eip + test.code.length + 1 : state.eip;
}

function writeOverride(out: Writer, { key, linear, value }: Override): void {
  out.u8(key);
  if (key >= Key.Selectors && key < Key.Memory) {
    out.u16(value);
    return;
  }
  if (key === Key.Memory) out.u16(linear);
  out.u32(value);
}

function readOverride(input: Reader): Override {
  const key = input.u8();
  if (key >= Key.Selectors && key < Key.Memory) return { key, linear: 0, value: input.u16() };
  const linear = key === Key.Memory ? input.u16() : 0;
  return { key, linear, value: input.i32() };
}

/** Runs of changed 16-bit words. */
function writeRuns(out: Writer, before: Uint8Array, after: Uint8Array): void {
  const runs: [number, number][] = [];
  for (let i = 0; i < before.length; i += 2) {
    if (before[i] === after[i] && before[i + 1] === after[i + 1]) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === i) last[1] += 2;
    else runs.push([i, 2]);
  }
  out.u8(runs.length);
  for (const [start, length] of runs) {
    out.u8(start >> 1);
    out.u8(length >> 1);
    out.put(after.subarray(start, start + length));
  }
}

/** Flags 0, 2, 4, 6, 7, 11 in six bits. */
const flagBits = [0, 2, 4, 6, 7, 11];
const packFlags = (flags: number): number => flagBits.reduce((sum, bit, i) => sum | (((flags >> bit) & 1) << i), 0);
const unpackFlags = (packed: number): number => flagBits.reduce((sum, bit, i) => sum | (((packed >> i) & 1) << bit), 0);

/** One case as bytes. @param previousSeed seed of the case before, 0 for the first */
function encodeCase(out: Writer, test: Case, outcome: Outcome, ignored: Ignored, previousSeed: number): void {
  const state = initialState(test);
  const memory = ignored.memory ?? [];
  out.u8(
    test.mode |
      (test.fpu ? CaseBit.Fpu : 0) |
      (test.start === USUAL_START ? 0 : CaseBit.Start) |
      (memory.length === 0 ? 0 : CaseBit.IgnoredMemory) |
      (ignored.cr2 === true ? CaseBit.IgnoredCr2 : 0),
  );
  out.varint(test.seed - previousSeed);
  out.u8(test.code.length);
  out.put(test.code);
  if (test.start !== USUAL_START) out.u16(test.start);
  out.u8(test.overrides.length);
  for (const override of test.overrides) writeOverride(out, override);
  out.u8(packFlags(ignored.flags));
  if (memory.length > 0) {
    out.u8(memory.length);
    for (const { start, end } of memory) {
      out.u16(start);
      out.u16(end - start);
    }
  }

  const fxBefore = physical(state.fx, zeros);
  const fxAfter = physical(outcome.fx, zeros);
  let changed = 0;
  for (let i = 0; i < 8; i++) if (outcome.registers[i] !== state.registers[i]) changed |= 1 << i;
  if (outcome.eflags !== state.eflags) changed |= Changed.Eflags;
  if (outcome.selectors.some((selector, i) => selector !== state.selectors[i])) changed |= Changed.Selectors;
  if (test.fpu && fxAfter.some((byte, i) => byte !== fxBefore[i])) changed |= Changed.Fx;
  if (outcome.memory.length > 0) changed |= Changed.Memory;
  if (outcome.eip !== (defaultEip(test, state, outcome.vector) | 0)) changed |= Changed.Eip;
  if (outcome.error !== 0) changed |= Changed.Error;
  if (outcome.cr2 !== 0) changed |= Changed.Cr2;
  out.u8(outcome.vector);
  out.u16(changed);
  for (let i = 0; i < 8; i++) if ((changed & (1 << i)) !== 0) out.u32(outcome.registers[i]);
  if ((changed & Changed.Eflags) !== 0) out.varint(outcome.eflags ^ state.eflags);
  if ((changed & Changed.Selectors) !== 0) for (const selector of outcome.selectors) out.u16(selector);
  if ((changed & Changed.Eip) !== 0) out.u32(outcome.eip);
  if ((changed & Changed.Error) !== 0) out.u16(outcome.error);
  if ((changed & Changed.Cr2) !== 0) out.u32(outcome.cr2);
  if ((changed & Changed.Fx) !== 0) writeRuns(out, fxBefore, fxAfter);
  if ((changed & Changed.Memory) !== 0) {
    out.varint(outcome.memory.length / 2);
    let previous = 0;
    for (let i = 0; i < outcome.memory.length; i += 2) {
      out.varint((outcome.memory[i] - previous) / 4);
      out.u32(outcome.memory[i + 1]);
      previous = outcome.memory[i];
    }
  }
}

function decodeCase(input: Reader, previousSeed: number): Recorded {
  const first = input.at;
  const bits = input.u8();
  const seed = previousSeed + input.varint();
  const code = input.take(input.u8());
  const start = (bits & CaseBit.Start) !== 0 ? input.u16() : USUAL_START;
  const overrides = Array.from({ length: input.u8() }, () => readOverride(input));
  const test: Case = { seed, mode: bits & 7, start, code, overrides, fpu: (bits & CaseBit.Fpu) !== 0 };
  const flags = unpackFlags(input.u8());
  let ignored: Ignored = { flags, cr2: (bits & CaseBit.IgnoredCr2) !== 0 };
  if ((bits & CaseBit.IgnoredMemory) !== 0) {
    const memory = Array.from({ length: input.u8() }, () => {
      const from = input.u16();
      return { start: from, end: from + input.u16() };
    });
    ignored = { ...ignored, memory };
  }

  const state = initialState(test);
  const vector = input.u8();
  const changed = input.u16();
  const registers = state.registers.slice();
  for (let i = 0; i < 8; i++) if ((changed & (1 << i)) !== 0) registers[i] = input.i32();
  const eflags = (changed & Changed.Eflags) !== 0 ? state.eflags ^ input.varint() : state.eflags;
  const selectors =
    (changed & Changed.Selectors) !== 0 ? Array.from({ length: 6 }, () => input.u16()) : state.selectors.slice();
  const eip = (changed & Changed.Eip) !== 0 ? input.i32() : defaultEip(test, state, vector) | 0;
  const error = (changed & Changed.Error) !== 0 ? input.u16() : 0;
  const cr2 = (changed & Changed.Cr2) !== 0 ? input.i32() : 0;
  let fx = state.fx;
  if ((changed & Changed.Fx) !== 0) {
    const ordered = physical(state.fx, zeros);
    for (let runs = input.u8(); runs > 0; runs--) {
      const at = input.u8() * 2;
      ordered.set(input.take(input.u8() * 2), at);
    }
    fx = logical(ordered);
  }
  const memory = new Int32Array((changed & Changed.Memory) !== 0 ? input.varint() * 2 : 0);
  for (let i = 0, linear = 0; i < memory.length; i += 2) {
    linear += input.varint() * 4;
    memory[i] = linear;
    memory[i + 1] = input.i32();
  }
  const expected: Outcome = { vector, error, cr2, registers, eflags, eip, selectors, fx, memory };
  const last = input.at;
  const hash = (): string =>
    createHash('sha256')
      .update(Uint32Array.of(seed))
      .update(input.bytes.subarray(first, last))
      .digest('hex')
      .slice(0, 16);
  return { test, state, expected, ignored, hash };
}

/** Collects cases and makes a file of them. */
export class VectorWriter {
  private readonly _out = new Writer();
  private readonly _forms: { opcode: string; mnemonic: string; count: number }[] = [];
  private _seed = 0;

  /** @param cpu what to write into the header */
  constructor(private readonly _cpu: string) {}

  /** Begins the cases of a row. */
  form(opcode: string, mnemonic: string): void {
    this._forms.push({ opcode, mnemonic, count: 0 });
  }

  /** Adds a case of the row begun last; seeds ascend. */
  add(test: Case, outcome: Outcome, ignored: Ignored): void {
    encodeCase(this._out, test, outcome, ignored, this._seed);
    this._seed = test.seed;
    const form = this._forms.at(-1);
    if (form === undefined) throw new Error('a case before the first form');
    form.count++;
  }

  /** The file. */
  finish(): Buffer {
    const header: FileHeader = { format: FORMAT, cpu: this._cpu, forms: this._forms.filter(({ count }) => count > 0) };
    const plain = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), this._out.bytes]);
    return brotliCompressSync(plain, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
    });
  }
}

/** A file of recorded cases, opened. */
export class VectorFile {
  readonly header: FileHeader;
  private readonly _plain: Buffer;
  private readonly _first: number;

  /** @param compressed contents of the file @param name for the error @throws Error when it is of another format */
  constructor(compressed: Uint8Array, name: string) {
    this._plain = brotliDecompressSync(compressed);
    this._first = this._plain.indexOf('\n') + 1;
    this.header = JSON.parse(this._plain.subarray(0, this._first).toString()) as FileHeader;
    if (this.header.format !== FORMAT) {
      throw new Error(`${name} has format ${this.header.format}, this program reads ${FORMAT}: record it anew`);
    }
  }

  /** The cases with the row of each. */
  *cases(): Generator<{ readonly opcode: string; readonly recorded: Recorded }> {
    const input = new Reader(this._plain, this._first);
    let seed = 0;
    for (const { opcode, count } of this.header.forms) {
      for (let i = 0; i < count; i++) {
        const recorded = decodeCase(input, seed);
        seed = recorded.test.seed;
        yield { opcode, recorded };
      }
    }
  }
}
