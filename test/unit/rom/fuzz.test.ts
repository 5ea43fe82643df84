import assert from 'node:assert/strict';
import { GuestKilled } from '../../../src/errors.js';
import { calls } from '../../../src/rom/calls.js';
import { INIT_SLOT, RELOC_SLOT } from '../../../src/rom/slots.js';
import { Word } from '../../../src/vcpu/layout.js';
import { GuestFault } from '../../../src/x86/vectors.js';
import { RAM_BYTES, STACK, TestMachine } from './machine.js';

/** Numbers that matter to somebody: flags, pages, pointers good and bad, edges. */
const INTERESTING = [
  0,
  1,
  2,
  3,
  8,
  0x10,
  0x11,
  0x41,
  0x62,
  0x80,
  0x100,
  0x101,
  0x200,
  0x7fff,
  0x8000,
  STACK,
  0xfff,
  0x1000,
  0x1ffd,
  0x11000,
  0x11004,
  RAM_BYTES - 2,
  RAM_BYTES,
  0xa0000,
  0xc8000,
  0xfee00000,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  0xfffffffd,
];

/** xorshift32: the same numbers in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe('rom: nonsense', () => {
  it('ends in a result, an exception of the guest or a clear end of the machine, never in anything else', () => {
    const random = generator(0x5eed);
    const slots = [
      ...calls.filter((call) => call.handler !== undefined).map((call) => call.number),
      INIT_SLOT,
      RELOC_SLOT,
    ];
    const outcomes = { result: 0, fault: 0, killed: 0 };
    for (let round = 0; round < 30; round++) {
      const machine = new TestMachine();
      if (round % 2 === 1) machine.enablePaging();
      for (let made = 0; made < 200; made++) {
        const value = (): number => {
          const pick = random(INTERESTING.length + 4);
          return (pick < INTERESTING.length ? INTERESTING[pick] : random(2 ** 32)) | 0;
        };
        const slot = slots[random(slots.length)];
        const registers = { eax: value(), ecx: value(), edx: value(), ebx: value(), esi: value(), edi: value() };
        machine.words[Word.Esp] = random(4) === 0 ? value() : STACK;
        try {
          machine.enter(slot, registers, [value(), value()]);
          outcomes.result++;
        } catch (error) {
          if (error instanceof GuestFault) outcomes.fault++;
          else if (error instanceof GuestKilled) outcomes.killed++;
          else throw error;
        }
        machine.clock.advance(1000);
      }
    }
    for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 100, `${outcome}: ${count}`);
  });

  it('clobbers no register that the ABI protects', () => {
    const outside = new Set(['IRET', 'SYSEXIT', 'CPUID']);
    for (const call of calls) {
      if (call.handler === undefined || outside.has(call.name)) continue;
      const machine = new TestMachine();
      machine.useGdt([0x67, 0x8904]);
      machine.phys.write32(0x8000, 0x0000ffff);
      const registers = { ebx: 4, esi: 0x8000, edi: 0x8100 };
      // Arguments that each call takes: a selector, page and pointer in one for EAX; an MSR in ECX for the two that want one.
      const pointers = {
        eax: call.name.endsWith('PxE') || call.name === 'GetGDT' || call.name === 'GetIDT' ? 0x8000 : 0,
        edx: 1,
      };
      if (call.name === 'SetTR') pointers.eax = 8;
      if (call.name === 'SetPxE') pointers.edx = 0x8200;
      if (call.name === 'SetCR0') pointers.eax = 0x11;
      const ecx = call.name.endsWith('MSR') ? 0x174 : call.name === 'SetPxELong' ? 0x8200 : 0;
      machine.enter(call.number, { ...registers, ...pointers, ecx }, [0, 0]);
      const { words } = machine;
      assert.deepEqual(
        [words[Word.Ebx], words[Word.Esi], words[Word.Edi], words[Word.Ebp], words[Word.Esp]],
        [4, 0x8000, 0x8100, 0, STACK],
        call.name,
      );
    }
  });
});
