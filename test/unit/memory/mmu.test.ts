import assert from 'node:assert/strict';
import { writeControl } from '../../../src/vcpu/control.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Cr0, Cr4 } from '../../../src/x86/control.js';
import { cleanFaultOf, faultOf, PAGE_DIRECTORY, PAGE_TABLE, Rig } from '../../helpers/rig.js';

const ACCESSED = 0x20;
const DIRTY = 0x40;
const GLOBAL = 0x100;

function paged(): Rig {
  const rig = new Rig();
  rig.enablePaging();
  return rig;
}

describe('Mmu without paging', () => {
  it('uses linear addresses as physical ones', () => {
    const { mmu, phys } = new Rig();
    mmu.write32(0x20ffe, 0x01020304);
    assert.equal(phys.read32(0x20ffe), 0x01020304);
    assert.equal(mmu.read16(0x20fff), 0x0203);
    assert.equal(mmu.read8(0x21001), 1);
    assert.equal(mmu.read32(0xfffffff0 | 0), -1);
  });

  it('wraps an access at the end of the linear space', () => {
    const { mmu, phys } = new Rig();
    phys.write8(0, 0x5a);
    assert.equal(mmu.read16(0xffffffff), 0x5aff);
  });
});

describe('Mmu page walk (SDM 3A, "Paging", 32-bit paging)', () => {
  it('translates through directory and table', () => {
    const rig = paged();
    rig.mapPage(0x30000, 0x40000 | 7);
    rig.mmu.write32(0x30010, 0x11223344);
    assert.equal(rig.phys.read32(0x40010), 0x11223344);
    assert.equal(rig.mmu.translateFetch(0x30010), 0x40010);
    assert.equal(rig.mmu.lookUp(0x30010), 0x40010);
    assert.equal(rig.mmu.lookUp(0x400000), undefined);
  });

  it('reports error code and CR2 for each kind of fault (SDM 3A, "Interrupt 14")', () => {
    const rig = paged();
    const read = (): string => cleanFaultOf(rig, () => rig.mmu.read32(0x30123));
    const write = (): string => cleanFaultOf(rig, () => rig.mmu.write32(0x30123, 1));
    rig.mapPage(0x30000, 0);
    assert.equal(read(), '14:0');
    assert.equal(rig.words[Word.Cr2], 0x30123);
    assert.equal(write(), '14:2');
    rig.mapPage(0x30000, 0x30000 | 5);
    assert.equal(write(), '14:3', 'supervisor write to a read-only page with WP');
    rig.mapPage(0x30000, 0x30000 | 0x87);
    assert.equal(read(), '14:9', 'bit 7 of a PTE is reserved without PAT');
    rig.enterUser();
    rig.mapPage(0x30000, 0);
    assert.equal(read(), '14:4');
    assert.equal(write(), '14:6');
    rig.mapPage(0x30000, 0x30000 | 3);
    assert.equal(read(), '14:5', 'supervisor page read by the user');
    assert.equal(write(), '14:7');
    rig.mapPage(0x30000, 0x30000 | 5);
    rig.mmu.read32(0x30123);
    assert.equal(write(), '14:7', 'read-only page written by the user');
    rig.phys.write32(PAGE_DIRECTORY, 0);
    rig.mmu.flushAll();
    assert.equal(read(), '14:4', 'directory entry not present');
  });

  it('combines the rights of both levels', () => {
    const rig = paged();
    rig.enterUser();
    rig.phys.write32(PAGE_DIRECTORY, PAGE_TABLE | 5);
    rig.mmu.flushAll();
    assert.equal(
      faultOf(() => rig.mmu.write8(0x30000, 1)),
      '14:7',
    );
    rig.phys.write32(PAGE_DIRECTORY, PAGE_TABLE | 3);
    rig.mmu.flushAll();
    assert.equal(
      faultOf(() => rig.mmu.read8(0x30000)),
      '14:5',
    );
  });

  it('lets the supervisor write read-only pages only while CR0.WP is clear', () => {
    const rig = paged();
    rig.mapPage(0x30000, 0x30000 | 5);
    writeControl(rig.cpu, 0, rig.words[Word.Cr0] & ~Cr0.WP);
    rig.mmu.write32(0x30000, 1);
    rig.enterUser();
    assert.equal(
      faultOf(() => rig.mmu.write32(0x30000, 2)),
      '14:7',
      'never the user',
    );
    rig.cpu.setCpl(0);
    writeControl(rig.cpu, 0, rig.words[Word.Cr0] | Cr0.WP);
    assert.equal(
      faultOf(() => rig.mmu.write32(0x30000, 2)),
      '14:3',
    );
    assert.equal(rig.phys.read32(0x30000), 1);
  });

  it('sets Accessed at both levels on use, Dirty on the first write, and neither on a fault', () => {
    const rig = paged();
    rig.phys.write32(PAGE_DIRECTORY, PAGE_TABLE | 7);
    rig.mapPage(0x30000, 0x30000 | 5);
    rig.mmu.flushAll();
    faultOf(() => rig.mmu.write8(0x30000, 1));
    assert.equal(rig.phys.read32(PAGE_DIRECTORY), PAGE_TABLE | 7);
    assert.equal(rig.pte(0x30000), 0x30000 | 5);
    rig.mapPage(0x30000, 0x30000 | 7);
    rig.mmu.read8(0x30000);
    assert.equal(rig.phys.read32(PAGE_DIRECTORY), PAGE_TABLE | 7 | ACCESSED, 'no Dirty in a directory entry');
    assert.equal(rig.pte(0x30000), 0x30000 | 7 | ACCESSED);
    rig.mmu.write8(0x30000, 1);
    assert.equal(rig.pte(0x30000), 0x30000 | 7 | ACCESSED | DIRTY);
  });

  it('does not set Dirty again until the translation is invalidated', () => {
    const rig = paged();
    rig.mmu.write8(0x30000, 1);
    rig.phys.write32(PAGE_TABLE + 0x30 * 4, 0x30000 | 7);
    rig.mmu.write8(0x30000, 2);
    assert.equal(rig.pte(0x30000), 0x30000 | 7);
    rig.mmu.flushPage(0x30000);
    rig.mmu.write8(0x30000, 3);
    assert.equal(rig.pte(0x30000), 0x30000 | 7 | ACCESSED | DIRTY);
  });

  it('changes nothing of a write across a page end whose second page faults', () => {
    const rig = paged();
    rig.mapPage(0x31000, 0x31000 | 5);
    rig.phys.write32(0x30ffc, 0x55555555);
    assert.equal(
      cleanFaultOf(rig, () => rig.mmu.write32(0x30ffe, -1)),
      '14:3',
    );
    assert.equal(rig.words[Word.Cr2], 0x31000);
    assert.equal(rig.phys.read32(0x30ffc), 0x55555555);
    assert.equal(
      faultOf(() => rig.mmu.probeWrite(0x30ffe, 4)),
      '14:3',
    );
    rig.mapPage(0x30000, 0);
    assert.equal(
      faultOf(() => rig.mmu.write32(0x30ffe, -1)),
      '14:2',
      'the first page is looked at first',
    );
    assert.equal(rig.words[Word.Cr2], 0x30ffe);
  });

  it('goes through both frames of an access across a page end', () => {
    const rig = paged();
    rig.mapPage(0x30000, 0x50000 | 7);
    rig.mapPage(0x31000, 0x20000 | 7);
    rig.mmu.write32(0x30ffd, 0x44332211);
    assert.equal(rig.phys.read8(0x50ffd), 0x11);
    assert.equal(rig.phys.read8(0x50fff), 0x33);
    assert.equal(rig.phys.read8(0x20000), 0x44);
    assert.equal(rig.mmu.read32(0x30ffd), 0x44332211);
  });

  it('makes system accesses as supervisor whatever CPL is', () => {
    const rig = paged();
    rig.mapPage(0x30000, 0x30000 | 3);
    rig.enterUser();
    rig.mmu.writeSystem32(0x30000, 77);
    assert.equal(rig.mmu.readSystem32(0x30000), 77);
    assert.equal(rig.mmu.readSystem16(0x30000), 77);
    rig.mapPage(0x30000, 0);
    assert.equal(
      faultOf(() => rig.mmu.readSystem8(0x30000)),
      '14:0',
      'U/S is 0 in the error code',
    );
    assert.equal(
      faultOf(() => rig.mmu.read8(0x30000)),
      '14:4',
    );
  });
});

describe('Mmu large pages (CR4.PSE)', () => {
  it('maps 4 MiB by one directory entry, with its own Accessed and Dirty', () => {
    const rig = paged();
    writeControl(rig.cpu, 4, Cr4.PSE);
    const entry = PAGE_DIRECTORY + 4;
    rig.phys.write32(entry, 0x83);
    assert.equal(rig.mmu.read32(0x400000 + 0x1000), rig.phys.read32(0x1000));
    assert.equal(rig.phys.read32(entry), 0x83 | ACCESSED);
    rig.mmu.write32(0x412344, 0x99);
    assert.equal(rig.phys.read32(0x12344), 0x99);
    assert.equal(rig.phys.read32(entry), 0x83 | ACCESSED | DIRTY);
    assert.equal(rig.mmu.lookUp(0x412345), 0x12345);
  });

  it('takes the entry for a page table while CR4.PSE is clear', () => {
    const rig = paged();
    rig.phys.write32(PAGE_DIRECTORY + 4, PAGE_TABLE | 0x87);
    rig.mmu.write32(0x400000 + 0x30000, 5);
    assert.equal(rig.phys.read32(0x30000), 5);
  });

  it('faults on reserved bits 21 to 12', () => {
    const rig = paged();
    writeControl(rig.cpu, 4, Cr4.PSE);
    for (const bit of [0x1000, 0x2000, 0x200000]) {
      rig.phys.write32(PAGE_DIRECTORY + 4, 0x83 | bit);
      assert.equal(
        faultOf(() => rig.mmu.read8(0x400000)),
        '14:9',
      );
    }
  });

  it('invalidates all of a large page by INVLPG of any address in it', () => {
    const rig = paged();
    writeControl(rig.cpu, 4, Cr4.PSE);
    rig.phys.write32(PAGE_DIRECTORY + 4, 0x83);
    rig.mmu.read8(0x401000);
    rig.mmu.read8(0x402000);
    rig.phys.write32(PAGE_DIRECTORY + 4, 0);
    rig.mmu.read8(0x402000);
    rig.mmu.flushPage(0x5ff000);
    assert.equal(
      faultOf(() => rig.mmu.read8(0x401000)),
      '14:0',
    );
    assert.equal(
      faultOf(() => rig.mmu.read8(0x402000)),
      '14:0',
    );
  });
});

describe('Mmu invalidation (SDM 3A, "Invalidation of TLBs and Paging-Structure Caches")', () => {
  it('keeps using a translation until it is invalidated', () => {
    const rig = paged();
    rig.mmu.read8(0x30000);
    rig.phys.write32(PAGE_TABLE + 0x30 * 4, 0);
    rig.mmu.read8(0x30000);
    rig.mmu.flushPage(0x30fff);
    assert.equal(
      faultOf(() => rig.mmu.read8(0x30000)),
      '14:0',
    );
  });

  it('keeps global pages over a CR3 load with CR4.PGE, and drops them by INVLPG and by a change of PGE', () => {
    const rig = paged();
    const remove = (): void => rig.phys.write32(PAGE_TABLE + 0x30 * 4, 0);
    const map = (): void => rig.mapPage(0x30000, 0x30000 | 7 | GLOBAL);
    const mapped = (): boolean => {
      try {
        rig.mmu.read8(0x30000);
        return true;
      } catch {
        return false;
      }
    };
    map();
    assert.equal(mapped(), true);
    remove();
    writeControl(rig.cpu, 3, PAGE_DIRECTORY);
    assert.equal(mapped(), false, 'without PGE the bit means nothing');
    writeControl(rig.cpu, 4, Cr4.PGE);
    map();
    rig.mmu.read8(0x31000);
    assert.equal(mapped(), true);
    remove();
    rig.phys.write32(PAGE_TABLE + 0x31 * 4, 0);
    writeControl(rig.cpu, 3, PAGE_DIRECTORY);
    assert.equal(mapped(), true);
    assert.equal(
      faultOf(() => rig.mmu.read8(0x31000)),
      '14:0',
    );
    rig.mmu.flushPage(0x30000);
    assert.equal(mapped(), false);
    map();
    assert.equal(mapped(), true);
    remove();
    writeControl(rig.cpu, 4, 0);
    assert.equal(mapped(), false);
  });

  it('forgets everything when more pages are in use than it remembers', () => {
    const rig = new Rig(0x200000);
    for (let page = 0; page < 70000; page++) rig.mmu.read8(page << 12);
    rig.mmu.flushAll();
    rig.enablePaging();
    assert.equal(
      faultOf(() => rig.mmu.read8(0x8000000)),
      '14:0',
    );
  });

  it('tells the owner of cached fetches of every flush and of a change of privilege', () => {
    const rig = new Rig();
    let flushes = 0;
    rig.mmu.onFlush = () => flushes++;
    rig.mmu.flushAll();
    rig.mmu.flushNonGlobal();
    rig.mmu.flushPage(0);
    rig.mmu.setUser(true);
    rig.mmu.setUser(true);
    assert.equal(flushes, 4);
  });
});

describe('Mmu and code pages', () => {
  it('sees a write to marked code through every mapping that could write before', () => {
    const rig = paged();
    const written: number[] = [];
    rig.phys.onCodeWritten((page) => written.push(page));
    rig.mapPage(0x32000, 0x30000 | 7);
    rig.mmu.write8(0x30000, 1);
    rig.phys.markCode(0x30);
    rig.mmu.write8(0x30000, 2);
    assert.deepEqual(written, [0x30], 'one writer');
    rig.mmu.write8(0x30000, 3);
    rig.mmu.write8(0x32000, 4);
    rig.phys.markCode(0x30);
    rig.mmu.write8(0x32001, 5);
    rig.phys.markCode(0x30);
    rig.mmu.write8(0x30001, 6);
    assert.deepEqual(written, [0x30, 0x30, 0x30], 'two writers');
    assert.equal(rig.mmu.read8(0x30001), 6);
  });

  it('drops guest writes to read-only memory through the page tables', () => {
    const rig = paged();
    rig.phys.addReadOnly(0xc8000, 0x1000);
    rig.phys.load(0xc8000, Uint8Array.of(1));
    rig.mmu.read8(0xc8000);
    rig.mmu.write8(0xc8000, 2);
    assert.equal(rig.mmu.read8(0xc8000), 1);
  });
});
