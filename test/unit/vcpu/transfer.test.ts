import assert from 'node:assert/strict';
import { Segment } from '../../../src/x86/instruction.js';
import { Eflag, getEflags, setEflags } from '../../../src/vcpu/flags.js';
import { Attention, Word } from '../../../src/vcpu/layout.js';
import { push32 } from '../../../src/vcpu/segments.js';
import { farCall, farJump, farReturn, interruptReturn, sysenter, sysexit } from '../../../src/vcpu/transfer.js';
import { Mode } from '../../../src/vcpu/vcpu.js';
import {
  BIG,
  cleanFaultOf,
  CODE,
  DATA,
  FREE,
  GDT,
  KERNEL_CS,
  KERNEL_DS,
  PAGES,
  Rig,
  STACK0,
  STACK3,
  TSS,
  TSS_SELECTOR,
  USER_CS,
  USER_DS,
} from '../../helpers/rig.js';

const FREE2 = FREE + 8;

/** A call gate in FREE to KERNEL_CS:0x7000, and the CPU at CPL 3. */
function gated(count = 0, access = 0xec): Rig {
  const rig = new Rig();
  rig.gate(GDT + FREE, KERNEL_CS, 0x7000, access, count);
  rig.enterUser();
  return rig;
}

/** Pushes the words of a frame, last one on top. */
function frame(rig: Rig, ...values: number[]): void {
  for (const value of values) push32(rig.cpu, value);
}

describe('farJump and farCall to code (SDM 2, JMP and CALL, Operation)', () => {
  it('jump: set CS with RPL = CPL, and Accessed', () => {
    const rig = new Rig();
    rig.segment(FREE, 0x10000, 0xffff, 0x9a, BIG);
    farJump(rig.cpu, FREE, 0x1234, 4);
    assert.equal(rig.selector(Segment.Cs), FREE);
    assert.equal(rig.base(Segment.Cs), 0x10000);
    assert.equal(rig.words[Word.Eip], 0x1234);
    assert.equal(rig.phys.read8(GDT + FREE + 5), 0x9b);
  });

  it('check null, limit of the table, type, privilege, presence, limit of the segment', () => {
    const rig = new Rig();
    const jump = (selector: number, offset = 0): string =>
      cleanFaultOf(rig, () => farJump(rig.cpu, selector, offset, 4));
    assert.equal(jump(2), '13:0');
    assert.equal(jump(0x200), '13:200');
    assert.equal(jump(KERNEL_DS), '13:10');
    assert.equal(jump(KERNEL_CS | 3), '13:8', 'RPL above CPL');
    assert.equal(jump(USER_CS), '13:18', 'DPL is not CPL');
    rig.segment(FREE, 0, 0xfff, 0x1b, BIG);
    assert.equal(jump(FREE), '11:40');
    rig.segment(FREE, 0, 0xfff, CODE, BIG);
    assert.equal(jump(FREE, 0x1000), '13:0');
    rig.segment(FREE, 0, 0xfff, 0xff, BIG);
    assert.equal(jump(FREE), '13:40', 'conforming code of an outer level');
  });

  it('stay at CPL 3 in conforming code of DPL 0', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xfffff, 0x9f, BIG | PAGES);
    rig.enterUser();
    farJump(rig.cpu, FREE, 0x7000, 4);
    assert.equal(rig.selector(Segment.Cs), FREE | 3);
    assert.equal(rig.words[Word.Cpl], 3);
  });

  it('call: pushes CS and EIP of the operand size', () => {
    const rig = new Rig();
    rig.words[Word.Eip] = 0x4567;
    farCall(rig.cpu, KERNEL_CS, 0x98765, 4);
    assert.deepEqual(rig.stack(2), [0x4567, KERNEL_CS]);
    assert.equal(rig.words[Word.Eip], 0x98765);
    farCall(rig.cpu, KERNEL_CS, 0x98765, 2);
    assert.equal(rig.words[Word.Esp], STACK0 - 12);
    assert.equal(rig.words[Word.Eip], 0x8765);
    assert.equal(rig.stack(1)[0], (KERNEL_CS << 16) | 0x8765);
  });

  it('call: faults before anything is pushed', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xfff, CODE, BIG);
    assert.equal(
      cleanFaultOf(rig, () => farCall(rig.cpu, FREE, 0x1000, 4)),
      '13:0',
    );
    rig.cpu.setSegment(Segment.Ss, KERNEL_DS, 0, 0x7fff, 0x4093);
    rig.words[Word.Esp] = 4;
    assert.equal(
      cleanFaultOf(rig, () => farCall(rig.cpu, KERNEL_CS, 0, 4)),
      '12:0',
    );
    assert.equal(rig.phys.read32(0), 0);
  });

  it('work in real mode by shifted selectors', () => {
    const rig = new Rig();
    rig.cpu.reset();
    rig.words[Word.Esp] = 0x100;
    rig.words[Word.Eip] = 0x77;
    farCall(rig.cpu, 0x2000, 0x1234, 2);
    assert.equal(rig.base(Segment.Cs), 0x20000);
    assert.deepEqual([rig.phys.read16(0xfc), rig.phys.read16(0xfe)], [0x77, 0xf000]);
    farReturn(rig.cpu, 2, 4);
    assert.equal(rig.words[Word.Esp], 0x104);
    assert.equal(rig.base(Segment.Cs), 0xf0000);
    assert.equal(rig.words[Word.Eip], 0x77);
  });
});

describe('call gates', () => {
  it('switch to the inner stack and copy parameters (SDM 2, CALL, "MORE-PRIVILEGE")', () => {
    const rig = gated(2);
    frame(rig, 0x22, 0x11);
    rig.words[Word.Eip] = 0x6007;
    farCall(rig.cpu, FREE | 3, 0xdead, 4);
    assert.equal(rig.words[Word.Cpl], 0);
    assert.equal(rig.selector(Segment.Cs), KERNEL_CS);
    assert.equal(rig.selector(Segment.Ss), KERNEL_DS);
    assert.equal(rig.words[Word.Eip], 0x7000, 'the offset comes from the gate');
    assert.equal(rig.words[Word.Esp], STACK0 - 24);
    assert.deepEqual(rig.stack(6), [0x6007, USER_CS, 0x11, 0x22, STACK3 - 8, USER_DS]);
  });

  it('come back with the parameters dropped from both stacks', () => {
    const rig = gated(2);
    frame(rig, 0x22, 0x11);
    rig.words[Word.Eip] = 0x6007;
    farCall(rig.cpu, FREE | 3, 0, 4);
    rig.cpu.setSegment(Segment.Fs, KERNEL_DS, 0, -1, 0xc093);
    farReturn(rig.cpu, 4, 8);
    assert.equal(rig.words[Word.Cpl], 3);
    assert.equal(rig.selector(Segment.Cs), USER_CS);
    assert.equal(rig.selector(Segment.Ss), USER_DS);
    assert.equal(rig.words[Word.Eip], 0x6007);
    assert.equal(rig.words[Word.Esp], STACK3);
    assert.equal(rig.selector(Segment.Fs), 0, 'ring-0 data is taken away');
    assert.equal(rig.selector(Segment.Ds), USER_DS);
  });

  it('push 16-bit words through a 16-bit gate', () => {
    const rig = gated(1, 0xe4);
    frame(rig, 0x11);
    rig.words[Word.Eip] = 0x6007;
    farCall(rig.cpu, FREE | 3, 0, 4);
    assert.equal(rig.words[Word.Esp], STACK0 - 10);
    const words = [0, 2, 4, 6, 8].map((i) => rig.phys.read16(rig.words[Word.Esp] + i));
    assert.deepEqual(words, [0x6007, USER_CS, 0x11, (STACK3 - 4) & 0xffff, USER_DS]);
  });

  it('check gate, code segment, TSS and stack in this order', () => {
    const rig = gated();
    const call = (): string => cleanFaultOf(rig, () => farCall(rig.cpu, FREE | 3, 0, 4));
    rig.gate(GDT + FREE, KERNEL_CS, 0x7000, 0x8c);
    assert.equal(call(), '13:40', 'gate DPL below CPL');
    rig.gate(GDT + FREE, KERNEL_CS, 0x7000, 0x6c);
    assert.equal(call(), '11:40', 'gate not present');
    rig.gate(GDT + FREE, 0, 0x7000, 0xec);
    assert.equal(call(), '13:0', 'null code selector');
    rig.gate(GDT + FREE, 0x201, 0x7000, 0xec);
    assert.equal(call(), '13:200', 'outside the table');
    rig.gate(GDT + FREE, KERNEL_DS, 0x7000, 0xec);
    assert.equal(call(), '13:10', 'not code');
    rig.segment(FREE2, 0, 0xfff, 0x1b, BIG);
    rig.gate(GDT + FREE, FREE2, 0x7000, 0xec);
    assert.equal(call(), '11:48', 'code not present');
    rig.segment(FREE2, 0, 0xfff, CODE, BIG);
    rig.phys.write32(TSS + 8, 0);
    assert.equal(call(), '10:0', 'null stack selector');
    rig.phys.write32(TSS + 8, 0x200);
    assert.equal(call(), '10:200');
    rig.phys.write32(TSS + 8, KERNEL_DS | 3);
    assert.equal(call(), '10:10', 'RPL of the stack');
    rig.phys.write32(TSS + 8, USER_DS & ~3);
    assert.equal(call(), '10:20', 'DPL of the stack');
    rig.phys.write32(TSS + 8, KERNEL_CS);
    assert.equal(call(), '10:8', 'not writable');
    rig.segment(FREE2 + 8, 0, 0xfff, 0x13, BIG);
    rig.phys.write32(TSS + 8, FREE2 + 8);
    assert.equal(call(), '12:50', 'stack not present');
    rig.segment(FREE2 + 8, 0, 0xfff, DATA, BIG);
    assert.equal(call(), '12:50', 'no room on the stack');
    rig.phys.write32(TSS + 8, KERNEL_DS);
    assert.equal(call(), '13:0', 'offset beyond the code segment');
    rig.cpu.setSegment(Segment.Tr, TSS_SELECTOR, TSS, 8, 0x8b);
    assert.equal(call(), '10:28', 'TSS too small');
  });

  it('restart after a page fault in the middle of the pushes', () => {
    const rig = gated(2);
    rig.enablePaging();
    frame(rig, 0x22, 0x11);
    rig.phys.write32(TSS + 4, 0x30008);
    rig.mapPage(0x2f000, 0);
    assert.equal(
      cleanFaultOf(rig, () => farCall(rig.cpu, FREE | 3, 0, 4)),
      '14:2',
      'a supervisor write',
    );
    assert.equal(rig.words[Word.Cr2], 0x2fffc);
    assert.deepEqual([rig.phys.read32(0x30000), rig.phys.read32(0x30004)], [0, 0], 'nothing was pushed');
    rig.mapPage(0x2f000, 0x2f000 | 3);
    farCall(rig.cpu, FREE | 3, 0, 4);
    assert.deepEqual(rig.stack(6), [0x6000, USER_CS, 0x11, 0x22, STACK3 - 8, USER_DS]);
  });

  it('do not change privilege by a jump', () => {
    const rig = gated();
    assert.equal(
      cleanFaultOf(rig, () => farJump(rig.cpu, FREE | 3, 0, 4)),
      '13:8',
    );
    rig.cpu.setCpl(0);
    farJump(rig.cpu, FREE, 0, 4);
    assert.equal(rig.words[Word.Eip], 0x7000);
  });
});

describe('farReturn (SDM 2, RET, Operation)', () => {
  it('checks the return selector', () => {
    const rig = new Rig();
    const ret = (selector: number): string => {
      rig.words[Word.Esp] = STACK0;
      frame(rig, selector, 0x1000);
      return cleanFaultOf(rig, () => farReturn(rig.cpu, 4, 0));
    };
    assert.equal(ret(0), '13:0');
    assert.equal(ret(0x300), '13:300');
    assert.equal(ret(KERNEL_DS), '13:10');
    assert.equal(ret(USER_CS & ~3), '13:18', 'DPL of nonconforming code must be RPL');
    rig.segment(FREE, 0, 0xfff, 0x1b, BIG);
    assert.equal(ret(FREE), '11:40');
    rig.segment(FREE, 0, 0xfff, CODE, BIG);
    assert.equal(ret(FREE), '13:0', 'EIP beyond the limit');
    rig.enterUser();
    frame(rig, KERNEL_CS, 0);
    assert.equal(
      cleanFaultOf(rig, () => farReturn(rig.cpu, 4, 0)),
      '13:8',
      'RPL below CPL',
    );
  });

  it('checks the outer stack', () => {
    const rig = new Rig();
    const ret = (stackSelector: number): string => {
      rig.words[Word.Esp] = STACK0;
      frame(rig, stackSelector, STACK3, USER_CS, 0x6000);
      return cleanFaultOf(rig, () => farReturn(rig.cpu, 4, 0));
    };
    assert.equal(ret(0), '13:0');
    assert.equal(ret(KERNEL_DS), '13:10');
    assert.equal(ret(USER_CS), '13:18');
    rig.segment(FREE, 0, 0xfff, 0x73, BIG);
    assert.equal(ret(FREE | 3), '12:40');
  });

  it('loads only SP when the outer stack is 16 bits wide', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xffff, DATA | 0x60, 0);
    rig.cpu.setSegment(Segment.Ss, KERNEL_DS, 0, -1, 0xc093);
    rig.words[Word.Esp] = 0x108000;
    frame(rig, FREE | 3, 0x55551234, USER_CS, 0x6000);
    farReturn(rig.cpu, 4, 0);
    assert.equal(rig.words[Word.Esp], 0x101234);
  });
});

describe('interruptReturn (SDM 2, IRET, Operation)', () => {
  const ALL = 0x3f7fd5;

  it('to the same level: restores the flags that CPL 0 may set', () => {
    const rig = new Rig();
    frame(rig, Eflag.IF | Eflag.IOPL | Eflag.ID | 0x8d5, KERNEL_CS, 0x1234);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.words[Word.Eip], 0x1234);
    assert.equal(rig.words[Word.Esp], STACK0);
    assert.equal(getEflags(rig.cpu), Eflag.IF | Eflag.IOPL | Eflag.ID | 0x8d5 | 2);
  });

  it('to the outer level: stack, flags, and no ring-0 data left', () => {
    const rig = new Rig();
    rig.cpu.setSegment(Segment.Fs, FREE, 0, 0xff, 0x409f);
    rig.cpu.setSegment(Segment.Gs, USER_DS, 0, -1, 0xc0f3);
    frame(rig, USER_DS, STACK3, Eflag.IF, USER_CS, 0x6000);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.words[Word.Cpl], 3);
    assert.equal(rig.cpu.user, true);
    assert.equal(rig.words[Word.Esp], STACK3);
    assert.equal(rig.words[Word.InterruptFlag], 1);
    assert.equal(rig.selector(Segment.Ds), 0);
    assert.equal(rig.selector(Segment.Es), 0);
    assert.equal(rig.selector(Segment.Fs), FREE, 'conforming code stays');
    assert.equal(rig.selector(Segment.Gs), USER_DS);
  });

  it('at CPL 3: keeps IOPL, and IF unless IOPL allows', () => {
    const rig = new Rig();
    rig.enterUser();
    setEflags(rig.cpu, Eflag.IF, ALL | Eflag.IF);
    frame(rig, Eflag.IOPL | Eflag.AC, USER_CS, 0x6010);
    interruptReturn(rig.cpu, 4);
    assert.equal(getEflags(rig.cpu), Eflag.IF | Eflag.AC | 2);
    setEflags(rig.cpu, Eflag.IOPL, Eflag.IOPL);
    frame(rig, 0, USER_CS, 0x6010);
    interruptReturn(rig.cpu, 4);
    assert.equal(getEflags(rig.cpu), Eflag.IOPL | 2);
  });

  it('makes the run loop look at the interrupt controller when IF comes on', () => {
    const rig = new Rig();
    rig.requested = true;
    frame(rig, Eflag.IF, KERNEL_CS, 0x1234);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.words[Word.Attention] & Attention.Interrupt, Attention.Interrupt);
  });

  it('faults with everything as before', () => {
    const rig = new Rig();
    frame(rig, 0, USER_DS, 0x1234);
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 4)),
      '13:20',
    );
    frame(rig, KERNEL_DS, STACK3, 0, USER_CS, 0x6000);
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 4)),
      '13:10',
    );
    rig.enablePaging();
    rig.mapPage(0x7000, 0);
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 4)),
      '14:0',
    );
  });

  it('pops 16-bit words with operand size 2, and leaves the upper flags', () => {
    const rig = new Rig();
    setEflags(rig.cpu, Eflag.ID, Eflag.ID);
    rig.words[Word.Esp] = STACK0 - 6;
    rig.phys.write16(STACK0 - 6, 0x1234);
    rig.phys.write16(STACK0 - 4, KERNEL_CS);
    rig.phys.write16(STACK0 - 2, 0xffff);
    interruptReturn(rig.cpu, 2);
    assert.equal(rig.words[Word.Esp], STACK0);
    assert.equal(getEflags(rig.cpu), Eflag.ID | 0x7fd7);
  });

  it('into virtual-8086 mode: nine words, segments shifted, CPL 3', () => {
    const rig = new Rig();
    frame(rig, 0x6000, 0x5000, 0x4000, 0x3000, 0x2000, 0xfffe, Eflag.VM | Eflag.IF, 0x1000, 0x100);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.cpu.mode, Mode.Virtual8086);
    assert.equal(rig.words[Word.Cpl], 3);
    assert.equal(rig.base(Segment.Cs), 0x10000);
    assert.equal(rig.words[Word.Eip], 0x100);
    assert.equal(rig.base(Segment.Ss), 0x20000);
    assert.equal(rig.words[Word.Esp], 0xfffe);
    assert.deepEqual(
      [Segment.Es, Segment.Ds, Segment.Fs, Segment.Gs].map((segment) => rig.selector(segment)),
      [0x3000, 0x4000, 0x5000, 0x6000],
    );
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 2)),
      '13:0',
      'IRET there needs IOPL 3',
    );
  });

  it('cannot enter virtual-8086 mode from CPL 3', () => {
    const rig = new Rig();
    rig.enterUser();
    frame(rig, Eflag.VM, USER_CS, 0x6000);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.cpu.mode, Mode.Protected);
    assert.equal(getEflags(rig.cpu) & Eflag.VM, 0);
  });

  it('lets a waiting NMI in', () => {
    const rig = new Rig();
    rig.words[Word.NmiBlocked] = 1;
    rig.words[Word.Nmi] = 1;
    frame(rig, 0, KERNEL_CS, 0x1234);
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.words[Word.NmiBlocked], 0);
    assert.equal(rig.words[Word.Attention], Attention.Nmi);
  });
});

describe('SYSENTER and SYSEXIT', () => {
  it('change to flat segments around the CS of the MSR', () => {
    const rig = new Rig();
    rig.enterUser();
    rig.words[Word.SysenterCs] = KERNEL_CS;
    rig.words[Word.SysenterEsp] = STACK0;
    rig.words[Word.SysenterEip] = 0x7777;
    rig.words[Word.InterruptFlag] = 1;
    sysenter(rig.cpu);
    assert.deepEqual(
      [rig.words[Word.Cpl], rig.selector(Segment.Cs), rig.selector(Segment.Ss), rig.words[Word.InterruptFlag]],
      [0, KERNEL_CS, KERNEL_DS, 0],
    );
    assert.deepEqual([rig.words[Word.Esp], rig.words[Word.Eip]], [STACK0, 0x7777]);
    rig.words[Word.Ecx] = STACK3;
    rig.words[Word.Edx] = 0x6006;
    sysexit(rig.cpu);
    assert.deepEqual([rig.words[Word.Cpl], rig.selector(Segment.Cs), rig.selector(Segment.Ss)], [3, USER_CS, USER_DS]);
    assert.deepEqual([rig.words[Word.Esp], rig.words[Word.Eip]], [STACK3, 0x6006]);
    assert.equal(
      cleanFaultOf(rig, () => sysexit(rig.cpu)),
      '13:0',
      'not at CPL 3',
    );
  });

  it('fault when the MSR holds null', () => {
    const rig = new Rig();
    rig.words[Word.SysenterCs] = 3;
    assert.equal(
      cleanFaultOf(rig, () => sysenter(rig.cpu)),
      '13:0',
    );
    assert.equal(
      cleanFaultOf(rig, () => sysexit(rig.cpu)),
      '13:0',
    );
  });
});
