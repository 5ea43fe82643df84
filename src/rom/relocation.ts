/**
 * The answers to get_reloc: how the guest should reach a call. Guests ask thousands of times (once per patched site), so the answer
 * is a look-up and always the same. (VMI spec, "Relocation"; Linux: vmi_get_function(), patch_internal() of 2.6.21 to 2.6.36)
 */
import { Word } from '../vcpu/layout.js';
import { calls } from './calls.js';
import type { Shape } from './calls.js';
import { slotOffset } from './slots.js';

/** Relocation types (vmi.h, VMI_RELOCATION_...). */
export const enum Relocation {
  /** Not there: the guest keeps its own code. */
  NONE = 0,
  CALL_REL = 1,
  JUMP_REL = 2,
  /** The guest deletes the call. */
  NOP = 3,
}

const relocationByShape: Readonly<Record<Shape, Relocation>> = {
  callOut: Relocation.CALL_REL,
  jump: Relocation.JUMP_REL,
  noOp: Relocation.NOP,
  absent: Relocation.NONE,
};

/** @returns the relocation type of call `number`; NONE for numbers that do not exist. */
export function relocationOf(number: number): Relocation {
  const call = calls[number];
  return call === undefined ? Relocation.NONE : relocationByShape[call.shape];
}

/**
 * Answers get_reloc: EAX holds a call number; EAX becomes the linear address of its entry (0 with NONE), EDX the relocation type. ECX and
 * flags stay.
 * @param words the state block. @param romLinear where the guest sees the ROM.
 */
export function answerRelocation(words: Int32Array, romLinear: number): void {
  const number = words[Word.Eax] >>> 0;
  const relocation = relocationOf(number);
  words[Word.Eax] = relocation === Relocation.NONE ? 0 : (romLinear + slotOffset(number)) | 0;
  words[Word.Edx] = relocation;
}
