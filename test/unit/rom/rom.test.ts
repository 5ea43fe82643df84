import assert from 'node:assert/strict';
import { calls } from '../../../src/rom/calls.js';
import { INIT_SLOT, RELOC_SLOT, slotOffset } from '../../../src/rom/slots.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, STACK, TestMachine } from './machine.js';

describe('rom/rom', () => {
  it('answers vmi_init with success', () => {
    const machine = new TestMachine();
    assert.equal(machine.rom.active, false);
    machine.enter(INIT_SLOT, { eax: 99 });
    assert.equal(machine.eax, 0);
    assert.equal(machine.rom.active, true);
  });

  it('lets no guest write into the image', () => {
    const { phys, rom } = new TestMachine();
    phys.write32(rom.base, 0x12345678);
    assert.equal(phys.read32(rom.base) & 0xffff, 0xaa55);
  });

  it('refuses places where no guest looks', () => {
    const { rom, phys } = new TestMachine();
    for (const base of [0xbf000, 0xc0800, 0xdf800, 0xe0000, 0x100000]) {
      assert.throws(() => rom.place(phys, base), { code: 'ROM_BASE' });
    }
  });

  it('raises #UD for a VMCALL that is not a stub', () => {
    const { rom } = new TestMachine();
    const nop = calls.findIndex((call) => call.shape === 'noOp');
    for (const offset of [0, 0x3f0, slotOffset(0) + 1, slotOffset(nop), slotOffset(74), slotOffset(80), 0xffd]) {
      assertFault(() => rom.call(offset), Vector.UD);
    }
  });

  it('counts calls and carries into the high word', () => {
    const machine = new TestMachine();
    const number = calls.findIndex((call) => call.name === 'GetCR0');
    machine.call('GetCR0');
    assert.equal(machine.count('GetCR0'), 1);
    machine.words[Word.RomCalls + 2 * number] = -1;
    machine.call('GetCR0');
    assert.equal(machine.words[Word.RomCalls + 2 * number], 0);
    assert.equal(machine.words[Word.RomCalls + 2 * number + 1], 1);
    machine.enter(RELOC_SLOT, { eax: 0 });
    assert.equal(machine.words[Word.RomCalls + 2 * RELOC_SLOT], 1);
  });

  it('keeps the last 16 calls, oldest first', () => {
    const machine = new TestMachine();
    assert.deepEqual(machine.rom.recentCalls(), []);
    machine.call('DisableInterrupts', { eax: 1 });
    machine.enter(INIT_SLOT, { eax: 2 });
    assert.deepEqual(
      machine.rom.recentCalls().map(({ name, eax, esp }) => ({ name, eax, esp })),
      [
        { name: 'DisableInterrupts', eax: 1, esp: STACK },
        { name: 'vmi_init', eax: 2, esp: STACK },
      ],
    );
    for (let eax = 0; eax < 20; eax++) machine.call('SetCR2', { eax });
    const recent = machine.rom.recentCalls();
    assert.deepEqual(
      recent.map((call) => call.eax),
      Array.from({ length: 16 }, (_, index) => index + 4),
    );
    assert.equal(recent[0].eip, (0xc00c8000 + slotOffset(16) + 3) >>> 0);
  });
});
