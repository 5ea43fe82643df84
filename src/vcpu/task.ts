/**
 * Hardware task switching. (SDM 3A, "Task Management", "Task Switching")
 *
 * A switch has a point of no return: before it a fault belongs to the old task and is thrown, with nothing changed; after it the
 * old state is saved, and a fault belongs to the new task and is returned. Separate because transfers and interrupt delivery
 * share it. Read before: `segments.ts`. Read after: `deliver.ts`, `transfer.ts`.
 */
import { Cr0, Dr6, Dr7 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { writeControl } from './control.js';
import {
  commitSegment,
  type Descriptor,
  isNull,
  markAccessed,
  readDescriptor,
  requireDescriptor,
  SELECTOR_TI,
  selectorError,
  SystemType,
} from './descriptor.js';
import { refreshDebug } from './debug.js';
import { Eflag, setEflags } from './flags.js';
import { SegmentWord, Word } from './layout.js';
import { loadSegmentReal, requireData, requireStack } from './segments.js';
import { Mode, type Vcpu } from './vcpu.js';

/** What asks for the switch: decides busy bits, back link and NT (SDM 3A, table 7-2). */
export const enum TaskSource {
  Jump,
  Call,
  /** Interrupt or exception through a task gate. */
  Interrupt,
  /** IRET with NT set. */
  Return,
}

/** Busy bit in the second doubleword of a TSS descriptor. */
const BUSY = 0x200;
/** All bits of EFLAGS that a TSS carries. */
const ALL_FLAGS = 0x3f7fd5;

/** Offsets within a TSS (SDM 3A, figures "32-Bit Task-State Segment" and "16-Bit TSS Format"). */
const enum Tss32 {
  Cr3 = 0x1c,
  Eip = 0x20,
  Eflags = 0x24,
  Eax = 0x28,
  Es = 0x48,
  Ldt = 0x60,
  Trap = 0x64,
  Limit = 0x67,
}

const enum Tss16 {
  Ip = 0x0e,
  Flags = 0x10,
  Ax = 0x12,
  Es = 0x22,
  Ldt = 0x2a,
  Limit = 0x2b,
}

/** Everything a TSS says about the task that begins. */
interface Image {
  readonly cr3: number | undefined;
  readonly eip: number;
  readonly eflags: number;
  readonly registers: readonly number[];
  /** ES, CS, SS, DS, FS, GS. */
  readonly selectors: readonly number[];
  readonly ldt: number;
}

/**
 * Switches to the task of a TSS descriptor. Privilege, type, availability and presence of the descriptor are the caller's checks;
 * its size and everything behind it are checked here.
 * @param eip the EIP, and @param eflags the EFLAGS image, that the old task resumes with
 * @param ext EXT bit of error codes
 * @returns a fault that occurred in the new task, to be delivered there
 * @throws GuestFault when the old task cannot be left
 */
export function switchTask(
  cpu: Vcpu,
  source: TaskSource,
  target: Descriptor,
  eip: number,
  eflags: number,
  ext: number,
): GuestFault | undefined {
  const { words, mmu } = cpu;
  const newBase = target.base;
  const new32Bit = target.is32Bit;
  const lastByte = new32Bit ? Tss32.Limit : Tss16.Limit;
  if (target.limit >>> 0 < lastByte) throw new GuestFault(Vector.TS, selectorError(target.selector, ext));

  const tr = Word.Segments + Segment.Tr * SegmentWord.Count;
  const oldSelector = words[tr + SegmentWord.Selector];
  const oldBase = words[tr + SegmentWord.Base];
  const old32Bit = (words[tr + SegmentWord.Access] & 8) !== 0;
  const nested = source === TaskSource.Call || source === TaskSource.Interrupt;
  const leavesOld = !nested && !isNull(oldSelector);
  const oldDescriptorHigh = words[Word.GdtrBase] + (oldSelector & 0xfff8) + 4;

  // every page that is written or read below, so that nothing after the first write can fault
  if (old32Bit) mmu.probeSystem(oldBase + Tss32.Eip, Tss32.Ldt - Tss32.Eip, true);
  else mmu.probeSystem(oldBase + Tss16.Ip, Tss16.Ldt - Tss16.Ip, true);
  mmu.probeSystem(newBase, lastByte + 1, false);
  if (nested) mmu.probeSystem(newBase, 2, true);
  if (leavesOld) mmu.probeSystem(oldDescriptorHigh, 4, true);
  if (source !== TaskSource.Return) mmu.probeSystem(target.linear + 4, 4, true);

  if (leavesOld) mmu.writeSystem32(oldDescriptorHigh, mmu.readSystem32(oldDescriptorHigh) & ~BUSY);
  const savedFlags = source === TaskSource.Return ? eflags & ~Eflag.NT : eflags;
  if (old32Bit) save32(cpu, oldBase, eip, savedFlags);
  else save16(cpu, oldBase, eip, savedFlags);
  if (nested) mmu.writeSystem16(newBase, oldSelector);
  if (source !== TaskSource.Return) {
    mmu.writeSystem32(target.linear + 4, mmu.readSystem32(target.linear + 4) | BUSY);
  }

  const image = new32Bit ? read32(cpu, newBase) : read16(cpu, newBase);
  cpu.setSegment(Segment.Tr, target.selector, newBase, target.limit, target.access | 2);
  words[Word.Cr0] |= Cr0.TS;
  if ((words[Word.Dr0 + 7] & Dr7.Local) !== 0) {
    words[Word.Dr0 + 7] &= ~Dr7.Local;
    refreshDebug(cpu);
  }
  words[Word.Halted] = 0;
  words[Word.Shadow] = 0;
  enter(cpu, image, nested);
  try {
    loadSegments(cpu, image, ext);
    checkEntry(cpu, ext);
  } catch (error) {
    if (error instanceof GuestFault) return error;
    throw error;
  }
  return undefined;
}

/**
 * True, with DR6.BT set, when the T flag of the current TSS asks for a debug trap before the new task's first instruction.
 * (SDM 3B, "Task-Switch Exception Condition")
 */
export function takeTaskTrap(cpu: Vcpu): boolean {
  const tr = Word.Segments + Segment.Tr * SegmentWord.Count;
  if ((cpu.words[tr + SegmentWord.Access] & 8) === 0) return false;
  if ((cpu.mmu.readSystem16(cpu.words[tr + SegmentWord.Base] + Tss32.Trap) & 1) === 0) return false;
  cpu.words[Word.Dr0 + 6] |= Dr6.BT;
  return true;
}

function selectorOf(cpu: Vcpu, segment: Segment): number {
  return cpu.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
}

function save32(cpu: Vcpu, base: number, eip: number, eflags: number): void {
  const { words, mmu } = cpu;
  mmu.writeSystem32(base + Tss32.Eip, eip);
  mmu.writeSystem32(base + Tss32.Eflags, eflags);
  for (let i = 0; i < 8; i++) mmu.writeSystem32(base + Tss32.Eax + i * 4, words[Word.Eax + i]);
  for (let i = 0; i < 6; i++) mmu.writeSystem16(base + Tss32.Es + i * 4, selectorOf(cpu, i));
}

function save16(cpu: Vcpu, base: number, eip: number, eflags: number): void {
  const { words, mmu } = cpu;
  mmu.writeSystem16(base + Tss16.Ip, eip);
  mmu.writeSystem16(base + Tss16.Flags, eflags);
  for (let i = 0; i < 8; i++) mmu.writeSystem16(base + Tss16.Ax + i * 2, words[Word.Eax + i]);
  for (let i = 0; i < 4; i++) mmu.writeSystem16(base + Tss16.Es + i * 2, selectorOf(cpu, i));
}

function read32(cpu: Vcpu, base: number): Image {
  const mmu = cpu.mmu;
  return {
    cr3: mmu.readSystem32(base + Tss32.Cr3),
    eip: mmu.readSystem32(base + Tss32.Eip),
    eflags: mmu.readSystem32(base + Tss32.Eflags),
    registers: Array.from({ length: 8 }, (_, i) => mmu.readSystem32(base + Tss32.Eax + i * 4)),
    selectors: Array.from({ length: 6 }, (_, i) => mmu.readSystem16(base + Tss32.Es + i * 4)),
    ldt: mmu.readSystem16(base + Tss32.Ldt),
  };
}

/** A 16-bit TSS has no CR3, FS and GS; the upper halves of registers, which the manual leaves open, become 0. */
function read16(cpu: Vcpu, base: number): Image {
  const mmu = cpu.mmu;
  return {
    cr3: undefined,
    eip: mmu.readSystem16(base + Tss16.Ip),
    eflags: mmu.readSystem16(base + Tss16.Flags),
    registers: Array.from({ length: 8 }, (_, i) => mmu.readSystem16(base + Tss16.Ax + i * 2)),
    selectors: Array.from({ length: 6 }, (_, i) => (i < 4 ? mmu.readSystem16(base + Tss16.Es + i * 2) : 0)),
    ldt: mmu.readSystem16(base + Tss16.Ldt),
  };
}

/** Takes over the image; segments get their selectors but stay unusable until they pass their checks. */
function enter(cpu: Vcpu, image: Image, nested: boolean): void {
  const words = cpu.words;
  if (image.cr3 !== undefined && (words[Word.Cr0] & Cr0.PG) !== 0 && image.cr3 !== words[Word.Cr3]) {
    writeControl(cpu, 3, image.cr3);
  }
  setEflags(cpu, nested ? image.eflags | Eflag.NT : image.eflags, ALL_FLAGS);
  cpu.refreshMode();
  words[Word.Eip] = image.eip;
  for (let i = 0; i < 8; i++) words[Word.Eax + i] = image.registers[i];
  for (let segment = Segment.Es; segment <= Segment.Gs; segment++) {
    cpu.setSegment(segment, image.selectors[segment], 0, 0, 0);
  }
  cpu.setSegment(Segment.Ldtr, image.ldt, 0, 0, 0);
  cpu.setCpl(cpu.mode === Mode.Virtual8086 ? 3 : image.selectors[Segment.Cs] & 3);
}

function loadSegments(cpu: Vcpu, image: Image, ext: number): void {
  if (!isNull(image.ldt)) loadTaskLdt(cpu, image.ldt, ext);
  if (cpu.mode === Mode.Virtual8086) {
    for (let segment = Segment.Es; segment <= Segment.Gs; segment++) {
      loadSegmentReal(cpu, segment, image.selectors[segment]);
    }
    return;
  }
  const cpl = cpu.words[Word.Cpl];
  const cs = image.selectors[Segment.Cs];
  const code = requireDescriptor(cpu, cs, Vector.TS, ext);
  if (!code.isCode || (code.isConforming ? code.dpl > cpl : code.dpl !== cpl)) {
    throw new GuestFault(Vector.TS, selectorError(cs, ext));
  }
  if (!code.isPresent) throw new GuestFault(Vector.NP, selectorError(cs, ext));
  markAccessed(cpu, code);
  commitSegment(cpu, Segment.Cs, cs, code);

  const ss = image.selectors[Segment.Ss];
  const stack = requireStack(cpu, ss, cpl, Vector.TS, ext);
  markAccessed(cpu, stack);
  commitSegment(cpu, Segment.Ss, ss, stack);

  for (const segment of [Segment.Ds, Segment.Es, Segment.Fs, Segment.Gs]) {
    const selector = image.selectors[segment];
    if (isNull(selector)) continue;
    const data = requireData(cpu, selector, cpl, Vector.TS, ext);
    markAccessed(cpu, data);
    commitSegment(cpu, segment, selector, data);
  }
}

function loadTaskLdt(cpu: Vcpu, selector: number, ext: number): void {
  const descriptor = (selector & SELECTOR_TI) === 0 ? readDescriptor(cpu, selector) : undefined;
  const valid = descriptor !== undefined && descriptor.isSystem && descriptor.type === SystemType.Ldt;
  if (!valid || !descriptor.isPresent) throw new GuestFault(Vector.TS, selectorError(selector, ext));
  cpu.setSegment(Segment.Ldtr, selector, descriptor.base, descriptor.limit, descriptor.access);
}

/** The first instruction must lie within CS: #GP(EXT) (SDM 2, JMP, "TASK-STATE-SEGMENT"). */
function checkEntry(cpu: Vcpu, ext: number): void {
  const limit = cpu.words[Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Limit];
  if (cpu.words[Word.Eip] >>> 0 > limit >>> 0) throw new GuestFault(Vector.GP, ext);
}
