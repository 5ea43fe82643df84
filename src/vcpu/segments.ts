/**
 * Segmentation: from segment and offset to linear address, loads of segment registers, LDTR and TR, and the stack.
 * (SDM 3A, "Protected-Mode Memory Management" and "Protection")
 *
 * `linearRead`, `linearWrite`, `push32` and `pop32` are on every instruction's way: each tests one bit of the vCPU's derived values
 * and leaves the rest to a slow twin, so that V8 inlines them. Read before: `descriptor.ts`. Read after: `transfer.ts`.
 */
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
import { SegmentWord, Word } from './layout.js';
import { Access, Mode, type Vcpu } from './vcpu.js';

export { lar, lsl, verr, verw } from './verify.js';

/**
 * Linear address of a read through a segment.
 * @param offset effective address, address size already applied
 * @param sizeBytes bytes read, at least 1
 * @throws GuestFault #SS(0) for SS, else #GP(0): limit, type or unusable segment
 */
export function linearRead(cpu: Vcpu, segment: Segment, offset: number, sizeBytes: number): number {
  if ((cpu.flatRead & (1 << segment)) !== 0) return offset;
  return linearSlow(cpu, segment, offset, sizeBytes, false);
}

/** Linear address of a write through a segment; as `linearRead`. */
export function linearWrite(cpu: Vcpu, segment: Segment, offset: number, sizeBytes: number): number {
  if ((cpu.flatWrite & (1 << segment)) !== 0) return offset;
  return linearSlow(cpu, segment, offset, sizeBytes, true);
}

/**
 * Linear address of code at CS:`eip`.
 * @throws GuestFault #GP(0) when a byte of it lies beyond the limit of CS
 */
export function linearFetch(cpu: Vcpu, eip: number, sizeBytes: number): number {
  if (cpu.flatCode) return eip;
  checkBranch(cpu, eip + sizeBytes - 1);
  return (cpu.words[Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Base] + eip) | 0;
}

/** Checks the target of a near branch: #GP(0) when it is beyond the limit of CS (SDM 2, JMP, CALL, RET). */
export function checkBranch(cpu: Vcpu, eip: number): void {
  if (cpu.flatCode) return;
  const limit = cpu.words[Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Limit];
  if (eip >>> 0 > limit >>> 0) throw new GuestFault(Vector.GP, 0);
}

function linearSlow(cpu: Vcpu, segment: Segment, offset: number, sizeBytes: number, write: boolean): number {
  const at = Word.Segments + segment * SegmentWord.Count;
  const access = cpu.words[at + SegmentWord.Access];
  const vector = segment === Segment.Ss ? Vector.SS : Vector.GP;
  if (cpu.mode === Mode.Protected) {
    // SDM 3A, "Type Checking" and "Null Segment Selector Checking"
    if ((access & Access.Present) === 0) throw new GuestFault(vector, 0);
    const code = (access & Access.Code) !== 0;
    const bit = (access & Access.WritableOrReadable) !== 0;
    if (write ? code || !bit : code && !bit) throw new GuestFault(vector, 0);
  }
  if (!withinLimit(cpu.words[at + SegmentWord.Limit], access, offset, sizeBytes)) throw new GuestFault(vector, 0);
  return (cpu.words[at + SegmentWord.Base] + offset) | 0;
}

/**
 * SDM 3A, "Limit Checking". With a limit of 4 GiB an access may wrap around; the manual leaves that to the implementation.
 * @param limit last valid offset (expand-down: last invalid one) @param access `SegmentWord.Access` form
 */
export function withinLimit(limit: number, access: number, offset: number, sizeBytes: number): boolean {
  const first = offset >>> 0;
  const last = first + sizeBytes - 1;
  if ((access & (Access.Code | Access.ExpandDownOrConforming)) === Access.ExpandDownOrConforming) {
    return first > limit >>> 0 && last <= ((access & Access.Big) !== 0 ? 0xffffffff : 0xffff);
  }
  return limit === -1 || last <= limit >>> 0;
}

/**
 * MOV, POP and far-pointer loads of ES, SS, DS, FS and GS, in any mode. CS is loaded by transfers only.
 * @throws GuestFault #GP, #NP, #SS (or #PF on the table), with nothing changed
 */
export function loadSegment(cpu: Vcpu, segment: Segment, selector: number): void {
  if (cpu.mode !== Mode.Protected) {
    loadSegmentReal(cpu, segment, selector);
    return;
  }
  const cpl = cpu.words[Word.Cpl];
  if (segment === Segment.Ss) {
    const descriptor = requireStack(cpu, selector, cpl, Vector.GP, 0);
    markAccessed(cpu, descriptor);
    commitSegment(cpu, segment, selector, descriptor);
    return;
  }
  if (isNull(selector)) {
    cpu.setSegment(segment, selector, 0, 0, 0);
    return;
  }
  const descriptor = requireData(cpu, selector, cpl, Vector.GP, 0);
  markAccessed(cpu, descriptor);
  commitSegment(cpu, segment, selector, descriptor);
}

/**
 * Loads a segment register as real and virtual-8086 mode do: base = 16 x selector. Virtual-8086 mode sets limit and rights too,
 * real mode keeps what is there (SDM 3A, "8086 Emulation"; the unreal-mode practice relies on it).
 */
export function loadSegmentReal(cpu: Vcpu, segment: Segment, selector: number): void {
  const base = (selector & 0xffff) << 4;
  const data = Access.Present | Access.NotSystem | Access.WritableOrReadable | Access.Accessed;
  if (cpu.mode === Mode.Virtual8086) {
    cpu.setSegment(segment, selector, base, 0xffff, data | (3 << 5));
    return;
  }
  const at = Word.Segments + segment * SegmentWord.Count;
  const old = cpu.words[at + SegmentWord.Access];
  const limit = (old & Access.Present) !== 0 ? cpu.words[at + SegmentWord.Limit] : 0xffff;
  cpu.setSegment(segment, selector, base, limit, (old & 0xf000) | data);
}

/**
 * Fetches and checks a stack segment for privilege level `cpl`, in the order of SDM 2, MOV: selector, type and privilege, present.
 * @param vector #GP for loads and returns, #TS for stacks that come out of a TSS
 * @param ext EXT bit of the error codes
 */
export function requireStack(
  cpu: Vcpu,
  selector: number,
  cpl: number,
  vector: Vector.GP | Vector.TS,
  ext: number,
): Descriptor {
  const descriptor = requireDescriptor(cpu, selector, vector, ext);
  if ((selector & 3) !== cpl || !descriptor.isWritableData || descriptor.dpl !== cpl) {
    throw new GuestFault(vector, selectorError(selector, ext));
  }
  if (!descriptor.isPresent) throw new GuestFault(Vector.SS, selectorError(selector, ext));
  return descriptor;
}

/** Fetches and checks a segment for ES, DS, FS or GS at privilege level `cpl`; `selector` is not null. As `requireStack`. */
export function requireData(
  cpu: Vcpu,
  selector: number,
  cpl: number,
  vector: Vector.GP | Vector.TS,
  ext: number,
): Descriptor {
  const descriptor = requireDescriptor(cpu, selector, vector, ext);
  const dpl = descriptor.dpl;
  const privileged = !descriptor.isConforming && ((selector & 3) > dpl || cpl > dpl);
  if (!descriptor.isReadable || privileged) throw new GuestFault(vector, selectorError(selector, ext));
  if (!descriptor.isPresent) throw new GuestFault(Vector.NP, selectorError(selector, ext));
  return descriptor;
}

/**
 * LLDT (SDM 2, LLDT). The caller has checked mode and CPL.
 * @throws GuestFault #GP(selector) or #NP(selector)
 */
export function loadLdtr(cpu: Vcpu, selector: number): void {
  if (isNull(selector)) {
    cpu.setSegment(Segment.Ldtr, selector, 0, 0, 0);
    return;
  }
  const descriptor = (selector & SELECTOR_TI) === 0 ? readDescriptor(cpu, selector) : undefined;
  if (descriptor === undefined || !descriptor.isSystem || descriptor.type !== SystemType.Ldt) {
    throw new GuestFault(Vector.GP, selectorError(selector, 0));
  }
  if (!descriptor.isPresent) throw new GuestFault(Vector.NP, selectorError(selector, 0));
  cpu.setSegment(Segment.Ldtr, selector, descriptor.base, descriptor.limit, descriptor.access);
}

/**
 * LTR (SDM 2, LTR): loads TR and marks the TSS descriptor busy. The caller has checked mode and CPL.
 * @throws GuestFault #GP(0) for null, #GP(selector) or #NP(selector)
 */
export function loadTr(cpu: Vcpu, selector: number): void {
  const descriptor = (selector & SELECTOR_TI) === 0 && !isNull(selector) ? readDescriptor(cpu, selector) : undefined;
  if (descriptor === undefined || !descriptor.isTss || descriptor.isBusy) {
    throw new GuestFault(Vector.GP, selectorError(selector, 0));
  }
  if (!descriptor.isPresent) throw new GuestFault(Vector.NP, selectorError(selector, 0));
  cpu.mmu.writeSystem32(descriptor.linear + 4, descriptor.high | 0x200);
  cpu.setSegment(Segment.Tr, selector, descriptor.base, descriptor.limit, descriptor.access | 2);
}

// The stack at the current privilege, with the stack-size attribute of SS (SDM 1, "Stack Behavior").

/** Pushes 32 bits. A fault leaves ESP as it was. */
export function push32(cpu: Vcpu, value: number): void {
  if (cpu.flatStack) {
    const words = cpu.words;
    const esp = (words[Word.Esp] - 4) | 0;
    cpu.mmu.write32(esp, value);
    words[Word.Esp] = esp;
  } else {
    const linear = stackLinear(cpu, -4, 4, true);
    cpu.mmu.write32(linear, value);
    adjustStack(cpu, -4);
  }
}

/** Pushes 16 bits. */
export function push16(cpu: Vcpu, value: number): void {
  const linear = stackLinear(cpu, -2, 2, true);
  cpu.mmu.write16(linear, value);
  adjustStack(cpu, -2);
}

/** Pops 32 bits as int32. */
export function pop32(cpu: Vcpu): number {
  if (cpu.flatStack) {
    const words = cpu.words;
    const esp = words[Word.Esp];
    const value = cpu.mmu.read32(esp);
    words[Word.Esp] = (esp + 4) | 0;
    return value;
  }
  const value = cpu.mmu.read32(stackLinear(cpu, 0, 4, false));
  adjustStack(cpu, 4);
  return value;
}

/** Pops 16 bits, unsigned. */
export function pop16(cpu: Vcpu): number {
  const value = cpu.mmu.read16(stackLinear(cpu, 0, 2, false));
  adjustStack(cpu, 2);
  return value;
}

/** Reads the 32-bit word `displacementBytes` above the top of the stack, leaving ESP alone: pops that may yet fault. */
export function peek32(cpu: Vcpu, displacementBytes: number): number {
  return cpu.mmu.read32(stackLinear(cpu, displacementBytes, 4, false));
}

/** As `peek32`, for 16 bits, unsigned. */
export function peek16(cpu: Vcpu, displacementBytes: number): number {
  return cpu.mmu.read16(stackLinear(cpu, displacementBytes, 2, false));
}

/**
 * Linear address of stack memory `displacementBytes` from the top of the stack, within the stack-size attribute.
 * @throws GuestFault #SS(0)
 */
export function stackLinear(cpu: Vcpu, displacementBytes: number, sizeBytes: number, write: boolean): number {
  const offset = (cpu.words[Word.Esp] + displacementBytes) & cpu.stackMask;
  return write ? linearWrite(cpu, Segment.Ss, offset, sizeBytes) : linearRead(cpu, Segment.Ss, offset, sizeBytes);
}

/** Adds to ESP, or to SP alone when the stack is 16 bits wide. */
export function adjustStack(cpu: Vcpu, bytes: number): void {
  const mask = cpu.stackMask;
  const esp = cpu.words[Word.Esp];
  cpu.words[Word.Esp] = (esp & ~mask) | ((esp + bytes) & mask);
}

/**
 * Checks the writes of several pushes, limits and pages, so that `push16`/`push32` after it cannot fault (PUSHA, ENTER, far calls).
 * @param count pushes @param sizeBytes bytes of each
 */
export function probePushes(cpu: Vcpu, count: number, sizeBytes: number): void {
  for (let i = 1; i <= count; i++) cpu.mmu.probeWrite(stackLinear(cpu, -i * sizeBytes, sizeBytes, true), sizeBytes);
}
