/**
 * How a case ended, and whether two endings agree. Everything a program could see is compared; what is left out, and why, stands here.
 * Read before: `state.ts`. Read after: `undefined.ts`, `userMachine.ts`.
 */
import type { Instruction } from '../../src/x86/instruction.js';
import { Vector } from '../../src/x86/vectors.js';
import { Fx, type State } from './state.js';

/** Endings that are no exception. */
export const enum Ending {
  /** It ran too long. */
  Endless = 254,
  /** It made a system call (on the host only). */
  SystemCall = 255,
}

export interface Outcome {
  /** Exception vector, or an `Ending`. */
  readonly vector: number;
  /** Error code, 0 where there is none. */
  readonly error: number;
  /** CR2 after a page fault, else 0. */
  readonly cr2: number;
  readonly registers: Int32Array;
  readonly eflags: number;
  readonly eip: number;
  /** ES, CS, SS, DS, FS, GS. */
  readonly selectors: readonly number[];
  /** First `Fx.End` bytes of the FXSAVE image. */
  readonly fx: Uint8Array;
  /** Changed doublewords of memory, as linear address and new value, in ascending order. */
  readonly memory: Int32Array;
}

/** The instruction-fetch bit of a page fault's error code: the host has NX, the guest has not (SDM 3A, "Interrupt 14"). */
const FETCH = 0x10;
/** The page is present. */
const PRESENT = 1;

/** Error codes as far as both have them. */
export function errorOf(vector: number, error: number): number {
  switch (vector as Vector) {
    case Vector.PF:
      return error & ~FETCH;
    case Vector.TS:
    case Vector.NP:
    case Vector.SS:
    case Vector.GP:
    case Vector.AC:
      return error;
    default:
      return 0;
  }
}

/**
 * Bytes of the FXSAVE image that are compared: not the pointers to the last instruction and its operand (a 64-bit kernel keeps no
 * selectors, and processors differ in when they store the rest), not MXCSR_MASK, not what is reserved.
 */
export const comparedFx: readonly number[] = Array.from({ length: Fx.End }, (_, offset) => offset).filter((offset) => {
  if (offset < Fx.Mxcsr) return offset <= Fx.Ftw;
  if (offset < Fx.St) return offset < Fx.Mxcsr + 4;
  return offset >= Fx.Xmm || (offset & 15) < 10;
});

const names = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, '0');

/** What is left out of one comparison. */
export interface Ignored {
  /** EFLAGS bits. */
  readonly flags: number;
  /** Linear addresses of bytes, `start` to `end` - 1. */
  readonly memory?: readonly { readonly start: number; readonly end: number }[];
  /** CR2 and whether the page is present: which of two pages of an operand is reported. */
  readonly cr2?: boolean;
}

export const NOTHING: Ignored = { flags: 0 };

/**
 * Whether the page that a page fault reports is left open: images of several hundred bytes may be probed from either end, and CMPS may read
 * its second operand first, as AMD's family 26 does where family 25 did not.
 */
export function isCr2Open({ form }: Instruction): boolean {
  return /^(FXSAVE|FXRSTOR|FNSAVE|FRSTOR|FNSTENV|FLDENV|CMPS)$/.test(form.mnemonic);
}

function sameBytes(linear: number, expected: number, actual: number, ignored: Ignored): boolean {
  const isIgnored = (byte: number): boolean =>
    ignored.memory?.some(({ start, end }) => byte >= start && byte < end) === true;
  for (let i = 0; i < 4; i++) {
    if (((expected ^ actual) & (0xff << (8 * i))) !== 0 && !isIgnored(linear + i)) return false;
  }
  return true;
}

/** The doubleword at `linear` before the case. */
function before(state: State, base: (linear: number) => number, linear: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    let byte = base(linear + i);
    for (const patch of state.patches) {
      const offset = linear + i - patch.linear;
      if (offset >= 0 && offset < patch.bytes.length) byte = patch.bytes[offset];
    }
    value |= byte << (8 * i);
  }
  return value;
}

/** Whether memory is the same but for what is ignored. */
function sameMemory(
  expected: Outcome,
  actual: Outcome,
  ignored: Ignored,
  contents: (linear: number) => number,
): boolean {
  const a = new Map<number, number>();
  const b = new Map<number, number>();
  for (let i = 0; i < expected.memory.length; i += 2) a.set(expected.memory[i], expected.memory[i + 1]);
  for (let i = 0; i < actual.memory.length; i += 2) b.set(actual.memory[i], actual.memory[i + 1]);
  for (const linear of new Set([...a.keys(), ...b.keys()])) {
    if (!sameBytes(linear, a.get(linear) ?? contents(linear), b.get(linear) ?? contents(linear), ignored)) return false;
  }
  return true;
}

const equal = (a: Int32Array, b: Int32Array): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

/**
 * Compares two endings of a case.
 * @param fpu whether floating-point state counts @param base contents of memory under the case's patches
 * @returns a line for everything that differs
 */
export function differences(
  expected: Outcome,
  actual: Outcome,
  fpu: boolean,
  ignored: Ignored,
  state: State,
  base: (linear: number) => number,
): string[] {
  const found: string[] = [];
  const note = (what: string, a: number, b: number, digits = 8): void => {
    if (a !== b) found.push(`${what}: expected ${hex(a, digits)}, found ${hex(b, digits)}`);
  };
  note('exception', expected.vector, actual.vector, 2);
  const error = ignored.cr2 === true ? ~PRESENT : -1;
  note('error code', expected.error & error, actual.error & error, 4);
  if (ignored.cr2 !== true) note('cr2', expected.cr2, actual.cr2);
  note('eip', expected.eip, actual.eip);
  note('eflags', expected.eflags & ~ignored.flags, actual.eflags & ~ignored.flags);
  for (let i = 0; i < 8; i++) note(names[i], expected.registers[i], actual.registers[i]);
  for (let i = 0; i < 6; i++) note(segmentNames[i], expected.selectors[i], actual.selectors[i], 4);
  if (fpu) {
    const differing = comparedFx.filter((offset) => expected.fx[offset] !== actual.fx[offset]);
    for (const part of new Set(differing.map((offset) => (offset < 32 ? offset & ~1 : offset & ~15)))) {
      const size = part < 32 ? 2 : part < Fx.Xmm ? 10 : 16;
      const text = ({ fx }: Outcome): string =>
        Buffer.from(fx.subarray(part, part + size))
          .reverse()
          .toString('hex');
      found.push(`${fxName(part)}: expected ${text(expected)}, found ${text(actual)}`);
    }
  }
  if (
    !equal(expected.memory, actual.memory) &&
    !sameMemory(expected, actual, ignored, (at) => before(state, base, at))
  ) {
    const text = ({ memory }: Outcome): string =>
      Array.from({ length: memory.length / 2 }, (_, i) => `${hex(memory[2 * i], 4)}=${hex(memory[2 * i + 1])}`).join(
        ' ',
      );
    found.push(`memory: expected ${text(expected)}; found ${text(actual)}`);
  }
  return found;
}

function fxName(offset: number): string {
  if (offset >= Fx.Xmm) return `xmm${(offset - Fx.Xmm) / 16}`;
  if (offset >= Fx.St) return `st(${(offset - Fx.St) / 16})`;
  const known: Readonly<Record<number, string>> = { 0: 'fcw', 2: 'fsw', 4: 'ftw', 24: 'mxcsr', 26: 'mxcsr, high' };
  return known[offset] ?? `fx+${offset}`;
}

/** The quick look that most comparisons need: true when nothing at all differs. */
export function same(a: Outcome, b: Outcome, fpu: boolean, ignoredFlags: number): boolean {
  if (a.vector !== b.vector || a.error !== b.error || a.cr2 !== b.cr2 || a.eip !== b.eip) return false;
  if (((a.eflags ^ b.eflags) & ~ignoredFlags) !== 0) return false;
  for (let i = 0; i < 6; i++) if (a.selectors[i] !== b.selectors[i]) return false;
  if (!equal(a.registers, b.registers) || !equal(a.memory, b.memory)) return false;
  if (fpu) for (const offset of comparedFx) if (a.fx[offset] !== b.fx[offset]) return false;
  return true;
}
