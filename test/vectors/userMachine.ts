/**
 * The guest in which cases are played back: paging on, CPL 3, the segments of `world.ts`, and exception handlers that halt, so that a
 * case ends as in the native process: with its first exception. What the exception put on the ring-0 stack is the answer.
 *
 * The processor's tables lie at linear `FOREIGN_START`, where the native process has its own image.
 * Read before: `world.ts`, `engines.ts`. Read after: `replay.test.ts`.
 */
import { Mmu } from '../../src/memory/mmu.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { setEflags } from '../../src/vcpu/flags.js';
import { SegmentWord, STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { Vcpu, type FpuHelper } from '../../src/vcpu/vcpu.js';
import { Cr0, Cr4 } from '../../src/x86/control.js';
import { Segment } from '../../src/x86/instruction.js';
import { Vector } from '../../src/x86/vectors.js';
import type { EngineFactory, RunningEngine } from './engines.js';
import { Ending, errorOf, type Outcome } from './outcome.js';
import { Fx, type State } from './state.js';
import { FOREIGN_START, baseOf, regions, segments } from './world.js';

/** Physical addresses of the processor's tables; linear ones are `LINEAR` - `TABLES` higher. */
const TABLES = 0x100000;
const PAGE_DIRECTORY = 0x110000;
const LOW_PAGES = 0x111000;
const TABLE_PAGES = 0x112000;
const RAM_BYTES = 0x120000;

const LINEAR = FOREIGN_START;
const GDT = LINEAR;
const LDT = LINEAR + 0x400;
const TSS = LINEAR + 0x600;
const IDT = LINEAR + 0x800;
const HANDLERS = LINEAR + 0x1000;
const RING0_STACK = LINEAR + 0x3000;

const KERNEL_CODE = 0x10;
const KERNEL_DATA = 0x18;
const TSS_SELECTOR = 0x40;
const LDT_SELECTOR = 0x50;
/** As on the host: room for 16 descriptors. */
const GDT_LIMIT = 0x7f;

const VECTORS = 256;
const HLT = 0xf4;
/** Instructions after which a case counts as endless. */
const ENDLESS = 200_000;

/** Vectors with an error code on the stack (SDM 3A, table 6-1). */
const WITH_ERROR = (1 << Vector.DF) | (0x1f << Vector.TS) | (1 << Vector.AC);

const enum Pte {
  Present = 1,
  Writable = 2,
  User = 4,
}

const at = (segment: Segment): number => Word.Segments + segment * SegmentWord.Count;

export class UserMachine {
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
  readonly words: Int32Array;
  readonly engine: RunningEngine;
  /** Instructions that the last case retired, the handler's HLT included. */
  retired = 0;

  private readonly _fpu: FpuHelper | undefined;
  /** Contents of the writable regions when no case is running, and when the present one began. */
  private readonly _memory = regions
    .filter((region) => region.writable)
    .map((region) => ({ start: region.start, base: Buffer.from(baseOf(region)), before: Buffer.from(baseOf(region)) }));
  private readonly _bytes: Buffer;
  private readonly _segments = new Map(segments.map((segment) => [segment.selector, segment]));

  /** @param fpu makes the helper for floating point; without one such cases cannot run */
  constructor(factory: EngineFactory, fpu?: (words: Int32Array) => FpuHelper) {
    const allocate = factory.allocate ?? ((sizeBytes: number) => new SharedArrayBuffer(sizeBytes));
    const block = allocate(STATE_BYTES);
    this.words = new Int32Array(block);
    const ram = allocate(RAM_BYTES);
    this.phys = new PhysMemory(ram);
    this._bytes = Buffer.from(ram);
    this.cpu = new Vcpu(block, new Mmu(this.phys, this.words));
    this._fpu = fpu?.(this.words);
    this.cpu.hooks = {
      ports: { read: () => 0xffffffff, write: () => undefined },
      pic: { requested: false, acknowledge: () => 0 },
      rom: { call: () => undefined },
      tsc: { cyclesHz: 1e9, cycles: () => 0 },
      fpu: this._fpu,
    };
    this._fillTables();
    this._enterProtected();
    this.engine = factory.create(this.cpu, this.phys);
  }

  get hasFpu(): boolean {
    return this._fpu !== undefined;
  }

  /** Contents of memory under the patches of a case. */
  readonly base = (linear: number): number => {
    for (const region of this._memory) {
      const offset = linear - region.start;
      if (offset >= 0 && offset < region.base.length) return region.base[offset];
    }
    return 0;
  };

  private _put(linear: number, value: number): void {
    this.phys.write32(linear - LINEAR + TABLES, value);
  }

  private _descriptor(linear: number, base: number, limit: number, access: number): void {
    const field = (access & 0x8000) !== 0 ? limit >>> 12 : limit;
    this._put(linear, (base << 16) | (field & 0xffff));
    const high = (base & 0xff000000) | ((access & 0xf000) << 8) | (field & 0xf0000);
    this._put(linear + 4, high | ((access & 0xff) << 8) | ((base >>> 16) & 0xff));
  }

  private _fillTables(): void {
    const { phys } = this;
    phys.write32(PAGE_DIRECTORY, LOW_PAGES | Pte.Present | Pte.Writable | Pte.User);
    phys.write32(PAGE_DIRECTORY + (LINEAR >>> 22) * 4, TABLE_PAGES | Pte.Present | Pte.Writable);
    for (let page = 0; page < 4; page++) {
      const entry = TABLE_PAGES + (((LINEAR >>> 12) & 0x3ff) + page) * 4;
      phys.write32(entry, (TABLES + page * 0x1000) | Pte.Present | Pte.Writable);
    }
    for (const region of regions) {
      phys.load(region.start, baseOf(region));
      for (let linear = region.start; linear < region.start + region.sizeBytes; linear += 0x1000) {
        const entry = linear | Pte.Present | Pte.User | (region.writable ? Pte.Writable : 0);
        phys.write32(LOW_PAGES + (linear >>> 12) * 4, entry);
      }
    }
    this._descriptor(GDT + 8, 0, 0xffffffff, 0xc09b);
    this._descriptor(GDT + KERNEL_CODE, 0, 0xffffffff, 0xc09b);
    this._descriptor(GDT + KERNEL_DATA, 0, 0xffffffff, 0xc093);
    this._descriptor(GDT + TSS_SELECTOR, TSS, 0x67, 0x8b);
    this._descriptor(GDT + LDT_SELECTOR, LDT, 0x7f, 0x82);
    for (const { selector, base, limit, access } of segments) {
      this._descriptor(((selector & 4) !== 0 ? LDT : GDT) + (selector & 0xfff8), base, limit, access);
    }
    this._put(TSS + 4, RING0_STACK);
    this._put(TSS + 8, KERNEL_DATA);
    this._put(TSS + 0x64, 0x68 << 16);
    for (let vector = 0; vector < VECTORS; vector++) {
      const handler = HANDLERS + vector;
      // the host lets programs use vectors 3 and 4
      const access = vector === Vector.BP || vector === Vector.OF ? 0xee00 : 0x8e00;
      this._put(IDT + vector * 8, (KERNEL_CODE << 16) | (handler & 0xffff));
      this._put(IDT + vector * 8 + 4, (handler & 0xffff0000) | access);
      phys.write8(handler - LINEAR + TABLES, HLT);
    }
  }

  private _enterProtected(): void {
    const { cpu, words } = this;
    cpu.reset();
    words[Word.Cr0] = Cr0.PE | Cr0.MP | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.PG;
    words[Word.Cr3] = PAGE_DIRECTORY;
    words[Word.Cr4] = this.hasFpu ? Cr4.OSFXSR | Cr4.OSXMMEXCPT : 0;
    words[Word.GdtrBase] = GDT;
    words[Word.GdtrLimit] = GDT_LIMIT;
    words[Word.IdtrBase] = IDT;
    words[Word.IdtrLimit] = VECTORS * 8 - 1;
    cpu.mmu.flushAll();
    cpu.refresh();
    cpu.setSegment(Segment.Ldtr, LDT_SELECTOR, LDT, 0x7f, 0x82);
    cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 0x67, 0x8b);
  }

  private _begin(state: State): void {
    const { cpu, words } = this;
    for (const { start, base, before } of this._memory) {
      before.set(base);
      for (const patch of state.patches) {
        const offset = patch.linear - start;
        if (offset >= 0 && offset < base.length) before.set(patch.bytes, offset);
      }
      if (!before.equals(this._bytes.subarray(start, start + before.length))) this.phys.load(start, before);
    }
    words[Word.Halted] = 0;
    words[Word.Shadow] = 0;
    words[Word.Attention] = 0;
    words[Word.ExitReason] = 0;
    words[Word.Cr2] = 0;
    setEflags(cpu, state.eflags, -1);
    cpu.refreshMode();
    cpu.setCpl(3);
    state.selectors.forEach((selector, segment) => {
      const known = this._segments.get(selector);
      cpu.setSegment(segment, selector, known?.base ?? 0, (known?.limit ?? 0) | 0, known?.access ?? 0);
    });
    words.set(state.registers, Word.Eax);
    words[Word.Eip] = state.eip;
    cpu.bytes.set(state.fx, Word.Fxsave * 4);
  }

  /** Plays a case from its initial state to its first exception. */
  run(state: State): Outcome {
    this._begin(state);
    this.retired = 0;
    while (this.retired < ENDLESS && this.words[Word.Halted] === 0 && this.words[Word.ExitReason] === 0) {
      this.retired += Math.max(1, this.engine.run(ENDLESS - this.retired));
      this.words[Word.Attention] = 0;
    }
    return this._outcome();
  }

  /** Begins a case for `step`. */
  begin(state: State): void {
    this._begin(state);
  }

  /** Runs one instruction of a case; none when the exception that ends it has come. @returns whether it goes on */
  step(): boolean {
    if (this.running) this.engine.run(1);
    this.words[Word.Attention] = 0;
    return this.running;
  }

  /** Linear address of the next instruction. */
  get linearEip(): number {
    return (this.words[Word.Eip] + this.words[at(Segment.Cs) + SegmentWord.Base]) >>> 0;
  }

  /** True until the exception that ends the case. */
  get running(): boolean {
    return this.words[Word.Halted] === 0 && this.words[Word.ExitReason] === 0 && this.words[Word.Cpl] === 3;
  }

  private _outcome(): Outcome {
    const { words, phys } = this;
    const fx = new Uint8Array(this.cpu.bytes.slice(Word.Fxsave * 4, Word.Fxsave * 4 + Fx.End));
    const registers = words.slice(Word.Eax, Word.Edi + 1);
    const selectors = Array.from({ length: 6 }, (_, segment) => words[at(segment) + SegmentWord.Selector]);
    const memory = this._changes();
    if (words[Word.Halted] === 0) {
      const vector = Ending.Endless;
      return { vector, error: 0, cr2: 0, registers, eflags: 0, eip: words[Word.Eip], selectors, fx, memory };
    }
    const vector = words[Word.Eip] - 1 - HANDLERS;
    let frame = words[Word.Esp] - LINEAR + TABLES;
    let error = 0;
    if (vector < 32 && (WITH_ERROR & (1 << vector)) !== 0) {
      error = errorOf(vector, phys.read32(frame));
      frame += 4;
    }
    registers[4] = phys.read32(frame + 12);
    selectors[Segment.Cs] = phys.read32(frame + 4) & 0xffff;
    selectors[Segment.Ss] = phys.read32(frame + 16) & 0xffff;
    return {
      vector,
      error,
      cr2: vector === (Vector.PF as number) ? words[Word.Cr2] : 0,
      registers,
      eflags: phys.read32(frame + 8),
      eip: phys.read32(frame),
      selectors,
      fx,
      memory,
    };
  }

  private _changes(): Int32Array {
    const changed: number[] = [];
    for (const { start, before } of this._memory) {
      const now = this._bytes.subarray(start, start + before.length);
      if (before.equals(now)) continue;
      for (let offset = 0; offset < before.length; offset += 4) {
        const value = now.readInt32LE(offset);
        if (value !== before.readInt32LE(offset)) changed.push(start + offset, value);
      }
    }
    return Int32Array.from(changed);
  }
}
