/**
 * Recorded vectors: their file format, and the machine state that a snippet starts from. The state follows from a seed, so that a
 * vector holds only the seed, the bytes and what changed. Shared by the recorder (`scripts/record-vectors/recordSnippets.ts`) and the test that
 * plays them back; changing `initialState` makes every recorded vector void.
 */
import { DATA } from './machine.js';

export const DATA_BYTES = 128;
/** Bytes below `VECTOR_STACK_TOP` that are compared; ESP starts in their middle. */
export const STACK_BYTES = 64;
export const VECTOR_STACK_TOP = 0x33000;

/** Flags that snippets start with and that are compared: the arithmetic ones, and DF. */
export const ARITHMETIC = 0x8d5;
export const COMPARED_FLAGS = ARITHMETIC | 0x400;

export interface VectorState {
  /** EAX to EDI in ModR/M order, int32. */
  readonly registers: Int32Array;
  readonly eflags: number;
  readonly data: Uint8Array;
  readonly stack: Uint8Array;
}

export interface Vector {
  /** Bytes of the snippet in hexadecimal; its last instruction is the one under test. */
  readonly code: string;
  readonly seed: number;
  /** 1 when the CPU raised #DE; then nothing else is recorded. */
  readonly fault?: 1;
  /** Registers that changed: number and new value. */
  readonly registers?: readonly (readonly [number, number])[];
  /** `COMPARED_FLAGS` afterwards. */
  readonly eflags?: number;
  /** Bytes of data and stack that changed: offset and new value; the stack counts from `DATA_BYTES`. */
  readonly memory?: readonly (readonly [number, number])[];
}

const edges = [
  ...[0, 1, 2, 5, 8, 9, 0x0f, 0x10, 0x1f, 0x20, 0x7f, 0x80, 0x99, 0x9a, 0xff, 0x100, 0x7fff, 0x8000, 0xffff],
  ...[0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x0000ff80, 0x00010001, 0xffff8000],
];

/** A small generator of pseudo-random 32-bit values (xorshift). */
export function generator(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x2545f491) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** The state that a vector starts from: edge values and random ones in registers and memory, ESI, EDI and ESP valid pointers. */
export function initialState(seed: number): VectorState {
  const next = generator(seed);
  const value = (): number => {
    const choice = next();
    return choice % 3 === 0 ? next() : edges[(choice >>> 8) % edges.length];
  };
  const registers = Int32Array.from({ length: 8 }, value);
  registers[4] = VECTOR_STACK_TOP - STACK_BYTES / 2;
  registers[6] = DATA + 16;
  registers[7] = DATA + 64;
  const words = Int32Array.from({ length: (DATA_BYTES + STACK_BYTES) / 4 }, value);
  const memory = new Uint8Array(words.buffer);
  return {
    registers,
    eflags: (next() & ARITHMETIC) | 2,
    data: memory.slice(0, DATA_BYTES),
    stack: memory.slice(DATA_BYTES),
  };
}
