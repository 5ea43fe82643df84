/**
 * STI and the instruction behind it: with a request waiting, both engines stop behind that instruction and no earlier, whatever it is; with
 * none, STI stays in translated code. Read before: `rig.ts`, `../../src/translator/emit/flags.ts`.
 */
import assert from 'node:assert/strict';
import { Attention, Word } from '../../src/vcpu/layout.js';
import { CODE, STACK_TOP, d, Pair, type Machine } from './rig.js';

const CLI = 0xfa;
const STI = 0xfb;
const HLT = 0xf4;
const NOP = 0x90;
/** Of the follower, and where those that transfer control go. */
const START = CODE + 6;
const TARGET = CODE + 0x20;

/** What may follow STI; the last is its length where the next instruction follows it. */
const followers: readonly [name: string, bytes: readonly number[], length: number | undefined][] = [
  ['NOP', [NOP], 1],
  ['RET', [0xc3], undefined],
  ['JMP', [0xe9, ...d(TARGET - START - 5)], undefined],
  ['CALL', [0xe8, ...d(TARGET - START - 5)], undefined],
  ['JZ not taken', [0x74, 0x10], 2],
  ['JNZ', [0x0f, 0x85, ...d(TARGET - START - 6)], undefined],
  ['a load', [0xa1, ...d(STACK_TOP)], 5],
  ['STI', [STI], 1],
  ['HLT', [HLT], 1],
  ['CPUID', [0x0f, 0xa2], 2],
];

/** or bl, 1 (ZF = 0); nop; cli; sti; follower; at TARGET and behind the follower: cli; hlt */
function pairOf(follower: readonly number[], isPending: boolean): Pair {
  const program = [0x80, 0xcb, 0x01, NOP, CLI, STI, ...follower];
  const rest = [CLI, HLT];
  return new Pair([...program, ...rest], {
    prepare: ({ cpu, phys, words }: Machine) => {
      phys.load(TARGET, Uint8Array.from(rest));
      phys.write32(STACK_TOP, TARGET);
      words[Word.PicIrr] = words[Word.PicOpen] = isPending ? 1 : 0;
      Object.assign(cpu.hooks, { pic: { requested: isPending, acknowledge: () => 0x20 } });
    },
  });
}

describe('STI in translated code', () => {
  for (const [name, bytes, length] of followers) {
    it(`lets a waiting interrupt in behind ${name}, and not before`, () => {
      const pair = pairOf(bytes, true);
      try {
        for (const machine of [pair.interpreted, pair.translated]) {
          machine.run(1000);
          assert.equal(machine.words[Word.Eip], length === undefined ? TARGET : START + length);
          assert.equal(machine.words[Word.InterruptFlag], 1);
          assert.equal(machine.words[Word.Attention] & Attention.Interrupt, Attention.Interrupt);
        }
        pair.assertSame();
      } finally {
        pair.dispose();
      }
    });

    it(`stays before ${name} when nothing waits`, () => {
      const pair = pairOf(bytes, false);
      try {
        pair.finish();
        pair.assertSame();
        const { interpreted } = pair.translated.translator.statistics();
        assert.ok(!interpreted.some(({ what }) => what === 'STI'));
      } finally {
        pair.dispose();
      }
    });
  }
});
