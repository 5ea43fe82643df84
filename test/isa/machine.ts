/**
 * Runs one case of a guest program: a vCPU on 2 MiB of memory, an engine, and the smallest interrupt controller. The program's own
 * conventions stand in `programs/environment.inc`. Read after: `isa.test.ts`.
 */
import { Mmu } from '../../src/memory/mmu.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { deliverInterrupt, deliverNmi } from '../../src/vcpu/deliver.js';
import { Attention, ExitReason, STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { enterProtectedFlat } from '../../src/vcpu/powerOn.js';
import { Vcpu } from '../../src/vcpu/vcpu.js';
import type { EngineKind, RunningEngine } from '../helpers/engines.js';

const RAM_BYTES = 0x200000;
const IMAGE = 0x1000;
const LOG = 0xc000;
const MAX_INSTRUCTIONS = 200_000;
const SLICE = 1000;

/** Ports of the machine: writing a vector to the first asserts INTR until it is taken, writing anything to the second is an NMI. */
const INTERRUPT_PORT = 0xf8;
const NMI_PORT = 0xf9;

export interface Case {
  readonly name: string;
  /** Section of the manual that the expectation follows from. */
  readonly cite: string;
  readonly entry: number;
  readonly expected: readonly number[];
}

export interface Program {
  readonly image: Uint8Array;
  readonly start: number;
  readonly cases: readonly Case[];
}

/** Reads the table of cases that the linker script puts at the end of an image. */
export function readProgram(hexLines: readonly string[]): Program {
  const image = Buffer.from(hexLines.join(''), 'hex');
  const word = (address: number): number => image.readUInt32LE(address - IMAGE);
  const end = IMAGE + image.length;
  const [start, cases, casesEnd, expectEnd] = [-16, -12, -8, -4].map((offset) => word(end + offset));
  const text = (address: number): string => {
    const from = address - IMAGE;
    return image.toString('latin1', from, image.indexOf(0, from));
  };
  const rows: Case[] = [];
  for (let row = cases; row < casesEnd; row += 16) {
    const from = word(row + 4);
    const to = row + 16 < casesEnd ? word(row + 20) : expectEnd;
    const expected: number[] = [];
    for (let at = from; at < to; at += 4) expected.push(word(at));
    rows.push({ name: text(word(row + 8)), cite: text(word(row + 12)), entry: word(row), expected });
  }
  return { image, start, cases: rows };
}

export class IsaMachine {
  readonly cpu: Vcpu;
  private readonly _phys: PhysMemory;
  private readonly _engine: RunningEngine;
  private _vector = -1;

  constructor(kind: EngineKind) {
    const allocate = kind.allocate ?? ((sizeBytes: number) => new SharedArrayBuffer(sizeBytes));
    const block = allocate(STATE_BYTES);
    this._phys = new PhysMemory(allocate(RAM_BYTES));
    const words = new Int32Array(block);
    this.cpu = new Vcpu(block, new Mmu(this._phys, words));
    const isRequested = (): boolean => this._vector >= 0;
    this.cpu.hooks = {
      ports: {
        read: (port, size) => (size === 4 ? port : port & ((1 << (8 * size)) - 1)),
        write: (port, _size, value) => {
          if (port === INTERRUPT_PORT) {
            this._vector = value & 0xff;
            // as a PIC that asserts INTR: translated code reads these words
            words[Word.PicIrr] = words[Word.PicOpen] = 1;
            Atomics.or(words, Word.Attention, Attention.Interrupt);
          } else if (port === NMI_PORT) {
            words[Word.Nmi] = 1;
            Atomics.or(words, Word.Attention, Attention.Nmi);
          }
        },
      },
      pic: {
        get requested() {
          return isRequested();
        },
        acknowledge: () => {
          const vector = this._vector;
          this._vector = -1;
          words[Word.PicIrr] = 0;
          return vector;
        },
      },
      rom: { call: () => undefined },
      tsc: { cyclesHz: 1e9, cycles: () => 0 },
    };
    this._engine = kind.make(this.cpu, this._phys);
  }

  /**
   * Runs one case in fresh memory.
   * @returns the words that it logged
   * @throws Error when it does not come to its end
   */
  run(program: Program, one: Case): number[] {
    const { cpu } = this;
    const { words } = cpu;
    this._phys.load(0, new Uint8Array(0xa0000));
    this._phys.load(0x100000, new Uint8Array(RAM_BYTES - 0x100000));
    this._phys.load(IMAGE, program.image);
    this._vector = -1;
    words.fill(0, 0, Word.Raised);
    enterProtectedFlat(cpu, program.start);
    words[Word.Ebx] = one.entry;
    this._runToHalt();
    const logPointer = this._phys.read32(this._logPointer(program));
    const log: number[] = [];
    for (let at = LOG; at < logPointer; at += 4) log.push(this._phys.read32(at) >>> 0);
    return log;
  }

  /** The variable `log_pointer` is the one word that holds `LOG` in a fresh image, on a 4-byte boundary. */
  private _logPointer(program: Program): number {
    const view = new DataView(program.image.buffer, program.image.byteOffset, program.image.byteLength);
    for (let at = 0; at < program.image.length; at += 4) if (view.getUint32(at, true) === LOG) return IMAGE + at;
    throw new Error('the program has no log pointer: it does not include environment.inc');
  }

  private _runToHalt(): void {
    const { words } = this.cpu;
    for (let retired = 0; retired < MAX_INSTRUCTIONS; retired += this._engine.run(SLICE)) {
      words[Word.Attention] = 0;
      if (words[Word.ExitReason] !== ExitReason.None) {
        throw new Error(`the machine ended, reason ${words[Word.ExitReason]}, EIP ${hex(words[Word.Eip])}`);
      }
      this._deliver();
      if (words[Word.Halted] !== 0) return;
    }
    throw new Error(`no end after ${MAX_INSTRUCTIONS} instructions, EIP ${hex(words[Word.Eip])}`);
  }

  private _deliver(): void {
    const { words } = this.cpu;
    if (words[Word.Nmi] !== 0 && words[Word.NmiBlocked] === 0) {
      words[Word.Nmi] = 0;
      deliverNmi(this.cpu);
    }
    if (words[Word.InterruptFlag] !== 0 && this._vector >= 0) {
      deliverInterrupt(this.cpu, this.cpu.hooks.pic.acknowledge());
    }
  }
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
