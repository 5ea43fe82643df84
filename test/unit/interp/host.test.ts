/**
 * The interpreter against a real CPU: plays back the vectors in `test/vectors/`, which `scripts/record-vectors/recordSnippets.ts` recorded.
 * Flags that the instruction table calls undefined are left out of the comparison.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { Word } from '../../../src/vcpu/layout.js';
import { decode } from '../../../src/x86/decode.js';
import { Flag } from '../../../src/x86/form.js';
import { OperandKind, type Instruction } from '../../../src/x86/instruction.js';
import { CODE, DATA, TestMachine } from './machine.js';
import {
  ARITHMETIC,
  COMPARED_FLAGS,
  DATA_BYTES,
  STACK_BYTES,
  VECTOR_STACK_TOP,
  initialState,
  type Vector,
} from './vectors.js';

const folder = new URL('../../../../test/vectors/', import.meta.url);
const DIVIDE_HANDLER = 0x18000;
const STACK_START = VECTOR_STACK_TOP - STACK_BYTES;

const isShift = (mnemonic: string): boolean => /^(RO[LR]|RC[LR]|SA[LR]|SH[LR]D?)$/.test(mnemonic);

/** Flags left undefined by one instruction; for shifts that depends on the count (SDM 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR"). */
function undefinedFlags(instruction: Instruction, words: Int32Array): number {
  const form = instruction.form;
  if (!isShift(form.mnemonic)) return form.flagsUndefined;
  const operand = instruction.operands[instruction.operands.length - 1];
  const count = (operand.kind === OperandKind.Immediate ? operand.value : words[Word.Ecx]) & 31;
  if (count === 0) return 0;
  return count === 1 ? form.flagsUndefined & ~Flag.OF : form.flagsUndefined;
}

/** Runs one vector and returns what the interpreter made of it, with the same things left out as in the recording. */
function play(machine: TestMachine, vector: Vector): { actual: Vector; ignored: number } {
  const code = [...Buffer.from(vector.code, 'hex')];
  const state = initialState(vector.seed);
  const { words, phys } = machine;
  machine.enterFlat();
  machine.gate(0, DIVIDE_HANDLER);
  words.set(state.registers, Word.Eax);
  machine.eflags = state.eflags;
  phys.load(DATA, state.data);
  phys.load(STACK_START, state.stack);
  machine.place([...code, 0xf4]);
  const end = CODE + code.length;
  let ignored = 0;
  for (let steps = 0; words[Word.Eip] !== end && words[Word.Eip] !== DIVIDE_HANDLER; steps++) {
    assert.ok(steps < 100, `${vector.code}: does not end`);
    const eip = words[Word.Eip];
    const instruction = decode({ byte: (index) => phys.read8(eip + index) }, 4);
    ignored = (ignored & ~instruction.form.flagsWritten) | undefinedFlags(instruction, words);
    machine.interpreter.step();
  }
  const { code: hex, seed } = vector;
  if (words[Word.Eip] === DIVIDE_HANDLER) return { actual: { code: hex, seed, fault: 1 }, ignored };
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
    actual: {
      code: hex,
      seed,
      ...(registers.length > 0 && { registers }),
      ...(eflags !== (state.eflags & ARITHMETIC) && { eflags }),
      ...(memory.length > 0 && { memory }),
    },
    ignored,
  };
}

/** The vector with its flags filled in and the ignored ones cleared. */
function comparable(vector: Vector, ignored: number): Vector {
  const eflags = vector.eflags ?? initialState(vector.seed).eflags & ARITHMETIC;
  return { ...vector, eflags: eflags & ~ignored };
}

describe('recordings of a real CPU', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

  it('are there', () => {
    assert.ok(files.length >= 9, `only ${files.join(', ')} in ${folder.pathname}`);
  });

  for (const file of files) {
    it(`${file.replace('.json', '')}: registers, flags and memory agree`, () => {
      const vectors = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Vector[];
      assert.ok(vectors.length > 0);
      const machine = new TestMachine();
      for (const vector of vectors) {
        const { actual, ignored } = play(machine, vector);
        assert.deepEqual(comparable(actual, ignored), comparable(vector, ignored));
      }
    });
  }
});
