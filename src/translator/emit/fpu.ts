/**
 * x87, MMX and SSE: the instruction itself, on the host's FPU, which holds the guest's state. The front end puts the check for that at the
 * fragment's start. An exception that the guest has not masked arrives as a signal, and the interpreter runs the instruction again.
 * Instructions that store or load the pointers of the last x87 instruction are the interpreter's: on the host those are host addresses, which
 * native/fpuPointers.cc makes the guest's when its state is saved.
 * (SDM 1, "x87 FPU Instruction and Data (Operand) Pointers")
 * Read before: `rom.ts`. Read after: `plan.ts`.
 */
import { Attribute, type Form } from '../../x86/form.js';
import type { Instruction } from '../../x86/instruction.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import { Host } from '../asm64.js';
import { isFlat, type Emit, type Plan } from './emitter.js';
import { emitNative } from './native.js';

const images: ReadonlySet<Mnemonic> = new Set<Mnemonic>([
  ...(['FLDENV', 'FNSAVE', 'FNSTENV', 'FRSTOR', 'FXRSTOR', 'FXSAVE'] as const),
]);

/** Whether an instruction needs the guest's state in the host's FPU. */
export function usesFpu({ mnemonic, attributes }: Form): boolean {
  return (attributes & (Attribute.Fpu | Attribute.Simd)) !== 0 || mnemonic === 'WAIT';
}

/** Whether it needs CR4.OSFXSR; the few SSE instructions on MMX registers, which do not, are treated as the others. */
export function usesXmm({ attributes, feature }: Form): boolean {
  return (attributes & Attribute.Simd) !== 0 && feature !== 'mmx';
}

const emitWait: Emit = ({ asm }) => asm.byte(0x9b);

/** The masked stores have an operand at DS:EDI that is not listed. */
const hasImplicitOperand = ({ form: { mnemonic } }: Instruction): boolean =>
  mnemonic === 'MASKMOVQ' || mnemonic === 'MASKMOVDQU';

const emitMaskedStore: Emit = (emitter, instruction) => {
  emitter.asm.bytes(0x65, 0x67);
  emitNative(emitter, instruction);
};

/** Bits that do not exist are #GP, and hosts have some that the guest has not: MM of AMD's. (SDM 1, "MXCSR Control and Status Register") */
const emitLoadMxcsr: Emit = (emitter, instruction) => {
  emitter.load(Host.R9, emitter.address(instruction.memory!));
  emitter.leaveUnlessShort(Host.R9);
  emitNative(emitter, instruction);
};

/** The plan of every instruction that `usesFpu`. */
export const planFpu: Plan = (instruction, { xmmUsable }) => {
  const { form, addressSize, segment } = instruction;
  if (images.has(form.mnemonic) || (usesXmm(form) && !xmmUsable)) return undefined;
  if (form.mnemonic === 'WAIT') return emitWait;
  if (form.mnemonic === 'LDMXCSR') return emitLoadMxcsr;
  if (!hasImplicitOperand(instruction)) return emitNative;
  return addressSize === 4 && isFlat(segment) ? emitMaskedStore : undefined;
};

/** Hints and orderings, which are no part of the FPU though they came with it. */
const planHint: Plan = () => emitNative;

export const hintPlans: Partial<Record<Mnemonic, Plan>> = {
  LFENCE: planHint,
  MFENCE: planHint,
  SFENCE: planHint,
  CLFLUSH: planHint,
  PREFETCHNTA: planHint,
  PREFETCHT0: planHint,
  PREFETCHT1: planHint,
  PREFETCHT2: planHint,
};
