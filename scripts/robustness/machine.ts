/**
 * A machine for random bytes: whatever stands in descriptor tables, page tables, registers and code, it must go on as a processor would,
 * or the processor model is broken. Each round has its own machine and follows from its seed alone.
 *
 *   0x00000 real-mode vectors   0x01000 IDT   0x02000 GDT   0x03000 LDT   0x04000 TSS 32   0x05000 TSS 16
 *   0x06000 page directory      0x07000 eight page tables   0x10000 code  0x30000 data, stacks
 *
 * Read before: `../../src/interp/interpreter.ts`. Read after: `robustness.ts`.
 */
import { Interpreter } from '../../src/interp/interpreter.js';
import { UnimplementedInstruction } from '../../src/interp/unimplemented.js';
import { Mmu } from '../../src/memory/mmu.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { SegmentWord, STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { type FpuHelper, Vcpu } from '../../src/vcpu/vcpu.js';
import { Cr0, Cr4, Dr6, Dr7 } from '../../src/x86/control.js';
import { Segment } from '../../src/x86/instruction.js';

const RAM_BYTES = 0x100000;
const IDT = 0x1000;
const GDT = 0x2000;
const LDT = 0x3000;
const TSS32 = 0x4000;
const TSS16 = 0x5000;
const DIRECTORY = 0x6000;
const TABLES = 0x7000;
const TABLE_COUNT = 8;
const CODE = 0x10000;
const DATA = 0x30000;
const ENTRIES = 64;
/** Bytes of one random string, and instructions that it may run. */
const STRING_BYTES = 24;
const MAX_INSTRUCTIONS = 12;
/** A repeated string instruction does at most so many iterations at a time, see `interp/string.ts`. */
const MAX_RETIRED = MAX_INSTRUCTIONS + 64;

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

/** What a string ran into, for the counts that show that the strings reach everything. */
export interface Outcome {
  retired: number;
  exceptions: number;
  ended: boolean;
}

/** Opcodes worth meeting more often than one time in 65536. */
const openings: readonly (readonly number[])[] = [
  ...[
    [0x0f, 0x01],
    [0x0f, 0x00],
    [0x0f, 0x20],
    [0x0f, 0x22],
    [0x0f, 0x23],
    [0x0f, 0xae],
    [0x0f, 0xc7],
    [0x0f, 0x35],
  ],
  ...[[0x9a], [0xea], [0xcf], [0xcb], [0xca], [0xcd], [0xcc], [0xff], [0x8e], [0x17], [0x9d], [0xf3], [0xf2], [0x66]],
  ...[
    [0x0f],
    [0x0f],
    [0x0f],
    [0xd8],
    [0xd9],
    [0xdb],
    [0xdd],
    [0xdf],
    [0xf0],
    [0x67],
    [0xc8],
    [0x62],
    [0xc4],
    [0x0f, 0xb2],
  ],
];

export class RandomMachine {
  readonly cpu: Vcpu;
  private readonly _words: Int32Array;
  private readonly _phys: PhysMemory;
  private readonly _interpreter: Interpreter;
  private readonly _next: () => number;

  /**
   * @param seed decides everything @param state the state block's memory, zeroed @param fpu the host's FPU over that block, if any
   */
  constructor(seed: number, state: ArrayBufferLike, fpu: FpuHelper | undefined) {
    this._next = generator(seed);
    this._words = new Int32Array(state);
    this._phys = new PhysMemory(new SharedArrayBuffer(RAM_BYTES));
    this.cpu = new Vcpu(state, new Mmu(this._phys, this._words));
    const next = this._next;
    this.cpu.hooks = {
      ports: { read: () => next(), write: () => undefined },
      pic: { requested: false, acknowledge: () => 0x20 },
      rom: { call: () => undefined },
      tsc: { cyclesHz: 1e9, cycles: () => 12345 },
      ...(fpu !== undefined && { fpu }),
    };
    this._interpreter = new Interpreter(this.cpu, this._phys);
    this._interpreter.setRom(0xd0000, 0x1000);
    this._phys.addReadOnly(0xd0000, 0x1000);
    this._phys.load(
      DATA,
      Uint8Array.from({ length: 0x10000 }, () => next()),
    );
    this._makeTables();
  }

  /**
   * Runs one random string in a random state.
   * @throws Error when the machine is not whole afterwards; whatever else comes out is a broken processor as well
   */
  run(): Outcome {
    const outcome: Outcome = { retired: 0, exceptions: 0, ended: false };
    const words = this._words;
    this._setState();
    const place = (this._next() & 1) === 0 ? CODE + (this._next() & 0xff) : CODE + 0x1000 - (this._next() & 15);
    this._phys.load(place, this._string());
    words[Word.Eip] = place - words[Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Base];
    this.cpu.onDelivery = () => outcome.exceptions++;
    try {
      outcome.retired = this._interpreter.run(MAX_INSTRUCTIONS);
    } catch (error) {
      if (!(error instanceof UnimplementedInstruction)) throw error;
    }
    outcome.ended = words[Word.ExitReason] !== 0;
    this._check(outcome);
    return outcome;
  }

  private _one(outOf: number): boolean {
    return this._next() % outOf === 0;
  }

  private _pick<T>(values: readonly T[]): T {
    return values[this._next() % values.length];
  }

  private _string(): Uint8Array {
    const bytes = Uint8Array.from({ length: STRING_BYTES }, () => this._next());
    if (this._one(2)) bytes.set(this._pick(openings));
    if (this._one(4)) bytes.set(this._pick(openings), 2 + (this._next() & 7));
    return bytes;
  }

  /** Tables that are half sensible: where everything is nonsense, nothing gets past the first check. */
  private _makeTables(): void {
    const next = this._next;
    for (let index = 0; index < ENTRIES; index++) {
      this._descriptor(GDT + index * 8);
      this._descriptor(LDT + index * 8);
      this._gate(IDT + index * 8);
    }
    this._put(GDT + 8, [0xffff, 0x00cf9b00, 0xffff, 0x00cf9300, 0xffff, 0x00cffb00, 0xffff, 0x00cff300]);
    this._put(GDT + 0x28, [(TSS32 << 16) | 0x67, 0x8b00, (TSS16 << 16) | 0x2b, 0x8100, (LDT << 16) | 0x1ff, 0x8200]);
    for (let vector = 0; vector < 256; vector++) this._put(vector * 4, [CODE / 16 + (next() & 0xff00ff)]);
    for (const tss of [TSS32, TSS16]) {
      for (let at = 0; at < 0x68; at += 4) this._put(tss + at, [this._one(2) ? next() : DATA + (next() & 0xfff)]);
    }
    for (let level = 0; level < 3; level++)
      this._put(TSS32 + 4 + level * 8, [DATA + 0x8000, this._one(8) ? next() : 0x10]);
    for (let index = 0; index < 1024; index++) {
      const table = this._one(16) ? next() & 0xfff000 : TABLES + (index % TABLE_COUNT) * 0x1000;
      this._put(DIRECTORY + index * 4, [table | (this._one(8) ? next() & 0xfff : 7)]);
    }
    for (let page = 0; page < TABLE_COUNT * 1024; page++) {
      const frame = this._one(16) ? next() & 0xfffff000 : (page << 12) & (RAM_BYTES - 1);
      this._put(TABLES + page * 4, [frame | (this._one(8) ? next() & 0xfff : 7)]);
    }
  }

  private _put(phys: number, values: readonly number[]): void {
    values.forEach((value, index) => this._phys.write32(phys + index * 4, value));
  }

  private _descriptor(phys: number): void {
    const next = this._next;
    if (this._one(4)) {
      this._put(phys, [next(), next()]);
    } else if (this._one(3)) {
      this._gate(phys);
    } else {
      const base = this._one(2) ? 0 : next() & 0xfffff;
      const access = 0x80 | (next() & 0x7f);
      const high = (next() & 0xd00000) | (next() & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff);
      this._put(phys, [(base << 16) | (next() & 0xffff), high]);
    }
  }

  private _gate(phys: number): void {
    const next = this._next;
    if (!this._one(3)) {
      const handler = CODE + (next() & 0xfff);
      this._put(phys, [
        (8 << 16) | (handler & 0xffff),
        (handler & 0xffff0000) | (this._pick([0xee, 0x8e, 0xef, 0x8f]) << 8),
      ]);
      return;
    }
    const offset = this._one(8) ? next() : CODE + (next() & 0xfff);
    const selector = this._pick([8, 0x18, 0x28, 0x30, next() & 0x1ff]);
    const access = this._one(4) ? next() & 0xff : 0x80 | (next() & 0x60) | this._pick([14, 15, 12, 5, 6, 7, 4]);
    this._put(phys, [(selector << 16) | (offset & 0xffff), (offset & 0xffff0000) | (access << 8) | (next() & 31)]);
  }

  private _setState(): void {
    const { cpu, _words: words, _next: next } = this;
    cpu.lazyOp = 0;
    words.fill(0, Word.Zero, Word.Tid);
    for (let register = Word.Eax as number; register <= Word.Edi; register++) {
      words[register] = this._pick([next(), DATA + (next() & 0xffff), next() & 0xff, DATA + 0xfff - (next() & 7)]);
    }
    if (!this._one(4)) words[Word.Esp] = DATA + 0x8000;
    const mode = next() % 8;
    const isProtected = mode !== 0;
    const isVirtual = mode === 1;
    const isPaged = isProtected && this._one(2);
    words[Word.Cr0] =
      Cr0.ET |
      (isProtected ? Cr0.PE : 0) |
      (isPaged ? Cr0.PG : 0) |
      (this._one(3) ? next() & (Cr0.WP | Cr0.AM | Cr0.NE) : 0);
    if (this._one(16)) words[Word.Cr0] |= next() & (Cr0.EM | Cr0.TS | Cr0.MP);
    words[Word.Cr3] = DIRECTORY;
    words[Word.Cr4] = next() & (Cr4.PSE | Cr4.PGE | Cr4.DE | Cr4.TSD | Cr4.OSFXSR | Cr4.OSXMMEXCPT);
    words[Word.Eflags] = 2 | (next() & 0x4cd5) | (next() & 0x3000) | (isVirtual ? 1 << 17 : 0);
    if (this._one(8)) words[Word.Eflags] |= next() & 0x50100;
    words[Word.InterruptFlag] = next() & 1;
    words[Word.GdtrBase] = GDT;
    words[Word.GdtrLimit] = this._one(16) ? next() & 0xffff : ENTRIES * 8 - 1;
    words[Word.IdtrBase] = isProtected ? IDT : 0;
    words[Word.IdtrLimit] = this._one(16) ? next() & 0xffff : 0x3ff;
    this._setDebug();
    words[Word.SysenterCs] = this._pick([0, 8, next() & 0xffff]);
    words[Word.SysenterEsp] = DATA;
    words[Word.SysenterEip] = CODE;
    words[Word.Cpl] = isVirtual ? 3 : isProtected ? this._pick([0, 0, 3, 3, next() & 3]) : 0;
    this._setSegments(isVirtual, isProtected);
    cpu.mmu.flushAll();
    cpu.refresh();
  }

  private _setDebug(): void {
    const words = this._words;
    words[Word.Dr0 + 6] = Dr6.Fixed;
    words[Word.Dr0 + 7] = Dr7.Fixed;
    if (!this._one(8)) return;
    for (let index = 0; index < 4; index++) words[Word.Dr0 + index] = this._pick([DATA, CODE]) + (this._next() & 0xff);
    words[Word.Dr0 + 7] = (this._next() & ~Dr7.Zero) | Dr7.Fixed;
  }

  private _setSegments(isVirtual: boolean, isProtected: boolean): void {
    const { cpu, _words: words, _next: next } = this;
    const cpl = words[Word.Cpl];
    for (let segment = Segment.Es; segment <= Segment.Gs; segment++) {
      if (isVirtual || !isProtected) {
        const selector = segment === Segment.Cs ? CODE / 16 : this._pick([0, DATA / 16, next() & 0xffff]);
        cpu.setSegment(segment, selector, selector * 16, 0xffff, isVirtual ? 0xf3 : 0x93);
      } else if (segment === Segment.Cs) {
        const limit = this._one(8) ? CODE + 0x1000 + (next() & 0xff) : -1;
        cpu.setSegment(segment, 8 | cpl, 0, limit, 0x9b | (cpl << 5) | (this._one(8) ? 0 : 0xc000));
      } else if (this._one(8)) {
        cpu.setSegment(segment, next() & 0xffff, next() & 0xfffff, next(), (next() & 0xf0ef) | 0x10);
      } else {
        cpu.setSegment(segment, 0x10 | cpl, 0, -1, 0xc093 | (cpl << 5));
      }
    }
    cpu.setSegment(Segment.Ldtr, 0x38, LDT, ENTRIES * 8 - 1, 0x82);
    if (this._one(4)) cpu.setSegment(Segment.Tr, 0x30, TSS16, 0x2b, 0x83);
    else cpu.setSegment(Segment.Tr, 0x28, TSS32, this._one(4) ? next() & 0xff : 0x67, 0x8b);
  }

  private _check(outcome: Outcome): void {
    const words = this._words;
    const wrong = (what: string): Error => new Error(`${what}, EIP 0x${(words[Word.Eip] >>> 0).toString(16)}`);
    if (words[Word.Zero] !== 0) throw wrong('the register that is always 0 is not');
    if (this.cpu.lazyOp !== 0) throw wrong('flags are not settled');
    if (words[Word.Cpl] >>> 0 > 3) throw wrong(`CPL is ${words[Word.Cpl]}`);
    if ((words[Word.Eflags] & ~0x3f7dd5) !== 2) throw wrong(`EFLAGS is 0x${(words[Word.Eflags] >>> 0).toString(16)}`);
    if (words[Word.InterruptFlag] >>> 0 > 1) throw wrong('IF is neither 0 nor 1');
    if ((words[Word.Cr0] & (Cr0.PE | Cr0.PG)) === Cr0.PG) throw wrong('paging without protection');
    if (outcome.retired > MAX_RETIRED) throw wrong(`${outcome.retired} instructions instead of ${MAX_INSTRUCTIONS}`);
  }
}

/** A zeroed state block on plain memory, for machines without the host's FPU. */
export function plainState(): SharedArrayBuffer {
  return new SharedArrayBuffer(STATE_BYTES);
}
