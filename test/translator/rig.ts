/**
 * One program under both engines: a machine on the addon's memory with a translator, and the same on plain memory with the interpreter.
 * Read before: `../../src/translator/engine.ts`. Read after: the tests beside this file.
 */
import assert from 'node:assert/strict';
import { HostFpu } from '../../src/machine/hostFpu.js';
import { openTranslator, type HostTranslatorOptions } from '../../src/machine/hostTranslator.js';
import { Interpreter } from '../../src/interp/interpreter.js';
import { makeStrategy, type StrategyName } from '../../src/irq/strategies/index.js';
import { Mmu } from '../../src/memory/mmu.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { tryNative, type Native } from '../../src/native.js';
import { Translator, type TranslatorOptions } from '../../src/translator/engine.js';
import { STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { enterProtectedFlat } from '../../src/vcpu/powerOn.js';
import { Vcpu } from '../../src/vcpu/vcpu.js';
import { Segment } from '../../src/x86/instruction.js';

export const CODE = 0x10000;
export const STACK_TOP = 0x80000;
export const IDT = 0x1000;
export const GDT = 0x2000;
export const RAM_BYTES = 4 << 20;

/** The addon; tests of the translator make no sense without it. */
export function native(): Native {
  const result = tryNative();
  if (result.native === undefined) throw new Error(result.failure);
  return result.native;
}

/** Bytes as they stand in memory: numbers are bytes, `d(...)` makes 32-bit words. */
export const d = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

export interface Machine {
  readonly words: Int32Array;
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
  run(limit: number): number;
}

function prepare(state: ArrayBufferLike, ram: ArrayBufferLike): { cpu: Vcpu; phys: PhysMemory; words: Int32Array } {
  const words = new Int32Array(state);
  const phys = new PhysMemory(ram);
  const cpu = new Vcpu(state, new Mmu(phys, words));
  return { cpu, phys, words };
}

/** Flat segments with a GDT that agrees, an IDT whose every gate halts at its own number, registers 0. */
function start({ cpu, phys, words }: { cpu: Vcpu; phys: PhysMemory; words: Int32Array }): void {
  enterProtectedFlat(cpu, CODE);
  const descriptors = [
    0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300, 0x0000ffff, 0x00cffb00, 0x0000ffff, 0x00cff300,
  ];
  descriptors.forEach((word, index) => phys.write32(GDT + 4 * index, word));
  // a 32-bit TSS at 0x3000 with its stack for CPL 0 at 0x7f000
  phys.write32(GDT + 0x28, 0x30000067);
  phys.write32(GDT + 0x2c, 0x00008b00);
  phys.write32(0x3004, 0x7f000);
  phys.write32(0x3008, 0x10);
  words[Word.GdtrBase] = GDT;
  words[Word.GdtrLimit] = 0x7f;
  words[Word.IdtrBase] = IDT;
  words[Word.IdtrLimit] = 0x7ff;
  for (let vector = 0; vector < 256; vector++) {
    const handler = 0x4000 + vector * 16;
    phys.write32(IDT + vector * 8, (0x08 << 16) | handler);
    phys.write32(IDT + vector * 8 + 4, 0xee00);
    // mov ebp, vector; hlt
    phys.load(handler, Uint8Array.from([0xbd, ...d(vector), 0xf4]));
  }
  cpu.setSegment(Segment.Cs, 0x08, 0, -1, 0xc09b);
  for (const segment of [Segment.Es, Segment.Ss, Segment.Ds, Segment.Fs, Segment.Gs]) {
    cpu.setSegment(segment, 0x10, 0, -1, 0xc093);
  }
  cpu.setSegment(Segment.Tr, 0x28, 0x3000, 0x67, 0x8b);
  words[Word.Esp] = STACK_TOP;
}

export interface PairOptions extends HostTranslatorOptions, TranslatorOptions {
  /** Puts more into memory before the program starts; called for both machines. */
  readonly prepare?: (machine: Machine) => void;
  /** How IF reaches the host; default virtual-mask. Nothing of the host listens. */
  readonly interrupts?: StrategyName;
}

/** Has the guest's IF handled as on a board. */
function install(interpreter: Interpreter, name: StrategyName): void {
  const { cpu } = interpreter;
  const strategy = makeStrategy(name);
  cpu.words[Word.Strategy] = strategy.number;
  const mask = { close: () => undefined, open: () => undefined, wait: () => false };
  strategy.install({ cpu, mask, trapSensitive: () => interpreter.trapSensitive() });
}

export class Pair {
  readonly translated: Machine & { readonly translator: Translator };
  readonly interpreted: Machine;
  private readonly _dispose: () => void;

  constructor(program: readonly number[], options: PairOptions = {}) {
    const addon = native();
    const make = (sizeBytes: number): ArrayBuffer => {
      const id = addon.memoryCreate(sizeBytes, 'romulus-test');
      const buffer = addon.memoryMap(id);
      addon.memoryClose(id);
      return buffer;
    };
    const plainState = new SharedArrayBuffer(STATE_BYTES);
    const plain = prepare(plainState, new SharedArrayBuffer(RAM_BYTES));
    const plainFpu = new HostFpu(addon, plain.words);
    const state = make(STATE_BYTES);
    const ram = make(RAM_BYTES);
    addon.vcpuBind(state);
    const fast = prepare(state, ram);
    const fpu = new HostFpu(addon, fast.words);
    const machines = [
      { ...plain, fpu: plainFpu },
      { ...fast, fpu },
    ];
    for (const { cpu, fpu: helper } of machines) {
      cpu.hooks = {
        ports: { read: () => 0xff, write: () => undefined },
        pic: { requested: false, acknowledge: () => 0x20 },
        rom: { call: () => undefined },
        tsc: { cyclesHz: 1e9, cycles: () => 1 },
        fpu: helper,
      };
    }
    const interpreter = new Interpreter(plain.cpu, plain.phys);
    this.interpreted = { ...plain, run: (limit) => interpreter.run(limit) };
    const inner = new Interpreter(fast.cpu, fast.phys);
    const translator = new Translator(inner, openTranslator(addon, ram, state, fast.phys.direct, options), options);
    this.translated = { ...fast, translator, run: (limit) => translator.run(limit) };
    for (const one of [interpreter, inner]) install(one, options.interrupts ?? 'virtual-mask');
    for (const machine of [this.interpreted, this.translated]) {
      start(machine);
      machine.phys.load(CODE, Uint8Array.from(program));
      options.prepare?.(machine);
    }
    this._dispose = () => {
      translator.dispose();
      fpu.dispose();
      plainFpu.dispose();
      addon.vcpuUnbind();
      addon.memoryRelease(ram);
      addon.memoryRelease(state);
    };
  }

  /** Runs both to their HLT. */
  finish(limit = 1_000_000): void {
    for (const machine of [this.interpreted, this.translated]) {
      for (let done = 0; done < limit && machine.words[Word.Halted] === 0;)
        done += Math.max(1, machine.run(limit - done));
      assert.equal(machine.words[Word.Halted], 1, `still running at 0x${(machine.words[Word.Eip] >>> 0).toString(16)}`);
    }
  }

  /** Asserts that registers, flags and all of memory are the same. */
  assertSame(): void {
    const registers = (machine: Machine): string[] =>
      ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'zero', 'eip', 'eflags', 'if', 'shadow', 'cpl'].map(
        (name, index) => `${name}=${(machine.words[index] >>> 0).toString(16)}`,
      );
    assert.deepEqual(registers(this.translated), registers(this.interpreted));
    assert.equal(this.translated.words[Word.Cr2], this.interpreted.words[Word.Cr2]);
    const a = this.translated.phys.bytes;
    const b = this.interpreted.phys.bytes;
    if (Buffer.compare(a, b) === 0) return;
    const at = a.findIndex((byte, index) => byte !== b[index]);
    assert.fail(`memory differs at 0x${at.toString(16)}: ${a[at]} translated, ${b[at]} interpreted`);
  }

  dispose(): void {
    this._dispose();
  }
}

/** Runs a program to its HLT under both engines and compares everything; `check` may look at more. */
export function both(program: readonly number[], options: PairOptions = {}, check?: (pair: Pair) => void): void {
  const pair = new Pair(program, options);
  try {
    pair.finish();
    pair.assertSame();
    check?.(pair);
  } finally {
    pair.dispose();
  }
}
