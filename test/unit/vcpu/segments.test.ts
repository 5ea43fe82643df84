import assert from 'node:assert/strict';
import { Segment } from '../../../src/x86/instruction.js';
import { Word } from '../../../src/vcpu/layout.js';
import {
  lar,
  linearFetch,
  linearRead,
  linearWrite,
  loadLdtr,
  loadSegment,
  loadTr,
  lsl,
  peek32,
  pop16,
  pop32,
  probePushes,
  push16,
  push32,
  verr,
  verw,
} from '../../../src/vcpu/segments.js';
import {
  BIG,
  cleanFaultOf,
  DATA,
  FREE,
  GDT,
  KERNEL_CS,
  KERNEL_DS,
  LDT,
  PAGES,
  Rig,
  TSS,
  TSS_SELECTOR,
  USER_CS,
  USER_DS,
} from '../../helpers/rig.js';

/** Loads DS with a fresh descriptor in the slot FREE. */
function withDs(base: number, limit: number, access: number, flags = BIG): Rig {
  const rig = new Rig();
  rig.segment(FREE, base, limit, access, flags);
  loadSegment(rig.cpu, Segment.Ds, FREE);
  return rig;
}

describe('linearRead and linearWrite (SDM 3A, "Limit Checking", "Type Checking")', () => {
  it('gives the offset itself in a flat segment, wrap-around included', () => {
    const { cpu } = new Rig();
    assert.equal(linearRead(cpu, Segment.Ds, 0x12345678, 4), 0x12345678);
    assert.equal(linearWrite(cpu, Segment.Ss, -1, 4), -1);
  });

  it('adds the base and checks the last byte against the limit', () => {
    const rig = withDs(0x10000, 0xfff, DATA);
    assert.equal(linearRead(rig.cpu, Segment.Ds, 0xffc, 4), 0x10ffc);
    assert.equal(
      cleanFaultOf(rig, () => linearRead(rig.cpu, Segment.Ds, 0xffd, 4)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(rig, () => linearWrite(rig.cpu, Segment.Ds, -1, 1)),
      '13:0',
    );
  });

  it('applies page granularity to the limit', () => {
    const rig = withDs(0, 1, DATA, BIG | PAGES);
    assert.equal(linearRead(rig.cpu, Segment.Ds, 0x1fff, 1), 0x1fff);
    assert.equal(
      cleanFaultOf(rig, () => linearRead(rig.cpu, Segment.Ds, 0x1fff, 2)),
      '13:0',
    );
  });

  it('turns the limit around for expand-down segments', () => {
    const big = withDs(0, 0xfff, 0x97);
    assert.equal(linearRead(big.cpu, Segment.Ds, 0x1000, 4), 0x1000);
    assert.equal(linearRead(big.cpu, Segment.Ds, -4, 4), -4);
    assert.equal(
      cleanFaultOf(big, () => linearRead(big.cpu, Segment.Ds, 0xfff, 1)),
      '13:0',
    );
    const small = withDs(0, 0xfff, 0x97, 0);
    assert.equal(linearWrite(small.cpu, Segment.Ds, 0xfffe, 2), 0xfffe);
    assert.equal(
      cleanFaultOf(small, () => linearRead(small.cpu, Segment.Ds, 0xffff, 2)),
      '13:0',
    );
  });

  it('refuses writes to read-only data and to code, reads of execute-only code, any use of a null segment', () => {
    const readOnly = withDs(0, 0xfffff, 0x91, BIG | PAGES);
    assert.equal(linearRead(readOnly.cpu, Segment.Ds, 8, 4), 8);
    assert.equal(
      cleanFaultOf(readOnly, () => linearWrite(readOnly.cpu, Segment.Ds, 8, 4)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(readOnly, () => linearWrite(readOnly.cpu, Segment.Cs, 8, 4)),
      '13:0',
    );
    readOnly.cpu.setSegment(Segment.Cs, KERNEL_CS, 0, -1, 0xc099);
    assert.equal(
      cleanFaultOf(readOnly, () => linearRead(readOnly.cpu, Segment.Cs, 8, 4)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(readOnly, () => linearRead(readOnly.cpu, Segment.Gs, 8, 4)),
      '13:0',
    );
  });

  it('raises #SS for SS', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xfff, DATA, BIG);
    loadSegment(rig.cpu, Segment.Ss, FREE);
    assert.equal(
      cleanFaultOf(rig, () => linearRead(rig.cpu, Segment.Ss, 0x1000, 1)),
      '12:0',
    );
  });

  it('checks code fetches against the limit of CS', () => {
    const rig = new Rig();
    rig.cpu.setSegment(Segment.Cs, FREE, 0x1000, 0xff, 0x409b);
    assert.equal(linearFetch(rig.cpu, 0xfc, 4), 0x10fc);
    assert.equal(
      cleanFaultOf(rig, () => linearFetch(rig.cpu, 0xfd, 4)),
      '13:0',
    );
  });
});

describe('loadSegment (SDM 2, MOV, "protected mode")', () => {
  it('loads the hidden part and sets Accessed in memory', () => {
    const rig = new Rig();
    rig.segment(FREE, 0x12345678, 0xabcde, 0x92, BIG | PAGES);
    loadSegment(rig.cpu, Segment.Fs, FREE);
    assert.equal(rig.base(Segment.Fs), 0x12345678);
    assert.equal(rig.access(Segment.Fs), 0xc093);
    assert.equal(rig.phys.read8(GDT + FREE + 5), 0x93);
  });

  it('takes null for all but SS', () => {
    const rig = new Rig();
    loadSegment(rig.cpu, Segment.Ds, 3);
    assert.equal(rig.selector(Segment.Ds), 3);
    assert.equal(
      cleanFaultOf(rig, () => linearRead(rig.cpu, Segment.Ds, 0, 1)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Ss, 3)),
      '13:0',
    );
  });

  it('names the selector, with TI and without RPL, when it is outside its table', () => {
    const rig = new Rig();
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Ds, 0x103)),
      '13:100',
    );
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Ds, 0x0f)),
      '13:c',
      'no LDT',
    );
    rig.words[Word.GdtrLimit] = KERNEL_DS + 6;
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Ds, KERNEL_DS)),
      '13:10',
      'all 8 bytes must fit',
    );
  });

  it('checks type, privilege, then presence', () => {
    const rig = new Rig();
    const load = (selector: number, segment = Segment.Ds): string =>
      cleanFaultOf(rig, () => loadSegment(rig.cpu, segment, selector));
    assert.equal(load(TSS_SELECTOR), '13:28', 'a system segment');
    rig.segment(FREE, 0, 0xfffff, 0x99, BIG);
    assert.equal(load(FREE), '13:40', 'execute-only code');
    rig.segment(FREE, 0, 0xfffff, 0x13, BIG);
    assert.equal(load(FREE), '11:40', 'not present');
    assert.equal(load(FREE, Segment.Ss), '12:40', 'not present stack');
    assert.equal(load(KERNEL_DS | 3), '13:10', 'RPL above DPL');
    assert.equal(load(USER_DS, Segment.Ss), '13:20', 'stack of another level');
    assert.equal(load(KERNEL_CS, Segment.Ss), '13:8', 'a stack must be writable');
    rig.enterUser();
    assert.equal(load(KERNEL_DS), '13:10', 'CPL above DPL');
    rig.segment(FREE, 0, 0xfffff, 0x9f, BIG);
    loadSegment(rig.cpu, Segment.Ds, FREE);
    assert.equal(rig.selector(Segment.Ds), FREE, 'conforming readable code is open to everybody');
    loadSegment(rig.cpu, Segment.Ds, USER_CS);
    assert.equal(rig.selector(Segment.Ds), USER_CS);
  });

  it('loads through the LDT', () => {
    const rig = new Rig();
    rig.segment(FREE, LDT, 0x1f, 0x82, 0);
    loadLdtr(rig.cpu, FREE);
    rig.segment(0x0c, 0x7000, 0xff, DATA, BIG);
    loadSegment(rig.cpu, Segment.Es, 0x0c);
    assert.equal(rig.base(Segment.Es), 0x7000);
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Es, 0x24)),
      '13:24',
    );
    loadLdtr(rig.cpu, 0);
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Es, 0x0c)),
      '13:c',
    );
  });

  it('leaves the register alone when setting Accessed faults', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xfffff, 0x92, BIG | PAGES);
    rig.enablePaging();
    rig.mapPage(GDT, GDT | 5);
    assert.equal(
      cleanFaultOf(rig, () => loadSegment(rig.cpu, Segment.Gs, FREE)),
      '14:3',
    );
    loadSegment(rig.cpu, Segment.Gs, KERNEL_DS);
    assert.equal(rig.selector(Segment.Gs), KERNEL_DS, 'nothing to write when it is set');
  });

  it('shifts the selector in real mode and keeps the limit', () => {
    const rig = new Rig();
    rig.cpu.reset();
    loadSegment(rig.cpu, Segment.Ds, 0x1234);
    assert.equal(linearRead(rig.cpu, Segment.Ds, 0xfffe, 2), 0x2233e);
    assert.equal(
      cleanFaultOf(rig, () => linearRead(rig.cpu, Segment.Ds, 0xffff, 2)),
      '13:0',
    );
  });
});

describe('LLDT and LTR', () => {
  it('check kind and presence', () => {
    const rig = new Rig();
    assert.equal(
      cleanFaultOf(rig, () => loadLdtr(rig.cpu, KERNEL_DS)),
      '13:10',
    );
    rig.segment(FREE, LDT, 0x1f, 0x02, 0);
    assert.equal(
      cleanFaultOf(rig, () => loadLdtr(rig.cpu, FREE)),
      '11:40',
    );
    assert.equal(
      cleanFaultOf(rig, () => loadTr(rig.cpu, 0)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(rig, () => loadTr(rig.cpu, TSS_SELECTOR)),
      '13:28',
      'busy',
    );
  });

  it('LTR marks the descriptor busy', () => {
    const rig = new Rig();
    rig.segment(TSS_SELECTOR, TSS, 0x67, 0x89, 0);
    loadTr(rig.cpu, TSS_SELECTOR);
    assert.equal(rig.phys.read8(GDT + TSS_SELECTOR + 5), 0x8b);
    assert.equal(rig.access(Segment.Tr), 0x8b);
  });
});

describe('the stack', () => {
  it('pushes and pops 32 and 16 bits', () => {
    const rig = new Rig();
    push32(rig.cpu, 0x11223344);
    push16(rig.cpu, 0x5566);
    assert.equal(rig.words[Word.Esp], 0x7ffa);
    assert.equal(peek32(rig.cpu, 2), 0x11223344);
    assert.equal(pop16(rig.cpu), 0x5566);
    assert.equal(pop32(rig.cpu), 0x11223344);
    assert.equal(rig.words[Word.Esp], 0x8000);
  });

  it('uses SP alone when SS is 16 bits wide', () => {
    const rig = new Rig();
    rig.segment(FREE, 0x20000, 0xffff, DATA, 0);
    loadSegment(rig.cpu, Segment.Ss, FREE);
    rig.words[Word.Esp] = 0x12340002;
    push16(rig.cpu, 1);
    push32(rig.cpu, 0xaabbccdd);
    assert.equal(rig.words[Word.Esp], 0x1234fffc);
    assert.equal(rig.phys.read32(0x2fffc) >>> 0, 0xaabbccdd);
    assert.equal(pop32(rig.cpu) >>> 0, 0xaabbccdd);
    assert.equal(pop16(rig.cpu), 1);
    assert.equal(rig.words[Word.Esp], 0x12340002);
  });

  it('leaves ESP alone when a push or pop faults', () => {
    const rig = new Rig();
    rig.enablePaging();
    rig.words[Word.Esp] = 0x30000;
    rig.mapPage(0x2f000, 0x2f000 | 5);
    assert.equal(
      cleanFaultOf(rig, () => push32(rig.cpu, 1)),
      '14:3',
    );
    assert.equal(
      cleanFaultOf(rig, () => probePushes(rig.cpu, 8, 4)),
      '14:3',
    );
    rig.mapPage(0x30000, 0);
    assert.equal(
      cleanFaultOf(rig, () => pop32(rig.cpu)),
      '14:0',
    );
    rig.segment(FREE, 0, 0xfff, DATA, BIG);
    loadSegment(rig.cpu, Segment.Ss, FREE);
    assert.equal(
      cleanFaultOf(rig, () => push32(rig.cpu, 1)),
      '12:0',
    );
  });
});

describe('LAR, LSL, VERR, VERW', () => {
  it('answer for what is visible and refuse the rest without a fault', () => {
    const rig = new Rig();
    assert.equal(lar(rig.cpu, KERNEL_CS), 0x00cf9b00);
    assert.equal(lsl(rig.cpu, KERNEL_CS), -1);
    assert.equal(lar(rig.cpu, TSS_SELECTOR), 0x8b00);
    assert.equal(lsl(rig.cpu, TSS_SELECTOR), 0x67);
    assert.equal(lar(rig.cpu, 0), undefined);
    assert.equal(lsl(rig.cpu, 0x1000), undefined);
    rig.gate(GDT + FREE, KERNEL_CS, 0, 0x8c);
    assert.equal(lar(rig.cpu, FREE), 0x8c00, 'a call gate has rights');
    assert.equal(lsl(rig.cpu, FREE), undefined, 'but no limit');
    rig.gate(GDT + FREE, KERNEL_CS, 0, 0x8e);
    assert.equal(lar(rig.cpu, FREE), undefined, 'an interrupt gate has neither');
    assert.equal(verr(rig.cpu, KERNEL_CS), true);
    assert.equal(verw(rig.cpu, KERNEL_CS), false);
    assert.equal(verw(rig.cpu, KERNEL_DS), true);
    assert.equal(verw(rig.cpu, KERNEL_DS | 3), false);
    assert.equal(verr(rig.cpu, TSS_SELECTOR), false);
    rig.enterUser();
    assert.equal(lar(rig.cpu, KERNEL_CS), undefined);
    rig.segment(FREE, 0, 0xff, 0x9f, BIG);
    assert.equal(lar(rig.cpu, FREE), 0x00409f00, 'conforming code is visible to all');
    assert.equal(verr(rig.cpu, FREE), true);
    assert.equal(verr(rig.cpu, USER_CS), true);
  });
});
