/**
 * MMX and SSE: availability, alignment, unmasked exceptions, aliasing with the x87, faults of memory operands; expectations from the
 * manual. What the instructions compute is held against recordings in `fpuHost.test.ts`. Needs the addon.
 */
import assert from 'node:assert/strict';
import { Fsw, FxByte, FxWord } from '../../../src/vcpu/fxsave.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Cr0, Cr4 } from '../../../src/x86/control.js';
import { Vector } from '../../../src/x86/vectors.js';
import { FpuMachine } from './fpuMachine.js';
import { DATA } from './machine.js';

const esi = (reg: number): number => (reg << 3) | 6;
const ADDPS = [0x0f, 0x58, 0xc1];
const DIVPS = [0x0f, 0x5e, 0xc1];
const MULPS = [0x0f, 0x59, 0xc1];
const MULSS = [0xf3, 0x0f, 0x59, 0xc1];
const PADDD_MMX = [0x0f, 0xfe, 0xc1];
const MOVQ_MMX = [0x0f, 0x6f, 0xc1];
const EMMS = [0x0f, 0x77];
const UCOMISS = [0x0f, 0x2e, 0xc1];

const ONE = 0x3f800000;
const MIN_NORMAL = 0x00800000;
const HALF = 0x3f000000;
const MAX = 0x7f7fffff;

/** MXCSR masks. */
const INVALID = 0x80;
const ZERO_DIVIDE = 0x200;
const OVERFLOW = 0x400;
const UNDERFLOW = 0x800;
const PRECISION = 0x1000;
const MASKED = 0x1f80;

describe('SIMD', () => {
  let m: FpuMachine;
  before(() => (m = new FpuMachine()));
  after(() => m.dispose());
  beforeEach(() => {
    m.enterSystem();
    m.words[Word.Esi] = DATA;
  });

  const setXmm = (index: number, ...words: number[]): void => m.words.set(words, FxWord.Xmm + index * 4);
  const xmm = (index: number): number[] => [...m.words.subarray(FxWord.Xmm + index * 4, FxWord.Xmm + index * 4 + 4)];

  describe('availability', () => {
    it('is #UD for XMM without CR4.OSFXSR, MMX needs it not', () => {
      m.words[Word.Cr4] = 0;
      for (const code of [ADDPS, [0x0f, 0x28, 0xc1], [0x66, 0x0f, 0xef, 0xc1], [0x0f, 0xae, esi(3)], UCOMISS]) {
        assert.equal(m.execute(code), Vector.UD);
      }
      m.executeAll(PADDD_MMX, EMMS);
    });

    it('is #UD under CR0.EM, else #NM under CR0.TS', () => {
      for (const code of [ADDPS, PADDD_MMX, EMMS, [0x0f, 0x28, 0xc1], [0x0f, 0x6e, 0xc0], [0x0f, 0xae, esi(2)]]) {
        m.enterSystem();
        m.words[Word.Cr0] |= Cr0.TS;
        assert.equal(m.execute(code), Vector.NM);
        m.words[Word.Cr0] |= Cr0.EM;
        assert.equal(m.execute(code), Vector.UD);
      }
    });

    it('does not matter to MOVNTI, prefetches and fences', () => {
      m.words[Word.Cr0] |= Cr0.TS | Cr0.EM;
      m.words[Word.Cr4] = 0;
      m.words[Word.Eax] = 77;
      m.executeAll([0x0f, 0xc3, esi(0)], [0x0f, 0x18, esi(1)], [0x0f, 0xae, 0xf0]);
      assert.equal(m.phys.read32(DATA), 77);
    });
  });

  describe('alignment', () => {
    it('to 16 bytes is asked of memory operands of that size, #GP(0)', () => {
      for (const code of [
        [0x0f, 0x58],
        [0x0f, 0x28],
        [0x0f, 0x29],
        [0x66, 0x0f, 0x6f],
        [0x66, 0x0f, 0xfe],
        [0x0f, 0x54],
      ]) {
        m.words[Word.Esp] = 0x20000;
        assert.equal(m.execute([...code, 0x46, 8]), Vector.GP);
        assert.equal(m.phys.read32(m.words[Word.Esp]), 0);
      }
    });

    it('is not asked of MOVUPS, MOVDQU, LDDQU and of smaller operands', () => {
      m.executeAll([0x0f, 0x10, 0x46, 1], [0xf3, 0x0f, 0x6f, 0x46, 3], [0xf2, 0x0f, 0xf0, 0x46, 5]);
      m.executeAll([0xf2, 0x0f, 0x58, 0x46, 1], [0x0f, 0x5a, 0x46, 3], [0x0f, 0xfe, 0x46, 1], [0x0f, 0x11, 0x46, 7]);
    });
  });

  describe('unmasked exceptions', () => {
    it('are #XM, with the flag set and the destination as it was', () => {
      setXmm(0, ONE, ONE, ONE, ONE);
      setXmm(1, ONE, 0, ONE, ONE);
      m.mxcsr = MASKED & ~ZERO_DIVIDE;
      assert.equal(m.execute(DIVPS), Vector.XM);
      assert.deepEqual(xmm(0), [ONE, ONE, ONE, ONE]);
      assert.equal(m.mxcsr, (MASKED & ~ZERO_DIVIDE) | 4);
    });

    it('are #UD without CR4.OSXMMEXCPT', () => {
      setXmm(0, ONE, ONE, ONE, ONE);
      setXmm(1, 0, 0, 0, 0);
      m.words[Word.Cr4] = Cr4.OSFXSR;
      m.mxcsr = MASKED & ~ZERO_DIVIDE;
      assert.equal(m.execute(DIVPS), Vector.UD);
      assert.equal(m.mxcsr & 0x3f, 4);
    });

    it('do not come from flags that were there before', () => {
      m.mxcsr = 0x3f;
      setXmm(0, ONE, ONE, ONE, ONE);
      setXmm(1, ONE, ONE, ONE, ONE);
      m.executeAll(ADDPS);
      assert.deepEqual(xmm(0), [0x40000000, 0x40000000, 0x40000000, 0x40000000]);
    });

    it('found before the computation keep those of other elements from being reported', () => {
      // element 0 infinity - infinity, element 1 inexact
      setXmm(0, 0x7f800000, MAX, ONE, ONE);
      setXmm(1, 0xff800000 | 0, ONE, ONE, ONE);
      m.mxcsr = MASKED & ~INVALID;
      assert.equal(m.execute(ADDPS), Vector.XM);
      assert.equal(m.mxcsr & 0x3f, 1);
      m.mxcsr = MASKED;
      m.executeAll(ADDPS);
      assert.equal(m.mxcsr & 0x3f, 0x21);
    });

    it('of underflow come with an exact tiny result too, and nothing is flushed to zero then', () => {
      setXmm(0, MIN_NORMAL, ONE, ONE, ONE);
      setXmm(1, HALF, ONE, ONE, ONE);
      m.executeAll(MULSS);
      assert.equal(m.mxcsr & 0x3f, 0, 'masked: exact, so no underflow');
      for (const flushToZero of [0, 0x8000]) {
        setXmm(0, MIN_NORMAL, ONE, ONE, ONE);
        m.mxcsr = (MASKED & ~UNDERFLOW) | flushToZero;
        assert.equal(m.execute(MULSS), Vector.XM);
        assert.equal(m.mxcsr & 0x3f, 0x10);
        assert.equal(xmm(0)[0], MIN_NORMAL);
      }
    });

    it('of overflow and underflow report a loss of precision for an unlimited exponent range', () => {
      // 2^127 * 4 is exact but for its size, and so is 3 * 2^-149 / 2
      const cases: [number, number, number, number][] = [
        [0x7f000000, 0x40800000, OVERFLOW, 0x08],
        [MAX, 0x3fc00001, OVERFLOW, 0x28],
        [3, HALF, UNDERFLOW, 0x12],
        [0x00800001, 0x3f000001, UNDERFLOW, 0x30],
      ];
      for (const [a, b, unmasked, flags] of cases) {
        setXmm(0, a, ONE, ONE, ONE);
        setXmm(1, b, ONE, ONE, ONE);
        m.mxcsr = MASKED & ~unmasked;
        assert.equal(m.execute(MULPS), Vector.XM);
        assert.equal(m.mxcsr & 0x3f, flags);
      }
    });

    it('leave EFLAGS alone in a comparison', () => {
      setXmm(0, 0x7f812345, 0, 0, 0);
      m.mxcsr = MASKED & ~INVALID;
      m.eflags = 0x801 | 2;
      assert.equal(m.execute(UCOMISS), Vector.XM);
      assert.equal(m.phys.read32(m.words[Word.Esp] + 8) & 0x8d5, 0x801);
    });

    it('LDMXCSR refuses bits that do not exist', () => {
      m.phys.write32(DATA, 0x10000);
      assert.equal(m.execute([0x0f, 0xae, esi(2)]), Vector.GP);
      m.phys.write32(DATA, 0xffff & ~PRECISION);
      m.executeAll([0x0f, 0xae, esi(2)]);
      assert.equal(m.mxcsr, 0xffff & ~PRECISION);
    });
  });

  describe('MMX registers', () => {
    it('are the significands of the x87 registers, TOP becoming 0', () => {
      m.executeAll([0xd9, 0xe8], [0xd9, 0xeb]);
      // ST(0) = pi is physical register 6, ST(1) = 1 is 7
      m.executeAll([0x0f, 0x6f, 0xc6]);
      assert.equal((m.fsw & Fsw.Top) >> 11, 0);
      assert.equal(m.cpu.bytes[FxByte.Ftw], 0xff);
      assert.deepEqual(m.st(0), [0xffff, 0xc90fdaa2, 0x2168c235]);
      assert.deepEqual(m.st(6), [0x4000, 0xc90fdaa2, 0x2168c235]);
      assert.deepEqual(m.st(7), [0x3fff, 0x80000000, 0]);
      m.executeAll(EMMS);
      assert.equal(m.cpu.bytes[FxByte.Ftw], 0);
    });

    it('are read in place by a store that changes TOP', () => {
      m.executeAll([0xd9, 0xe8]);
      m.executeAll([0x0f, 0x7f, esi(7)]);
      assert.equal(m.phys.read32(DATA + 4), 0x80000000 | 0);
      assert.equal(m.fsw & Fsw.Top, 0);
    });

    it('wait for pending x87 exceptions', () => {
      m.fcw = 0x340;
      m.fsw = 0x8081;
      for (const code of [PADDD_MMX, MOVQ_MMX, EMMS, [0x0f, 0x2a, 0xc1], [0xf3, 0x0f, 0xd6, 0xc1]]) {
        assert.equal(m.execute(code), Vector.MF);
      }
    });
  });

  describe('masked stores', () => {
    it('touch the chosen bytes only', () => {
      setXmm(2, 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d);
      setXmm(3, 0x80000000 | 0, 0, 0x00ff0080, 0x7f7f7f7f);
      m.words[Word.Edi] = DATA;
      for (let i = 0; i < 16; i += 4) m.phys.write32(DATA + i, -1);
      m.executeAll([0x66, 0x0f, 0xf7, 0xd3]);
      assert.equal(
        Buffer.from(m.phys.bytes.slice(DATA, DATA + 16)).toString('hex'),
        'ffffff04ffffffff09ff0bffffffffff',
      );
    });
  });

  describe('memory faults', () => {
    const ABSENT = 0x40000;

    beforeEach(() => {
      for (let page = 0; page < 1024; page++) {
        m.phys.write32(0x101000 + page * 4, page << 12 === ABSENT ? 0 : (page << 12) | 3);
      }
      m.phys.write32(0x100000, 0x101003);
      m.words[Word.Cr3] = 0x100000;
      m.words[Word.Cr0] |= Cr0.PG;
      m.cpu.mmu.flushAll();
    });

    it('of a store across a page end write nothing', () => {
      m.words[Word.Esi] = ABSENT - 8;
      m.phys.write32(ABSENT - 8, 0x77777777);
      setXmm(0, 1, 2, 3, 4);
      assert.equal(m.execute([0x0f, 0x11, esi(0)]), Vector.PF);
      assert.equal(m.words[Word.Cr2], ABSENT);
      assert.equal(m.phys.read32(ABSENT - 8), 0x77777777);
    });

    it('of a load leave register and x87 state as they were', () => {
      m.executeAll([0xd9, 0xe8]);
      m.words[Word.Esi] = ABSENT - 4;
      setXmm(0, 1, 2, 3, 4);
      assert.equal(m.execute([0x0f, 0x10, esi(0)]), Vector.PF);
      assert.deepEqual(xmm(0), [1, 2, 3, 4]);
      assert.equal(m.execute([0x0f, 0x6f, esi(0)]), Vector.PF);
      assert.equal((m.fsw & Fsw.Top) >> 11, 7);
      assert.equal(m.cpu.bytes[FxByte.Ftw], 0x80);
    });
  });
});
