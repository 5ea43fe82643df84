/**
 * x87: what recordings of a user program cannot show. Availability, pending exceptions, pointers, state images in all formats, faults
 * of memory operands; expectations from the manual. Needs the addon.
 */
import assert from 'node:assert/strict';
import { Fsw, FxByte, FxHalf, FxWord } from '../../../src/vcpu/fxsave.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Cr0, Cr4 } from '../../../src/x86/control.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Vector } from '../../../src/x86/vectors.js';
import { FpuMachine } from './fpuMachine.js';
import { CODE, DATA, TestMachine, d } from './machine.js';

const FLD1 = [0xd9, 0xe8];
const FLDZ = [0xd9, 0xee];
const FLDPI = [0xd9, 0xeb];
/** FDIV ST(0), ST(1). */
const FDIV = [0xd8, 0xf1];
const FADD = [0xd8, 0xc1];
const FNCLEX = [0xdb, 0xe2];
const FNINIT = [0xdb, 0xe3];
const FNSTSW_AX = [0xdf, 0xe0];
const WAIT = [0x9b];
/** ModR/M of [ESI] with a reg field. */
const esi = (reg: number): number => (reg << 3) | 6;
const FNSTENV = [0xd9, esi(6)];
const FLDENV = [0xd9, esi(4)];
const FNSAVE = [0xdd, esi(6)];
const FRSTOR = [0xdd, esi(4)];
const FXSAVE = [0x0f, 0xae, esi(0)];
const FXRSTOR = [0x0f, 0xae, esi(1)];
const OPERAND_SIZE = 0x66;
const ONE = [0x3fff, 0x80000000, 0];

const MASK_ZERO_DIVIDE = 4;
const MASK_INVALID = 1;

describe('x87', () => {
  let m: FpuMachine;
  before(() => (m = new FpuMachine()));
  after(() => m.dispose());
  beforeEach(() => {
    m.enterSystem();
    m.words[Word.Esi] = DATA;
    m.ferr.length = 0;
  });

  /** 1 / 0 with the exception unmasked: pending afterwards. */
  function divideByZero(): void {
    m.executeAll(FLDZ, FLD1);
    m.fcw &= ~MASK_ZERO_DIVIDE;
    m.executeAll(FDIV);
  }

  describe('availability', () => {
    it('is #NM under CR0.EM and CR0.TS', () => {
      for (const bit of [Cr0.EM, Cr0.TS]) {
        for (const code of [FLD1, FNINIT, FNSTSW_AX, FXSAVE, FNSTENV]) {
          m.enterSystem();
          m.words[Word.Esi] = DATA;
          m.words[Word.Cr0] |= bit;
          assert.equal(m.execute(code), Vector.NM);
        }
      }
    });

    it('WAIT looks at TS only together with MP', () => {
      m.words[Word.Cr0] = (m.words[Word.Cr0] & ~Cr0.MP) | Cr0.TS | Cr0.EM;
      assert.equal(m.execute(WAIT), -1);
      m.words[Word.Cr0] |= Cr0.MP;
      assert.equal(m.execute(WAIT), Vector.NM);
    });

    it('is announced by CPUID, and lets CR4.OSFXSR and OSXMMEXCPT be set', () => {
      m.words[Word.Eax] = 1;
      m.executeAll([0x0f, 0xa2]);
      // FPU, CLFSH, MMX, FXSR, SSE, SSE2
      assert.equal(m.words[Word.Edx] & 0x07880001, 0x07880001);
      assert.equal((m.words[Word.Ebx] >> 8) & 0xff, 8);
      m.words[Word.Eax] = Cr4.OSFXSR | Cr4.OSXMMEXCPT;
      m.executeAll([0x0f, 0x22, 0xe0]);
      assert.equal(m.words[Word.Cr4], Cr4.OSFXSR | Cr4.OSXMMEXCPT);
    });

    it('starts as the manual says: +0.0 in all registers, nothing masked, MXCSR 1F80', () => {
      m.cpu.reset();
      assert.equal(m.fcw, 0x40);
      assert.equal(m.fsw, 0);
      assert.equal(m.cpu.bytes[FxByte.Ftw], 0xff);
      assert.equal(m.mxcsr, 0x1f80);
      assert.deepEqual(m.st(3), [0, 0, 0]);
    });
  });

  describe('a processor without FPU', () => {
    const bare = new TestMachine();
    beforeEach(() => {
      bare.enterFlat();
      bare.gate(Vector.UD, 0x18000);
      bare.gate(Vector.GP, 0x18010);
      bare.words[Word.Esi] = DATA;
    });

    it('announces none and refuses its CR4 bits', () => {
      bare.words[Word.Eax] = 1;
      bare.run([0x0f, 0xa2]);
      assert.equal(bare.words[Word.Edx] & 0x07880001, 0);
      bare.words[Word.Eax] = Cr4.OSFXSR;
      bare.run([0x0f, 0x22, 0xe0]);
      assert.equal(bare.words[Word.Eip], 0x18010);
    });

    it('can be found out with FNINIT and FNSTSW, as an empty socket', () => {
      bare.run([...FNINIT, ...FNSTSW_AX, 0xd9, esi(7)], 3);
      assert.equal(bare.words[Word.Eax] & 0xffff, 0xffff);
      assert.equal(bare.phys.read16(DATA), 0xffff);
    });

    it('raises #UD for MMX and SSE', () => {
      for (const code of [
        [0x0f, 0x58, 0xc1],
        [0x0f, 0x77],
        [0x0f, 0xc3, esi(0)],
        [0x0f, 0xae, esi(2)],
      ]) {
        bare.run(code);
        assert.equal(bare.words[Word.Eip], 0x18000);
      }
    });
  });

  describe('pending exceptions', () => {
    it('wait for the next waiting instruction, which is #MF', () => {
      divideByZero();
      assert.equal(m.fsw & (Fsw.ES | Fsw.B), Fsw.ES | Fsw.B);
      m.executeAll(FNSTSW_AX);
      assert.equal(m.words[Word.Eax] & 0x84, 0x84);
      for (const code of [FADD, WAIT, FLD1, [0xd9, esi(5)], [0xd9, 0xc9], [0xdd, 0xc1], [0x0f, 0x77]]) {
        m.words[Word.Esp] = 0x20000;
        assert.equal(m.execute(code), Vector.MF, Buffer.from(code).toString('hex'));
        assert.equal(m.phys.read32(m.words[Word.Esp]), CODE);
      }
      m.executeAll(FNCLEX, FADD);
    });

    it('come up when FLDCW unmasks a flag, and go when it masks it', () => {
      m.fsw = MASK_ZERO_DIVIDE;
      m.phys.write16(DATA, 0x37f & ~MASK_ZERO_DIVIDE);
      m.executeAll([0xd9, esi(5)]);
      assert.equal(m.fsw, MASK_ZERO_DIVIDE | Fsw.ES | Fsw.B);
      assert.equal(m.execute(FLD1), Vector.MF);
    });

    it('go to FERR# without CR0.NE, and the instruction waits', () => {
      divideByZero();
      m.words[Word.Cr0] &= ~Cr0.NE;
      assert.equal(m.execute(FADD), -1);
      assert.equal(m.words[Word.Eip], CODE);
      assert.deepEqual(m.ferr, [true]);
      m.executeAll(FNCLEX);
      assert.deepEqual(m.ferr, [true, false]);
      m.executeAll(FADD);
    });

    it('leave the memory operand alone', () => {
      m.phys.write32(DATA, 0x11223344);
      m.executeAll(FLDZ, FLDZ, FDIV);
      m.fsw = m.fsw & Fsw.Top;
      m.fcw &= ~MASK_INVALID;
      // FISTP of a NaN
      m.executeAll([0xdb, esi(3)]);
      assert.equal(m.phys.read32(DATA), 0x11223344);
      assert.equal(m.fsw & Fsw.ES, Fsw.ES);
      assert.equal((m.fsw & Fsw.Top) >> 11, 6, 'not popped');
    });
  });

  describe('control words', () => {
    it('are the guest\u2019s alone: rounding and masks never reach JavaScript', () => {
      const third = 1 / 3;
      m.executeAll(FLDPI, FLD1);
      m.fcw = 0x0c40;
      m.mxcsr = 0x0000e000;
      m.execute([0xd8, 0xf1]);
      m.execute([0x0f, 0x5e, 0xc1]);
      assert.equal(1 / 3, third);
      assert.equal(2 ** -1074 / 2, 0);
      assert.equal(5e-324 * 1, 5e-324);
      assert.equal(5.5 % 2, 1.5);
      assert.equal(Math.floor(-0.5), -1);
    });

    it('decide precision and rounding', () => {
      const results = [0x037f, 0x007f, 0x077f].map((fcw) => {
        m.executeAll(FNINIT, [0xd9, 0xeb], FLD1);
        m.fcw = fcw;
        m.executeAll([0xd8, 0xf1]);
        return m.st(0);
      });
      // 1/pi = 0.A2F9836E4E441529FC... in binary fractions: to 64 and 24 bits, and rounded down
      assert.deepEqual(results, [
        [0x3ffd, 0xa2f9836e, 0x4e44152a],
        [0x3ffd, 0xa2f98300, 0],
        [0x3ffd, 0xa2f9836e, 0x4e441529],
      ]);
    });

    it('have bit 6 set and no bits that do not exist', () => {
      m.phys.write16(DATA, 0xff80 | 0x3f);
      m.executeAll([0xd9, esi(5)]);
      assert.equal(m.fcw, 0x1f7f);
    });
  });

  describe('pointers', () => {
    it('name the last non-control instruction and its operand', () => {
      m.executeAll(FLD1);
      // FS: FADD dword [ESI + 4]
      m.cpu.setSegment(Segment.Fs, 0x23, 0x100, -1, 0xc0f3);
      m.executeAll([0x64, 0xd8, 0x46, 4]);
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x046);
      assert.equal(m.words[FxWord.Fip], CODE);
      assert.equal(m.cpu.halves[FxHalf.Fcs], 0x08);
      assert.equal(m.words[FxWord.Fdp], DATA + 4);
      assert.equal(m.cpu.halves[FxHalf.Fds], 0x23);
      // a register form keeps the operand, a control instruction keeps all
      m.executeAll(FLD1, [0xd9, 0xfa]);
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x1fa);
      assert.equal(m.words[FxWord.Fdp], DATA + 4);
      m.executeAll(FNSTSW_AX, [0xd9, esi(7)], [0xd9, 0xd0]);
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x1fa);
    });

    it('are noted by the exact way as well', () => {
      m.executeAll([0xd8, 0x46, 4]);
      assert.equal(m.fsw & (Fsw.SF | 1), Fsw.SF | 1, 'stack underflow');
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x046);
      assert.equal(m.words[FxWord.Fdp], DATA + 4);
      m.executeAll([0xd9, 0xe0]);
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x1e0);
      assert.equal(m.words[FxWord.Fdp], DATA + 4);
    });

    it('stay when the instruction faults', () => {
      m.executeAll(FLD1);
      m.cpu.setSegment(Segment.Ds, 0x10, 0, 0xfff, 0x4093);
      assert.equal(m.execute([0xd8, 0x46, 4]), Vector.GP);
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x1e8);
    });
  });

  describe('the environment', () => {
    const words = (count: number): number[] =>
      Array.from({ length: count }, (_, i) => m.phys.read32(DATA + i * 4) >>> 0);
    const halves = (count: number): number[] => Array.from({ length: count }, (_, i) => m.phys.read16(DATA + i * 2));

    /** ST(0) infinity, ST(1) zero, ST(2) one; the last instruction FDIVP-like with a known operand. */
    function fill(): void {
      m.executeAll(FLD1, FLDZ, FLD1, FDIV);
      m.words[FxWord.Fip] = 0x12345678;
      m.words[FxWord.Fdp] = 0x0abcdef0;
      m.cpu.halves[FxHalf.Fds] = 0x10;
      m.cpu.halves[FxHalf.Fop] = 0x0f1;
    }

    it('has seven doublewords in 32-bit protected mode, and its store masks all exceptions', () => {
      fill();
      m.fcw = 0x340;
      m.fsw = (m.fsw & ~0x80ff) | MASK_ZERO_DIVIDE | 0x8080;
      m.executeAll(FNSTENV);
      // TOP 5: physical 5 special, 6 zero, 7 valid, the others empty
      assert.deepEqual(words(7), [0xffff0340, 0xffffa884, 0xffff1bff, 0x12345678, 0x00f10008, 0x0abcdef0, 0xffff0010]);
      assert.equal(m.fcw, 0x37f);
      assert.equal(m.fsw & Fsw.ES, 0);
    });

    it('has seven words in 16-bit protected mode', () => {
      fill();
      m.executeAll([OPERAND_SIZE, ...FNSTENV]);
      assert.deepEqual(halves(7), [0x37f, 0x2804, 0x1bff, 0x5678, 0x0008, 0xdef0, 0x0010]);
    });

    it('comes back with FLDENV, the registers staying where they are', () => {
      fill();
      for (const prefix of [[], [OPERAND_SIZE]]) {
        m.executeAll([...prefix, ...FNSTENV]);
        const before = m.st(2);
        m.executeAll(FNINIT, [...prefix, ...FLDENV]);
        assert.equal((m.fsw & Fsw.Top) >> 11, 5);
        assert.equal(m.cpu.bytes[FxByte.Ftw], 0xe0);
        assert.deepEqual(m.st(2), before);
        assert.deepEqual(m.st(2), ONE);
        assert.equal(m.cpu.halves[FxHalf.Fds], 0x10);
      }
      assert.equal(m.words[FxWord.Fip], 0x5678);
    });

    it('holds linear addresses and the opcode in real mode', () => {
      fill();
      m.enterReal();
      m.words[Word.Cr4] = 0;
      m.words[Word.Esi] = 0x500;
      m.cpu.halves[FxHalf.Fcs] = 0x1000;
      m.words[FxWord.Fip] = 0x2345;
      m.cpu.halves[FxHalf.Fds] = 0x2000;
      m.words[FxWord.Fdp] = 0xfff8;
      m.place([OPERAND_SIZE, 0xd9, 0x34, 0xd9, 0x74, 0x40], 0x4000);
      m.interpreter.run(2);
      const at = (offset: number): number => m.phys.read32(0x500 + offset) >>> 0;
      assert.deepEqual([at(12), at(16), at(20), at(24)], [0xffff2345, 0x000010f1, 0xffffff8 + 0xf0000000, 0x00002000]);
      const half = (index: number): number => m.phys.read16(0x540 + index * 2);
      assert.deepEqual([3, 4, 5, 6].map(half), [0x2345, 0x10f1, 0xfff8, 0x2000]);
    });

    it('is followed by the registers in FNSAVE, which initializes; FRSTOR brings all back', () => {
      fill();
      const before = [0, 1, 2, 3].map((i) => m.st(i));
      m.executeAll(FNSAVE);
      assert.equal(m.fcw, 0x37f);
      assert.equal(m.fsw, 0);
      assert.equal(m.cpu.bytes[FxByte.Ftw], 0);
      assert.equal(m.words[FxWord.Fip], 0);
      assert.equal(m.phys.read16(DATA + 28 + 2 * 10 + 8), 0x3fff);
      m.executeAll(FLDPI, FRSTOR);
      assert.deepEqual(
        [0, 1, 2, 3].map((i) => m.st(i)),
        before,
      );
      assert.equal(m.cpu.halves[FxHalf.Fop], 0x0f1);
      assert.equal(m.words[FxWord.Fip], 0x12345678);
    });
  });

  describe('FXSAVE and FXRSTOR', () => {
    it('carry the whole state, and leave the rest of the 512 bytes alone', () => {
      m.executeAll(FLDPI, FLD1);
      m.words.set([1, 2, 3, 4], FxWord.Xmm + 7 * 4);
      m.mxcsr = 0x3f81;
      for (let i = 0; i < 512; i += 4) m.phys.write32(DATA + i, 0x55555555);
      m.executeAll(FXSAVE);
      assert.equal(m.phys.read16(DATA + 2), 6 << 11);
      assert.equal(m.phys.read16(DATA + 4), 0xc0);
      assert.equal(m.phys.read32(DATA + 28), 0xffff);
      assert.equal(m.phys.read32(DATA + 284), 4);
      assert.equal(m.phys.read32(DATA + 288), 0x55555555);
      const pi = m.st(1);
      m.executeAll(FNINIT, FLDZ);
      m.mxcsr = 0x1f80;
      m.words.fill(0, FxWord.Xmm, FxWord.Xmm + 32);
      m.executeAll(FXRSTOR);
      assert.deepEqual(m.st(1), pi);
      assert.equal(m.mxcsr, 0x3f81);
      assert.equal(m.words[FxWord.Xmm + 31], 4);
    });

    it('want 16-byte alignment and an MXCSR without reserved bits', () => {
      assert.equal(m.execute([0x0f, 0xae, 0x46, 8]), Vector.GP);
      m.executeAll(FXSAVE);
      m.phys.write32(DATA + 24, 0x11f80);
      const before = m.words.slice(Word.Fxsave, Word.Fxsave + 72);
      assert.equal(m.execute(FXRSTOR), Vector.GP);
      assert.deepEqual(m.words.slice(Word.Fxsave, Word.Fxsave + 72), before);
    });

    it('make the error summary true to flags and masks', () => {
      m.executeAll(FXSAVE);
      m.phys.write16(DATA, 0x340);
      m.phys.write16(DATA + 2, 1);
      m.executeAll(FXRSTOR);
      assert.equal(m.fsw, 0x8081);
      assert.equal(m.execute(WAIT), Vector.MF);
    });
  });

  describe('memory faults', () => {
    const DIRECTORY = 0x100000;
    const TABLE = 0x101000;
    const ABSENT = 0x40000;

    beforeEach(() => {
      for (let page = 0; page < 1024; page++) {
        m.phys.write32(TABLE + page * 4, page << 12 === ABSENT ? 0 : (page << 12) | 3);
      }
      m.phys.write32(DIRECTORY, TABLE | 3);
      m.words[Word.Cr3] = DIRECTORY;
      m.words[Word.Cr0] |= Cr0.PG;
      m.cpu.mmu.flushAll();
    });

    it('of a store across a page end leave stack and memory as they were', () => {
      m.executeAll(FLDPI);
      m.words[Word.Esi] = ABSENT - 4;
      m.phys.write32(ABSENT - 4, 0x77777777);
      for (const code of [[0xdb, esi(7)], [0xdd, esi(3)], [0xdf, esi(6)], FNSTENV, FNSAVE]) {
        assert.equal(m.execute(code), Vector.PF, Buffer.from(code).toString('hex'));
        assert.equal(m.words[Word.Cr2], ABSENT);
        assert.equal(m.phys.read32(ABSENT - 4), 0x77777777);
        assert.equal((m.fsw & Fsw.Top) >> 11, 7);
      }
    });

    it('of a load push nothing', () => {
      m.words[Word.Esi] = ABSENT - 4;
      for (const code of [[0xdb, esi(5)], [0xdd, esi(0)], FRSTOR, FLDENV]) {
        assert.equal(m.execute(code), Vector.PF);
        assert.equal(m.fsw, 0);
        assert.equal(m.cpu.bytes[FxByte.Ftw], 0);
      }
    });

    it('are taken before the stack underflow of a store', () => {
      m.words[Word.Esi] = ABSENT;
      assert.equal(m.execute([0xdb, esi(7)]), Vector.PF);
      assert.equal(m.fsw, 0);
    });
  });

  it('goes on through a loop of instructions as one would expect', () => {
    // sum of 1/k for k = 1 to 4: fldz; then fld1, fild [esi], fdivp, faddp for each
    const term = [...FLD1, 0xdb, esi(0), 0xde, 0xf9, 0xde, 0xc1, 0xff, 0x06];
    m.phys.write32(DATA, 1);
    const program = [...FLDZ, ...term, ...term, ...term, ...term, 0xdd, 0x1d, ...d(DATA + 8)];
    m.place(program);
    m.interpreter.run(1 + 4 * 5 + 1);
    assert.equal(m.words[Word.Eip], CODE + program.length);
    const bytes = m.phys.bytes.slice(DATA + 8, DATA + 16);
    assert.equal(new DataView(bytes.buffer).getFloat64(0, true), 25 / 12);
    assert.equal(m.cpu.bytes[FxByte.Ftw], 0);
  });
});
