import assert from 'node:assert/strict';
import { Interpreter } from '../../../src/interp/interpreter.js';
import { calls } from '../../../src/rom/calls.js';
import { ROM_BYTES } from '../../../src/rom/image.js';
import { Relocation } from '../../../src/rom/relocation.js';
import { ROM_BASE } from '../../../src/rom/rom.js';
import { slotOffset } from '../../../src/rom/slots.js';
import { Attention, Word } from '../../../src/vcpu/layout.js';
import { STACK, TestMachine } from './machine.js';

const CODE = 0x10_0000;
const HANDLER = 0x10_8000;

/** A machine whose interpreter runs `code` at `CODE`, with a flat kernel GDT and a gate for every exception that leads to `HANDLER`. */
function running(code: readonly number[]): TestMachine & { readonly interpreter: Interpreter } {
  const machine = new TestMachine();
  machine.useGdt([0x0000ffff, 0x00cf9b00], [0x0000ffff, 0x00cf9300]);
  for (let vector = 0; vector < 32; vector++) {
    machine.call('WriteIDTEntry', { eax: 0x2_1000, edx: vector, ecx: 0x0008_8000 }, [0x0010_8e00]);
  }
  machine.phys.write16(0x8000, 32 * 8 - 1);
  machine.phys.write32(0x8002, 0x2_1000);
  machine.call('SetIDT', { eax: 0x8000 });
  machine.phys.load(CODE, Uint8Array.from(code));
  const interpreter = new Interpreter(machine.cpu, machine.phys);
  interpreter.setRom(ROM_BASE, ROM_BYTES);
  machine.words[Word.Eip] = CODE;
  machine.words[Word.Esp] = STACK;
  return Object.assign(machine, { interpreter });
}

/** CALL rel32 at `offset` of the code to `target`. */
function near(opcode: number, offset: number, target: number): number[] {
  const relative = target - (CODE + offset + 5);
  return [opcode, ...new Uint8Array(Int32Array.of(relative).buffer)];
}

const call = (offset: number, target: number): number[] => near(0xe8, offset, target);

function entry(name: string): number {
  return ROM_BASE + slotOffset(calls.findIndex((row) => row.name === name));
}

describe('rom: called by guest code', () => {
  it('answers vmi_init and get_reloc at their fixed places', () => {
    // call vmi_init; mov eax, 29; call get_reloc
    const machine = running([...call(0, ROM_BASE + 0x80), 0xb8, 29, 0, 0, 0, ...call(10, ROM_BASE + 0x88)]);
    machine.interpreter.run(4);
    assert.deepEqual([machine.eax, machine.words[Word.Eip]], [0, CODE + 5]);
    assert.equal(machine.rom.active, true);
    machine.interpreter.run(5);
    assert.deepEqual([machine.eax, machine.words[Word.Edx]], [entry('EnableInterrupts'), Relocation.CALL_REL]);
    assert.deepEqual([machine.words[Word.Eip], machine.words[Word.Esp]], [CODE + 15, STACK]);
  });

  it('lets the run loop deliver inside the stub when interrupts are turned on', () => {
    const machine = running(call(0, entry('EnableInterrupts')));
    machine.pic.requested = true;
    assert.equal(machine.interpreter.run(100), 2);
    assert.equal(machine.words[Word.Attention], Attention.Interrupt);
    assert.equal(machine.words[Word.Eip], entry('EnableInterrupts') + 3);
  });

  it('stops the interpreter in Halt, to go on behind the VMCALL', () => {
    const machine = running(call(0, entry('Halt')));
    assert.equal(machine.interpreter.run(100), 2);
    assert.deepEqual([machine.words[Word.Halted], machine.words[Word.Eip]], [1, entry('Halt') + 3]);
  });

  it('reports a faulting IRET at the first byte of the ROM entry, which Linux 6.1 with VMI repairs', () => {
    // push a frame with a bad CS; jmp IRET
    const machine = running([
      0x68,
      2,
      0,
      0,
      0,
      0x68,
      0x30,
      0x12,
      0,
      0,
      0x68,
      0,
      0,
      0,
      0,
      ...near(0xe9, 15, entry('IRET')),
    ]);
    machine.interpreter.run(5);
    const esp = machine.words[Word.Esp];
    assert.equal(machine.words[Word.Eip], HANDLER);
    assert.deepEqual([machine.phys.read32(esp), machine.phys.read32(esp + 4)], [0x1230, entry('IRET')]);
    assert.equal(esp, STACK - 12 - 16);
  });

  it('raises #UD for VMCALL outside the ROM, and for the slots of absent calls', () => {
    for (const code of [[0x0f, 0x01, 0xc1], near(0xe9, 0, entry('RDPMC'))]) {
      const machine = running(code);
      machine.interpreter.run(2);
      const eip = code.length === 3 ? CODE : entry('RDPMC');
      assert.equal(machine.phys.read32(machine.words[Word.Esp]), eip);
    }
  });
});
