/**
 * The smallest machine for interpreter tests: flat 32-bit protected mode (or real mode), RAM from physical 0, programs as bytes.
 * Interrupts, ports and the ROM are counting stubs. Read before: `../../../src/interp/interpreter.ts`.
 */
import { Interpreter } from '../../../src/interp/interpreter.js';
import { Mmu } from '../../../src/memory/mmu.js';
import { PhysMemory } from '../../../src/memory/phys.js';
import { getEflags, setEflags } from '../../../src/vcpu/flags.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { Vcpu } from '../../../src/vcpu/vcpu.js';
import { Cr0 } from '../../../src/x86/control.js';
import { Segment } from '../../../src/x86/instruction.js';

/** Where programs, stack and data lie, in physical and linear memory. */
export const CODE = 0x10000;
export const STACK_TOP = 0x20000;
export const DATA = 0x30000;
export const IDT = 0x1000;
export const GDT = 0x2000;
export const ROM_START = 0xd0000;

/** Access rights: present code, execute-read, 32 bits, and present data, read-write, 32 bits. */
const CODE32 = 0xc09b;
const DATA32 = 0xc093;

export interface PortAccess {
  readonly port: number;
  readonly size: number;
  /** Undefined for a read. */
  readonly value: number | undefined;
}

export class TestMachine {
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
  readonly interpreter: Interpreter;
  readonly words: Int32Array;
  /** Port accesses in order. */
  readonly ports: PortAccess[] = [];
  /** What port reads give. */
  portValue = 0xffffffff;
  /** Offsets of ROM calls. */
  readonly romCalls: number[] = [];
  /** What the interrupt controller says. */
  requested = false;

  /** @param ramBytes size of RAM @param buffers the memory to use, for tests that need it to be the addon's */
  constructor(ramBytes = 0x200000, buffers?: { readonly ram: ArrayBufferLike; readonly block: ArrayBufferLike }) {
    const block = buffers?.block ?? new SharedArrayBuffer(STATE_BYTES);
    this.words = new Int32Array(block);
    this.phys = new PhysMemory(buffers?.ram ?? new SharedArrayBuffer(ramBytes));
    this.cpu = new Vcpu(block, new Mmu(this.phys, this.words));
    const isRequested = (): boolean => this.requested;
    this.cpu.hooks = {
      ports: {
        read: (port, size) => {
          this.ports.push({ port, size, value: undefined });
          return size === 4 ? this.portValue >>> 0 : this.portValue & ((1 << (8 * size)) - 1);
        },
        write: (port, size, value) => void this.ports.push({ port, size, value }),
      },
      pic: {
        get requested() {
          return isRequested();
        },
        acknowledge: () => 0x20,
      },
      rom: { call: (offset) => void this.romCalls.push(offset) },
      tsc: { cyclesHz: 1e9, cycles: () => 12345 },
    };
    this.interpreter = new Interpreter(this.cpu, this.phys);
    this.interpreter.setRom(ROM_START, 0x1000);
    this.enterFlat();
  }

  /** Flat 32-bit segments, CPL 0, a GDT that agrees with them, an empty IDT. Registers 0, ESP at the stack's top. */
  enterFlat(): void {
    const { cpu, words } = this;
    words.fill(0, 0, Word.Segments);
    words[Word.Cr0] = Cr0.PE | Cr0.ET;
    words[Word.Eflags] = 2;
    this.descriptor(1, 0x0000ffff, 0x00cf9b00);
    this.descriptor(2, 0x0000ffff, 0x00cf9300);
    this.descriptor(3, 0x0000ffff, 0x00cffb00);
    this.descriptor(4, 0x0000ffff, 0x00cff300);
    words[Word.GdtrBase] = GDT;
    words[Word.GdtrLimit] = 0xff;
    words[Word.IdtrBase] = IDT;
    words[Word.IdtrLimit] = 0x7ff;
    cpu.refreshMode();
    for (const segment of [Segment.Es, Segment.Ss, Segment.Ds, Segment.Fs, Segment.Gs]) {
      cpu.setSegment(segment, 0x10, 0, -1, DATA32);
    }
    cpu.setSegment(Segment.Cs, 0x08, 0, -1, CODE32);
    cpu.setSegment(Segment.Ldtr, 0, 0, 0, 0);
    cpu.setSegment(Segment.Tr, 0, 0, 0, 0);
    cpu.setCpl(0);
    words[Word.Esp] = STACK_TOP;
  }

  /** Writes a GDT entry. */
  descriptor(index: number, low: number, high: number): void {
    this.phys.write32(GDT + index * 8, low);
    this.phys.write32(GDT + index * 8 + 4, high);
  }

  /** Points an IDT entry at `eip` with a 32-bit interrupt gate. */
  gate(vector: number, eip: number, dpl = 0): void {
    this.phys.write32(IDT + vector * 8, (0x08 << 16) | (eip & 0xffff));
    this.phys.write32(IDT + vector * 8 + 4, (eip & 0xffff0000) | 0x8e00 | (dpl << 13));
  }

  /** Real mode with all segments at 0. */
  enterReal(): void {
    const { cpu, words } = this;
    words.fill(0, 0, Word.Segments);
    words[Word.Cr0] = Cr0.ET;
    words[Word.Eflags] = 2;
    words[Word.IdtrLimit] = 0x3ff;
    cpu.refreshMode();
    for (let segment = Segment.Es; segment <= Segment.Gs; segment++) cpu.setSegment(segment, 0, 0, 0xffff, 0x93);
    cpu.setCpl(0);
    words[Word.Esp] = 0x8000;
  }

  /** Puts code at `linear` (and EIP there) without running it. */
  place(code: readonly number[], linear = CODE): void {
    this.phys.load(linear, Uint8Array.from(code));
    this.words[Word.Eip] = linear;
  }

  /** Runs `count` instructions of `code`, placed at `CODE`. @returns instructions retired */
  run(code: readonly number[], count = 1): number {
    this.place(code);
    return this.interpreter.run(count);
  }

  get eflags(): number {
    return getEflags(this.cpu);
  }

  set eflags(value: number) {
    setEflags(this.cpu, value, -1);
  }
}

/** A 32-bit little-endian immediate. */
export function d(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}
