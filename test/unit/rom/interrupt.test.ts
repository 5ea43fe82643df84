import assert from 'node:assert/strict';
import { Attention, Word } from '../../../src/vcpu/layout.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, STACK, TestMachine } from './machine.js';

const CODE0: [number, number] = [0x0000ffff, 0x00cf9b00];
const DATA0: [number, number] = [0x0000ffff, 0x00cf9300];
const CODE3: [number, number] = [0x0000ffff, 0x00cffb00];
const DATA3: [number, number] = [0x0000ffff, 0x00cff300];

function withKernelGdt(): TestMachine {
  const machine = new TestMachine();
  machine.useGdt(CODE0, DATA0, CODE3, DATA3);
  return machine;
}

/** Puts a frame at the top of the stack, as a JUMP_REL stub finds it. */
function frame(machine: TestMachine, ...words: number[]): void {
  words.forEach((word, index) => machine.phys.write32(STACK + 4 * index, word));
}

describe('rom/interrupt', () => {
  it('keeps the virtual IF in bit 9 of the mask', () => {
    const machine = new TestMachine();
    machine.call('GetInterruptMask');
    assert.equal(machine.eax, 0);
    machine.call('EnableInterrupts');
    machine.call('GetInterruptMask');
    assert.equal(machine.eax, 0x200);
    machine.call('DisableInterrupts');
    machine.call('GetInterruptMask');
    assert.equal(machine.eax, 0);
    machine.call('SetInterruptMask', { eax: ~0 });
    assert.equal(machine.words[Word.InterruptFlag], 1);
    machine.call('SetInterruptMask', { eax: ~0x200 });
    assert.equal(machine.words[Word.InterruptFlag], 0);
  });

  for (const [name, registers] of [
    ['EnableInterrupts', {}],
    ['SetInterruptMask', { eax: 0x200 }],
    ['Halt', {}],
  ] as const) {
    it(`${name} asks for the delivery of what is pending, and only of that`, () => {
      const machine = new TestMachine();
      machine.call(name, registers);
      assert.equal(machine.words[Word.Attention] & Attention.Interrupt, 0);
      machine.words[Word.InterruptFlag] = 0;
      machine.pic.requested = true;
      machine.call(name, registers);
      assert.equal(machine.words[Word.Attention] & Attention.Interrupt, Attention.Interrupt);
    });
  }

  it('does not ask for delivery while interrupts stay off', () => {
    const machine = new TestMachine();
    machine.pic.requested = true;
    machine.call('DisableInterrupts');
    machine.call('SetInterruptMask', { eax: 0 });
    assert.equal(machine.words[Word.Attention], 0);
  });

  it('leaves all registers but the result alone in the interrupt-flag calls', () => {
    const machine = new TestMachine();
    for (const name of ['EnableInterrupts', 'DisableInterrupts', 'GetInterruptMask', 'SetInterruptMask']) {
      machine.call(name, { eax: 0x200, ecx: 2, edx: 3, ebx: 4, esi: 5, edi: 6 });
      const { words } = machine;
      assert.deepEqual([...words.subarray(Word.Ecx, Word.Esp)], [2, 3, 4], name);
      assert.deepEqual([words[Word.Esi], words[Word.Edi], words[Word.Esp]], [5, 6, STACK], name);
    }
  });

  it('halts with interrupts on; a wait is an exit, a halt with something pending is none', () => {
    const machine = new TestMachine();
    machine.call('Halt');
    assert.deepEqual([machine.words[Word.Halted], machine.words[Word.InterruptFlag]], [1, 1]);
    assert.equal(machine.exits('Halt'), 1);
    machine.pic.requested = true;
    machine.call('Halt');
    assert.equal(machine.exits('Halt'), 1);
  });

  it('IRET returns to the frame at [ESP] at the same level', () => {
    const machine = withKernelGdt();
    machine.pic.requested = true;
    frame(machine, 0x1234, 0x08, 0x202);
    machine.call('IRET');
    const { words } = machine;
    assert.deepEqual([words[Word.Eip], words[Word.Esp], words[Word.InterruptFlag]], [0x1234, STACK + 12, 1]);
    assert.equal(words[Word.Attention] & Attention.Interrupt, Attention.Interrupt);
  });

  it('IRET returns to user mode', () => {
    const machine = withKernelGdt();
    frame(machine, 0x1234, 0x1b, 0x202, 0x5678, 0x23);
    machine.call('IRET');
    const { words } = machine;
    assert.deepEqual([words[Word.Eip], words[Word.Esp], words[Word.Cpl]], [0x1234, 0x5678, 3]);
    assert.deepEqual([machine.selector(Segment.Cs), machine.selector(Segment.Ss)], [0x1b, 0x23]);
  });

  it('IRET raises the fault of a bad frame and changes nothing', () => {
    const machine = withKernelGdt();
    frame(machine, 0x1234, 0x1230, 0x202);
    assertFault(() => machine.call('IRET'), Vector.GP, 0x1230);
    assert.deepEqual([machine.words[Word.Esp], machine.words[Word.InterruptFlag]], [STACK, 0]);
  });

  it('SYSEXIT goes to user mode with interrupts on', () => {
    const machine = withKernelGdt();
    machine.words[Word.SysenterCs] = 0x08;
    machine.pic.requested = true;
    machine.call('SYSEXIT', { edx: 0x4000, ecx: 0x5000 });
    const { words } = machine;
    assert.deepEqual([words[Word.Eip], words[Word.Esp], words[Word.Cpl]], [0x4000, 0x5000, 3]);
    assert.equal(words[Word.InterruptFlag], 1);
    assert.equal(words[Word.Attention] & Attention.Interrupt, Attention.Interrupt);
  });

  it('SYSEXIT without SYSENTER_CS raises #GP and leaves interrupts off', () => {
    const machine = withKernelGdt();
    assertFault(() => machine.call('SYSEXIT', { edx: 0x4000, ecx: 0x5000 }), Vector.GP, 0);
    assert.equal(machine.words[Word.InterruptFlag], 0);
  });
});
