/**
 * Which instruction is translated how, and what is left to the interpreter. Separate from the families so that the rules that hold for all
 * of them stand in one place. Read before: the families. Read after: `../frontend.ts`.
 */
import { Segment, type Instruction, type MemoryOperand } from '../../x86/instruction.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import type { TranslationRequest } from '../fragment.js';
import { branchPlans } from './branch.js';
import { isFlat, type Emit, type Plan } from './emitter.js';
import { flagPlans } from './flags.js';
import { hintPlans, planFpu, usesFpu } from './fpu.js';
import { integerPlans, namesHighByte } from './integer.js';
import { stackPlans } from './stack.js';
import { stringPlans } from './string.js';

const plans: Partial<Record<Mnemonic, Plan>> = {
  ...integerPlans,
  ...stackPlans,
  ...branchPlans,
  ...stringPlans,
  ...flagPlans,
  ...hintPlans,
};

/** Whether a memory operand can be reached through the window. */
function isReachable(memory: MemoryOperand, instruction: Instruction): boolean {
  if (instruction.addressSize === 2) return false;
  if (isFlat(memory.segment)) return true;
  // the address takes r11, which needs a REX prefix
  return memory.segment !== Segment.Cs && !namesHighByte(instruction);
}

/** LEA and NOP name a memory operand without an access: only its form matters. */
const accessesNothing = (mnemonic: Mnemonic): boolean => mnemonic === 'LEA' || mnemonic === 'NOP';

/**
 * @param nextEip EIP of the instruction behind it
 * @returns how to emit the instruction; undefined to leave it to the interpreter
 */
export function planOf(instruction: Instruction, request: TranslationRequest, nextEip: number): Emit | undefined {
  const { form, memory, addressSize } = instruction;
  const { mnemonic } = form;
  if (memory !== undefined) {
    const reachable = accessesNothing(mnemonic)
      ? addressSize === 4 || mnemonic === 'NOP'
      : isReachable(memory, instruction);
    if (!reachable) return undefined;
  }
  const plan = usesFpu(form) ? planFpu : plans[mnemonic];
  return plan?.(instruction, request, nextEip);
}
