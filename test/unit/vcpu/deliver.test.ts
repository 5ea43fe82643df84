import assert from 'node:assert/strict';
import { Segment } from '../../../src/x86/instruction.js';
import { GuestFault, Vector } from '../../../src/x86/vectors.js';
import { Cr0, Dr6, Dr7 } from '../../../src/x86/control.js';
import {
  debugTrap,
  deliverException,
  deliverInterrupt,
  deliverNmi,
  icebp,
  softwareInterrupt,
} from '../../../src/vcpu/deliver.js';
import { Eflag, getEflags, setEflags } from '../../../src/vcpu/flags.js';
import { Attention, ExitReason, Word } from '../../../src/vcpu/layout.js';
import { interruptReturn } from '../../../src/vcpu/transfer.js';
import { Mode } from '../../../src/vcpu/vcpu.js';
import {
  BIG,
  cleanFaultOf,
  CODE,
  FREE,
  KERNEL_CS,
  KERNEL_DS,
  PAGES,
  Rig,
  STACK0,
  STACK3,
  TSS,
  USER_CS,
  USER_DS,
} from '../../helpers/rig.js';

const HANDLER = 0x7000;

function rigWith(...vectors: number[]): Rig {
  const rig = new Rig();
  for (const vector of vectors) rig.interruptGate(vector, HANDLER + vector);
  rig.words[Word.Eip] = 0x4000;
  return rig;
}

/** Lets the gate of `vector` name a code segment whose descriptor, at 0x10000, is not mapped. */
function unmapDescriptor(rig: Rig, vector: number): void {
  rig.enablePaging();
  rig.words[Word.GdtrLimit] = 0xffff;
  rig.interruptGate(vector, HANDLER, 0x8e, 0xf000);
  rig.mapPage(0x10000, 0);
}

/** Vector of the handler that was entered. */
function entered(rig: Rig): number {
  return rig.words[Word.Eip] - HANDLER;
}

describe('delivery at the same level (SDM 2, INT n, "INTRA-PRIVILEGE-LEVEL")', () => {
  it('pushes EFLAGS, CS, EIP and the error code; a fault saves RF', () => {
    const rig = rigWith(13);
    setEflags(rig.cpu, Eflag.IF | Eflag.TF | Eflag.NT | 0x41, Eflag.IF | Eflag.TF | Eflag.NT | 0x41);
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0x1234));
    assert.equal(entered(rig), 13);
    assert.deepEqual(rig.stack(4), [0x1234, 0x4000, KERNEL_CS, Eflag.RF | Eflag.IF | Eflag.TF | Eflag.NT | 0x43]);
    assert.equal(getEflags(rig.cpu), 0x43, 'IF, TF, NT and RF are cleared');
  });

  it('pushes no error code for vectors without one', () => {
    const rig = rigWith(6);
    deliverException(rig.cpu, new GuestFault(Vector.UD, undefined));
    assert.deepEqual(rig.stack(3), [0x4000, KERNEL_CS, Eflag.RF | 2]);
    assert.equal(rig.words[Word.Esp], STACK0 - 12);
  });

  it('keeps IF through a trap gate', () => {
    const rig = new Rig();
    rig.interruptGate(32, HANDLER, 0x8f);
    setEflags(rig.cpu, Eflag.IF, Eflag.IF);
    deliverInterrupt(rig.cpu, 32);
    assert.equal(rig.words[Word.InterruptFlag], 1);
    assert.equal(rig.stack(3)[2], Eflag.IF | 2, 'an interrupt does not save RF');
  });

  it('pushes 16-bit words through a 16-bit gate', () => {
    const rig = new Rig();
    rig.interruptGate(14, 0x12347000, 0x86);
    rig.words[Word.Eip] = 0x54321;
    deliverException(rig.cpu, new GuestFault(Vector.PF, 5));
    assert.equal(rig.words[Word.Eip], 0x7000);
    assert.equal(rig.words[Word.Esp], STACK0 - 8);
    assert.deepEqual(
      [0, 2, 4].map((i) => rig.phys.read16(STACK0 - 8 + i)),
      [5, 0x4321, KERNEL_CS],
    );
  });

  it('ends HLT and the shadow', () => {
    const rig = rigWith(32);
    rig.words[Word.Halted] = 1;
    rig.words[Word.Shadow] = 1;
    deliverInterrupt(rig.cpu, 32);
    assert.deepEqual([rig.words[Word.Halted], rig.words[Word.Shadow]], [0, 0]);
  });
});

describe('delivery to an inner level', () => {
  it('takes the stack from the TSS and saves the old one', () => {
    const rig = rigWith(14);
    rig.enterUser();
    deliverException(rig.cpu, new GuestFault(Vector.PF, 6));
    assert.deepEqual(rig.stack(6), [6, 0x6000, USER_CS, Eflag.RF | 2, STACK3, USER_DS]);
    assert.equal(rig.words[Word.Cpl], 0);
    assert.equal(rig.cpu.user, false);
    assert.equal(rig.selector(Segment.Ss), KERNEL_DS);
    assert.equal(rig.selector(Segment.Ds), USER_DS, 'data segments stay');
    rig.words[Word.Esp] += 4;
    interruptReturn(rig.cpu, 4);
    assert.deepEqual([rig.words[Word.Cpl], rig.words[Word.Eip], rig.words[Word.Esp]], [3, 0x6000, STACK3]);
  });

  it('stays at CPL 3 in conforming code', () => {
    const rig = new Rig();
    rig.segment(FREE, 0, 0xfffff, 0x9f, BIG | PAGES);
    rig.interruptGate(32, HANDLER, 0x8e, FREE);
    rig.enterUser();
    deliverInterrupt(rig.cpu, 32);
    assert.equal(rig.words[Word.Cpl], 3);
    assert.equal(rig.selector(Segment.Cs), FREE | 3);
    assert.equal(rig.words[Word.Esp], STACK3 - 12);
  });
});

describe('softwareInterrupt (SDM 2, INT n)', () => {
  it('needs a gate whose DPL lets CPL through', () => {
    const rig = rigWith(0x80, 3);
    rig.enterUser();
    assert.equal(
      cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x80, 0x6002, true)),
      '13:402',
    );
    assert.equal(
      cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 3, 0x6001, false)),
      '13:1a',
    );
    rig.interruptGate(0x80, HANDLER, 0xee);
    softwareInterrupt(rig.cpu, 0x80, 0x6002, true);
    assert.equal(rig.words[Word.Eip], HANDLER);
    assert.deepEqual(rig.stack(2), [0x6002, USER_CS]);
  });

  it('checks table limit, gate type, presence, then the code segment, with EXT clear', () => {
    const rig = new Rig();
    const int = (): string => cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x21, 0x4002, true));
    assert.equal(int(), '13:10a', 'an empty entry is no gate');
    rig.interruptGate(0x21, HANDLER, 0x8c);
    assert.equal(int(), '13:10a', 'a call gate is none either');
    rig.interruptGate(0x21, HANDLER, 0x0e);
    assert.equal(int(), '11:10a');
    rig.interruptGate(0x21, HANDLER, 0x8e, 0);
    assert.equal(int(), '13:0');
    rig.interruptGate(0x21, HANDLER, 0x8e, 0x200);
    assert.equal(int(), '13:200');
    rig.interruptGate(0x21, HANDLER, 0x8e, KERNEL_DS);
    assert.equal(int(), '13:10');
    rig.interruptGate(0x21, HANDLER, 0x8e, USER_CS);
    assert.equal(int(), '13:18', 'never outwards');
    rig.segment(FREE, 0, 0xfff, 0x1b, BIG);
    rig.interruptGate(0x21, HANDLER, 0x8e, FREE);
    assert.equal(int(), '11:40');
    rig.segment(FREE, 0, 0xfff, CODE, BIG);
    assert.equal(int(), '13:0', 'offset beyond the code segment');
    rig.words[Word.IdtrLimit] = 0x21 * 8 + 6;
    assert.equal(int(), '13:10a');
  });

  it('INT1 does not look at the DPL', () => {
    const rig = rigWith(1);
    rig.enterUser();
    icebp(rig.cpu, 0x6001);
    assert.equal(entered(rig), 1);
    assert.equal(rig.stack(1)[0], 0x6001);
  });
});

describe('faults on the way (SDM 3A, tables 6-4 and 6-5)', () => {
  it('sets EXT in the error code of the second fault', () => {
    const rig = rigWith(11, 13);
    rig.interruptGate(32, HANDLER, 0x0e);
    deliverInterrupt(rig.cpu, 32);
    assert.equal(entered(rig), 11);
    assert.equal(rig.stack(1)[0], 32 * 8 + 3);
    deliverInterrupt(rig.cpu, 33);
    assert.equal(entered(rig), 13);
    assert.equal(rig.stack(1)[0], 33 * 8 + 3);
  });

  it('benign, then contributory: the second is delivered', () => {
    const rig = rigWith(13);
    deliverException(rig.cpu, new GuestFault(Vector.UD, undefined));
    assert.equal(entered(rig), 13);
    assert.equal(rig.stack(1)[0], 6 * 8 + 3);
  });

  it('contributory, then contributory: double fault with error code 0', () => {
    const rig = rigWith(8);
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0x55));
    assert.equal(entered(rig), 8);
    assert.deepEqual(rig.stack(2), [0, 0x4000]);
  });

  it('contributory, then page fault: the page fault is delivered', () => {
    const rig = rigWith(14);
    unmapDescriptor(rig, 10);
    deliverException(rig.cpu, new GuestFault(Vector.TS, 0x28));
    assert.equal(entered(rig), 14);
    assert.equal(rig.words[Word.Cr2], 0x10000);
  });

  it('page fault, then page fault or contributory: double fault', () => {
    const rig = rigWith(8);
    deliverException(rig.cpu, new GuestFault(Vector.PF, 2));
    assert.equal(entered(rig), 8, 'no gate for 14');
    const other = rigWith(8);
    unmapDescriptor(other, 14);
    deliverException(other.cpu, new GuestFault(Vector.PF, 2));
    assert.equal(entered(other), 8, 'the GDT is not mapped');
  });

  it('a fault during a double fault ends the machine and makes the engine look', () => {
    const rig = rigWith();
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0));
    assert.equal(rig.words[Word.ExitReason], ExitReason.TripleFault);
    assert.notEqual(rig.words[Word.Attention], 0);
    assert.equal(rig.words[Word.Eip], 0x4000, 'registers show where it happened');
  });

  it('an endless chain of benign exceptions ends the machine (deviation: a processor hangs)', () => {
    const rig = new Rig();
    rig.enterUser();
    // #AC goes to a handler at CPL 3, and pushing its frame on this stack is another #AC
    rig.interruptGate(Vector.AC, 0x5000, 0xee, USER_CS);
    rig.words[Word.Cr0] |= Cr0.AM;
    rig.words[Word.Eflags] |= Eflag.AC;
    rig.words[Word.Esp] = STACK3 - 1;
    rig.cpu.refresh();
    deliverException(rig.cpu, new GuestFault(Vector.AC, 0));
    assert.equal(rig.words[Word.ExitReason], ExitReason.TripleFault);
  });

  it('keeps an earlier reason for the end', () => {
    const rig = rigWith();
    rig.words[Word.ExitReason] = ExitReason.Reboot;
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0));
    assert.equal(rig.words[Word.ExitReason], ExitReason.Reboot);
  });

  it('a page fault in the middle of the frame leaves the inner stack untouched', () => {
    const rig = rigWith(8, 14);
    rig.enablePaging();
    rig.enterUser();
    rig.interruptGate(0x80, HANDLER, 0xee);
    rig.phys.write32(TSS + 4, 0x30008);
    rig.mapPage(0x2f000, 0);
    assert.equal(
      cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x80, 0x6002, true)),
      '14:2',
    );
    assert.equal(rig.words[Word.Cr2], 0x2fffc);
    assert.deepEqual([rig.phys.read32(0x30000), rig.phys.read32(0x30004)], [0, 0]);
    rig.mapPage(0x2f000, 0x2f000 | 3);
    softwareInterrupt(rig.cpu, 0x80, 0x6002, true);
    assert.deepEqual(rig.stack(5), [0x6002, USER_CS, 2, STACK3, USER_DS]);
  });

  it('names the new stack when it has no room (#SS) and the TSS when it is too short (#TS)', () => {
    const rig = rigWith(0x80);
    rig.interruptGate(0x80, HANDLER, 0xee);
    rig.enterUser();
    rig.segment(FREE, 0, 0xfff, 0x93, BIG);
    rig.phys.write32(TSS + 8, FREE);
    const int = (): string => cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x80, 0x6002, true));
    assert.equal(int(), '12:40');
    rig.cpu.setSegment(Segment.Tr, 0x28, TSS, 8, 0x8b);
    assert.equal(int(), '10:28');
  });
});

describe('NMI and debug traps', () => {
  it('blocks further NMIs', () => {
    const rig = rigWith(2);
    deliverNmi(rig.cpu);
    assert.equal(entered(rig), 2);
    assert.equal(rig.words[Word.NmiBlocked], 1);
    assert.equal(rig.words[Word.Attention] & Attention.Nmi, 0);
  });

  it('adds to DR6, saves the next EIP without RF, and clears DR7.GD', () => {
    const rig = rigWith(1);
    rig.words[Word.Dr0 + 7] |= Dr7.GD;
    debugTrap(rig.cpu, Dr6.BS);
    assert.equal(entered(rig), 1);
    assert.equal(rig.words[Word.Dr0 + 6] & Dr6.BS, Dr6.BS);
    assert.equal(rig.words[Word.Dr0 + 7] & Dr7.GD, 0);
    assert.deepEqual(rig.stack(3), [0x4000, KERNEL_CS, 2]);
  });
});

describe('virtual-8086 mode (SDM 3A, "Interrupts in Virtual-8086 Mode")', () => {
  function virtual8086(iopl: number): Rig {
    const rig = rigWith(13, 0x21);
    rig.words[Word.Esp] = STACK0 - 36;
    const frame = [0x100, 0x1000, Eflag.VM | (iopl << 12) | 2, 0xfff0, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000];
    frame.forEach((value, i) => rig.phys.write32(STACK0 - 36 + i * 4, value));
    interruptReturn(rig.cpu, 4);
    return rig;
  }

  it('INT n needs IOPL 3; INT3 does not', () => {
    const rig = virtual8086(0);
    assert.equal(
      cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x21, 0x102, true)),
      '13:0',
    );
    rig.interruptGate(3, HANDLER + 3, 0xee);
    softwareInterrupt(rig.cpu, 3, 0x101, false);
    assert.equal(entered(rig), 3);
  });

  it('saves all segments on the ring-0 stack and comes back', () => {
    const rig = virtual8086(3);
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0));
    assert.equal(rig.cpu.mode, Mode.Protected);
    assert.equal(rig.words[Word.Esp], STACK0 - 40);
    assert.deepEqual(rig.stack(10), [
      0,
      0x100,
      0x1000,
      Eflag.VM | Eflag.IOPL | Eflag.RF | 2,
      0xfff0,
      0x2000,
      0x3000,
      0x4000,
      0x5000,
      0x6000,
    ]);
    assert.deepEqual(
      [Segment.Es, Segment.Ds, Segment.Fs, Segment.Gs].map((segment) => rig.selector(segment)),
      [0, 0, 0, 0],
    );
    rig.words[Word.Esp] += 4;
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.cpu.mode, Mode.Virtual8086);
    assert.equal(rig.base(Segment.Gs), 0x60000);
  });

  it('enters only nonconforming code of DPL 0', () => {
    const rig = virtual8086(3);
    rig.segment(FREE, 0, 0xfffff, 0x9f, BIG | PAGES);
    rig.interruptGate(0x21, HANDLER, 0xee, FREE);
    assert.equal(
      cleanFaultOf(rig, () => softwareInterrupt(rig.cpu, 0x21, 0x102, true)),
      '13:40',
    );
  });
});

describe('real mode (SDM 2, INT n, "REAL-ADDRESS-MODE")', () => {
  it('goes through the vector table with three 16-bit words', () => {
    const rig = new Rig();
    rig.cpu.reset();
    rig.words[Word.IdtrLimit] = 0x3ff;
    rig.words[Word.Esp] = 0x400;
    rig.words[Word.InterruptFlag] = 1;
    rig.phys.write32(0x21 * 4, 0x20001234);
    softwareInterrupt(rig.cpu, 0x21, 0xfff2, true);
    assert.equal(rig.base(Segment.Cs), 0x20000);
    assert.equal(rig.words[Word.Eip], 0x1234);
    assert.deepEqual(
      [0x3fa, 0x3fc, 0x3fe].map((phys) => rig.phys.read16(phys)),
      [0xfff2, 0xf000, 0x202],
    );
    assert.equal(rig.words[Word.InterruptFlag], 0);
    interruptReturn(rig.cpu, 2);
    assert.equal(rig.words[Word.Eip], 0xfff2);
    assert.equal(rig.words[Word.InterruptFlag], 1);
  });

  it('pushes no error code', () => {
    const rig = new Rig();
    rig.cpu.reset();
    rig.words[Word.Esp] = 0x400;
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0));
    assert.equal(rig.words[Word.Esp], 0x3fa);
  });

  it('a vector beyond the table: double fault, then the end', () => {
    const rig = new Rig();
    rig.cpu.reset();
    rig.words[Word.IdtrLimit] = 3;
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0));
    assert.equal(rig.words[Word.ExitReason], ExitReason.TripleFault);
  });
});
