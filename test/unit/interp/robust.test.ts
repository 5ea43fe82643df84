/** Completeness and robustness: every row of the table finds its handler, and no bytes whatever bring the interpreter down. */
import assert from 'node:assert/strict';
import { bind, isImplemented } from '../../../src/interp/binders.js';
import { UnimplementedInstruction } from '../../../src/interp/unimplemented.js';
import { Eflag } from '../../../src/vcpu/flags.js';
import { Word } from '../../../src/vcpu/layout.js';
import { decode } from '../../../src/x86/decode.js';
import { integerMnemonics } from '../../../src/x86/mnemonics.js';
import { GuestFault } from '../../../src/x86/vectors.js';
import { opcodeSpace } from '../../helpers/x86Encodings.js';
import { CODE, DATA, STACK_TOP, TestMachine } from './machine.js';
import { generator } from './vectors.js';

describe('binders', () => {
  it('bind every integer encoding of the opcode space, in both code sizes', () => {
    const { interpreter } = new TestMachine();
    const bound = new Set<string>();
    for (const codeSize of [2, 4] as const) {
      for (const bytes of opcodeSpace(false)) {
        let instruction;
        try {
          instruction = decode({ byte: (index) => bytes[index] ?? 0 }, codeSize);
        } catch (error) {
          assert.ok(error instanceof GuestFault);
          continue;
        }
        const step = bind(instruction, interpreter);
        assert.equal(typeof step.execute, 'function', instruction.form.opcode);
        assert.equal(step.length, instruction.length);
        bound.add(instruction.form.mnemonic);
      }
    }
    for (const mnemonic of integerMnemonics) {
      assert.ok(isImplemented(mnemonic), mnemonic);
      assert.ok(bound.has(mnemonic), `${mnemonic} was never bound`);
    }
  });
});

describe('random bytes', () => {
  /** Runs random code in many short programs and returns how many instructions retired. */
  function runRandom(seed: number, prepare: (machine: TestMachine, next: () => number) => void): number {
    const next = generator(seed);
    let machine = new TestMachine();
    let retired = 0;
    for (let program = 0; program < 600; program++) {
      if (program % 100 === 0) machine = new TestMachine();
      const { words } = machine;
      machine.enterFlat();
      words[Word.Halted] = 0;
      words[Word.ExitReason] = 0;
      words[Word.Shadow] = 0;
      for (let vector = 0; vector < 32; vector++) machine.gate(vector, CODE + (next() & 0xff));
      for (let register = Word.Eax; register <= Word.Edi; register++) {
        words[register] = (next() & 3) === 0 ? next() : DATA + (next() & 0xfff);
      }
      words[Word.Esp] = STACK_TOP;
      machine.place(Array.from({ length: 256 }, () => next() & 0xff));
      prepare(machine, next);
      try {
        retired += machine.interpreter.run(100);
      } catch (error) {
        if (!(error instanceof UnimplementedInstruction)) throw error;
      }
      assert.equal(words[Word.Zero], 0, 'the register that is always 0');
      assert.equal(machine.cpu.lazyOp, 0, 'flags are settled');
    }
    return retired;
  }

  it('never bring the interpreter down in flat protected mode', () => {
    assert.ok(runRandom(1, () => undefined) > 5000);
  });

  it('nor in real mode', () => {
    const retired = runRandom(2, (machine, next) => {
      machine.enterReal();
      machine.words[Word.Eip] = 0x8000;
      machine.words[Word.Esp] = 0x7000;
      machine.phys.load(
        0x8000,
        Uint8Array.from({ length: 256 }, () => next() & 0xff),
      );
    });
    assert.ok(retired > 5000);
  });

  it('nor when single-stepping', () => {
    assert.ok(runRandom(3, (machine) => void (machine.eflags = Eflag.TF | 2)) > 5000);
  });
});
