import assert from 'node:assert/strict';
import { Word } from '../../../src/vcpu/layout.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, RAM_BYTES, TestMachine } from './machine.js';

const PAGE = 0x30_0000;
const OTHER = 0x30_1000;

/** A machine with paging on, 1 in the frame at `PAGE`, 2 in the one at `OTHER`, and `PAGE` in the TLB. */
function paged(): TestMachine {
  const machine = new TestMachine();
  machine.phys.write32(PAGE, 1);
  machine.phys.write32(OTHER, 2);
  machine.enablePaging();
  assert.equal(machine.cpu.mmu.read32(PAGE), 1);
  return machine;
}

describe('rom/mmu', () => {
  it('SetPxE stores the entry and, told the address, makes it effective at once', () => {
    const machine = paged();
    machine.call('SetPxE', { eax: OTHER | 3, edx: machine.entryOf(PAGE), ecx: PAGE | 0x11 });
    assert.equal(machine.phys.read32(machine.entryOf(PAGE)) & ~0x60, OTHER | 3);
    assert.equal(machine.cpu.mmu.read32(PAGE), 2);
  });

  it('SetPxE with DEFER is carried out at once', () => {
    const machine = paged();
    machine.call('SetPxE', { eax: OTHER | 3, edx: machine.entryOf(PAGE), ecx: PAGE | 0x31 });
    assert.equal(machine.cpu.mmu.read32(PAGE), 2);
  });

  it('SetPxE without an address is effective after InvalPage', () => {
    const machine = paged();
    machine.call('SetPxE', { eax: OTHER | 3, edx: machine.entryOf(PAGE), ecx: 0x01 });
    machine.call('InvalPage', { eax: PAGE });
    assert.equal(machine.cpu.mmu.read32(PAGE), 2);
  });

  it('tells the translator of changes of other address spaces, and of directories that come and go', () => {
    const machine = paged();
    const told: string[] = [];
    machine.cpu.mmu.flushListener = {
      flushPage: () => told.push('page'),
      flushAll: () => told.push('all'),
      flushSwitch: () => told.push('switch'),
      flushSpace: () => told.push('space'),
      tablesChanged: () => told.push('tables'),
      directoryChanged: (phys) => told.push(`directory ${phys.toString(16)}`),
    };
    const edx = machine.entryOf(OTHER);
    machine.call('SetPxE', { eax: 0, edx, ecx: 0x01 });
    machine.call('SetPxE', { eax: OTHER | 3, edx, ecx: 0x01 });
    machine.call('UpdatePxE', { eax: edx, edx: 0x01 });
    machine.call('FlushTLB', { eax: 1 });
    machine.call('FlushTLB', { eax: 3 });
    machine.call('AllocatePage', { eax: 7, edx: 0x01, ecx: 0 }, [0, 0]);
    machine.call('AllocatePage', { eax: 8, edx: 0x62, ecx: 0 }, [0, 0]);
    machine.call('ReleasePage', { eax: 8, edx: 0x02 });
    assert.deepEqual(told, ['tables', 'tables', 'space', 'all', 'directory 8000', 'directory 8000']);
  });

  it('a page that becomes present needs no flush', () => {
    const machine = paged();
    machine.call('SetPxE', { eax: 0, edx: machine.entryOf(OTHER), ecx: OTHER | 0x11 });
    assertFault(() => machine.cpu.mmu.read32(OTHER), Vector.PF, 0);
    machine.call('SetPxE', { eax: OTHER | 3, edx: machine.entryOf(OTHER), ecx: 0x01 });
    assert.equal(machine.cpu.mmu.read32(OTHER), 2);
  });

  it('SetPxE to an unmapped entry raises #PF with CR2', () => {
    const machine = paged();
    assertFault(() => machine.call('SetPxE', { eax: 0, edx: 0x7000_0000, ecx: 1 }), Vector.PF, 2);
    assert.equal(machine.words[Word.Cr2], 0x7000_0000);
  });

  it('UpdatePxE makes a change by the guest itself effective', () => {
    const machine = paged();
    for (const [name, frame, value] of [
      ['UpdatePxE', OTHER, 2],
      ['UpdatePxELong', PAGE, 1],
    ] as const) {
      machine.phys.write32(machine.entryOf(PAGE), frame | 3);
      machine.call(name, { eax: machine.entryOf(PAGE), edx: PAGE | 0x11 });
      assert.equal(machine.cpu.mmu.read32(PAGE), value, name);
    }
  });

  it('SetPxELong stores 64 bits, or nothing if one half cannot be written', () => {
    const machine = paged();
    machine.call('SetPxELong', { eax: 0x1111, edx: 0x2222, ecx: OTHER }, [0x01]);
    assert.deepEqual([machine.phys.read32(OTHER), machine.phys.read32(OTHER + 4)], [0x1111, 0x2222]);
    machine.call('SetPxE', { eax: 0, edx: machine.entryOf(OTHER), ecx: OTHER | 0x11 });
    machine.phys.write32(OTHER - 4, 77);
    assertFault(() => machine.call('SetPxELong', { eax: 1, edx: 2, ecx: OTHER - 4 }, [0x01]), Vector.PF, 2);
    assert.equal(machine.phys.read32(OTHER - 4), 77);
  });

  it('FlushTLB keeps global translations unless told otherwise', () => {
    const machine = paged();
    machine.call('SetCR4', { eax: 0x80 });
    machine.call('SetPxE', { eax: PAGE | 0x103, edx: machine.entryOf(PAGE), ecx: PAGE | 0x11 });
    assert.equal(machine.cpu.mmu.read32(PAGE), 1);
    machine.phys.write32(machine.entryOf(PAGE), OTHER | 0x103);
    machine.call('FlushTLB', { eax: 1 });
    assert.equal(machine.cpu.mmu.read32(PAGE), 1);
    machine.call('FlushTLB', { eax: 3 });
    assert.equal(machine.cpu.mmu.read32(PAGE), 2);
  });

  it('SetCR3 drops translations', () => {
    const machine = paged();
    machine.phys.write32(machine.entryOf(PAGE), OTHER | 3);
    machine.call('SetCR3', { eax: machine.words[Word.Cr3] });
    assert.equal(machine.cpu.mmu.read32(PAGE), 2);
  });

  it('AllocatePage and ReleasePage keep the page types', () => {
    const machine = new TestMachine();
    machine.call('AllocatePage', { eax: 0x80, edx: 0x62, ecx: 0x81 }, [0x300, 0x100]);
    assert.equal(machine.rom.pageTypes.typeOf(0x80), 0x62);
    assert.equal(machine.rom.pageTypes.cloned, 1);
    machine.call('ReleasePage', { eax: 0x80, edx: 0x42 });
    assert.equal(machine.rom.pageTypes.live, 0);
  });

  it('kills a guest that announces pages outside RAM or without a level', () => {
    const machine = new TestMachine();
    const killed = { name: 'GuestKilled', code: 'GUEST_KILLED' };
    for (const name of ['AllocatePage', 'ReleasePage']) {
      assert.throws(() => machine.call(name, { eax: RAM_BYTES >>> 12, edx: 1 }), { ...killed, message: /outside RAM/ });
      assert.throws(() => machine.call(name, { eax: 1, edx: 0x40 }), { ...killed, message: /no page-table level/ });
      assert.throws(() => machine.call(name, { eax: 1, edx: 0x81 }), { ...killed, message: /undefined bits/ });
    }
  });

  it('SetLinearMapping records the four slots and kills on a fifth', () => {
    const machine = new TestMachine();
    machine.call('SetLinearMapping', { eax: 0, edx: 0xc0000000 | 0, ecx: 0x33fe2 }, [0]);
    assert.deepEqual(machine.rom.linearMappings, [
      { linear: 0xc0000000, pages: 0x33fe2, firstPfn: 0 },
      undefined,
      undefined,
      undefined,
    ]);
    assert.throws(() => machine.call('SetLinearMapping', { eax: 4, edx: 0, ecx: 0 }, [0]), { name: 'GuestKilled' });
  });
});
