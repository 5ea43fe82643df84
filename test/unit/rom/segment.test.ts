import assert from 'node:assert/strict';
import { Word } from '../../../src/vcpu/layout.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, TestMachine } from './machine.js';

const LDT: [number, number] = [0x0000_001f, 0x0000_8203];
const TSS32: [number, number] = [0x0000_0067, 0x0000_8904];
const TSS16: [number, number] = [0x0000_002b, 0x0000_8105];
const LDT_BASE = 0x3_0000;
const TSS32_BASE = 0x4_0000;
const TSS16_BASE = 0x5_0000;

describe('rom/segment', () => {
  for (const [table, base, limit] of [
    ['GDT', Word.GdtrBase, Word.GdtrLimit],
    ['IDT', Word.IdtrBase, Word.IdtrLimit],
  ] as const) {
    it(`Set${table} loads limit and base, Get${table} gives them back`, () => {
      const machine = new TestMachine();
      machine.phys.write16(0x7ffe, 0x7ff);
      machine.phys.write32(0x8000, 0xc1234567 | 0);
      machine.call(`Set${table}`, { eax: 0x7ffe });
      assert.deepEqual([machine.words[base], machine.words[limit]], [0xc1234567 | 0, 0x7ff]);
      machine.phys.write16(0x8106, 0xaaaa);
      machine.call(`Get${table}`, { eax: 0x8100 });
      assert.deepEqual(
        [machine.phys.read16(0x8100), machine.phys.read32(0x8102), machine.phys.read16(0x8106)],
        [0x7ff, 0xc1234567 | 0, 0xaaaa],
      );
    });
  }

  it('SetLDT and GetLDT take and give the selector; 0 is none', () => {
    const machine = new TestMachine();
    machine.useGdt(LDT);
    machine.call('SetLDT', { eax: 8 });
    machine.call('GetLDT', { eax: -1 });
    assert.equal(machine.eax, 8);
    assert.equal(machine.words[Word.Segments + 4 * Segment.Ldtr + 1], LDT_BASE);
    machine.call('SetLDT', { eax: 0 });
    machine.call('GetLDT', { eax: -1 });
    assert.equal(machine.eax, 0);
  });

  it('SetTR marks the TSS busy, and raises #GP for one that is busy already', () => {
    const machine = new TestMachine();
    machine.useGdt(TSS32);
    machine.call('SetTR', { eax: 8 });
    machine.call('GetTR');
    assert.equal(machine.eax, 8);
    assert.equal((machine.phys.read32(0x2000c) >>> 8) & 0xff, 0x8b);
    assertFault(() => machine.call('SetTR', { eax: 8 }), Vector.GP, 8);
  });

  it('writes entries of any table, live or not', () => {
    const machine = new TestMachine();
    for (const name of ['WriteGDTEntry', 'WriteLDTEntry', 'WriteIDTEntry']) {
      machine.call(name, { eax: 0x6_0000, edx: 17, ecx: 0x1234 }, [0xc0ffee]);
      assert.deepEqual([machine.phys.read32(0x6_0088), machine.phys.read32(0x6_008c)], [0x1234, 0xc0ffee], name);
      machine.phys.write32(0x6_0088, 0);
      machine.phys.write32(0x6_008c, 0);
    }
  });

  it('writes both halves of an entry or none', () => {
    const machine = new TestMachine();
    machine.enablePaging();
    machine.call('SetPxE', { eax: 0, edx: machine.entryOf(0x6_1000), ecx: 0x6_1011 });
    assertFault(() => machine.call('WriteGDTEntry', { eax: 0x6_0ffc, edx: 0, ecx: 5 }, [6]), Vector.PF, 2);
    assert.equal(machine.phys.read32(0x6_0ffc), 0);
  });

  it('kills a guest that writes behind the end of any possible table', () => {
    const machine = new TestMachine();
    for (const [name, index] of [
      ['WriteGDTEntry', 8192],
      ['WriteLDTEntry', 8192],
      ['WriteIDTEntry', 256],
    ] as const) {
      assert.throws(() => machine.call(name, { eax: 0x6_0000, edx: index, ecx: 0 }, [0]), { name: 'GuestKilled' });
    }
  });

  it('UpdateKernelStack writes the TSS in use, and nothing before there is one', () => {
    const machine = new TestMachine();
    const before = machine.phys.bytes.slice(0, 0x1000);
    machine.call('UpdateKernelStack', { eax: 0x68, edx: 0x9999 });
    assert.deepEqual(machine.phys.bytes.slice(0, 0x1000), before);
    machine.useGdt(TSS32, TSS16);
    machine.call('SetTR', { eax: 8 });
    machine.call('UpdateKernelStack', { eax: 0x68, edx: 0xc0123456 | 0 });
    assert.equal(machine.phys.read32(TSS32_BASE + 4), 0xc0123456 | 0);
    machine.call('SetTR', { eax: 16 });
    machine.call('UpdateKernelStack', { eax: 0x68, edx: 0x1_2344 });
    assert.equal(machine.phys.read32(TSS16_BASE + 2), 0x2344);
  });

  it('SetIOPLMask changes IOPL and no other flag', () => {
    const machine = new TestMachine();
    machine.words[Word.Eflags] |= 0x400;
    machine.call('SetIOPLMask', { eax: -1 });
    assert.equal(machine.words[Word.Eflags], 0x3402);
    machine.call('SetIOPLMask', { eax: 0x1000 });
    assert.equal(machine.words[Word.Eflags], 0x1402);
  });
});
