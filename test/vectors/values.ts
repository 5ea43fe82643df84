/**
 * Values that find mistakes: 0, 1, all ones, sign edges, powers of two and their neighbours, floating-point numbers at the edges of their
 * formats, and plain random ones, all from a seeded generator. Recorded vectors hold seeds, so that a change of anything here makes
 * all of them void. Read before: nothing. Read after: `state.ts`.
 */

/** The next pseudo-random value, 0 to 2^32 - 1. */
export type Next = () => number;

/** A small generator of pseudo-random 32-bit values (xorshift). */
export function generator(seed: number): Next {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x2545f491) | 0;
  if (state === 0) state = 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  next();
  next();
  return next;
}

/** A number from 0 to `count` - 1. */
export const below = (next: Next, count: number): number => (next() >>> 8) % count;
/** True once in `count`. */
export const once = (next: Next, count: number): boolean => below(next, count) === 0;
/** One of a list. */
export const pick = <T>(next: Next, list: readonly T[]): T => list[below(next, list.length)];

const edges: readonly number[] = [
  ...[0, 0, 1, 1, 2, 3, 5, 8, 9, 0x0f, 0x10, 0x1f, 0x20, 0x7f, 0x80, 0x81, 0x99, 0x9a, 0xff, 0x100, 0x7fff, 0x8000],
  ...[0x8001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xffffffff, 0x0000ff80],
  ...[0x00010001, 0xffff8000, 0xffffff80, 0xffffff7f, 0xffff7fff, 0x00ff00ff, 0x7fff8000, 0x00800080],
];
const edgeBytes: readonly number[] = [0, 1, 2, 9, 0x7f, 0x80, 0x99, 0xfe, 0xff];

/** A 32-bit integer that leans to the edges of 8, 16 and 32 bits. @returns int32 */
export function edgeValue(next: Next): number {
  switch (below(next, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return pick(next, edges) | 0;
    case 6:
      return 1 << below(next, 32);
    case 7:
      return ((1 << below(next, 32)) - 1) | 0;
    case 8:
      return -(1 << below(next, 32)) | 0;
    case 9:
    case 10: {
      const byte = (): number => pick(next, edgeBytes);
      return byte() | (byte() << 8) | (byte() << 16) | (byte() << 24);
    }
    case 11:
      return below(next, 64);
    default:
      return next() | 0;
  }
}

/** Single precision: zeros, denormals, 1, limits, infinities, quiet and signalling NaNs, near the limits of integers. */
const singles: readonly number[] = [
  ...[0, 0x80000000, 1, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x3f7fffff, 0x3f800001, 0x40000000, 0x3f000000],
  ...[0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7fffffff],
  ...[0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x3fc00000, 0xbf000000, 0x40490fdb, 0x80000001, 0x4b7fffff],
];

/** High words of doubles; the low word is 0, 1, all ones or random. */
const doubles: readonly number[] = [
  ...[0, 0x80000000, 0x000fffff, 0x00100000, 0x3ff00000, 0xbff00000, 0x3fefffff, 0x40000000, 0x3fe00000, 0x7fefffff],
  ...[0xffefffff, 0x7ff00000, 0xfff00000, 0x7ff80000, 0xfff80000, 0x7ff7ffff, 0x41dfffff, 0x41e00000, 0xc1e00000],
  ...[0x400921fb, 0x3ff80000, 0x47efffff, 0x47f00000, 0x38100000, 0x36a00000, 0x43dfffff, 0x43e00000, 0xc3e00000],
];

/** Sign and exponent of an 80-bit value: zero and denormals, 1, limits of the other formats and of this one, infinity and NaN. */
const exponents: readonly number[] = [
  ...[0, 0x8000, 1, 0x3fff, 0xbfff, 0x3ffe, 0x4000, 0x7ffe, 0xfffe, 0x7fff, 0xffff, 0x3c01, 0x3c00, 0x43fe, 0x43ff],
  ...[0x3f81, 0x407e, 0x407f, 0x401d, 0x401e, 0xc01e, 0x403d, 0x403e, 0xc03e, 0x400e, 0x3fbe, 0x3f6a, 0x4004, 0xbffe],
];
/** High words of significands, the integer bit on top: without it unnormals and pseudo-denormals. */
const significands: readonly number[] = [
  ...[0x80000000, 0x80000000, 0xffffffff, 0xc0000000, 0xa0000000, 0, 0x40000000, 0x7fffffff, 0x80000001, 0xbfffffff],
];

const lowWord = (next: Next): number =>
  pick(next, [() => 0, () => 0, () => 1, () => 0xffffffff, () => 0x400, () => next()])();

const single = (next: Next): number => (once(next, 4) ? next() : pick(next, singles));

/** Writes a double. */
function putDouble(view: DataView, at: number, next: Next): void {
  view.setUint32(at, lowWord(next), true);
  view.setUint32(at + 4, once(next, 4) ? next() : pick(next, doubles), true);
}

/** Writes an 80-bit value in 10 bytes. */
export function putExtended(view: DataView, at: number, next: Next): void {
  const ordinary = once(next, 3);
  view.setUint32(at, lowWord(next), true);
  view.setUint32(at + 4, ordinary ? (next() | 0x80000000) >>> 0 : pick(next, significands), true);
  view.setUint16(at + 8, ordinary ? 0x3fff + below(next, 80) - 40 + (next() & 0x8000) : pick(next, exponents), true);
}

/** Fills 16 bytes as a vector of one kind of number. */
export function fillVector(bytes: Uint8Array, next: Next): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const kind = below(next, 8);
  switch (kind) {
    case 0:
    case 1:
    case 2:
      for (let at = 0; at < 16; at += 4) view.setUint32(at, single(next), true);
      break;
    case 3:
    case 4:
      putDouble(view, 0, next);
      putDouble(view, 8, next);
      break;
    case 5:
      for (let at = 0; at < 16; at++) view.setUint8(at, pick(next, edgeBytes));
      break;
    default:
      for (let at = 0; at < 16; at += 4) view.setInt32(at, edgeValue(next), true);
  }
}

/** Fills memory, a multiple of 16 bytes, with vectors, some 80-bit values and packed decimals. */
export function fillBlock(bytes: Uint8Array, next: Next): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 16) {
    fillVector(bytes.subarray(at, at + 16), next);
    if (once(next, 6)) putExtended(view, at, next);
    else if (once(next, 8)) for (let i = 0; i < 9; i++) bytes[at + i] = below(next, 10) * 16 + below(next, 10);
  }
}
