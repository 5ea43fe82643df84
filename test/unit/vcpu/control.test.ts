import assert from 'node:assert/strict';
import { Cr0, Cr4, Dr6, Dr7 } from '../../../src/x86/control.js';
import { Segment } from '../../../src/x86/instruction.js';
import {
  checkIo,
  clts,
  cpuid,
  lmsw,
  loadGdtr,
  loadIdtr,
  rdmsr,
  rdtsc,
  readControl,
  readDebug,
  writeControl,
  writeDebug,
  wrmsr,
} from '../../../src/vcpu/control.js';
import { Eflag, setEflags } from '../../../src/vcpu/flags.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Mode } from '../../../src/vcpu/vcpu.js';
import { cleanFaultOf, Rig, TSS, TSS_SELECTOR } from '../../helpers/rig.js';

describe('control registers (SDM 3A, "Control Registers")', () => {
  it('CR0: rejects PG without PE and NW without CD, ignores bits that do not exist, ET reads as 1', () => {
    const rig = new Rig();
    const write = (value: number): string => cleanFaultOf(rig, () => writeControl(rig.cpu, 0, value));
    assert.equal(write(Cr0.PG), '13:0');
    assert.equal(write(Cr0.PE | Cr0.NW), '13:0');
    writeControl(rig.cpu, 0, Cr0.PE | 0x0000ff80);
    assert.equal(readControl(rig.cpu, 0), Cr0.PE | Cr0.ET);
  });

  it('CR0.PE changes the mode', () => {
    const rig = new Rig();
    writeControl(rig.cpu, 0, 0);
    assert.equal(rig.cpu.mode, Mode.Real);
    lmsw(rig.cpu, 1);
    assert.equal(rig.cpu.mode, Mode.Protected);
    lmsw(rig.cpu, 0xfff8);
    assert.equal(readControl(rig.cpu, 0), Cr0.PE | Cr0.ET | Cr0.TS, 'LMSW writes four bits and cannot clear PE');
    clts(rig.cpu);
    assert.equal(readControl(rig.cpu, 0), Cr0.PE | Cr0.ET);
  });

  it('CR4: #GP for everything that CPUID does not announce', () => {
    const rig = new Rig();
    for (const bit of [Cr4.VME, Cr4.PVI, Cr4.PAE, Cr4.MCE, Cr4.OSFXSR, 1 << 11, 1 << 31]) {
      assert.equal(
        cleanFaultOf(rig, () => writeControl(rig.cpu, 4, bit)),
        '13:0',
      );
    }
    const all = Cr4.TSD | Cr4.DE | Cr4.PSE | Cr4.PGE | Cr4.PCE;
    writeControl(rig.cpu, 4, all);
    assert.equal(readControl(rig.cpu, 4), all);
  });

  it('there are only CR0, CR2, CR3 and CR4', () => {
    const rig = new Rig();
    writeControl(rig.cpu, 2, 0x1234);
    assert.equal(readControl(rig.cpu, 2), 0x1234);
    writeControl(rig.cpu, 3, 0x12fff);
    assert.equal(readControl(rig.cpu, 3), 0x12018);
    for (const register of [1, 5, 7]) {
      assert.equal(
        cleanFaultOf(rig, () => readControl(rig.cpu, register)),
        '6:',
      );
      assert.equal(
        cleanFaultOf(rig, () => writeControl(rig.cpu, register, 0)),
        '6:',
      );
    }
  });
});

describe('debug registers (SDM 3B, "Debug Registers")', () => {
  it('keep their fixed bits', () => {
    const rig = new Rig();
    writeDebug(rig.cpu, 6, -1);
    assert.equal(readDebug(rig.cpu, 6) >>> 0, 0xffffefff);
    writeDebug(rig.cpu, 6, 0);
    assert.equal(readDebug(rig.cpu, 6) >>> 0, 0xffff0ff0);
    writeDebug(rig.cpu, 7, 0xffffdfff);
    assert.equal(readDebug(rig.cpu, 7) >>> 0, 0xffff07ff);
    writeDebug(rig.cpu, 0, 0x1234);
    assert.equal(readDebug(rig.cpu, 0), 0x1234);
  });

  it('DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE', () => {
    const rig = new Rig();
    writeDebug(rig.cpu, 5, 0x401);
    assert.equal(readDebug(rig.cpu, 7), 0x401);
    writeControl(rig.cpu, 4, Cr4.DE);
    assert.equal(
      cleanFaultOf(rig, () => readDebug(rig.cpu, 4)),
      '6:',
    );
  });

  it('DR7.GD: #DB with DR6.BD on any access', () => {
    const rig = new Rig();
    writeDebug(rig.cpu, 7, Dr7.GD);
    assert.throws(() => readDebug(rig.cpu, 0), { vector: 1 });
    assert.equal(rig.words[Word.Dr0 + 6] & Dr6.BD, Dr6.BD);
  });
});

describe('descriptor-table registers', () => {
  it('take 24 bits of base with operand size 2', () => {
    const rig = new Rig();
    loadGdtr(rig.cpu, 0x10fff, 0x12345678, 2);
    assert.deepEqual([rig.words[Word.GdtrLimit], rig.words[Word.GdtrBase]], [0xfff, 0x345678]);
    loadIdtr(rig.cpu, 0x7ff, 0x12345678, 4);
    assert.deepEqual([rig.words[Word.IdtrLimit], rig.words[Word.IdtrBase]], [0x7ff, 0x12345678]);
  });
});

describe('checkIo (SDM 1, "I/O Permission Bit Map")', () => {
  it('asks IOPL first, then the bitmap of the TSS', () => {
    const rig = new Rig();
    rig.cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 0x6a, 0x8b);
    rig.phys.write16(TSS + 102, 0x68);
    rig.phys.write32(TSS + 0x68, 0xff00fb);
    checkIo(rig.cpu, 0xffff, 4);
    rig.enterUser();
    checkIo(rig.cpu, 2, 1);
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 3, 1)),
      '13:0',
    );
    checkIo(rig.cpu, 8, 4);
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 1, 4)),
      '13:0',
      'every byte of the access',
    );
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 13, 4)),
      '13:0',
      'across the byte',
    );
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 16, 1)),
      '13:0',
      'beyond the limit',
    );
    setEflags(rig.cpu, Eflag.IOPL, Eflag.IOPL);
    checkIo(rig.cpu, 0xffff, 4);
  });

  it('refuses with a 16-bit TSS or one without the field', () => {
    const rig = new Rig();
    rig.enterUser();
    rig.cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 0x200, 0x83);
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 0, 1)),
      '13:0',
    );
    rig.cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 0x66, 0x8b);
    assert.equal(
      cleanFaultOf(rig, () => checkIo(rig.cpu, 0, 1)),
      '13:0',
    );
  });
});

describe('model-specific registers', () => {
  function access(rig: Rig, write: boolean, msr: number, low = 0, high = 0): [number, number] {
    rig.words[Word.Ecx] = msr;
    rig.words[Word.Eax] = low;
    rig.words[Word.Edx] = high;
    if (write) wrmsr(rig.cpu);
    else rdmsr(rig.cpu);
    return [rig.words[Word.Eax] >>> 0, rig.words[Word.Edx] >>> 0];
  }

  it('hold the SYSENTER values', () => {
    const rig = new Rig();
    for (const msr of [0x174, 0x175, 0x176]) {
      access(rig, true, msr, msr * 3, 1);
      assert.deepEqual(access(rig, false, msr), [msr * 3, 0]);
    }
  });

  it('count and fault where there is none: APIC base, EFER, anything', () => {
    const rig = new Rig();
    for (const msr of [0x1b, 0xc0000080, 0x12345]) {
      rig.words[Word.Ecx] = msr;
      assert.equal(
        cleanFaultOf(rig, () => rdmsr(rig.cpu)),
        '13:0',
      );
      assert.equal(
        cleanFaultOf(rig, () => wrmsr(rig.cpu)),
        '13:0',
      );
      assert.equal(rig.cpu.unknownMsrs.get(msr), 2);
    }
  });

  it('the TSC follows the clock, 64 bits wide, from the value written', () => {
    const rig = new Rig();
    rig.cycles = 0x1fffffff0;
    rdtsc(rig.cpu);
    assert.deepEqual([rig.words[Word.Eax] >>> 0, rig.words[Word.Edx]], [0xfffffff0, 1]);
    access(rig, true, 0x10, 0x10, 7);
    assert.deepEqual(access(rig, false, 0x10), [0x10, 7]);
    rig.cycles += 0xffffffff;
    assert.deepEqual(access(rig, false, 0x10), [0xf, 8]);
  });

  it('the adjustment of the TSC is what was added to it', () => {
    const rig = new Rig();
    rig.cycles = 0x1_0000_0100;
    assert.deepEqual(access(rig, false, 0x3b), [0, 0]);
    access(rig, true, 0x10, 0x50, 3);
    assert.deepEqual(access(rig, false, 0x3b), [0xffffff50, 1]);
    access(rig, true, 0x3b, 0, 5);
    assert.deepEqual(access(rig, false, 0x10), [0x100, 6]);
  });

  it("Intel's platform, microcode and feature registers read as on a processor with nothing to set", () => {
    const rig = new Rig();
    for (const msr of [0x8b, 0x1a0]) access(rig, true, msr, 0x1234, 0x5678);
    assert.deepEqual(access(rig, false, 0x17), [0, 0]);
    assert.deepEqual(access(rig, false, 0x8b), [0, 1]);
    assert.deepEqual(access(rig, false, 0x1a0), [1, 0]);
    rig.words[Word.Ecx] = 0x17;
    assert.equal(
      cleanFaultOf(rig, () => wrmsr(rig.cpu)),
      '13:0',
    );
  });

  it('CR4.TSD keeps RDTSC for CPL 0', () => {
    const rig = new Rig();
    writeControl(rig.cpu, 4, Cr4.TSD);
    rdtsc(rig.cpu);
    rig.enterUser();
    assert.equal(
      cleanFaultOf(rig, () => rdtsc(rig.cpu)),
      '13:0',
    );
  });
});

describe('CPUID', () => {
  function leaf(rig: Rig, number: number, subleaf = 0): number[] {
    cpuid(rig.cpu, number, subleaf);
    return [Word.Eax, Word.Ebx, Word.Ecx, Word.Edx].map((word) => rig.words[word]);
  }
  const text = (...words: number[]): string =>
    words.map((word) => String.fromCharCode(...[0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff))).join('');

  it('names vendor, hypervisor and brand', () => {
    const rig = new Rig();
    const [highest, ebx, ecx, edx] = leaf(rig, 0);
    assert.equal(highest, 0x16);
    assert.equal(text(ebx, edx, ecx), 'GenuineIntel');
    assert.equal(text(...leaf(rig, 0x40000000).slice(1)), 'RomulusVMROM');
    const brand = [0x80000002, 0x80000003, 0x80000004].flatMap((number) => leaf(rig, number | 0));
    assert.equal(text(...brand).replace(/\0+$/, ''), 'Romulus vCPU');
  });

  it('announces what there is', () => {
    const rig = new Rig();
    const [signature, , ecx, edx] = leaf(rig, 1);
    assert.equal(signature, 0x106ca, 'family 6, model 0x1C, stepping 10');
    assert.equal(ecx, 1 << 31, 'a hypervisor');
    const bits = { PSE: 3, TSC: 4, MSR: 5, CX8: 8, SEP: 11, PGE: 13, CMOV: 15 };
    for (const [name, bit] of Object.entries(bits)) assert.equal((edx >> bit) & 1, 1, name);
    const absent = { VME: 1, PAE: 6, MCE: 7, APIC: 9, MTRR: 12, PAT: 16, PSE36: 17, HTT: 28 };
    for (const [name, bit] of Object.entries(absent)) assert.equal((edx >> bit) & 1, 0, name);
    for (const number of [3, 5, 6, 0xa, 0xb, 0xd, 0x17, 0x40000011, 0x80000009 | 0])
      assert.deepEqual(leaf(rig, number), [0, 0, 0, 0], number.toString(16));
  });

  it('tells the rate of an invariant TSC in every leaf that has it', () => {
    const rig = new Rig();
    const { cyclesHz } = rig.cpu.hooks.tsc;
    const [denominator, numerator, crystalHz] = leaf(rig, 0x15);
    assert.equal((crystalHz * numerator) / denominator, cyclesHz);
    assert.equal(leaf(rig, 0x16)[0], cyclesHz / 1e6);
    assert.equal(leaf(rig, 0x40000010)[0], cyclesHz / 1e3);
    assert.equal((leaf(rig, 0x80000007 | 0)[3] >> 8) & 1, 1, 'invariant');
  });

  it('describes three caches and ends the list', () => {
    const rig = new Rig();
    const sizes = [0, 1, 2].map((subleaf) => {
      const [eax, ebx, ecx] = leaf(rig, 4, subleaf);
      const ways = (ebx >>> 22) + 1;
      const partitions = ((ebx >>> 12) & 0x3ff) + 1;
      const lineBytes = (ebx & 0xfff) + 1;
      return [eax & 0x1f, (eax >> 5) & 7, ways * partitions * lineBytes * (ecx + 1)];
    });
    assert.deepEqual(sizes, [
      [1, 1, 32768],
      [2, 1, 32768],
      [3, 2, 524288],
    ]);
    assert.equal(leaf(rig, 4, 3)[0], 0);
  });
});
