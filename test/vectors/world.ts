/**
 * Where cases run: the memory and the segments that a case finds, the same in the native process that records it
 * (`scripts/record-vectors/oracle.c`) and in the guest that plays it back (`userMachine.ts`).
 *
 * All of it lies below 64 KiB, so that 16-bit addresses and branch targets reach it too:
 *
 *     0x4000..0x5fff  code, filled with INT3: wherever a case goes, it ends soon
 *     0x8000..0x9fff  data; behind it
 *     0xa000..0xafff  data that may only be read, with the same contents in all cases; nothing follows
 *     0xc000..0xdfff  stack
 *
 * Read before: nothing. Read after: `state.ts`.
 */
import { Segment } from '../../src/x86/instruction.js';
import { fillBlock, generator } from './values.js';

export interface Region {
  readonly start: number;
  readonly sizeBytes: number;
  readonly writable: boolean;
}

export const CODE = 0x4000;
export const DATA = 0x8000;
/** Where data pages meet: operands lie about here, some across. */
export const DATA_MIDDLE = 0x9000;
/** First byte that may only be read. */
export const READ_ONLY = 0xa000;
/** First byte behind the data. */
export const DATA_END = 0xb000;
export const STACK_MIDDLE = 0xd000;
export const STACK_END = 0xe000;

export const regions: readonly Region[] = [
  { start: CODE, sizeBytes: 0x2000, writable: true },
  { start: DATA, sizeBytes: 0x2000, writable: true },
  { start: READ_ONLY, sizeBytes: 0x1000, writable: false },
  { start: 0xc000, sizeBytes: 0x2000, writable: true },
];

/** What memory holds that no case has filled. */
const INT3 = 0xcc;

/** The parts of writable memory that each case fills from its seed: about the page boundaries, and before the ends. */
export const windows: readonly { readonly start: number; readonly sizeBytes: number }[] = [
  { start: DATA_MIDDLE - 0x80, sizeBytes: 0x100 },
  { start: READ_ONLY - 0x40, sizeBytes: 0x40 },
  { start: STACK_MIDDLE - 0x40, sizeBytes: 0x80 },
  { start: STACK_END - 0x20, sizeBytes: 0x20 },
];

/** Contents of a region when no case is running. */
export function baseOf(region: Region): Uint8Array {
  const bytes = new Uint8Array(region.sizeBytes).fill(INT3);
  if (!region.writable) {
    const next = generator(1);
    fillBlock(bytes.subarray(0, 0x40), next);
    fillBlock(bytes.subarray(region.sizeBytes - 0x40), next);
  }
  return bytes;
}

/** A descriptor as LAR shows it, with base and limit. */
export interface SegmentDescriptor {
  readonly selector: number;
  readonly base: number;
  /** Last valid offset; for expand-down segments the last invalid one. */
  readonly limit: number;
  /** Access rights in the form of `SegmentWord.Access`. */
  readonly access: number;
}

/** Code and data of a Linux process on a 64-bit kernel. */
export const USER_CODE = 0x23;
export const USER_DATA = 0x2b;
/** In the LDT. */
export const STACK16 = 0x07;
export const CODE16 = 0x0f;
export const SMALL_DATA = 0x17;
export const READ_ONLY_DATA = 0x1f;
export const EXPAND_DOWN = 0x27;
export const EXECUTE_ONLY = 0x2f;
export const NOT_PRESENT = 0x37;
export const CODE_WINDOW = 0x3f;

/** Access rights: DPL 3, accessed. */
const enum Rights {
  ReadOnly = 0xf1,
  ReadWrite = 0xf3,
  ExpandDown = 0xf7,
  ExecuteOnly = 0xf9,
  ExecuteRead = 0xfb,
  NotPresent = 0x73,
  Big = 0x4000,
  Pages = 0x8000,
}

/** The segments that cases may use; selectors of the GDT are those of the host. */
export const segments: readonly SegmentDescriptor[] = [
  { selector: USER_CODE, base: 0, limit: 0xffffffff, access: Rights.ExecuteRead | Rights.Big | Rights.Pages },
  { selector: USER_DATA, base: 0, limit: 0xffffffff, access: Rights.ReadWrite | Rights.Big | Rights.Pages },
  { selector: STACK16, base: 0, limit: 0xffff, access: Rights.ReadWrite },
  { selector: CODE16, base: 0, limit: 0xffff, access: Rights.ExecuteRead },
  { selector: SMALL_DATA, base: DATA_MIDDLE - 0x80, limit: 0xff, access: Rights.ReadWrite | Rights.Big },
  { selector: READ_ONLY_DATA, base: DATA, limit: 0x1fff, access: Rights.ReadOnly | Rights.Big },
  { selector: EXPAND_DOWN, base: 0, limit: 0x8fff, access: Rights.ExpandDown | Rights.Big },
  { selector: EXECUTE_ONLY, base: 0, limit: 0xffffffff, access: Rights.ExecuteOnly | Rights.Big | Rights.Pages },
  { selector: NOT_PRESENT, base: 0, limit: 0xffff, access: Rights.NotPresent },
  { selector: CODE_WINDOW, base: CODE, limit: 0x1fff, access: Rights.ExecuteRead | Rights.Big },
];

/** Selectors that a case may load, well or badly, with the same outcome on the host. */
export const selectorPool: readonly number[] = [
  ...[0, 1, 3, USER_DATA, USER_DATA, USER_CODE, 0x28, 0x29, 0x20, 0x08, 0x18, 0x1b, 0xfff8, 0x8003],
  ...[STACK16, CODE16, SMALL_DATA, READ_ONLY_DATA, EXPAND_DOWN, EXECUTE_ONLY, NOT_PRESENT, CODE_WINDOW],
  ...[SMALL_DATA & ~3, CODE_WINDOW & ~2, 0x47, 0xffff],
];

/** The segment registers that a case begins with. */
export interface Mode {
  readonly name: string;
  /** Default operand and address size of the code segment in bytes. */
  readonly codeSize: 2 | 4;
  /** Selectors in the order of `Segment`: ES, CS, SS, DS, FS, GS. */
  readonly selectors: readonly number[];
}

export const modes: readonly Mode[] = [
  {
    name: 'flat 32-bit code',
    codeSize: 4,
    selectors: [USER_DATA, USER_CODE, USER_DATA, USER_DATA, SMALL_DATA, USER_DATA],
  },
  { name: '16-bit code', codeSize: 2, selectors: [STACK16, CODE16, STACK16, STACK16, SMALL_DATA, READ_ONLY_DATA] },
  {
    name: '32-bit code, small segments',
    codeSize: 4,
    selectors: [READ_ONLY_DATA, USER_CODE, STACK16, EXPAND_DOWN, SMALL_DATA, 0],
  },
  { name: '16-bit code, flat data', codeSize: 2, selectors: [USER_DATA, CODE16, USER_DATA, USER_DATA, 0, EXPAND_DOWN] },
  {
    name: '32-bit code in a small segment',
    codeSize: 4,
    selectors: [USER_DATA, CODE_WINDOW, USER_DATA, USER_DATA, CODE_WINDOW, SMALL_DATA],
  },
];

/** Base of the segment that a selector names; 0 for null and unknown ones. */
export function baseOfSelector(selector: number): number {
  return segments.find((segment) => segment.selector === selector)?.base ?? 0;
}

/** Base of a segment register when a case begins. */
export function segmentBase(mode: Mode, segment: Segment): number {
  return baseOfSelector(mode.selectors[segment] ?? 0);
}

/** Pages about here are the native process's own image there and descriptor tables here: what a case does to them proves nothing. */
export const FOREIGN_START = 0x5a5b0000;
export const FOREIGN_END = 0x5a6b0000;
