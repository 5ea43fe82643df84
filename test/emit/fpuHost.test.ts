/**
 * Floating point translated, against a real CPU: the vectors of `test/vectors/fpu/`. Unmasked exceptions are signals on the way, and come out
 * as the guest's. Read before: `host.test.ts`, `../unit/interp/fpuHost.test.ts`, which plays the vectors on the interpreter.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { summarize } from '../../src/interp/fpuState.js';
import { Word } from '../../src/vcpu/layout.js';
import { HANDLERS } from '../unit/interp/fpuMachine.js';
import {
  FPU_ARITHMETIC,
  FPU_DATA_BYTES,
  FX_BYTES,
  changes,
  fpuInitialState,
  stateWords,
  type FpuVector,
} from '../unit/interp/fpuVectors.js';
import { DATA } from '../unit/interp/machine.js';
import { TranslatedMachine } from './rig.js';

const folder = new URL('../../../test/vectors/fpu/', import.meta.url);
const HLT = 0xf4;
const PLACES_START = 0x40000;
const PLACE_BYTES = 16;
const STACK = 0x20000;

/** What the host's kernel makes of an exception: SIGILL, SIGSEGV, SIGFPE. */
const signals: Readonly<Record<number, number>> = { 6: 4, 13: 11, 16: 8, 19: 8 };

interface Recording {
  readonly processor: string;
  readonly vectors: readonly FpuVector[];
}

function play(machine: TranslatedMachine, vector: FpuVector, place: number): FpuVector {
  const before = fpuInitialState(vector.seed);
  const { words, phys, cpu } = machine;
  machine.enterSystem();
  words[Word.Halted] = 0;
  cpu.bytes.set(before.fx, Word.Fxsave * 4);
  summarize(cpu);
  words.set(before.registers, Word.Eax);
  machine.eflags = before.eflags;
  phys.load(DATA, before.data);
  words[Word.Esp] = STACK;
  words[Word.Eip] = place;
  machine.runToHalt();
  const eip = words[Word.Eip] - 1;
  const exception = eip === place + vector.code.length / 2 ? -1 : (eip - HANDLERS) / 16;
  const fault = exception < 0 ? 0 : (signals[exception] ?? 1000 + exception);
  words[Word.Esp] = 0;
  const registers = changes(before.registers, words.subarray(Word.Eax, Word.Edi + 1));
  const eflags = machine.eflags & FPU_ARITHMETIC;
  const after = cpu.bytes.slice(Word.Fxsave * 4, Word.Fxsave * 4 + FX_BYTES);
  const state = changes(stateWords(before.fx), stateWords(after));
  const memory = changes(before.data, phys.bytes.subarray(DATA, DATA + FPU_DATA_BYTES));
  return {
    code: vector.code,
    seed: vector.seed,
    ...(fault !== 0 && { fault }),
    ...(registers.length > 0 && { registers }),
    ...(eflags !== (before.eflags & FPU_ARITHMETIC) && { eflags }),
    ...(state.length > 0 && { state }),
    ...(memory.length > 0 && { memory }),
  };
}

describe('floating point, recordings of a real CPU, translated', () => {
  let machine: TranslatedMachine;
  before(() => {
    machine = new TranslatedMachine();
  });
  after(() => machine.dispose());

  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    it(`${file.replace('.json', '')}: registers, control and status words, flags and memory agree`, () => {
      const { processor, vectors } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Recording;
      assert.ok(vectors.length > 0);
      const image = new Uint8Array(vectors.length * PLACE_BYTES);
      vectors.forEach(({ code }, index) => image.set([...Buffer.from(code, 'hex'), HLT], index * PLACE_BYTES));
      machine.phys.load(PLACES_START, image);
      for (let handler = 0; handler < 32; handler++) machine.phys.load(HANDLERS + 16 * handler, Uint8Array.of(HLT));
      const { enters } = machine.translator.statistics();
      // approximations are this host's own: with another processor only the interpreter's test compares what can be
      const approximate = file === 'vendor.json' && cpus()[0]?.model !== processor;
      const wrong: string[] = [];
      vectors.forEach((vector, index) => {
        const actual = play(machine, vector, PLACES_START + index * PLACE_BYTES);
        try {
          assert.deepEqual(approximate ? actual.fault : actual, approximate ? vector.fault : vector);
        } catch {
          wrong.push(`${JSON.stringify(vector)}\n   not ${JSON.stringify(actual)}`);
        }
      });
      assert.equal(wrong.length, 0, `${wrong.length} of ${vectors.length} differ:\n${wrong.slice(0, 12).join('\n')}`);
      assert.ok(machine.translator.statistics().enters - enters >= vectors.length, 'not all were run as fragments');
    });
  }
});
