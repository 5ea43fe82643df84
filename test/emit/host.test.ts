/**
 * Translated code against a real CPU: the vectors of `test/vectors/`, each run as fragments on the host, chained and one instruction a
 * fragment. Undefined flags are compared too where the recording was made on the same model: the host's are what translation promises.
 * Read before: `../unit/interp/host.test.ts`, which plays them on the interpreter.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { Word } from '../../src/vcpu/layout.js';
import { decode } from '../../src/x86/decode.js';
import { CODE, DATA } from '../unit/interp/machine.js';
import {
  ARITHMETIC,
  COMPARED_FLAGS,
  DATA_BYTES,
  STACK_BYTES,
  VECTOR_STACK_TOP,
  initialState,
  type Vector,
} from '../unit/interp/vectors.js';
import { TranslatedMachine } from './rig.js';

const folder = new URL('../../../test/vectors/', import.meta.url);
const DIVIDE_HANDLER = 0x18000;
const STACK_START = VECTOR_STACK_TOP - STACK_BYTES;
const HLT = 0xf4;

/** Flags that an instruction of the vector leaves undefined: a recording on another model may have them otherwise. */
function undefinedFlags(code: readonly number[]): number {
  let undefinedOnes = 0;
  for (let at = 0; at < code.length;) {
    const { form, length } = decode({ byte: (index) => code[at + index] ?? HLT }, 4);
    undefinedOnes = (undefinedOnes & ~form.flagsWritten) | form.flagsUndefined;
    at += length;
  }
  return undefinedOnes;
}

function play(machine: TranslatedMachine, vector: Vector): Vector {
  const code = [...Buffer.from(vector.code, 'hex')];
  const state = initialState(vector.seed);
  const { words, phys } = machine;
  machine.enterFlat();
  words[Word.Halted] = 0;
  machine.gate(0, DIVIDE_HANDLER);
  words.set(state.registers, Word.Eax);
  machine.eflags = state.eflags;
  phys.load(DATA, state.data);
  phys.load(STACK_START, state.stack);
  phys.load(DIVIDE_HANDLER, Uint8Array.of(HLT));
  machine.place([...code, HLT]);
  machine.runToHalt();
  const { code: hex, seed } = vector;
  if (words[Word.Eip] === DIVIDE_HANDLER + 1) return { code: hex, seed, fault: 1 };
  assert.equal(words[Word.Eip], CODE + code.length + 1, `${hex}: ends elsewhere`);
  const registers = [...words.subarray(Word.Eax, Word.Edi + 1).entries()].filter(
    ([index, value]) => value !== state.registers[index],
  );
  const before = [...state.data, ...state.stack];
  const after = [
    ...phys.bytes.subarray(DATA, DATA + DATA_BYTES),
    ...phys.bytes.subarray(STACK_START, VECTOR_STACK_TOP),
  ];
  const memory = [...after.entries()].filter(([index, value]) => value !== before[index]);
  const eflags = machine.eflags & COMPARED_FLAGS;
  return {
    code: hex,
    seed,
    ...(registers.length > 0 && { registers }),
    ...(eflags !== (state.eflags & ARITHMETIC) && { eflags }),
    ...(memory.length > 0 && { memory }),
  };
}

function comparable(vector: Vector, ignored: number): Vector {
  const eflags = vector.eflags ?? initialState(vector.seed).eflags & ARITHMETIC;
  return { ...vector, eflags: eflags & ~ignored };
}

for (const maxInstructions of [64, 1]) {
  describe(`recordings of a real CPU, translated, up to ${maxInstructions} instructions a fragment`, () => {
    let machine: TranslatedMachine;
    before(() => {
      machine = new TranslatedMachine(maxInstructions);
    });
    after(() => machine.dispose());

    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      it(`${file.replace('.json', '')}: registers, flags and memory agree`, () => {
        const vectors = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Vector[];
        assert.ok(vectors.length > 0);
        const { enters } = machine.translator.statistics();
        for (const vector of vectors) {
          const ignored = undefinedFlags([...Buffer.from(vector.code, 'hex')]);
          const actual = play(machine, vector);
          assert.deepEqual(comparable(actual, ignored), comparable(vector, ignored));
        }
        assert.ok(machine.translator.statistics().enters - enters >= vectors.length, 'not all were run as fragments');
      });
    }
  });
}
