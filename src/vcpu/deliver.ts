/**
 * Interrupts and exceptions on their way into the guest: IDT gates, the stack switch, the frame, and what happens when that
 * itself faults. (SDM 3A, "Interrupt and Exception Handling"; SDM 2, "INT n/INTO/INT3/INT1", Operation)
 *
 * Every path makes all checks before it changes anything; the frame's pages are probed before the first push.
 * Read before: `segments.ts`, `frame.ts`, `task.ts`. Read after: `transfer.ts`.
 */
import { Dr7 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import {
  commitSegment,
  Descriptor,
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
import { Attention, ExitReason, SegmentWord, Word } from './layout.js';
import { loadSegmentReal, push16, push32, requireStack } from './segments.js';
import { switchTask, takeTaskTrap, TaskSource } from './task.js';
import { Mode, type Vcpu } from './vcpu.js';

/** Bit 1 of an error code: the index is one of the IDT (SDM 3A, "Error Code"). */
const IDT_BIT = 2;

/** Vectors 10 to 14, 8 and 17 push an error code (SDM 3A, table 6-1). */
const ERROR_CODE_VECTORS = (1 << Vector.DF) | (0x1f << Vector.TS) | (1 << Vector.AC);

/** Faults proper, whose saved EFLAGS have RF set (SDM 3B, "Instruction-Breakpoint Exception Condition"; SDM 3A, table 6-1). */
const FAULT_VECTORS =
  (1 << Vector.DE) |
  (1 << Vector.BR) |
  (1 << Vector.UD) |
  (1 << Vector.NM) |
  (0x1f << Vector.TS) |
  (1 << Vector.MF) |
  (1 << Vector.AC) |
  (1 << Vector.XM);

/** #DE, #TS, #NP, #SS, #GP (SDM 3A, table 6-4). */
const CONTRIBUTORY_VECTORS =
  (1 << Vector.DE) | (1 << Vector.TS) | (1 << Vector.NP) | (1 << Vector.SS) | (1 << Vector.GP);

/**
 * Exceptions that may follow each other without an instruction between them. Benign ones can do so for ever: #AC from pushing the frame
 * of the handler of #AC, #DB from entering the task that handles #DB. Deviation: a processor hangs there, deaf even to interrupts;
 * here it is a shutdown, as after a triple fault (test: `test/unit/vcpu/deliver.test.ts`).
 */
const MAX_CHAINED = 64;

/** One event on its way in. */
interface Event {
  readonly vector: number;
  /** INT n, INT3, INTO: the gate's DPL counts, and EXT is 0. */
  readonly software: boolean;
  /** EXT bit of the error codes of faults met on the way. */
  readonly ext: 0 | 1;
  readonly errorCode: number | undefined;
  /** EIP and EFLAGS to save. */
  readonly eip: number;
  readonly eflags: number;
}

/**
 * Delivers an exception raised by an instruction; `Word.Eip` is the EIP to save. A fault met on the way is delivered instead or becomes a
 * double fault; a fault after that is a triple fault, which ends the machine (`ExitReason.TripleFault`). Throws no `GuestFault`.
 */
export function deliverException(cpu: Vcpu, fault: GuestFault): void {
  let current = fault;
  for (let chained = 0; chained < MAX_CHAINED; chained++) {
    try {
      raise(cpu, current);
      return;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      const next = combine(current, error);
      if (next === undefined) {
        shutDown(cpu);
        return;
      }
      current = next;
    }
  }
  shutDown(cpu);
}

/** Delivers an external interrupt, `Word.Eip` being the next instruction. Throws no `GuestFault`. */
export function deliverInterrupt(cpu: Vcpu, vector: number): void {
  deliverBenign(cpu, { vector, software: false, ext: 1, errorCode: undefined, ...resume(cpu, cpu.words[Word.Eip]) });
}

/** Delivers an NMI and holds off further ones until the next IRET. Throws no `GuestFault`. */
export function deliverNmi(cpu: Vcpu): void {
  cpu.words[Word.NmiBlocked] = 1;
  deliverInterrupt(cpu, Vector.NMI);
}

/**
 * INT n, INT3 and INTO.
 * @param returnEip EIP of the next instruction
 * @param isIntN true for INT n (CD ib), which virtual-8086 mode allows only with IOPL 3
 * @throws GuestFault before anything changed, to be delivered at the instruction itself
 */
export function softwareInterrupt(cpu: Vcpu, vector: number, returnEip: number, isIntN: boolean): void {
  if (isIntN && cpu.mode === Mode.Virtual8086 && (cpu.words[Word.Eflags] & Eflag.IOPL) !== Eflag.IOPL) {
    throw new GuestFault(Vector.GP, 0);
  }
  const event: Event = { vector, software: true, ext: 0, errorCode: undefined, ...resume(cpu, returnEip) };
  const fault = enterGate(cpu, event);
  if (fault !== undefined) deliverException(cpu, fault);
}

/**
 * INT1 (ICEBP, F1): #DB without a look at the gate's DPL.
 * @throws GuestFault as `softwareInterrupt`
 */
export function icebp(cpu: Vcpu, returnEip: number): void {
  const event: Event = { vector: Vector.DB, software: false, ext: 1, errorCode: undefined, ...resume(cpu, returnEip) };
  const fault = enterGate(cpu, event);
  if (fault !== undefined) deliverException(cpu, fault);
}

/**
 * Delivers #DB as a trap: `Word.Eip` already stands at the next instruction. Throws no `GuestFault`.
 * @param dr6Bits conditions to add to DR6 (`Dr6.BS`, `Dr6.BT`, `Dr6.B0`..)
 */
export function debugTrap(cpu: Vcpu, dr6Bits: number): void {
  cpu.words[Word.Dr0 + 6] |= dr6Bits;
  deliverException(cpu, new GuestFault(Vector.DB, undefined));
}

function resume(cpu: Vcpu, eip: number): { eip: number; eflags: number } {
  return { eip, eflags: getEflags(cpu) };
}

function deliverBenign(cpu: Vcpu, event: Event): void {
  let fault: GuestFault | undefined;
  try {
    fault = enterGate(cpu, event);
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    fault = error;
  }
  // an interrupt is benign: whatever came of it is delivered on its own (SDM 3A, table 6-5)
  if (fault !== undefined) deliverException(cpu, fault);
}

function raise(cpu: Vcpu, fault: GuestFault): void {
  const vector = fault.vector;
  if (vector === Vector.DB) cpu.words[Word.Dr0 + 7] &= ~Dr7.GD;
  const hasCode = (ERROR_CODE_VECTORS & (1 << vector)) !== 0;
  const eflags = getEflags(cpu);
  const second = enterGate(cpu, {
    vector,
    software: false,
    ext: 1,
    errorCode: hasCode ? (fault.errorCode ?? 0) : undefined,
    eip: cpu.words[Word.Eip],
    eflags: (FAULT_VECTORS & (1 << vector)) !== 0 ? eflags | Eflag.RF : eflags,
  });
  if (second !== undefined) throw second;
}

/** SDM 3A, table 6-5, "Conditions for Generating a Double Fault". Undefined means triple fault. */
function combine(first: GuestFault, second: GuestFault): GuestFault | undefined {
  if (first.vector === Vector.DF) return undefined;
  const firstContributes = (CONTRIBUTORY_VECTORS & (1 << first.vector)) !== 0;
  const secondContributes = (CONTRIBUTORY_VECTORS & (1 << second.vector)) !== 0;
  const pageFault = first.vector === Vector.PF && (secondContributes || second.vector === Vector.PF);
  return (firstContributes && secondContributes) || pageFault ? new GuestFault(Vector.DF, 0) : second;
}

/** The shutdown state is the machine's end; the first reason is kept. Attention makes the engine leave guest code and look. */
function shutDown(cpu: Vcpu): void {
  Atomics.compareExchange(cpu.words, Word.ExitReason, ExitReason.None, ExitReason.TripleFault);
  Atomics.or(cpu.words, Word.Attention, Attention.Interrupt);
}

/**
 * Enters the handler of an event.
 * @returns a fault of the new task, if a task gate was taken and its task could not begin
 * @throws GuestFault with nothing changed
 */
function enterGate(cpu: Vcpu, event: Event): GuestFault | undefined {
  cpu.onDelivery?.(event);
  if (cpu.mode === Mode.Real) {
    enterReal(cpu, event);
    return undefined;
  }
  const { words, mmu } = cpu;
  const { vector, ext } = event;
  const gateError = (vector << 3) | IDT_BIT | ext;
  if ((vector << 3) + 7 > words[Word.IdtrLimit]) throw new GuestFault(Vector.GP, gateError);
  const linear = (words[Word.IdtrBase] + (vector << 3)) | 0;
  const gate = new Descriptor(0, linear, mmu.readSystem32(linear), mmu.readSystem32(linear + 4));
  if (!gate.isSystem || !isInterruptGate(gate.type)) throw new GuestFault(Vector.GP, gateError);
  if (event.software && gate.dpl < words[Word.Cpl]) throw new GuestFault(Vector.GP, gateError);
  if (!gate.isPresent) throw new GuestFault(Vector.NP, gateError);
  if (gate.type === SystemType.TaskGate) return enterTask(cpu, gate.gateSelector, event);
  enterHandler(cpu, gate, event);
  return undefined;
}

function isInterruptGate(type: number): boolean {
  return (
    type === SystemType.TaskGate ||
    type === SystemType.InterruptGate32 ||
    type === SystemType.TrapGate32 ||
    type === SystemType.InterruptGate16 ||
    type === SystemType.TrapGate16
  );
}

/** SDM 2, INT n, "REAL-ADDRESS-MODE". Error codes are not pushed. */
function enterReal(cpu: Vcpu, event: Event): void {
  const { words, mmu } = cpu;
  const offset = event.vector << 2;
  if (offset + 3 > words[Word.IdtrLimit]) throw new GuestFault(Vector.GP, (event.vector << 3) | IDT_BIT | event.ext);
  const target = mmu.readSystem32(words[Word.IdtrBase] + offset);
  const stack = currentStack(cpu);
  checkRoom(stack, 3, 2, event.ext);
  const cs = words[Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Selector];
  words[Word.Esp] = pushFrame(cpu, stack, [event.eflags, cs, event.eip], 2);
  setEflags(cpu, 0, Eflag.IF | Eflag.TF | Eflag.RF | Eflag.AC);
  loadSegmentReal(cpu, Segment.Cs, target >>> 16);
  words[Word.Eip] = target & 0xffff;
  wake(cpu);
}

/** SDM 2, INT n, "TASK-GATE". */
function enterTask(cpu: Vcpu, selector: number, event: Event): GuestFault | undefined {
  const { ext } = event;
  const tss = (selector & SELECTOR_TI) === 0 && !isNull(selector) ? readDescriptor(cpu, selector) : undefined;
  if (tss === undefined || !tss.isTss || tss.isBusy) throw new GuestFault(Vector.GP, selectorError(selector, ext));
  if (!tss.isPresent) throw new GuestFault(Vector.NP, selectorError(selector, ext));
  const fault = switchTask(cpu, TaskSource.Interrupt, tss, event.eip, event.eflags, ext);
  if (fault !== undefined) return fault;
  try {
    if (event.errorCode !== undefined) {
      if (tss.is32Bit) push32(cpu, event.errorCode);
      else push16(cpu, event.errorCode);
    }
    return takeTaskTrap(cpu) ? new GuestFault(Vector.DB, undefined) : undefined;
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    return error.vector === Vector.SS ? new GuestFault(Vector.SS, ext) : error;
  }
}

/** SDM 2, INT n, "TRAP-OR-INTERRUPT-GATE". */
function enterHandler(cpu: Vcpu, gate: Descriptor, event: Event): void {
  const { words } = cpu;
  const { ext } = event;
  const cpl = words[Word.Cpl];
  const selector = gate.gateSelector;
  const code = requireDescriptor(cpu, selector, Vector.GP, ext);
  if (!code.isCode || code.dpl > cpl) throw new GuestFault(Vector.GP, selectorError(selector, ext));
  if (!code.isPresent) throw new GuestFault(Vector.NP, selectorError(selector, ext));
  const fromVirtual8086 = cpu.mode === Mode.Virtual8086;
  if (fromVirtual8086 && (code.isConforming || code.dpl !== 0)) {
    throw new GuestFault(Vector.GP, selectorError(selector, ext));
  }

  const sizeBytes = gate.is32Bit ? 4 : 2;
  const at = Word.Segments;
  const frame = [event.eflags, words[at + Segment.Cs * SegmentWord.Count], event.eip];
  if (event.errorCode !== undefined) frame.push(event.errorCode);

  const inner = !code.isConforming && code.dpl < cpl;
  let newCpl = cpl;
  let stack = currentStack(cpu);
  let stackDescriptor: Descriptor | undefined;
  let roomError: number = ext;
  if (inner) {
    newCpl = code.dpl;
    frame.unshift(words[at + Segment.Ss * SegmentWord.Count], words[Word.Esp]);
    if (fromVirtual8086) {
      frame.unshift(
        words[at + Segment.Gs * SegmentWord.Count],
        words[at + Segment.Fs * SegmentWord.Count],
        words[at + Segment.Ds * SegmentWord.Count],
        words[at + Segment.Es * SegmentWord.Count],
      );
    }
    const { selector: stackSelector, esp } = tssStack(cpu, newCpl, ext);
    stackDescriptor = requireStack(cpu, stackSelector, newCpl, Vector.TS, ext);
    stack = innerStack(stackDescriptor, esp);
    roomError = selectorError(stackSelector, ext);
  }
  checkRoom(stack, frame.length, sizeBytes, roomError);
  const eip = gate.gateOffset;
  if (eip >>> 0 > code.limit >>> 0) throw new GuestFault(Vector.GP, ext);
  if (stackDescriptor !== undefined) markAccessed(cpu, stackDescriptor);
  markAccessed(cpu, code);
  const esp = pushFrame(cpu, stack, frame, sizeBytes);

  // the last check is behind us
  const isInterruptGate = (gate.type & 1) === 0;
  setEflags(cpu, 0, Eflag.TF | Eflag.NT | Eflag.RF | Eflag.VM | (isInterruptGate ? Eflag.IF : 0));
  if (stackDescriptor !== undefined) {
    if (fromVirtual8086) {
      cpu.refreshMode();
      for (const segment of [Segment.Ds, Segment.Es, Segment.Fs, Segment.Gs]) cpu.setSegment(segment, 0, 0, 0, 0);
    }
    cpu.setCpl(newCpl);
    commitSegment(cpu, Segment.Ss, stackDescriptor.selector, stackDescriptor);
  }
  words[Word.Esp] = esp;
  commitSegment(cpu, Segment.Cs, (selector & ~3) | newCpl, code);
  words[Word.Eip] = eip;
  wake(cpu);
}

/** Taking an event ends HLT and the interrupt shadow. */
function wake(cpu: Vcpu): void {
  cpu.words[Word.Halted] = 0;
  cpu.words[Word.Shadow] = 0;
}
