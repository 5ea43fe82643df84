/**
 * The union of all families: from a decoded instruction to a step. The compiler checks that every mnemonic of the table has a binder.
 *
 * The checks that hold for a whole class of rows (privilege, protected mode only) are wrapped around the handler here, in the
 * order in which the processor makes them. Read before: the families. Read after: `interpreter.ts`.
 */
import { Attribute } from '../x86/form.js';
import type { Instruction } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Word } from '../vcpu/layout.js';
import { Mode } from '../vcpu/vcpu.js';
import { aluBinders } from './alu.js';
import { bcdBinders } from './bcd.js';
import { bitBinders } from './bit.js';
import { branchBinders } from './branch.js';
import { fpuBinders } from './fpu.js';
import { moveBinders } from './move.js';
import { mulBinders } from './mul.js';
import { segmentBinders } from './segment.js';
import { shiftBinders } from './shift.js';
import { simdBinders } from './simd.js';
import { simdMoveBinders } from './simdMove.js';
import { stackBinders } from './stack.js';
import type { Binder, Engine, Execute } from './step.js';
import { Step } from './step.js';
import { stringBinders } from './string.js';
import { systemBinders } from './system.js';
import { isSensitive } from '../x86/sensitive.js';

const binders: Record<Mnemonic, Binder> = {
  ...aluBinders,
  ...shiftBinders,
  ...mulBinders,
  ...bcdBinders,
  ...bitBinders,
  ...moveBinders,
  ...stackBinders,
  ...branchBinders,
  ...stringBinders,
  ...segmentBinders,
  ...systemBinders,
  ...fpuBinders,
  ...simdBinders,
  ...simdMoveBinders,
};

/** #UD in real and virtual-8086 mode. */
function protectedOnly(execute: Execute): Execute {
  return (cpu, step) => {
    if (cpu.mode !== Mode.Protected) throw new GuestFault(Vector.UD, undefined);
    execute(cpu, step);
  };
}

/** #GP(0) unless CPL = 0. */
function privileged(execute: Execute): Execute {
  return (cpu, step) => {
    if (cpu.words[Word.Cpl] !== 0) throw new GuestFault(Vector.GP, 0);
    execute(cpu, step);
  };
}

/** Whether the table's mnemonic can be executed. */
export function isImplemented(mnemonic: Mnemonic): boolean {
  return mnemonic in binders;
}

/** Makes the step for an instruction. Sensitive instructions get one that traps, if the engine has a path for that. */
export function bind(instruction: Instruction, engine: Engine): Step {
  const step = bindInPlace(instruction, engine);
  if (engine.trapPath !== undefined && isSensitive(instruction)) step.execute = engine.trapPath.wrap(step.execute);
  return step;
}

/** Makes the step that executes an instruction where it stands. */
export function bindInPlace(instruction: Instruction, engine: Engine): Step {
  const step = new Step(instruction, unbound);
  let execute = binders[instruction.form.mnemonic](instruction, step, engine);
  const attributes = instruction.form.attributes;
  if ((attributes & Attribute.Privileged) !== 0) execute = privileged(execute);
  if ((attributes & Attribute.ProtectedOnly) !== 0) execute = protectedOnly(execute);
  step.execute = execute;
  return step;
}

/** Handler of a step while its binder looks at it. */
const unbound: Execute = () => {
  throw new Error('a step runs before it is bound');
};
