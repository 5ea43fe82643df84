/**
 * Frames pushed by far calls, gates and interrupts: several words that go on a stack, which may be that of another privilege level,
 * all or none. Separate from the push functions of `segments.ts`, which work on the current stack at the current privilege.
 * Read before: `segments.ts`. Read after: `transfer.ts`, `deliver.ts`.
 */
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { type Descriptor, selectorError } from './descriptor.js';
import { SegmentWord, Word } from './layout.js';
import { withinLimit } from './segments.js';
import { Access, type Vcpu } from './vcpu.js';

/** A stack to push on: the hidden part of SS, ESP, and the privilege of the writes. */
export interface Stack {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
  readonly esp: number;
  readonly user: boolean;
}

/** The stack that SS:ESP names now. */
export function currentStack(cpu: Vcpu): Stack {
  const words = cpu.words;
  const at = Word.Segments + Segment.Ss * SegmentWord.Count;
  return {
    base: words[at + SegmentWord.Base],
    limit: words[at + SegmentWord.Limit],
    access: words[at + SegmentWord.Access],
    esp: words[Word.Esp],
    user: cpu.user,
  };
}

/** The stack of an inner level, from its checked descriptor. */
export function innerStack(descriptor: Descriptor, esp: number): Stack {
  return {
    base: descriptor.base,
    limit: descriptor.limit,
    access: descriptor.access,
    esp,
    user: descriptor.dpl === 3,
  };
}

/**
 * SS and ESP of an inner level from the current TSS. (SDM 2, CALL, "MORE-PRIVILEGE"; INT, "INTER-PRIVILEGE-LEVEL-INTERRUPT")
 * @param ext EXT bit of the error code
 * @throws GuestFault #TS(TR) when the TSS has no such field
 */
export function tssStack(cpu: Vcpu, level: number, ext: number): { selector: number; esp: number } {
  const words = cpu.words;
  const tr = Word.Segments + Segment.Tr * SegmentWord.Count;
  const is32Bit = (words[tr + SegmentWord.Access] & 8) !== 0;
  const offset = is32Bit ? level * 8 + 4 : level * 4 + 2;
  if (offset + (is32Bit ? 5 : 3) > words[tr + SegmentWord.Limit] >>> 0) {
    throw new GuestFault(Vector.TS, selectorError(words[tr + SegmentWord.Selector], ext));
  }
  const linear = words[tr + SegmentWord.Base] + offset;
  if (is32Bit) return { selector: cpu.mmu.readSystem16(linear + 4), esp: cpu.mmu.readSystem32(linear) };
  return { selector: cpu.mmu.readSystem16(linear + 2), esp: cpu.mmu.readSystem16(linear) };
}

function stackMask(stack: Stack): number {
  return (stack.access & Access.Big) !== 0 ? -1 : 0xffff;
}

/**
 * Checks that `count` words of `sizeBytes` fit within the stack's limit.
 * @throws GuestFault #SS(errorCode)
 */
export function checkRoom(stack: Stack, count: number, sizeBytes: number, errorCode: number): void {
  const mask = stackMask(stack);
  for (let i = 1; i <= count; i++) {
    if (!withinLimit(stack.limit, stack.access, (stack.esp - i * sizeBytes) & mask, sizeBytes)) {
      throw new GuestFault(Vector.SS, errorCode);
    }
  }
}

/**
 * Pushes words in the order given. All pages are checked first, so that a page fault leaves the stack untouched.
 * @returns the new ESP; the caller writes it
 */
export function pushFrame(cpu: Vcpu, stack: Stack, values: readonly number[], sizeBytes: 2 | 4): number {
  const mask = stackMask(stack);
  const { base, esp, user } = stack;
  const mmu = cpu.mmu;
  for (let i = 1; i <= values.length; i++) {
    mmu.probeAs(base + ((esp - i * sizeBytes) & mask), sizeBytes, true, user);
  }
  for (let i = 1; i <= values.length; i++) {
    mmu.writeAs(base + ((esp - i * sizeBytes) & mask), sizeBytes, values[i - 1], user);
  }
  return (esp & ~mask) | ((esp - values.length * sizeBytes) & mask);
}
