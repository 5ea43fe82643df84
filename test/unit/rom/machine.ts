/** A vCPU with memory, a ROM and nothing else: enough to make ROM calls by hand, without an interpreter. */
import assert from 'node:assert/strict';
import { Mmu } from '../../../src/memory/mmu.js';
import { PhysMemory } from '../../../src/memory/phys.js';
import { calls } from '../../../src/rom/calls.js';
import { Rom } from '../../../src/rom/rom.js';
import { ALARM_IRQ } from '../../../src/rom/time.js';
import { slotOffset, VMCALL_BYTES } from '../../../src/rom/slots.js';
import { Deadlines } from '../../../src/time/deadlines.js';
import { VirtualClock } from '../../../src/time/virtualClock.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { enterProtectedFlat } from '../../../src/vcpu/powerOn.js';
import { Vcpu } from '../../../src/vcpu/vcpu.js';
import { Segment } from '../../../src/x86/instruction.js';
import { GuestFault, type Vector } from '../../../src/x86/vectors.js';

export const RAM_BYTES = 4 << 20;
/** Top of the stack on which calls are made; the return address stands there. */
export const STACK = 0x9000;
/** Where the guest sees the ROM: anywhere but at its physical address, to show that nothing depends on that. */
export const ROM_LINEAR = 0xc00c8000 | 0;
const GDT = 0x20000;

export interface Registers {
  readonly eax?: number;
  readonly ecx?: number;
  readonly edx?: number;
  readonly ebx?: number;
  readonly esi?: number;
  readonly edi?: number;
}

export class TestMachine {
  readonly phys = new PhysMemory(new ArrayBuffer(RAM_BYTES));
  readonly cpu: Vcpu;
  readonly words: Int32Array;
  readonly clock: VirtualClock;
  readonly deadlines: Deadlines;
  readonly rom: Rom;
  /** What INTR looks like to the CPU. */
  readonly pic = { requested: false, acknowledge: (): number => 0x20 };
  /** Port accesses, in order. */
  readonly portLog: string[] = [];
  /** What the next port reads give; all ones after that. */
  readonly portInput: number[] = [];
  readonly raised: number[] = [];
  readonly ended: string[] = [];

  constructor(cyclesHz = 1e9) {
    const block = new ArrayBuffer(STATE_BYTES);
    this.cpu = new Vcpu(block, new Mmu(this.phys, new Int32Array(block)));
    this.words = this.cpu.words;
    this.clock = new VirtualClock({ cyclesHz });
    const timer = this.clock.timer(() => this.deadlines.runDue());
    this.deadlines = new Deadlines(this.clock, timer);
    this.rom = new Rom(
      this.cpu,
      {
        clock: this.clock,
        deadlines: this.deadlines,
        raiseAlarm: () => this.raised.push(ALARM_IRQ),
        shutdown: () => this.ended.push('shutdown'),
        reboot: (hard) => this.ended.push(hard ? 'hard reboot' : 'soft reboot'),
      },
      RAM_BYTES,
    );
    this.rom.place(this.phys);
    this.cpu.hooks = {
      pic: this.pic,
      rom: this.rom,
      tsc: this.clock,
      ports: {
        read: (port, size) => {
          this.portLog.push(`in${size} ${port.toString(16)}`);
          return this.portInput.shift() ?? 0xffff_ffff >>> (32 - 8 * size);
        },
        write: (port, size, value) => void this.portLog.push(`out${size} ${port.toString(16)} ${value.toString(16)}`),
      },
    };
    this.cpu.reset();
    enterProtectedFlat(this.cpu, 0x10_0000);
    this.words[Word.Esp] = STACK;
  }

  /** Makes ROM call `name` as a guest would: registers, then the return address and arguments on the stack. */
  call(name: string, registers: Registers = {}, stack: readonly number[] = []): void {
    const call = calls.find((row) => row.name === name);
    assert.ok(call !== undefined, `no ROM call ${name}`);
    this.enter(call.number, registers, stack);
  }

  /** The same by slot number. */
  enter(slot: number, registers: Registers = {}, stack: readonly number[] = []): void {
    const { words } = this;
    if (registers.eax !== undefined) words[Word.Eax] = registers.eax;
    if (registers.ecx !== undefined) words[Word.Ecx] = registers.ecx;
    if (registers.edx !== undefined) words[Word.Edx] = registers.edx;
    if (registers.ebx !== undefined) words[Word.Ebx] = registers.ebx;
    if (registers.esi !== undefined) words[Word.Esi] = registers.esi;
    if (registers.edi !== undefined) words[Word.Edi] = registers.edi;
    stack.forEach((value, index) => this.phys.write32(STACK + 4 + 4 * index, value));
    words[Word.Eip] = ROM_LINEAR + slotOffset(slot) + VMCALL_BYTES;
    this.rom.call(slotOffset(slot));
  }

  /** EDX:EAX as an unsigned 64-bit number. */
  get long(): bigint {
    return BigInt.asUintN(64, (BigInt(this.words[Word.Edx]) << 32n) | BigInt(this.words[Word.Eax] >>> 0));
  }

  get eax(): number {
    return this.words[Word.Eax];
  }

  /** Maps the first 4 MiB of linear memory to themselves, with 4 KiB pages, and turns paging on with write protection. */
  enablePaging(): void {
    const directory = 0x10000;
    const table = 0x11000;
    for (let page = 0; page < 1024; page++) this.phys.write32(table + 4 * page, (page << 12) | 3);
    this.phys.write32(directory, table | 3);
    this.call('SetCR3', { eax: directory });
    this.call('SetCR0', { eax: 0x8001_0011 | 0 });
  }

  /** Linear address of the entry that maps `linear` in the tables of `enablePaging`. */
  entryOf(linear: number): number {
    return 0x11000 + 4 * (linear >>> 12);
  }

  /** Writes a GDT with the given descriptors behind the null one and loads it. */
  useGdt(...descriptors: readonly (readonly [low: number, high: number])[]): void {
    descriptors.forEach(([low, high], index) => {
      this.phys.write32(GDT + 8 * (index + 1), low);
      this.phys.write32(GDT + 8 * (index + 1) + 4, high);
    });
    this.phys.write16(0x8000, 8 * (descriptors.length + 1) - 1);
    this.phys.write32(0x8002, GDT);
    this.call('SetGDT', { eax: 0x8000 });
  }

  selector(segment: Segment): number {
    return this.words[Word.Segments + segment * 4];
  }

  count(name: string): number {
    return this.words[Word.RomCalls + 2 * calls.findIndex((row) => row.name === name)];
  }

  exits(name: string): number {
    return this.words[Word.RomExits + 2 * calls.findIndex((row) => row.name === name)];
  }
}

/** Expects `action` to raise an exception of the guest. */
export function assertFault(action: () => void, vector: Vector, errorCode?: number): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof GuestFault, String(error));
    assert.deepEqual([error.vector, error.errorCode], [vector, errorCode]);
    return true;
  });
}
