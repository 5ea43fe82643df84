/**
 * One case: code, and the state it starts from, which follows from a seed so that a case is small. Shared by the recorder, the fuzzer and
 * the tests that play cases back. Changing `initialState` makes every recorded case void. Read before: `world.ts`, `values.ts`.
 * Read after: `outcome.ts`.
 */
import { Reg, Segment } from '../../src/x86/instruction.js';
import { below, edgeValue, fillBlock, fillVector, generator, once, pick, putExtended, type Next } from './values.js';
import { STACK_MIDDLE, modes, segmentBase, windows, type Mode } from './world.js';

/** What a case sets after the seed has been taken: pointers and the like. `key` says what: */
export const enum Key {
  /** 0 to 7: general register. */
  Eflags = 8,
  /** 9 to 14: selector of ES, CS, SS, DS, FS, GS. */
  Selectors = 9,
  /** Doubleword of memory at `linear`. */
  Memory = 15,
}

export interface Override {
  readonly key: number;
  /** Where, for `Key.Memory`; else 0. */
  readonly linear: number;
  readonly value: number;
}

export interface Case {
  readonly seed: number;
  /** Index into `modes`. */
  readonly mode: number;
  /** Linear address of the code. */
  readonly start: number;
  readonly code: Uint8Array;
  readonly overrides: readonly Override[];
  /** Floating-point state is filled from the seed and compared; otherwise it is as FNINIT leaves it and nobody looks. */
  readonly fpu: boolean;
}

export interface Patch {
  readonly linear: number;
  readonly bytes: Uint8Array;
}

export interface State {
  /** EAX to EDI in ModR/M order. */
  readonly registers: Int32Array;
  eflags: number;
  /** Offset in the code segment. */
  readonly eip: number;
  /** ES, CS, SS, DS, FS, GS. */
  readonly selectors: number[];
  /** FXSAVE image. */
  readonly fx: Uint8Array;
  /** What to put into memory, in this order. */
  readonly patches: readonly Patch[];
}

/** Offsets in the FXSAVE image (SDM 1, "FXSAVE", layout). */
export const enum Fx {
  Fcw = 0,
  Fsw = 2,
  Ftw = 4,
  Mxcsr = 24,
  St = 32,
  Xmm = 160,
  /** End of what a 32-bit program has. */
  End = 288,
  Bytes = 512,
}

/** CF, PF, AF, ZF, SF, OF. */
export const ARITHMETIC = 0x8d5;
/** IF, and bit 1, which is always set. */
const ALWAYS = 0x202;
const DF = 1 << 10;

const FCW_DEFAULT = 0x37f;
const MXCSR_DEFAULT = 0x1f80;
/** Exception flags and masks of both units. */
const EXCEPTIONS = 0x3f;

function fillFx(fx: Uint8Array, next: Next): void {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.byteLength);
  const masks = once(next, 8) ? next() & EXCEPTIONS : EXCEPTIONS;
  const rounding = once(next, 2) ? 0 : below(next, 4) << 10;
  const precision = once(next, 2) ? 0x300 : pick(next, [0, 0x200]);
  view.setUint16(Fx.Fcw, masks | rounding | precision | 0x40, true);
  const flags = once(next, 4) ? next() & (EXCEPTIONS | 0x40) : 0;
  // ES and B say that an unmasked exception is pending
  const pending = (flags & ~masks & EXCEPTIONS) !== 0 ? 0x8080 : 0;
  const conditions = once(next, 2) ? 0 : next() & 0x4700;
  view.setUint16(Fx.Fsw, flags | pending | conditions | (below(next, 8) << 11), true);
  fx[Fx.Ftw] = once(next, 3) ? next() & 0xff : 0xff;
  const simdMasks = once(next, 8) ? next() & EXCEPTIONS : EXCEPTIONS;
  const simdRounding = once(next, 2) ? 0 : below(next, 4) << 13;
  const simdFlags = once(next, 4) ? next() & EXCEPTIONS : 0;
  const zero = (once(next, 8) ? 0x8000 : 0) | (once(next, 8) ? 0x40 : 0);
  view.setUint32(Fx.Mxcsr, (simdMasks << 7) | simdRounding | simdFlags | zero, true);
  for (let i = 0; i < 8; i++) {
    const at = Fx.St + i * 16;
    if (once(next, 4)) {
      fillVector(fx.subarray(at, at + 16), next);
      view.setUint16(at + 8, 0xffff, true);
      fx.fill(0, at + 10, at + 16);
    } else {
      putExtended(view, at, next);
    }
  }
  for (let i = 0; i < 8; i++) {
    const at = Fx.Xmm + i * 16;
    fillVector(fx.subarray(at, at + 16), next);
    // comparisons and cancellation want equal operands
    if (i > 0 && once(next, 6)) fx.copyWithin(at, at - 16, at);
  }
}

/** The mode of a case. */
export function modeOf(test: Case): Mode {
  return modes[test.mode];
}

/** The state that a case starts from. */
export function initialState(test: Case): State {
  const next = generator(test.seed);
  const registers = new Int32Array(8);
  for (let i = 0; i < 8; i++) {
    const relation = below(next, 12);
    // some operands equal, opposite or next to each other
    if (i > 0 && relation < 3) registers[i] = [registers[i - 1], -registers[i - 1], registers[i - 1] + 1][relation];
    else registers[i] = edgeValue(next);
  }
  registers[Reg.Esp] = STACK_MIDDLE + (once(next, 8) ? below(next, 64) - 32 : (below(next, 17) - 8) * 4);
  const eflags = (next() & ARITHMETIC) | ALWAYS | (once(next, 6) ? DF : 0);
  const patches: Patch[] = windows.map(({ start, sizeBytes }) => {
    const bytes = new Uint8Array(sizeBytes);
    fillBlock(bytes, next);
    return { linear: start, bytes };
  });
  const fx = new Uint8Array(Fx.Bytes);
  if (test.fpu) {
    fillFx(fx, next);
  } else {
    fx[Fx.Fcw] = FCW_DEFAULT & 0xff;
    fx[Fx.Fcw + 1] = FCW_DEFAULT >> 8;
    fx[Fx.Mxcsr] = MXCSR_DEFAULT & 0xff;
    fx[Fx.Mxcsr + 1] = MXCSR_DEFAULT >> 8;
  }
  const mode = modeOf(test);
  const state: State = {
    registers,
    eflags,
    eip: test.start - segmentBase(mode, Segment.Cs),
    selectors: [...mode.selectors],
    fx,
    patches,
  };
  for (const override of test.overrides) apply(state, override);
  patches.push({ linear: test.start, bytes: test.code });
  return state;
}

function apply(state: State, { key, linear, value }: Override): void {
  if (key < Key.Eflags) state.registers[key] = value;
  else if (key === Key.Eflags) state.eflags = value;
  else if (key < Key.Memory) state.selectors[key - Key.Selectors] = value;
  else {
    const window = state.patches.find(
      (patch) => linear >= patch.linear && linear + 4 <= patch.linear + patch.bytes.length,
    );
    if (window === undefined) throw new Error(`no window of the case holds ${linear.toString(16)}`);
    new DataView(window.bytes.buffer).setInt32(linear - window.linear, value, true);
  }
}
