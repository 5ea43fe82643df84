/**
 * A vCPU on plain memory with small descriptor tables, for tests of memory and vcpu without an interpreter.
 *
 *   0x1000 GDT   0x2000 IDT   0x3000 TSS   0x5000 LDT   0x8000 ring-0 stack top   0x9000 ring-3 stack top
 *   0x10000 page directory   0x11000 page table of linear 0..4 MiB (identity)
 */
import { Mmu } from '../../src/memory/mmu.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { Cr0 } from '../../src/x86/control.js';
import { Segment } from '../../src/x86/instruction.js';
import { GuestFault } from '../../src/x86/vectors.js';
import { writeControl } from '../../src/vcpu/control.js';
import { SegmentWord, STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { enterProtectedFlat } from '../../src/vcpu/powerOn.js';
import { Vcpu } from '../../src/vcpu/vcpu.js';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const LDT = 0x5000;
export const STACK0 = 0x8000;
export const STACK3 = 0x9000;
export const PAGE_DIRECTORY = 0x10000;
export const PAGE_TABLE = 0x11000;

/** Selectors of the descriptors that `Rig` puts into the GDT. */
export const KERNEL_CS = 0x08;
export const KERNEL_DS = 0x10;
export const USER_CS = 0x1b;
export const USER_DS = 0x23;
export const TSS_SELECTOR = 0x28;
/** First free GDT slot. */
export const FREE = 0x40;

export const PRESENT = 0x80;
export const CODE = 0x9b;
export const DATA = 0x93;
/** D/B and G in the flags nibble. */
export const BIG = 4;
export const PAGES = 8;

export class Rig {
  readonly phys: PhysMemory;
  readonly mmu: Mmu;
  readonly cpu: Vcpu;
  readonly words: Int32Array;
  requested = false;
  cycles = 0;

  constructor(ramBytes = 0x200000) {
    const block = new SharedArrayBuffer(STATE_BYTES);
    this.phys = new PhysMemory(new SharedArrayBuffer(ramBytes));
    this.mmu = new Mmu(this.phys, new Int32Array(block));
    this.cpu = new Vcpu(block, this.mmu);
    this.words = this.cpu.words;
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const rig = this;
    this.cpu.hooks = {
      ports: { read: () => 0, write: () => undefined },
      pic: {
        get requested() {
          return rig.requested;
        },
        acknowledge: () => 0,
      },
      rom: { call: () => undefined },
      tsc: { cyclesHz: 1e9, cycles: () => rig.cycles },
    };
    enterProtectedFlat(this.cpu, 0x4000);
    this.words[Word.GdtrBase] = GDT;
    this.words[Word.GdtrLimit] = 0xff;
    this.words[Word.IdtrBase] = IDT;
    this.words[Word.IdtrLimit] = 0x7ff;
    this.segment(KERNEL_CS, 0, 0xfffff, CODE, BIG | PAGES);
    this.segment(KERNEL_DS, 0, 0xfffff, DATA, BIG | PAGES);
    this.segment(USER_CS, 0, 0xfffff, CODE | 0x60, BIG | PAGES);
    this.segment(USER_DS, 0, 0xfffff, DATA | 0x60, BIG | PAGES);
    this.segment(TSS_SELECTOR, TSS, 0x67, 0x8b, 0);
    this.cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 0x67, 0x8b);
    this.phys.write32(TSS + 4, STACK0);
    this.phys.write32(TSS + 8, KERNEL_DS);
    this.words[Word.Esp] = STACK0;
    for (const segment of [Segment.Es, Segment.Ss, Segment.Ds]) {
      this.cpu.setSegment(segment, KERNEL_DS, 0, -1, 0xc093);
    }
    this.cpu.setSegment(Segment.Cs, KERNEL_CS, 0, -1, 0xc09b);
    for (const segment of [Segment.Fs, Segment.Gs]) this.cpu.setSegment(segment, 0, 0, 0, 0);
  }

  /** Writes a code, data, LDT or TSS descriptor. `access` is byte 5, `flags` the nibble G, D/B, L, AVL. */
  segment(selector: number, base: number, limit: number, access: number, flags: number): void {
    const linear = ((selector & 4) !== 0 ? LDT : GDT) + (selector & 0xfff8);
    this.phys.write32(linear, (base << 16) | (limit & 0xffff));
    const high = (base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff);
    this.phys.write32(linear + 4, high);
  }

  /** Writes a gate at a linear address. */
  gate(linear: number, selector: number, offset: number, access: number, count = 0): void {
    this.phys.write32(linear, (selector << 16) | (offset & 0xffff));
    this.phys.write32(linear + 4, (offset & 0xffff0000) | (access << 8) | count);
  }

  /** Writes an IDT entry; the default is a 32-bit interrupt gate of DPL 0. */
  interruptGate(vector: number, offset: number, access = 0x8e, selector = KERNEL_CS): void {
    this.gate(IDT + vector * 8, selector, offset, access);
  }

  /** Continues at CPL 3 with flat segments. */
  enterUser(eip = 0x6000): void {
    this.cpu.setCpl(3);
    this.cpu.setSegment(Segment.Cs, USER_CS, 0, -1, 0xc0fb);
    for (const segment of [Segment.Es, Segment.Ss, Segment.Ds]) {
      this.cpu.setSegment(segment, USER_DS, 0, -1, 0xc0f3);
    }
    this.words[Word.Esp] = STACK3;
    this.words[Word.Eip] = eip;
  }

  /** Turns paging on with the first 4 MiB mapped to themselves, present, writable and open to the user. */
  enablePaging(): void {
    this.phys.write32(PAGE_DIRECTORY, PAGE_TABLE | 7);
    for (let page = 0; page < 1024; page++) this.phys.write32(PAGE_TABLE + page * 4, (page << 12) | 7);
    writeControl(this.cpu, 3, PAGE_DIRECTORY);
    writeControl(this.cpu, 0, this.words[Word.Cr0] | Cr0.PG | Cr0.WP);
  }

  /** Writes a page-table entry of the first 4 MiB and forgets the old translation. */
  mapPage(linear: number, entry: number): void {
    this.phys.write32(PAGE_TABLE + (linear >>> 12) * 4, entry);
    this.mmu.flushPage(linear);
  }

  pte(linear: number): number {
    return this.phys.read32(PAGE_TABLE + (linear >>> 12) * 4);
  }

  selector(segment: Segment): number {
    return this.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
  }

  access(segment: Segment): number {
    return this.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Access];
  }

  base(segment: Segment): number {
    return this.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Base];
  }

  /** The 32-bit words at the top of the current stack, unsigned. */
  stack(count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.phys.read32(this.words[Word.Esp] + i * 4) >>> 0);
  }

  /** Everything a faulting instruction must leave alone: the state block up to the counters but for CR2. */
  snapshot(): number[] {
    const words = [...this.words.subarray(0, 96)];
    words[Word.Cr2] = 0;
    return words;
  }
}

/** Runs `action` and returns the guest fault it raises as 'vector:code'; fails when there is none. */
export function faultOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof GuestFault) return `${error.vector}:${error.errorCode?.toString(16) ?? ''}`;
    throw error;
  }
  throw new Error('expected a guest fault, none was raised');
}

/** As `faultOf`, and the machine must be as before. */
export function cleanFaultOf(rig: Rig, action: () => unknown): string {
  const before = rig.snapshot();
  const fault = faultOf(action);
  const after = rig.snapshot();
  for (let i = 0; i < before.length; i++) {
    if (before[i] !== after[i])
      throw new Error(`word ${i} changed from ${before[i]} to ${after[i]} by a faulting instruction`);
  }
  return fault;
}
