/**
 * Two translators on one thread that take turns: each must find its own window. Where WRGSBASE is announced, a base that had been set before was
 * not set again, though the other translator had set its own in between; each wrote into the other's memory.
 */
import assert from 'node:assert/strict';
import { loadNative } from '../../src/native.js';
import { Word } from '../../src/vcpu/layout.js';
import { TranslatedMachine } from '../emit/rig.js';

const DATA = 0x30000;
const TURNS = 4;
// mov [DATA], eax; hlt
const CODE = [0xa3, 0, 0, 3, 0, 0xf4];

describe('translators that share a thread', () => {
  it('write to their own memory', () => {
    const native = loadNative()!;
    const machines = Array.from({ length: 2 }, () => {
      const machine = new TranslatedMachine();
      machine.place(CODE);
      native.vcpuUnbind();
      return { machine, start: machine.words[Word.Eip] };
    });
    try {
      for (let turn = 1; turn <= TURNS; turn++) {
        machines.forEach(({ machine, start }, number) => {
          const { words, phys } = machine;
          const value = turn * 10 + number;
          native.vcpuBind(words.buffer);
          words[Word.Eip] = start;
          words[Word.Halted] = 0;
          words[Word.Eax] = value;
          machine.runToHalt();
          native.vcpuUnbind();
          assert.equal(phys.read32(DATA), value);
        });
      }
    } finally {
      for (const { machine } of machines) {
        native.vcpuBind(machine.words.buffer);
        machine.dispose();
      }
    }
  });
});
