/**
 * Whole programs under both engines: random instructions, forward branches, loops, calls. What single instructions cannot show is how fragments
 * hang together: chains, side exits, unrolled loops, polls, and flags that live across all of them. Programs follow from their seeds.
 * What leaves flags undefined that a condition reads is not in them. Read before: `system.test.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { FpuMachine } from '../unit/interp/fpuMachine.js';
import { CODE, DATA, STACK_TOP, d } from '../unit/interp/machine.js';
import { generator } from '../unit/interp/vectors.js';
import { TranslatedMachine } from './rig.js';

const PROGRAMS = 400;
const HLT = 0xf4;
const DATA_BYTES = 256;
const STACK_BYTES = 256;
/** AF is left out: shifts leave it undefined. */
const FLAGS = 0xcc5;

/** Makes programs. ESI, EDI and EBP point at data and stay; ECX counts loops; EAX, EDX and EBX are everybody's. */
class Generator {
  private readonly _next: () => number;

  constructor(seed: number) {
    this._next = generator(seed);
    for (let i = 0; i < 8; i++) this._next();
  }

  private _below(count: number): number {
    return (this._next() >>> 8) % count;
  }

  private _free(): number {
    return [0, 2, 3][this._below(3)];
  }

  /** ModR/M and displacement: a free register, or memory near ESI or EDI. */
  private _operand(reg: number): number[] {
    if (this._below(2) === 0) return [0xc0 | (reg << 3) | this._free()];
    return [0x46 | (reg << 3) | this._below(2), this._below(60)];
  }

  private _simple(): number[] {
    const alu = this._below(8) << 3;
    const size = this._below(3);
    const prefix = size === 2 ? [0x66] : [];
    const wide = size === 0 ? 0 : 1;
    switch (this._below(14)) {
      case 0:
      case 1:
        return [...prefix, alu | wide, ...this._operand(this._free())];
      case 2:
        return [...prefix, alu | 2 | wide, ...this._operand(this._free())];
      case 3:
        return [0x83, ...this._operand(alu >> 3), this._below(256)];
      case 4:
        return [...prefix, 0xfe | wide, ...this._operand(this._below(2))];
      case 5:
        return [0x0f, 0x90 | this._below(16), 0xc0 | this._free()];
      case 6:
        return [0x0f, 0x40 | this._below(16), ...this._operand(this._free())];
      case 7:
        return [...prefix, 0xc0 | wide, ...this._operand([0, 1, 4, 5, 7][this._below(5)]), this._below(2)];
      case 8:
        return [0x0f, [0xb6, 0xb7, 0xbe, 0xbf][this._below(4)], ...this._operand(this._free())];
      case 9:
        return [0x50 | this._free(), 0x9c, 0x80, 0x24, 0x24, 0xef, 0x58 | this._free(), 0x58 | this._free()];
      case 10:
        return [0x8d, 0x84 | (this._free() << 3), (this._below(4) << 6) | (this._free() << 3) | 6, ...d(this._next())];
      case 11:
        return [[0xf5, 0xf8, 0xf9][this._below(3)], 0x11 | (this._below(2) << 3), 0xd0];
      case 12:
        return [0x60, 0xf7, ...this._operand(3), 0x61];
      default:
        return [0xf7, ...this._operand(2 + this._below(2))];
    }
  }

  private _block(length: number): number[] {
    return Array.from({ length }, () => this._simple()).flat();
  }

  private _part(): number[] {
    switch (this._below(6)) {
      case 0: {
        // jcc over a block
        const block = this._block(1 + this._below(3));
        return [0x70 | this._below(16), block.length, ...block];
      }
      case 1: {
        // mov ecx, n; block; dec ecx; jnz
        const block = this._block(this._below(5));
        const dec = [0x49];
        return [0xb9, ...d(1 + this._below(9)), ...block, ...dec, 0x75, -(block.length + 3) & 0xff];
      }
      case 2: {
        // mov ecx, n; sub ecx, 1; jb out; block; jmp back
        const block = this._block(this._below(4));
        return [
          0xb9,
          ...d(this._below(9)),
          0x83,
          0xe9,
          1,
          0x72,
          block.length + 2,
          ...block,
          0xeb,
          -(block.length + 7) & 0xff,
        ];
      }
      case 3: {
        // mov ecx, n; block; loop, loope or loopne
        const block = this._block(this._below(3));
        return [0xb9, ...d(1 + this._below(9)), ...block, 0xe0 + this._below(3), -(block.length + 2) & 0xff];
      }
      case 4: {
        // call over a block to a function that returns into it
        const body = this._block(this._below(3));
        const func = [...this._block(this._below(3)), 0xc3];
        return [0xe8, ...d(body.length + 2), ...body, 0xeb, func.length, ...func];
      }
      default:
        // lea edi, [esi+64]; mov ecx, n; rep movsd or stosb, and the pointers as they were
        return [0x8d, 0x7e, 64, 0xb9, ...d(this._below(9)), 0x56, 0x57, 0xf3, [0xa5, 0xaa][this._below(2)], 0x5f, 0x5e];
    }
  }

  program(): number[] {
    return [...Array.from({ length: 3 + this._below(6) }, () => [...this._block(2), ...this._part()]).flat(), HLT];
  }
}

function start(machine: FpuMachine, code: readonly number[], seed: number): void {
  const next = generator(seed ^ 0x5eed);
  const { words, phys } = machine;
  machine.enterSystem();
  words[Word.Halted] = 0;
  for (let register = Word.Eax; register <= Word.Edi; register++) words[register] = next();
  words[Word.Esp] = STACK_TOP;
  words[Word.Esi] = DATA;
  words[Word.Edi] = DATA + 64;
  machine.eflags = next() & FLAGS & ~0x400;
  phys.load(
    DATA,
    Uint8Array.from({ length: DATA_BYTES }, () => next() >>> 8),
  );
  phys.load(STACK_TOP - STACK_BYTES, new Uint8Array(STACK_BYTES));
  machine.place(code);
}

function stateOf({ words, phys, eflags }: FpuMachine): object {
  return {
    eip: words[Word.Eip] - CODE,
    eflags: (eflags & FLAGS).toString(16),
    registers: [...words.subarray(Word.Eax, Word.Edi + 1)],
    data: Buffer.from(phys.bytes.subarray(DATA, DATA + DATA_BYTES)).toString('hex'),
    stack: Buffer.from(phys.bytes.subarray(STACK_TOP - STACK_BYTES, STACK_TOP)).toString('hex'),
  };
}

for (const maxInstructions of [64, 1]) {
  describe(`random programs, translated, up to ${maxInstructions} instructions a fragment`, () => {
    let translated: TranslatedMachine;
    let interpreted: FpuMachine;
    before(() => {
      translated = new TranslatedMachine(maxInstructions);
      interpreted = new FpuMachine();
    });
    after(() => {
      translated.dispose();
      interpreted.dispose();
    });

    it('end as under the interpreter', function () {
      this.timeout(20_000);
      const { enters } = translated.translator.statistics();
      for (let seed = 1; seed <= PROGRAMS; seed++) {
        const code = new Generator(seed).program();
        start(interpreted, code, seed);
        for (let left = 20; left > 0 && interpreted.words[Word.Halted] === 0; left--) interpreted.interpreter.run(1000);
        start(translated, code, seed);
        translated.runToHalt();
        const hex = Buffer.from(code).toString('hex');
        assert.deepEqual(stateOf(translated), stateOf(interpreted), `seed ${seed}: ${hex}`);
      }
      assert.ok(translated.translator.statistics().enters - enters >= PROGRAMS);
    });
  });
}
