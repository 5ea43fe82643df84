import assert from 'node:assert/strict';
import { slotOffset } from '../../../src/rom/slots.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, ROM_LINEAR, TestMachine } from './machine.js';

const BUFFER = 0x6_0000;

describe('rom/io', () => {
  it('reads ports of all sizes', () => {
    const machine = new TestMachine();
    for (const name of ['INB', 'INW', 'INL']) machine.call(name, { eax: 0x1234, edx: 0x1_03f8 });
    assert.deepEqual(machine.portLog, ['in1 3f8', 'in2 3f8', 'in4 3f8']);
    assert.equal(machine.eax, -1);
    machine.portInput.push(0x85);
    machine.call('INB', { eax: -1, edx: 0x60 });
    assert.equal(machine.eax, 0x85);
  });

  it('writes ports of all sizes', () => {
    const machine = new TestMachine();
    for (const name of ['OUTB', 'OUTW', 'OUTL']) machine.call(name, { eax: 0x89abcdef | 0, edx: 0x80 });
    assert.deepEqual(machine.portLog, ['out1 80 ef', 'out2 80 cdef', 'out4 80 89abcdef']);
  });

  it('moves strings from a port to memory', () => {
    const machine = new TestMachine();
    machine.portInput.push(0x11, 0x22, 0x33);
    machine.call('INSB', { edi: BUFFER, edx: 0x1f0, ecx: 3 });
    assert.equal(machine.phys.read32(BUFFER), 0x332211);
    assert.deepEqual([machine.words[Word.Edi], machine.words[Word.Ecx]], [BUFFER + 3, 0]);
    machine.portInput.push(0x4433, 0x89abcdef);
    machine.call('INSW', { edi: BUFFER, edx: 0x1f0, ecx: 1 });
    machine.call('INSL', { edi: BUFFER + 4, edx: 0x1f0, ecx: 1 });
    assert.deepEqual([machine.phys.read16(BUFFER), machine.phys.read32(BUFFER + 4)], [0x4433, 0x89abcdef | 0]);
  });

  it('moves strings from memory to a port, backwards if the direction flag says so', () => {
    const machine = new TestMachine();
    machine.phys.write32(BUFFER, 0x44332211);
    machine.call('OUTSB', { esi: BUFFER, edx: 0xe9, ecx: 2 });
    machine.words[Word.Eflags] |= 0x400;
    machine.call('OUTSW', { esi: BUFFER + 2, edx: 0xe9, ecx: 2 });
    machine.call('OUTSL', { esi: BUFFER, edx: 0xe9, ecx: 1 });
    assert.deepEqual(machine.portLog, ['out1 e9 11', 'out1 e9 22', 'out2 e9 4433', 'out2 e9 2211', 'out4 e9 44332211']);
    assert.equal(machine.words[Word.Esi], BUFFER - 4);
  });

  it('keeps the registers exact when an item faults, without touching the port for it', () => {
    const machine = new TestMachine();
    machine.enablePaging();
    machine.call('SetPxE', { eax: 0, edx: machine.entryOf(0x6_1000), ecx: 0x6_1011 });
    assertFault(() => machine.call('INSL', { edi: 0x6_0ff8, edx: 0x1f0, ecx: 5 }), Vector.PF, 2);
    assert.deepEqual([machine.words[Word.Edi], machine.words[Word.Ecx]], [0x6_1000, 3]);
    assert.equal(machine.portLog.length, 2);
  });

  it('lets interrupts into a long transfer by running the VMCALL again', () => {
    const machine = new TestMachine();
    machine.call('OUTSB', { esi: BUFFER, edx: 0xe9, ecx: 5000 });
    assert.equal(machine.words[Word.Ecx], 5000 - 4096);
    assert.equal(machine.words[Word.Eip], ROM_LINEAR + slotOffset(59));
    machine.call('OUTSB');
    assert.equal(machine.words[Word.Ecx], 0);
    assert.equal(machine.portLog.length, 5000);
  });
});
