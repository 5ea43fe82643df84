import assert from 'node:assert/strict';
import { Segment } from '../../../src/x86/instruction.js';
import { SegmentWord, Word } from '../../../src/vcpu/layout.js';
import { enterProtectedFlat } from '../../../src/vcpu/powerOn.js';
import { Mode } from '../../../src/vcpu/vcpu.js';
import { Rig } from '../../helpers/rig.js';

describe('Vcpu.reset (SDM 3A, table 9-1)', () => {
  it('begins at F000:FFF0 with base FFFF0000, in real mode', () => {
    const rig = new Rig();
    rig.cpu.reset();
    assert.equal(rig.words[Word.Eip], 0xfff0);
    assert.equal(rig.selector(Segment.Cs), 0xf000);
    assert.equal(rig.base(Segment.Cs) >>> 0, 0xffff0000);
    assert.equal(rig.words[Word.Eflags], 2);
    assert.equal(rig.words[Word.Cr0] >>> 0, 0x60000010);
    assert.equal(rig.words[Word.Dr0 + 6] >>> 0, 0xffff0ff0);
    assert.equal(rig.words[Word.Dr0 + 7], 0x400);
    assert.equal(rig.words[Word.IdtrLimit], 0xffff);
    assert.deepEqual([rig.cpu.mode, rig.cpu.codeSize, rig.cpu.stackMask, rig.cpu.user], [Mode.Real, 2, 0xffff, false]);
    for (const segment of [Segment.Es, Segment.Ss, Segment.Ds, Segment.Fs, Segment.Gs]) {
      assert.equal(rig.access(segment), 0x93);
      assert.equal(rig.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Limit], 0xffff);
    }
  });

  it('forgets what was there', () => {
    const rig = new Rig();
    rig.enterUser();
    rig.words[Word.InterruptFlag] = 1;
    rig.words[Word.Eax] = 5;
    rig.cpu.reset();
    assert.deepEqual([rig.words[Word.Cpl], rig.words[Word.InterruptFlag], rig.words[Word.Eax]], [0, 0, 0]);
    assert.equal(rig.cpu.flatRead, 0);
  });
});

describe('enterProtectedFlat (Multiboot Specification, "Machine state")', () => {
  it('has flat 32-bit segments, paging off, interrupts off', () => {
    const rig = new Rig();
    enterProtectedFlat(rig.cpu, 0x100000);
    assert.equal(rig.words[Word.Eip], 0x100000);
    assert.equal(rig.words[Word.Cr0], 0x11);
    assert.equal(rig.words[Word.InterruptFlag], 0);
    assert.deepEqual([rig.cpu.mode, rig.cpu.codeSize, rig.cpu.stackMask], [Mode.Protected, 4, -1]);
    assert.deepEqual([rig.cpu.flatCode, rig.cpu.flatStack], [true, true]);
    assert.equal(rig.cpu.flatRead, 0x3f);
    assert.equal(rig.cpu.flatWrite, 0x3d, 'code cannot be written');
  });
});

describe('Vcpu.refresh', () => {
  it('works the derived values out from the state block', () => {
    const rig = new Rig();
    const at = Word.Segments + Segment.Ss * SegmentWord.Count;
    rig.words[at + SegmentWord.Access] = 0x80f3;
    rig.words[Word.Cpl] = 3;
    rig.cpu.refresh();
    assert.deepEqual([rig.cpu.stackMask, rig.cpu.flatStack, rig.cpu.user], [0xffff, false, true]);
  });

  it('does not call a segment flat that is expand-down, not writable, or null', () => {
    const rig = new Rig();
    rig.cpu.setSegment(Segment.Ds, 8, 0, -1, 0xc097);
    assert.equal(rig.cpu.flatRead & (1 << Segment.Ds), 0);
    rig.cpu.setSegment(Segment.Ds, 8, 0, -1, 0xc091);
    assert.equal(rig.cpu.flatRead & (1 << Segment.Ds), 1 << Segment.Ds);
    assert.equal(rig.cpu.flatWrite & (1 << Segment.Ds), 0);
    rig.cpu.setSegment(Segment.Ds, 0, 0, -1, 0);
    assert.equal(rig.cpu.flatRead & (1 << Segment.Ds), 0);
  });
});
