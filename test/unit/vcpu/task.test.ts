import assert from 'node:assert/strict';
import { Cr0, Dr6 } from '../../../src/x86/control.js';
import { Segment } from '../../../src/x86/instruction.js';
import { GuestFault, Vector } from '../../../src/x86/vectors.js';
import { deliverException } from '../../../src/vcpu/deliver.js';
import { Eflag, getEflags, setEflags } from '../../../src/vcpu/flags.js';
import { Word } from '../../../src/vcpu/layout.js';
import { farCall, farJump, interruptReturn } from '../../../src/vcpu/transfer.js';
import { Mode } from '../../../src/vcpu/vcpu.js';
import {
  cleanFaultOf,
  FREE,
  GDT,
  IDT,
  KERNEL_CS,
  KERNEL_DS,
  LDT,
  Rig,
  STACK3,
  TSS,
  TSS_SELECTOR,
  USER_CS,
  USER_DS,
} from '../../helpers/rig.js';

const NEW_TSS = 0x3800;
const NEW = FREE;
const GATE = FREE + 8;
const LDT_SELECTOR = FREE + 16;

/** Offsets in a 32-bit TSS (SDM 3A, figure "32-Bit Task-State Segment"). */
const Field = {
  link: 0,
  eip: 0x20,
  eflags: 0x24,
  eax: 0x28,
  esp: 0x38,
  es: 0x48,
  cs: 0x4c,
  ss: 0x50,
  ds: 0x54,
  fs: 0x58,
  ldt: 0x60,
  trap: 0x64,
};

/** A second task at ring 0: EIP 0x5000, ESP 0x8800, EAX 0xaaaa. */
function twoTasks(): Rig {
  const rig = new Rig();
  rig.segment(NEW, NEW_TSS, 0x67, 0x89, 0);
  set(rig, Field.eip, 0x5000);
  set(rig, Field.eflags, 2);
  set(rig, Field.eax, 0xaaaa);
  set(rig, Field.esp, 0x8800);
  set(rig, Field.cs, KERNEL_CS);
  for (const field of [Field.es, Field.ss, Field.ds]) set(rig, field, KERNEL_DS);
  rig.words[Word.Eip] = 0x4007;
  rig.words[Word.Eax] = 0x1111;
  return rig;
}

function set(rig: Rig, field: number, value: number): void {
  rig.phys.write32(NEW_TSS + field, value);
}

const typeOf = (rig: Rig, selector: number): number => rig.phys.read8(GDT + selector + 5);

describe('task switch (SDM 3A, "Task Switching", table 7-2)', () => {
  it('JMP: saves the old task, loads the new one, moves the busy bit, sets CR0.TS', () => {
    const rig = twoTasks();
    rig.words[Word.Dr0 + 7] = 0x403;
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.phys.read32(TSS + Field.eip), 0x4007);
    assert.equal(rig.phys.read32(TSS + Field.eax), 0x1111);
    assert.equal(rig.phys.read16(TSS + Field.cs), KERNEL_CS);
    assert.deepEqual([rig.words[Word.Eip], rig.words[Word.Eax], rig.words[Word.Esp]], [0x5000, 0xaaaa, 0x8800]);
    assert.equal(rig.selector(Segment.Tr), NEW);
    assert.equal(rig.base(Segment.Tr), NEW_TSS);
    assert.deepEqual([typeOf(rig, TSS_SELECTOR), typeOf(rig, NEW)], [0x89, 0x8b]);
    assert.equal(rig.words[Word.Cr0] & Cr0.TS, Cr0.TS);
    assert.equal(rig.words[Word.Dr0 + 7], 0x402, 'local breakpoints are off, global ones stay');
    assert.equal(getEflags(rig.cpu) & Eflag.NT, 0);
  });

  it('CALL: links back, sets NT, keeps the old task busy; IRET returns', () => {
    const rig = twoTasks();
    farCall(rig.cpu, NEW, 0, 4);
    assert.equal(rig.phys.read16(NEW_TSS + Field.link), TSS_SELECTOR);
    assert.equal(getEflags(rig.cpu) & Eflag.NT, Eflag.NT);
    assert.deepEqual([typeOf(rig, TSS_SELECTOR), typeOf(rig, NEW)], [0x8b, 0x8b]);
    rig.words[Word.Eip] = 0x5010;
    rig.words[Word.Eax] = 0xbbbb;
    interruptReturn(rig.cpu, 4);
    assert.deepEqual([rig.words[Word.Eip], rig.words[Word.Eax]], [0x4007, 0x1111]);
    assert.equal(rig.phys.read32(NEW_TSS + Field.eip), 0x5010);
    assert.equal(rig.phys.read32(NEW_TSS + Field.eflags) & Eflag.NT, 0, 'NT is cleared in the saved image');
    assert.deepEqual([typeOf(rig, TSS_SELECTOR), typeOf(rig, NEW)], [0x8b, 0x89]);
  });

  it('task gate in the IDT: error code on the new stack, RF in the saved flags', () => {
    const rig = twoTasks();
    rig.gate(IDT + 13 * 8, NEW, 0, 0x85);
    deliverException(rig.cpu, new GuestFault(Vector.GP, 0x77));
    assert.equal(rig.words[Word.Eip], 0x5000);
    assert.equal(rig.words[Word.Esp], 0x87fc);
    assert.equal(rig.stack(1)[0], 0x77);
    assert.equal(rig.phys.read32(TSS + Field.eflags), Eflag.RF | 2);
    assert.equal(rig.phys.read16(NEW_TSS + Field.link), TSS_SELECTOR);
  });

  it('to ring 3 with an LDT', () => {
    const rig = twoTasks();
    rig.segment(LDT_SELECTOR, LDT, 0x1f, 0x82, 0);
    rig.segment(0x0c, 0x9000, 0xff, 0xf3, 4);
    set(rig, Field.ldt, LDT_SELECTOR);
    set(rig, Field.cs, USER_CS);
    set(rig, Field.ss, USER_DS);
    set(rig, Field.ds, 0x0f);
    set(rig, Field.es, 0);
    set(rig, Field.esp, STACK3);
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.words[Word.Cpl], 3);
    assert.equal(rig.cpu.user, true);
    assert.equal(rig.selector(Segment.Ldtr), LDT_SELECTOR);
    assert.equal(rig.base(Segment.Ds), 0x9000);
    assert.equal(rig.selector(Segment.Es), 0);
  });

  it('into virtual-8086 mode', () => {
    const rig = twoTasks();
    set(rig, Field.eflags, Eflag.VM | 2);
    set(rig, Field.cs, 0x2000);
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.cpu.mode, Mode.Virtual8086);
    assert.equal(rig.base(Segment.Cs), 0x20000);
    assert.equal(rig.words[Word.Cpl], 3);
  });

  it('loads CR3 when paging is on', () => {
    const rig = twoTasks();
    rig.enablePaging();
    rig.phys.write32(0x12000, rig.phys.read32(0x10000));
    set(rig, 0x1c, 0x12000);
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.words[Word.Cr3], 0x12000);
  });

  it('works with 16-bit TSSs', () => {
    const rig = twoTasks();
    rig.segment(NEW, NEW_TSS, 0x2b, 0x81, 0);
    for (let i = 0; i < 0x68; i += 4) set(rig, i, 0);
    const put = (offset: number, value: number): void => rig.phys.write16(NEW_TSS + offset, value);
    put(0x0e, 0x5000);
    put(0x10, 2);
    put(0x12, 0xaaaa);
    put(0x1a, 0x8800);
    put(0x22, KERNEL_DS);
    put(0x24, KERNEL_CS);
    put(0x26, KERNEL_DS);
    put(0x28, KERNEL_DS);
    farCall(rig.cpu, NEW, 0, 4);
    assert.deepEqual([rig.words[Word.Eip], rig.words[Word.Eax], rig.words[Word.Esp]], [0x5000, 0xaaaa, 0x8800]);
    assert.equal(rig.access(Segment.Tr), 0x83);
    rig.words[Word.Eip] = 0x5002;
    interruptReturn(rig.cpu, 4);
    assert.equal(rig.phys.read16(NEW_TSS + 0x0e), 0x5002);
    assert.equal(rig.words[Word.Eip], 0x4007);
  });

  it('honours the T flag', () => {
    const rig = twoTasks();
    rig.interruptGate(1, 0x7001);
    set(rig, Field.trap, 1);
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.words[Word.Eip], 0x7001);
    assert.equal(rig.words[Word.Dr0 + 6] & Dr6.BT, Dr6.BT);
    assert.equal(rig.stack(1)[0], 0x5000);
  });
});

describe('task switch faults', () => {
  it('before the switch belong to the old task, with nothing changed', () => {
    const rig = twoTasks();
    const jump = (selector = NEW): string => cleanFaultOf(rig, () => farJump(rig.cpu, selector, 0, 4));
    assert.equal(jump(TSS_SELECTOR), '13:28', 'busy');
    rig.segment(NEW, NEW_TSS, 0x67, 0x09, 0);
    assert.equal(jump(), '11:40', 'not present');
    rig.segment(NEW, NEW_TSS, 0x66, 0x89, 0);
    assert.equal(jump(), '10:40', 'too small');
    rig.segment(NEW, NEW_TSS, 0x67, 0x89, 0);
    rig.gate(GDT + GATE, NEW, 0, 0x05);
    assert.equal(jump(GATE), '11:48', 'gate not present');
    rig.gate(GDT + GATE, NEW | 4, 0, 0x85);
    assert.equal(jump(GATE), '13:44', 'a TSS must be in the GDT');
    rig.enterUser();
    assert.equal(jump(NEW), '13:40', 'DPL of the TSS');
    assert.equal(jump(GATE), '13:48', 'DPL of the gate');
  });

  it('a page fault on either TSS comes before anything is written', () => {
    const rig = twoTasks();
    rig.enablePaging();
    rig.segment(NEW, 0x30fe0, 0x67, 0x89, 0);
    rig.mapPage(0x31000, 0);
    assert.equal(
      cleanFaultOf(rig, () => farJump(rig.cpu, NEW, 0, 4)),
      '14:0',
    );
    assert.equal(rig.words[Word.Cr2], 0x31000);
    assert.equal(rig.phys.read32(TSS + Field.eip), 0);
    assert.deepEqual([typeOf(rig, TSS_SELECTOR), typeOf(rig, NEW)], [0x8b, 0x89]);
  });

  it('after the switch are delivered in the new task', () => {
    const rig = twoTasks();
    for (const vector of [10, 11, 12, 13]) rig.interruptGate(vector, 0x7000 + vector);
    set(rig, Field.fs, 0x200);
    farJump(rig.cpu, NEW, 0, 4);
    assert.equal(rig.words[Word.Eip], 0x700a);
    assert.deepEqual(rig.stack(3), [0x200, 0x5000, KERNEL_CS]);
    assert.equal(rig.selector(Segment.Tr), NEW);
    assert.equal(rig.phys.read32(TSS + Field.eip), 0x4007, 'the old task was left in good order');
  });

  it('IRET with NT to a task that is not busy is #TS', () => {
    const rig = twoTasks();
    setEflags(rig.cpu, Eflag.NT, Eflag.NT);
    rig.phys.write16(TSS, NEW);
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 4)),
      '10:40',
    );
    rig.phys.write16(TSS, 0);
    assert.equal(
      cleanFaultOf(rig, () => interruptReturn(rig.cpu, 4)),
      '10:0',
    );
  });
});
