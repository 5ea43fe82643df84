/**
 * Far transfers of control: JMP, CALL, RET, IRET, SYSENTER and SYSEXIT, with call gates, task gates and changes of privilege.
 * (SDM 2, one heading each, Operation; SDM 3A, "Privilege Level Checking When Transferring Program Control Between Code Segments")
 *
 * Each function finds `Word.Eip` at the next instruction and throws a `GuestFault` only while nothing has changed yet; a fault in
 * the new task of a task switch is delivered here. The order of the checks is that of the manual's Operation sections.
 * Read before: `segments.ts`, `frame.ts`, `task.ts`, `deliver.ts`.
 */
import { Cr0 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { deliverException } from './deliver.js';
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
import { Eflag, getEflags, setEflags } from './flags.js';
import { checkRoom, currentStack, innerStack, pushFrame, tssStack } from './frame.js';
import { Attention, SegmentWord, Word } from './layout.js';
import { adjustStack, checkBranch, loadSegmentReal, peek16, peek32, requireStack } from './segments.js';
import { switchTask, takeTaskTrap, TaskSource } from './task.js';
import { Access, Mode, type Vcpu } from './vcpu.js';

/** EFLAGS that a 16-bit POPF or IRET may write at any privilege: CF PF AF ZF SF TF DF OF NT. */
const FLAGS_ANY = 0x4dd5;
/** The further ones of a 32-bit IRET: RF, AC, ID. */
const FLAGS_ANY_32 = Eflag.RF | Eflag.AC | Eflag.ID;
/** Everything, for a return to virtual-8086 mode. */
const FLAGS_ALL = 0x3f7fd5;

function segmentWord(cpu: Vcpu, segment: Segment, word: SegmentWord): number {
  return cpu.words[Word.Segments + segment * SegmentWord.Count + word];
}

/** #GP(0) when `eip` is beyond the limit of the code segment to be loaded. */
function requireEip(code: Descriptor, eip: number): void {
  if (eip >>> 0 > code.limit >>> 0) throw new GuestFault(Vector.GP, 0);
}

function commitCode(cpu: Vcpu, code: Descriptor, cpl: number, eip: number): void {
  commitSegment(cpu, Segment.Cs, (code.selector & ~3) | cpl, code);
  cpu.words[Word.Eip] = eip;
}

/** Checks of a code segment that a far JMP or CALL names directly. */
function checkDirect(cpu: Vcpu, code: Descriptor): void {
  const cpl = cpu.words[Word.Cpl];
  const allowed = code.isConforming ? code.dpl <= cpl : (code.selector & 3) <= cpl && code.dpl === cpl;
  if (!code.isCode || !allowed) throw new GuestFault(Vector.GP, selectorError(code.selector, 0));
  if (!code.isPresent) throw new GuestFault(Vector.NP, selectorError(code.selector, 0));
}

/** Checks of the gate or TSS that a far JMP or CALL names: CPL and RPL against its DPL. */
function checkGatePrivilege(cpu: Vcpu, gate: Descriptor): void {
  if (gate.dpl < cpu.words[Word.Cpl] || gate.dpl < (gate.selector & 3)) {
    throw new GuestFault(Vector.GP, selectorError(gate.selector, 0));
  }
}

function requirePresent(descriptor: Descriptor): void {
  if (!descriptor.isPresent) throw new GuestFault(Vector.NP, selectorError(descriptor.selector, 0));
}

/** Switches to the task of a TSS descriptor or task gate. */
function transferToTask(cpu: Vcpu, target: Descriptor, source: TaskSource.Jump | TaskSource.Call): void {
  checkGatePrivilege(cpu, target);
  let tss: Descriptor | undefined = target;
  let selector = target.selector;
  if (target.type === SystemType.TaskGate) {
    requirePresent(target);
    selector = target.gateSelector;
    tss = isNull(selector) ? undefined : readDescriptor(cpu, selector);
  }
  if (tss === undefined || (selector & SELECTOR_TI) !== 0 || !tss.isTss || tss.isBusy) {
    throw new GuestFault(Vector.GP, selectorError(selector, 0));
  }
  requirePresent(tss);
  runTask(cpu, source, tss);
}

function runTask(cpu: Vcpu, source: TaskSource, tss: Descriptor): void {
  const fault = switchTask(cpu, source, tss, cpu.words[Word.Eip], getEflags(cpu), 0);
  if (fault !== undefined) deliverException(cpu, fault);
  else if (takeTaskTrap(cpu)) deliverException(cpu, new GuestFault(Vector.DB, undefined));
}

/** Fetches the code segment behind a call gate. */
function requireGateCode(cpu: Vcpu, gate: Descriptor, jump: boolean): Descriptor {
  checkGatePrivilege(cpu, gate);
  requirePresent(gate);
  const cpl = cpu.words[Word.Cpl];
  const code = requireDescriptor(cpu, gate.gateSelector, Vector.GP, 0);
  const allowed = jump && !code.isConforming ? code.dpl === cpl : code.dpl <= cpl;
  if (!code.isCode || !allowed) throw new GuestFault(Vector.GP, selectorError(code.selector, 0));
  requirePresent(code);
  return code;
}

/**
 * JMP far.
 * @param offset new EIP, of which operand size 2 takes 16 bits
 * @param operandSize in bytes, 2 or 4
 */
export function farJump(cpu: Vcpu, selector: number, offset: number, operandSize: number): void {
  const eip = operandSize === 2 ? offset & 0xffff : offset;
  if (cpu.mode !== Mode.Protected) {
    checkBranch(cpu, eip);
    loadSegmentReal(cpu, Segment.Cs, selector);
    cpu.words[Word.Eip] = eip;
    return;
  }
  const target = requireDescriptor(cpu, selector, Vector.GP, 0);
  if (!target.isSystem) {
    checkDirect(cpu, target);
    requireEip(target, eip);
    markAccessed(cpu, target);
    commitCode(cpu, target, cpu.words[Word.Cpl], eip);
    return;
  }
  switch (target.type as SystemType) {
    case SystemType.CallGate16:
    case SystemType.CallGate32: {
      const code = requireGateCode(cpu, target, true);
      requireEip(code, target.gateOffset);
      markAccessed(cpu, code);
      commitCode(cpu, code, cpu.words[Word.Cpl], target.gateOffset);
      return;
    }
    case SystemType.TaskGate:
    case SystemType.Tss16:
    case SystemType.Tss32:
    case SystemType.BusyTss16:
    case SystemType.BusyTss32:
      transferToTask(cpu, target, TaskSource.Jump);
      return;
    default:
      throw new GuestFault(Vector.GP, selectorError(selector, 0));
  }
}

/**
 * CALL far; the return address is CS:`Word.Eip`.
 * @param offset new EIP, of which operand size 2 takes 16 bits
 * @param operandSize in bytes, 2 or 4
 */
export function farCall(cpu: Vcpu, selector: number, offset: number, operandSize: number): void {
  const words = cpu.words;
  const eip = operandSize === 2 ? offset & 0xffff : offset;
  const sizeBytes = operandSize === 2 ? 2 : 4;
  if (cpu.mode !== Mode.Protected) {
    const stack = currentStack(cpu);
    checkRoom(stack, 2, sizeBytes, 0);
    checkBranch(cpu, eip);
    words[Word.Esp] = pushFrame(cpu, stack, returnAddress(cpu), sizeBytes);
    loadSegmentReal(cpu, Segment.Cs, selector);
    words[Word.Eip] = eip;
    return;
  }
  const target = requireDescriptor(cpu, selector, Vector.GP, 0);
  if (!target.isSystem) {
    checkDirect(cpu, target);
    callSamePrivilege(cpu, target, eip, sizeBytes);
    return;
  }
  switch (target.type as SystemType) {
    case SystemType.CallGate16:
    case SystemType.CallGate32: {
      const code = requireGateCode(cpu, target, false);
      if (!code.isConforming && code.dpl < words[Word.Cpl]) callMorePrivilege(cpu, target, code);
      else callSamePrivilege(cpu, code, target.gateOffset, target.is32Bit ? 4 : 2);
      return;
    }
    case SystemType.TaskGate:
    case SystemType.Tss16:
    case SystemType.Tss32:
    case SystemType.BusyTss16:
    case SystemType.BusyTss32:
      transferToTask(cpu, target, TaskSource.Call);
      return;
    default:
      throw new GuestFault(Vector.GP, selectorError(selector, 0));
  }
}

function returnAddress(cpu: Vcpu): number[] {
  return [segmentWord(cpu, Segment.Cs, SegmentWord.Selector), cpu.words[Word.Eip]];
}

function callSamePrivilege(cpu: Vcpu, code: Descriptor, eip: number, sizeBytes: 2 | 4): void {
  const stack = currentStack(cpu);
  checkRoom(stack, 2, sizeBytes, 0);
  requireEip(code, eip);
  markAccessed(cpu, code);
  cpu.words[Word.Esp] = pushFrame(cpu, stack, returnAddress(cpu), sizeBytes);
  commitCode(cpu, code, cpu.words[Word.Cpl], eip);
}

/** SDM 2, CALL, "MORE-PRIVILEGE": the stack of the inner level, with the gate's count of parameters copied from the old one. */
function callMorePrivilege(cpu: Vcpu, gate: Descriptor, code: Descriptor): void {
  const words = cpu.words;
  const sizeBytes = gate.is32Bit ? 4 : 2;
  const cpl = code.dpl;
  const { selector, esp } = tssStack(cpu, cpl, 0);
  const stackDescriptor = requireStack(cpu, selector, cpl, Vector.TS, 0);
  const stack = innerStack(stackDescriptor, esp);
  checkRoom(stack, 4 + gate.gateCount, sizeBytes, selectorError(selector, 0));
  requireEip(code, gate.gateOffset);
  const frame = [segmentWord(cpu, Segment.Ss, SegmentWord.Selector), words[Word.Esp]];
  for (let i = gate.gateCount - 1; i >= 0; i--) frame.push(peek(cpu, i, sizeBytes));
  frame.push(...returnAddress(cpu));
  markAccessed(cpu, stackDescriptor);
  markAccessed(cpu, code);
  const newEsp = pushFrame(cpu, stack, frame, sizeBytes);

  cpu.setCpl(cpl);
  commitSegment(cpu, Segment.Ss, selector, stackDescriptor);
  words[Word.Esp] = newEsp;
  commitCode(cpu, code, cpl, gate.gateOffset);
}

/** Word `index` from the top of the stack. */
function peek(cpu: Vcpu, index: number, sizeBytes: number): number {
  return sizeBytes === 4 ? peek32(cpu, index * 4) : peek16(cpu, index * 2);
}

/**
 * RET far.
 * @param operandSize in bytes, 2 or 4
 * @param popBytes parameters to drop, from both stacks if the level changes
 */
export function farReturn(cpu: Vcpu, operandSize: number, popBytes: number): void {
  const eip = peek(cpu, 0, operandSize);
  const selector = peek(cpu, 1, operandSize) & 0xffff;
  if (cpu.mode !== Mode.Protected) {
    checkBranch(cpu, eip);
    loadSegmentReal(cpu, Segment.Cs, selector);
    cpu.words[Word.Eip] = eip;
    adjustStack(cpu, 2 * operandSize + popBytes);
    return;
  }
  const code = requireReturnCode(cpu, selector);
  if ((selector & 3) === cpu.words[Word.Cpl]) {
    requireEip(code, eip);
    markAccessed(cpu, code);
    adjustStack(cpu, 2 * operandSize + popBytes);
    commitCode(cpu, code, selector & 3, eip);
    return;
  }
  // behind the parameters stand ESP and SS of the outer level
  const above = popBytes + 2 * operandSize;
  const esp = operandSize === 4 ? peek32(cpu, above) : peek16(cpu, above);
  const stackSelector = peek16(cpu, above + operandSize);
  returnOuter(cpu, code, eip, stackSelector, esp, popBytes);
}

/** Checks of the code segment that a far return or IRET goes back to. */
function requireReturnCode(cpu: Vcpu, selector: number): Descriptor {
  const rpl = selector & 3;
  const code = requireDescriptor(cpu, selector, Vector.GP, 0);
  const allowed = rpl >= cpu.words[Word.Cpl] && (code.isConforming ? code.dpl <= rpl : code.dpl === rpl);
  if (!code.isCode || !allowed) throw new GuestFault(Vector.GP, selectorError(selector, 0));
  requirePresent(code);
  return code;
}

/** SDM 2, RET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL". With a 16-bit stack only SP is loaded, as processors do. */
function returnOuter(
  cpu: Vcpu,
  code: Descriptor,
  eip: number,
  stackSelector: number,
  esp: number,
  popBytes: number,
): void {
  const cpl = code.selector & 3;
  const stackDescriptor = requireStack(cpu, stackSelector, cpl, Vector.GP, 0);
  requireEip(code, eip);
  markAccessed(cpu, code);
  markAccessed(cpu, stackDescriptor);

  cpu.setCpl(cpl);
  commitCode(cpu, code, cpl, eip);
  commitSegment(cpu, Segment.Ss, stackSelector, stackDescriptor);
  const mask = cpu.stackMask;
  cpu.words[Word.Esp] = (cpu.words[Word.Esp] & ~mask) | ((esp + popBytes) & mask);
  dropPrivilegedSegments(cpu, cpl);
}

/** ES, DS, FS and GS that the outer level may not use become null (SDM 2, RET and IRET). */
function dropPrivilegedSegments(cpu: Vcpu, cpl: number): void {
  const conforming = Access.Code | Access.ExpandDownOrConforming;
  for (const segment of [Segment.Es, Segment.Ds, Segment.Fs, Segment.Gs]) {
    const access = segmentWord(cpu, segment, SegmentWord.Access);
    if ((access & Access.Present) === 0 || (access & conforming) === conforming) continue;
    if (((access >> 5) & 3) < cpl) cpu.setSegment(segment, 0, 0, 0, 0);
  }
}

/**
 * IRET and IRETD, in all their kinds: real and virtual-8086 mode, back to another task, to the same level, to an outer level, into
 * virtual-8086 mode.
 * @param operandSize in bytes, 2 or 4
 */
export function interruptReturn(cpu: Vcpu, operandSize: number): void {
  const words = cpu.words;
  unblockNmi(cpu);
  const cpl = words[Word.Cpl];
  const iopl = (words[Word.Eflags] & Eflag.IOPL) >> 12;
  if (cpu.mode === Mode.Virtual8086 && iopl < 3) throw new GuestFault(Vector.GP, 0);
  if (cpu.mode === Mode.Protected && (words[Word.Eflags] & Eflag.NT) !== 0) {
    returnToTask(cpu);
    return;
  }
  const eip = peek(cpu, 0, operandSize);
  const selector = peek(cpu, 1, operandSize) & 0xffff;
  const eflags = peek(cpu, 2, operandSize);
  let mask = FLAGS_ANY | (operandSize === 4 ? FLAGS_ANY_32 : 0);
  if (cpu.mode !== Mode.Protected) {
    checkBranch(cpu, eip);
    mask |= Eflag.IF | (cpu.mode === Mode.Real ? Eflag.IOPL : 0);
    loadSegmentReal(cpu, Segment.Cs, selector);
    words[Word.Eip] = eip;
    adjustStack(cpu, 3 * operandSize);
    setEflags(cpu, eflags, mask);
    return;
  }
  if (operandSize === 4 && cpl === 0 && (eflags & Eflag.VM) !== 0) {
    returnToVirtual8086(cpu, eip, selector, eflags);
    return;
  }
  if (cpl <= iopl) mask |= Eflag.IF;
  if (cpl === 0) mask |= Eflag.IOPL | (operandSize === 4 ? Eflag.VIF | Eflag.VIP : 0);
  const code = requireReturnCode(cpu, selector);
  if ((selector & 3) === cpl) {
    requireEip(code, eip);
    markAccessed(cpu, code);
    adjustStack(cpu, 3 * operandSize);
    commitCode(cpu, code, cpl, eip);
  } else {
    const esp = peek(cpu, 3, operandSize);
    const stackSelector = peek16(cpu, 4 * operandSize);
    returnOuter(cpu, code, eip, stackSelector, esp, 0);
  }
  setEflags(cpu, eflags, mask);
}

/** IRET ends the blocking of NMIs even if it faults (SDM 3A, "Handling Multiple NMIs"). */
function unblockNmi(cpu: Vcpu): void {
  if (cpu.words[Word.NmiBlocked] === 0) return;
  cpu.words[Word.NmiBlocked] = 0;
  if (Atomics.load(cpu.words, Word.Nmi) !== 0) Atomics.or(cpu.words, Word.Attention, Attention.Nmi);
}

/** SDM 2, IRET, "TASK-RETURN": to the task in the back link of the current TSS. */
function returnToTask(cpu: Vcpu): void {
  const link = cpu.mmu.readSystem16(segmentWord(cpu, Segment.Tr, SegmentWord.Base));
  const tss = (link & SELECTOR_TI) === 0 && !isNull(link) ? readDescriptor(cpu, link) : undefined;
  if (tss === undefined || !tss.isTss || !tss.isBusy) throw new GuestFault(Vector.TS, selectorError(link, 0));
  requirePresent(tss);
  runTask(cpu, TaskSource.Return, tss);
}

/** SDM 2, IRET, "RETURN-TO-VIRTUAL-8086-MODE". */
function returnToVirtual8086(cpu: Vcpu, eip: number, selector: number, eflags: number): void {
  const words = cpu.words;
  const esp = peek32(cpu, 12);
  const ss = peek16(cpu, 16);
  const es = peek16(cpu, 20);
  const ds = peek16(cpu, 24);
  const fs = peek16(cpu, 28);
  const gs = peek16(cpu, 32);
  if (eip >>> 0 > 0xffff) throw new GuestFault(Vector.GP, 0);
  setEflags(cpu, eflags, FLAGS_ALL);
  cpu.refreshMode();
  cpu.setCpl(3);
  loadSegmentReal(cpu, Segment.Cs, selector);
  loadSegmentReal(cpu, Segment.Ss, ss);
  loadSegmentReal(cpu, Segment.Es, es);
  loadSegmentReal(cpu, Segment.Ds, ds);
  loadSegmentReal(cpu, Segment.Fs, fs);
  loadSegmentReal(cpu, Segment.Gs, gs);
  words[Word.Esp] = esp;
  words[Word.Eip] = eip;
}

/** Access rights of the flat segments that SYSENTER and SYSEXIT load: present, accessed, G and D/B set. */
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
const DPL_3 = 3 << 5;

/** SYSENTER (SDM 2, SYSENTER). */
export function sysenter(cpu: Vcpu): void {
  const words = cpu.words;
  const cs = words[Word.SysenterCs] & 0xfffc;
  if ((words[Word.Cr0] & Cr0.PE) === 0 || cs === 0) throw new GuestFault(Vector.GP, 0);
  setEflags(cpu, 0, Eflag.VM | Eflag.IF);
  cpu.refreshMode();
  cpu.setCpl(0);
  cpu.setSegment(Segment.Cs, cs, 0, -1, FLAT_CODE);
  cpu.setSegment(Segment.Ss, cs + 8, 0, -1, FLAT_DATA);
  words[Word.Esp] = words[Word.SysenterEsp];
  words[Word.Eip] = words[Word.SysenterEip];
}

/** SYSEXIT (SDM 2, SYSEXIT): to EDX, with the stack at ECX. */
export function sysexit(cpu: Vcpu): void {
  const words = cpu.words;
  const cs = words[Word.SysenterCs] & 0xfffc;
  if ((words[Word.Cr0] & Cr0.PE) === 0 || cs === 0 || words[Word.Cpl] !== 0) throw new GuestFault(Vector.GP, 0);
  cpu.setCpl(3);
  cpu.setSegment(Segment.Cs, (cs + 16) | 3, 0, -1, FLAT_CODE | DPL_3);
  cpu.setSegment(Segment.Ss, (cs + 24) | 3, 0, -1, FLAT_DATA | DPL_3);
  words[Word.Esp] = words[Word.Ecx];
  words[Word.Eip] = words[Word.Edx];
}
