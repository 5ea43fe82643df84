/**
 * Descriptors as they stand in the GDT, the LDT and the IDT: fetching them and taking their fields apart. Separate from
 * `segments.ts` because transfers, gates and task switches need the same fields under other rules.
 * Read before: `vcpu.ts`. Read after: `segments.ts`.
 *
 *   high: 31      24 23 22 21 20 19   16 15 14 13 12 11   8 7       0      low: 31     16 15      0
 *         [base 31:24][G][DB][L][A][limit ][P][DPL ][S][type ][base 23:16]      [base 15:0][limit 15:0]
 *   gate: [      offset 31:16            ][P][DPL ][0][type ][  count   ]      [selector ][offset 15:0]
 */
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { SegmentWord, Word } from './layout.js';
import { Access, type Vcpu } from './vcpu.js';

/** Types of system descriptors (SDM 3A, table 3-2). */
export const enum SystemType {
  Tss16 = 1,
  Ldt = 2,
  BusyTss16 = 3,
  CallGate16 = 4,
  TaskGate = 5,
  InterruptGate16 = 6,
  TrapGate16 = 7,
  Tss32 = 9,
  BusyTss32 = 11,
  CallGate32 = 12,
  InterruptGate32 = 14,
  TrapGate32 = 15,
}

/** TI: the selector names the LDT. */
export const SELECTOR_TI = 4;

/** True for the selectors 0 to 3. */
export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

export class Descriptor {
  /**
   * @param selector the selector it was fetched by, 16 bits
   * @param linear its linear address
   */
  constructor(
    readonly selector: number,
    readonly linear: number,
    readonly low: number,
    readonly high: number,
  ) {}

  get base(): number {
    return (this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff000000);
  }

  /** Last offset as int32, granularity applied. */
  get limit(): number {
    const raw = (this.low & 0xffff) | (this.high & 0xf0000);
    return (this.high & 0x800000) !== 0 ? (raw << 12) | 0xfff : raw;
  }

  /** Access rights in the form of `SegmentWord.Access`, as they stand in memory. */
  get access(): number {
    return (this.high >>> 8) & 0xf0ff;
  }

  /** Type field, 4 bits: a `SystemType` when `isSystem`. */
  get type(): number {
    return (this.high >>> 8) & 15;
  }

  get dpl(): number {
    return (this.high >>> 13) & 3;
  }

  get isPresent(): boolean {
    return (this.high & 0x8000) !== 0;
  }

  get isSystem(): boolean {
    return (this.high & 0x1000) === 0;
  }

  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }

  get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }

  get isWritableData(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }

  /** Data, or code that may be read. */
  get isReadable(): boolean {
    return (this.high & 0x1800) === 0x1000 || (this.high & 0x1a00) === 0x1a00;
  }

  /** Available or busy, 16- or 32-bit TSS. */
  get isTss(): boolean {
    return (this.high & 0x1500) === 0x100;
  }

  get isBusy(): boolean {
    return (this.high & 0x200) !== 0;
  }

  /** Bit 11 of a system descriptor: a 32-bit TSS or gate. */
  get is32Bit(): boolean {
    return (this.high & 0x800) !== 0;
  }

  get gateSelector(): number {
    return this.low >>> 16;
  }

  get gateOffset(): number {
    return this.is32Bit ? (this.high & 0xffff0000) | (this.low & 0xffff) : this.low & 0xffff;
  }

  /** Parameters that a call gate copies, in units of its size. */
  get gateCount(): number {
    return this.high & 31;
  }
}

/**
 * Fetches a descriptor from the GDT or LDT; null selectors are the caller's business.
 * @returns undefined when the selector is outside the table (or there is no LDT)
 * @throws GuestFault #PF when the table is not mapped
 */
export function readDescriptor(cpu: Vcpu, selector: number): Descriptor | undefined {
  const words = cpu.words;
  let base: number;
  let limit: number;
  if ((selector & SELECTOR_TI) !== 0) {
    const ldtr = Word.Segments + Segment.Ldtr * SegmentWord.Count;
    if ((words[ldtr + SegmentWord.Access] & Access.Present) === 0) return undefined;
    base = words[ldtr + SegmentWord.Base];
    limit = words[ldtr + SegmentWord.Limit] >>> 0;
  } else {
    base = words[Word.GdtrBase];
    limit = words[Word.GdtrLimit];
  }
  const offset = selector & 0xfff8;
  if (offset + 7 > limit) return undefined;
  const linear = (base + offset) | 0;
  return new Descriptor(selector & 0xffff, linear, cpu.mmu.readSystem32(linear), cpu.mmu.readSystem32(linear + 4));
}

/** Error code of a fault on a selector: index and TI, with EXT in bit 0 (SDM 3A, "Error Code"). */
export function selectorError(selector: number, ext: number): number {
  return (selector & 0xfffc) | ext;
}

/**
 * Fetches the descriptor of a selector that must not be null.
 * @param vector fault to raise (#GP or #TS) for a null selector and for one outside its table
 * @param ext EXT bit of the error code, 0 or 1
 */
export function requireDescriptor(cpu: Vcpu, selector: number, vector: Vector.GP | Vector.TS, ext: number): Descriptor {
  const descriptor = isNull(selector) ? undefined : readDescriptor(cpu, selector);
  if (descriptor === undefined) throw new GuestFault(vector, selectorError(selector, ext));
  return descriptor;
}

/**
 * Sets the Accessed bit of a code or data descriptor in memory, if it is not set. May fault: call it before anything else of the
 * instruction is written.
 */
export function markAccessed(cpu: Vcpu, descriptor: Descriptor): void {
  if ((descriptor.high & 0x100) !== 0) return;
  cpu.mmu.writeSystem8(descriptor.linear + 5, ((descriptor.high >>> 8) & 0xff) | Access.Accessed);
}

/** Loads a segment register and its hidden part from a descriptor that passed all checks and is marked accessed. */
export function commitSegment(cpu: Vcpu, segment: Segment, selector: number, descriptor: Descriptor): void {
  cpu.setSegment(segment, selector, descriptor.base, descriptor.limit, descriptor.access | Access.Accessed);
}
