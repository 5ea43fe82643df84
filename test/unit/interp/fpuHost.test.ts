/**
 * Floating point against a real CPU: plays back the vectors in `test/vectors/fpu/`, which `scripts/record-vectors/recordFpu.ts`
 * recorded. A third of the states have unmasked exceptions and many have empty registers, so that both the quick and the exact stubs are
 * held against the recording.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { Word } from '../../../src/vcpu/layout.js';
import { summarize } from '../../../src/interp/fpuState.js';
import { FpuMachine, HANDLERS } from './fpuMachine.js';
import {
  FPU_ARITHMETIC,
  FPU_DATA_BYTES,
  FX_BYTES,
  StateWord,
  changes,
  fpuInitialState,
  stateWords,
  type FpuVector,
} from './fpuVectors.js';
import { CODE, DATA } from './machine.js';

const folder = new URL('../../../../test/vectors/fpu/', import.meta.url);

/** What the host's kernel makes of an exception: SIGILL, SIGSEGV, SIGFPE. */
const signals: Readonly<Record<number, number>> = { 6: 4, 13: 11, 16: 8, 19: 8 };

interface Recording {
  readonly processor: string;
  readonly vectors: readonly FpuVector[];
}

function play(machine: FpuMachine, vector: FpuVector): FpuVector {
  const code = [...Buffer.from(vector.code, 'hex')];
  const before = fpuInitialState(vector.seed);
  const { words, phys, cpu } = machine;
  machine.enterSystem();
  cpu.bytes.set(before.fx, Word.Fxsave * 4);
  summarize(cpu);
  words.set(before.registers, Word.Eax);
  machine.eflags = before.eflags;
  phys.load(DATA, before.data);
  words[Word.Esp] = 0x20000;
  machine.place(code);
  machine.interpreter.step();
  const eip = words[Word.Eip];
  const exception = eip === CODE + code.length ? -1 : (eip - HANDLERS) / 16;
  const fault = exception < 0 ? 0 : (signals[exception] ?? 1000 + exception);
  // the exception's frame took 12 bytes of stack
  const esp = exception < 0 ? 0x20000 : 0x20000 - (exception === 13 ? 16 : 12);
  assert.equal(words[Word.Esp], esp, `${vector.code}: unexpected exception frame`);
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

describe('floating point, recordings of a real CPU', () => {
  const machine = new FpuMachine();
  after(() => machine.dispose());

  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

  it('are there', () => {
    assert.deepEqual(files.sort(), ['mmx.json', 'mxcsr.json', 'sse.json', 'vendor.json', 'x87.json']);
  });

  for (const file of files) {
    it(`${file.replace('.json', '')}: registers, control and status words, flags and memory agree`, () => {
      const { processor, vectors } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Recording;
      assert.ok(vectors.length > 0);
      // approximations are this host's own: elsewhere only the stack's shape is comparable
      const approximate = file === 'vendor.json' && cpus()[0]?.model !== processor;
      const shape = ({ code, seed, state, fault }: FpuVector): object => ({
        code,
        seed,
        fault,
        state: state?.filter(([index]) => index === (StateWord.Ftw as number)),
      });
      const wrong: string[] = [];
      for (const vector of vectors) {
        const actual = play(machine, vector);
        try {
          if (approximate) assert.deepEqual(shape(actual), shape(vector));
          else assert.deepEqual(actual, vector);
        } catch {
          wrong.push(`${JSON.stringify(vector)}\n   not ${JSON.stringify(actual)}`);
        }
      }
      assert.equal(wrong.length, 0, `${wrong.length} of ${vectors.length} differ:\n${wrong.slice(0, 12).join('\n')}`);
    });
  }
});
