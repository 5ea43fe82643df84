/** Guests that run through memory with no code in it: neither the host's memory nor a run's limit of instructions may suffer. */
import assert from 'node:assert/strict';
import { CodeCache, MAX_STEPS } from '../../src/interp/codeCache.js';
import { Step } from '../../src/interp/step.js';
import { PhysMemory } from '../../src/memory/phys.js';
import { Word } from '../../src/vcpu/layout.js';
import { VirtualMachine } from '../helpers/board.js';
import { flatKernel } from '../helpers/flatKernel.js';

describe('regress: code without end', () => {
  it('the code cache drops everything before it holds too many steps', () => {
    const cache = new CodeCache(new PhysMemory(new ArrayBuffer(0x100000)), {} as Step, () => undefined);
    const first = cache.steps(1, 4);
    for (let i = 1; i < MAX_STEPS; i++) cache.noteKept();
    assert.equal(cache.steps(1, 4), first);
    cache.noteKept();
    const second = cache.steps(1, 4);
    assert.notEqual(second, first);
    assert.equal(cache.steps(1, 4), second, 'and counts anew');
  });

  it('a page-fault handler that cannot be fetched uses the limit of a run up', () => {
    const machine = new VirtualMachine({ kernel: flatKernel([0xeb, 0xfe]), memoryBytes: 8 << 20 });
    const { cpu, phys, mmu } = { ...machine.board, mmu: machine.board.cpu.mmu };
    const gdt = 0x2000;
    const idt = 0x3000;
    const pageDirectory = 0x4000;
    const notMapped = 0x40000000;
    phys.write32(gdt + 8, 0x0000ffff);
    phys.write32(gdt + 12, 0x00cf9b00);
    // An interrupt gate for #PF whose handler lies on a page that is not there: its fetch is the next #PF.
    phys.write32(idt + 14 * 8, 0x00080000 | (notMapped & 0xffff));
    phys.write32(idt + 14 * 8 + 4, (notMapped & 0xffff0000) | 0x8e00);
    phys.write32(pageDirectory, 0x83);
    const { words } = cpu;
    [words[Word.GdtrBase], words[Word.GdtrLimit]] = [gdt, 15];
    [words[Word.IdtrBase], words[Word.IdtrLimit]] = [idt, 0x7ff];
    words[Word.Cr3] = pageDirectory;
    words[Word.Cr4] = 1 << 4;
    words[Word.Cr0] |= 0x80000000;
    words[Word.Esp] = 0x300000;
    words[Word.Eip] = notMapped;
    mmu.flushAll();
    cpu.refresh();
    assert.ok(machine.run(1000), 'it neither hangs nor ends');
    const faults = (0x300000 - words[Word.Esp]) / 16;
    assert.ok(faults >= 1000 && faults < 1100, `${faults} faults in 1000 instructions`);
  });
});
