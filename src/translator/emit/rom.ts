/**
 * ROM calls as intrinsics: in the place of a call of a ROM entry stands the operation itself, without the call, its stack traffic and the
 * exit. Only calls that touch nothing but the state block, or one word of guest memory, are here; all of them may lose the flags (`docs/vmi-calls.md`). The counter of
 * the call goes up as always. Read before: `flags.ts`. Read after: `fpu.ts`.
 */
import { SegmentWord, Word } from '../../vcpu/layout.js';
import { Segment, type Instruction } from '../../x86/instruction.js';
import { Condition, Host, segmentWord } from '../asm64.js';
import { LinkKind, type TranslationRequest } from '../fragment.js';
import type { Emit, Emitter } from './emitter.js';

/** Numbers of the calls; `../../rom/calls.ts` has them all. */
export const enum RomSlot {
  GetLDT = 8,
  GetTR = 10,
  GetCR0 = 19,
  GetCR2 = 20,
  GetCR3 = 21,
  GetCR4 = 22,
  WBINVD = 23,
  EnableInterrupts = 29,
  DisableInterrupts = 30,
  GetInterruptMask = 31,
  SetInterruptMask = 32,
  SetPxE = 38,
  UpdatePxE = 40,
  IODelay = 65,
  SetLazyMode = 73,
}

/** Flag of SetPxE and UpdatePxE: they tell the linear address that the entry is for, which is not a matter of the state block alone. */
const CURRENT_AS = 0x10;
const PRESENT = 1;

/** IF in EFLAGS. */
const IF_SHIFT = 9;

type Operation = (emitter: Emitter) => void;

function read(word: number): Operation {
  return ({ asm }) => asm.loadState(Host.Rax, word);
}

const enable: Operation = (emitter) => {
  emitter.asm.setState(Word.InterruptFlag, 1);
  emitter.checkInterrupts(true, emitter.next, LinkKind.Attention);
};

const disable: Operation = ({ asm }) => asm.setState(Word.InterruptFlag, 0);

const getMask: Operation = ({ asm }) => {
  asm.loadState(Host.Rax, Word.InterruptFlag);
  asm.shiftLeft(Host.Rax, IF_SHIFT);
};

const setMask: Operation = (emitter) => {
  const { asm } = emitter;
  asm.move(Host.R8, Host.Rax);
  asm.shiftRight(Host.R8, IF_SHIFT);
  asm.andImmediate(Host.R8, 1);
  asm.storeState(Word.InterruptFlag, Host.R8);
  // all ones when IF is on: only then an interrupt can be taken
  asm.negate(Host.R8);
  emitter.checkInterruptsUnder(Host.R8, emitter.next);
};

/** With IF a word of its own; what other strategies do besides is the interpreter's. */
const flagOperations: Readonly<Partial<Record<number, Operation>>> = {
  [RomSlot.EnableInterrupts]: enable,
  [RomSlot.DisableInterrupts]: disable,
  [RomSlot.GetInterruptMask]: getMask,
  [RomSlot.SetInterruptMask]: setMask,
};

const readOperations: Readonly<Partial<Record<number, Operation>>> = {
  [RomSlot.GetLDT]: read(segmentWord(Segment.Ldtr) + SegmentWord.Selector),
  [RomSlot.GetTR]: read(segmentWord(Segment.Tr) + SegmentWord.Selector),
  [RomSlot.GetCR0]: read(Word.Cr0),
  [RomSlot.GetCR2]: read(Word.Cr2),
  [RomSlot.GetCR3]: read(Word.Cr3),
  [RomSlot.GetCR4]: read(Word.Cr4),
};

/** Makes the call after all where the flags in `flags` tell an address. */
function unlessAddressed(emitter: Emitter, flags: number, call: Emit, instruction: Instruction): void {
  const { asm, eip, next } = emitter;
  asm.testImmediate(flags, CURRENT_AS);
  const addressed = asm.jumpIf(Condition.NotEqual);
  emitter.later(() => {
    asm.bind(addressed);
    emitter.eip = eip;
    emitter.next = next;
    emitter.mark();
    call(emitter, instruction);
  });
}

/** EAX to the entry at EDX, ECX flags. Where the entry was present, other address spaces may have it in their windows. */
function setEntry(call: Emit): Emit {
  return (emitter, instruction) => {
    const { asm } = emitter;
    const entry = { base: Host.Rdx, index: Host.None, scale: 0, displacement: 0 } as const;
    unlessAddressed(emitter, Host.Rcx, call, instruction);
    // XCHG: the old entry, and one access that faults as a write
    asm.move(Host.R8, Host.Rax);
    emitter.guest(0, false, [0x87], Host.R8, entry);
    asm.andImmediate(Host.R8, PRESENT);
    asm.addState(Word.TableChanges, Host.R8);
    asm.incrementState64(Word.RomCalls + 2 * RomSlot.SetPxE);
  };
}

/** EDX flags. */
function updateEntry(call: Emit): Emit {
  return (emitter, instruction) => {
    const { asm } = emitter;
    unlessAddressed(emitter, Host.Rdx, call, instruction);
    asm.moveImmediate(Host.R8, 1);
    asm.addState(Word.TableChanges, Host.R8);
    asm.incrementState64(Word.RomCalls + 2 * RomSlot.UpdatePxE);
  };
}

const entryOperations: Readonly<Partial<Record<number, (call: Emit) => Emit>>> = {
  [RomSlot.SetPxE]: setEntry,
  [RomSlot.UpdatePxE]: updateEntry,
};

/** Calls whose stub returns at once and counts nothing. */
const emptySlots: ReadonlySet<number> = new Set<number>([RomSlot.WBINVD, RomSlot.IODelay, RomSlot.SetLazyMode]);

const emitNothing: Emit = () => undefined;

/**
 * @param call makes the call itself
 * @returns what replaces a call of ROM slot `slot`, or undefined when it has to be made
 */
export function romIntrinsic(slot: number, { virtualMask }: TranslationRequest, call: Emit): Emit | undefined {
  if (emptySlots.has(slot)) return emitNothing;
  const entryOperation = entryOperations[slot];
  if (entryOperation !== undefined) return entryOperation(call);
  const operation = readOperations[slot] ?? (virtualMask ? flagOperations[slot] : undefined);
  if (operation === undefined) return undefined;
  return (emitter) => {
    emitter.asm.incrementState64(Word.RomCalls + 2 * slot);
    operation(emitter);
  };
}
