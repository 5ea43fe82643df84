import assert from 'node:assert/strict';
import { calls } from '../../../src/rom/calls.js';
import { Relocation, relocationOf } from '../../../src/rom/relocation.js';
import { RELOC_SLOT, slotOffset } from '../../../src/rom/slots.js';
import { Word } from '../../../src/vcpu/layout.js';
import { ROM_LINEAR, TestMachine } from './machine.js';

function of(name: string): Relocation {
  return relocationOf(calls.findIndex((call) => call.name === name));
}

describe('rom/relocation', () => {
  it('answers CALL for the four interrupt-flag calls, which Linux 2.6.21 patches at a fixed length', () => {
    for (const name of ['EnableInterrupts', 'DisableInterrupts', 'GetInterruptMask', 'SetInterruptMask']) {
      assert.equal(of(name), Relocation.CALL_REL, name);
    }
  });

  it('answers JUMP for IRET and SYSEXIT, and for nothing else', () => {
    assert.deepEqual(
      calls.filter((call) => relocationOf(call.number) === Relocation.JUMP_REL).map((call) => call.name),
      ['IRET', 'SYSEXIT'],
    );
  });

  it('answers CALL for all time calls, which the kernel calls without a check once the first is there', () => {
    for (const name of ['GetCycleFrequency', 'GetCycleCounter', 'SetAlarm', 'CancelAlarm', 'GetWallclockTime']) {
      assert.equal(of(name), Relocation.CALL_REL, name);
    }
  });

  it('answers NOP only for calls without a result', () => {
    for (const call of calls)
      if (relocationOf(call.number) === Relocation.NOP) assert.equal(call.output, '', call.name);
  });

  it('offers no AP start and no APIC access on a machine without an APIC', () => {
    for (const name of ['SetInitialAPState', 'APICRead', 'APICWrite']) assert.equal(of(name), Relocation.NONE, name);
  });

  it('tells targets in the address space of the caller', () => {
    const machine = new TestMachine();
    for (const call of calls) {
      machine.enter(RELOC_SLOT, { eax: call.number });
      const relocation = relocationOf(call.number);
      assert.equal(machine.words[Word.Edx], relocation, call.name);
      const target = relocation === Relocation.NONE ? 0 : (ROM_LINEAR + slotOffset(call.number)) | 0;
      assert.equal(machine.eax, target, call.name);
    }
  });

  it('keeps ECX and answers NONE for numbers that do not exist', () => {
    const machine = new TestMachine();
    for (const number of [74, 78, 1000, 0x7fff_ffff, -1]) {
      machine.enter(RELOC_SLOT, { eax: number, ecx: 77, edx: 5 });
      assert.deepEqual([machine.eax, machine.words[Word.Edx], machine.words[Word.Ecx]], [0, Relocation.NONE, 77]);
    }
  });
});
