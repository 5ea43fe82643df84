/**
 * Recorded floating-point vectors: their file format, and the state that an instruction starts from. The state follows from a seed, so
 * that a vector holds only the seed, the bytes and what changed. Shared by the recorder (`scripts/record-vectors/recordFpu.ts`) and the
 * test that plays the vectors back; changing `fpuInitialState` makes every recorded vector void.
 *
 * Left out on purpose: the instruction and data pointers, which processors keep in different ways and which we keep ourselves.
 */
import { DATA } from './machine.js';
import { generator } from './vectors.js';

export const FX_BYTES = 512;
export const FPU_DATA_BYTES = 128;
export const FPU_ARITHMETIC = 0x8d5;

/** ESI and EDI of every vector; ESP is not touched. */
export const OPERAND = DATA + 16;
export const SECOND_OPERAND = DATA + 64;

export interface FpuState {
  readonly registers: Int32Array;
  readonly eflags: number;
  /** FXSAVE image. */
  readonly fx: Uint8Array;
  readonly data: Uint8Array;
}

/** Indices of the words in `FpuVector.state`: x87 registers in physical order, three words each, then XMM registers, four each. */
export const enum StateWord {
  Fcw,
  Fsw,
  Ftw,
  Mxcsr,
  Physical,
  Xmm = Physical + 8 * 3,
  Count = Xmm + 8 * 4,
}

export interface FpuVector {
  /** Bytes of the instruction in hexadecimal. */
  readonly code: string;
  readonly seed: number;
  /** Signal that the CPU's exception became: 4 #UD, 8 #MF or #XM, 11 #GP. */
  readonly fault?: number;
  /** General registers that changed: number and new value. */
  readonly registers?: readonly (readonly [number, number])[];
  /** Arithmetic flags afterwards, if they changed. */
  readonly eflags?: number;
  /** `StateWord`s that changed. */
  readonly state?: readonly (readonly [number, number])[];
  /** Bytes of data that changed: offset and new value. */
  readonly memory?: readonly (readonly [number, number])[];
}

/** Sign and exponent, high and low word of the significand. */
type Extended = readonly [number, number, number];

/** All classes of 80-bit operands (SDM 1, tables 8-3 and 4-3): the four unsupported ones too. */
const extendeds: readonly Extended[] = [
  [0, 0, 0],
  [0x3fff, 0x80000000, 0],
  [0x3fff, 0xc0000000, 0],
  [0x4000, 0xc90fdaa2, 0x2168c235],
  [0x3ffe, 0xffffffff, 0xffffffff],
  [0x4002, 0xa0000000, 0],
  [0x401e, 0xfffffffe, 0xffffffff],
  [0x403e, 0x80000000, 1],
  [0x403d, 0xffffffff, 0xffffffff],
  // smallest and largest normal numbers of each format
  [0x0001, 0x80000000, 0],
  [0x7ffe, 0xffffffff, 0xffffffff],
  [0x3f81, 0x80000000, 0],
  [0x3f6a, 0x80000000, 1],
  [0x407e, 0xffffff80, 0],
  [0x3c01, 0x80000000, 0],
  [0x43fe, 0xffffffff, 0xfffffc00],
  // denormal, pseudo-denormal
  [0, 0, 1],
  [0, 0x7fffffff, 0xffffffff],
  [0, 0x80000000, 5],
  // infinity, quiet and signalling NaN, indefinite
  [0x7fff, 0x80000000, 0],
  [0x7fff, 0xc0000000, 0x12345],
  [0x7fff, 0xa0000000, 0x54321],
  [0xffff, 0xc0000000, 0],
  // unnormal, pseudo-infinity, pseudo-NaN
  [0x3fff, 0x40000000, 0],
  [0x7fff, 0, 0],
  [0x7fff, 0x40000000, 1],
];

const singles = [
  ...[0, 0x3f800000, 0x3fc00000, 0x40490fdb, 0x3f7fffff, 0x4b800001, 0x4effffff, 0x4f000000, 0x5f000000, 0x00800000],
  ...[0x7f7fffff, 1, 0x007fffff, 0x7f800000, 0x7fc12345, 0x7f812345, 0xffc00000, 0x33800000, 0x20000000, 0x1f000001],
];

const doubles: readonly (readonly [number, number])[] = [
  [0, 0],
  [0x3ff00000, 0],
  [0x3ff80000, 0],
  [0x400921fb, 0x54442d18],
  [0x3fefffff, 0xffffffff],
  [0x41dfffff, 0xffc00000],
  [0x41e00000, 0],
  [0x43300000, 1],
  [0x00100000, 0],
  [0x7fefffff, 0xffffffff],
  [0, 1],
  [0x000fffff, 0xffffffff],
  [0x7ff00000, 0],
  [0x7ff80000, 0x12345],
  [0x7ff40000, 0x54321],
  [0xfff80000, 0],
  [0x38100000, 1],
  [0x36a00000, 0],
  [0x47efffff, 0xf0000000],
];

const integers = [0, 1, -1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000, 0x00ff00ff, 0x12345678];

class Source {
  private readonly _next: () => number;

  constructor(seed: number) {
    this._next = generator(seed);
    // the first values of neighbouring seeds are alike
    for (let i = 0; i < 8; i++) this._next();
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return (this._next() >>> 8) % count;
  }

  bits(): number {
    return this._next();
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  extended(): Extended {
    const sign = this.below(2) << 15;
    if (this.below(3) > 0) {
      const [exponent, high, low] = this.pick(extendeds);
      return [exponent ^ sign, high, low];
    }
    // numbers near each other, so that sums and quotients are neither one of their operands nor out of range
    return [sign | (0x3ff8 + this.below(16)), this.bits() | 0x80000000, this.bits()];
  }

  /** 16 bytes as singles, doubles or integers. */
  vector(): number[] {
    switch (this.below(4)) {
      case 0:
        return Array.from({ length: 4 }, () => this.pick(singles) ^ (this.below(2) << 31));
      case 1:
        return Array.from({ length: 2 }, () => {
          const [high, low] = this.pick(doubles);
          return [low, high ^ (this.below(2) << 31)];
        }).flat();
      case 2:
        return Array.from({ length: 4 }, () => (0x3e000000 + this.below(0x03000000)) | (this.below(2) << 31));
      default:
        return Array.from({ length: 4 }, () => (this.below(2) === 0 ? this.pick(integers) : this.bits()));
    }
  }
}

/** Exception masks: all masked more often than not. */
function masks(source: Source): number {
  return source.below(3) > 0 ? 0x3f : source.bits() & 0x3f;
}

/** The state that a vector starts from: general registers, flags, FXSAVE image and 128 bytes of data. */
export function fpuInitialState(seed: number): FpuState {
  const source = new Source(seed);
  const registers = Int32Array.from({ length: 8 }, () => source.pick(integers));
  registers[4] = 0;
  registers[6] = OPERAND;
  registers[7] = SECOND_OPERAND;
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  const fcw = 0x40 | masks(source) | (source.below(4) << 8) | (source.below(4) << 10);
  const unmasked = ~fcw & 0x3f;
  const flags = source.bits() & 0x3f & (source.below(24) === 0 ? 0x3f : ~unmasked);
  const pending = (flags & unmasked) !== 0 ? 0x8080 : 0;
  view.setUint16(0, fcw, true);
  view.setUint16(2, flags | (source.bits() & 0x7f40) | pending, true);
  fx[4] = source.pick([0xff, 0xff, 0xff, 0, source.bits() & 0xff, source.bits() & 0xff]);
  const subnormals = source.below(4) === 0 ? source.bits() & 0x8040 : 0;
  view.setUint32(24, subnormals | (source.bits() & 0x3f) | (masks(source) << 7) | (source.below(4) << 13), true);
  for (let i = 0; i < 8; i++) {
    const [exponent, high, low] = source.extended();
    view.setUint32(32 + i * 16, low, true);
    view.setUint32(36 + i * 16, high, true);
    view.setUint16(40 + i * 16, exponent, true);
    source.vector().forEach((word, index) => view.setUint32(160 + i * 16 + index * 4, word, true));
  }
  const data = new Uint8Array(FPU_DATA_BYTES);
  const dataView = new DataView(data.buffer);
  for (let at = 0; at < FPU_DATA_BYTES; at += 16) {
    source.vector().forEach((word, index) => dataView.setUint32(at + index * 4, word, true));
  }
  // the 80-bit operand, and where it is a packed decimal its digits
  const content = source.below(4);
  if (content < 2) {
    const [exponent, high, low] = source.extended();
    dataView.setUint32(16, low, true);
    dataView.setUint32(20, high, true);
    dataView.setUint16(24, exponent, true);
  } else if (content === 2) {
    for (let i = 0; i < 9; i++) data[16 + i] = source.below(10) | (source.below(10) << 4);
    data[25] = source.below(2) << 7;
  }
  return { registers, eflags: (source.bits() & FPU_ARITHMETIC) | 2, fx, data };
}

/** The image as the words that are compared. */
export function stateWords(fx: Uint8Array): Int32Array {
  const view = new DataView(fx.buffer, fx.byteOffset);
  const words = new Int32Array(StateWord.Count);
  words[StateWord.Fcw] = view.getUint16(0, true);
  words[StateWord.Fsw] = view.getUint16(2, true);
  words[StateWord.Ftw] = fx[4];
  words[StateWord.Mxcsr] = view.getInt32(24, true);
  const top = (words[StateWord.Fsw] >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const at = StateWord.Physical + ((top + i) & 7) * 3;
    words[at] = view.getInt32(32 + i * 16, true);
    words[at + 1] = view.getInt32(36 + i * 16, true);
    words[at + 2] = view.getUint16(40 + i * 16, true);
    for (let k = 0; k < 4; k++) words[StateWord.Xmm + i * 4 + k] = view.getInt32(160 + i * 16 + k * 4, true);
  }
  return words;
}

/** Entries of `after` that differ from `before`. */
export function changes(before: ArrayLike<number>, after: ArrayLike<number>): [number, number][] {
  return Array.from(after, (value, index): [number, number] => [index, value]).filter(
    ([index, value]) => value !== before[index],
  );
}
