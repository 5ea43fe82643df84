/**
 * The union of all families: from a decoded instruction to a step. The compiler checks that every integer mnemonic of the table has
 * a binder; an x87 or SIMD mnemonic without one gets a step that says so.
 *
 * The checks that hold for a whole class of rows (privilege, protected mode only, FPU present) are wrapped around the handler
 * here, in the order in which the processor makes them. Read before: the families. Read after: `interpreter.ts`.
 */
import { Cr0 } from '../x86/control.js';
import { Attribute } from '../x86/form.js';
import type { Instruction } from '../x86/instruction.js';
import type { IntegerMnemonic, Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Word } from '../vcpu/layout.js';
import { Mode } from '../vcpu/vcpu.js';
import { aluBinders } from './alu.js';
import { bcdBinders } from './bcd.js';
import { bitBinders } from './bit.js';
import { branchBinders } from './branch.js';
import { moveBinders } from './move.js';
import { mulBinders } from './mul.js';
import { segmentBinders } from './segment.js';
import { shiftBinders } from './shift.js';
import { stackBinders } from './stack.js';
import type { Binder, Engine, Execute } from './step.js';
import { Step } from './step.js';
import { stringBinders } from './string.js';
import { systemBinders } from './system.js';

const integerBinders: Record<IntegerMnemonic, Binder> & Partial<Record<Mnemonic, Binder>> = {
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
};

const binders: Partial<Record<Mnemonic, Binder>> = integerBinders;

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

/** CR0.EM: #NM for x87, #UD for MMX and later; CR0.TS: #NM (SDM 3A, "x87 FPU and SIMD state"). */
function withFpu(execute: Execute, emulated: Vector): Execute {
  return (cpu, step) => {
    const cr0 = cpu.words[Word.Cr0];
    if ((cr0 & Cr0.EM) !== 0) throw new GuestFault(emulated, undefined);
    if ((cr0 & Cr0.TS) !== 0) throw new GuestFault(Vector.NM, undefined);
    execute(cpu, step);
  };
}

/** Whether the table's mnemonic can be executed. */
export function isImplemented(mnemonic: Mnemonic): boolean {
  return binders[mnemonic] !== undefined;
}

/** Makes the step for an instruction. */
export function bind(instruction: Instruction, engine: Engine): Step {
  const step = new Step(instruction, unimplemented(engine));
  const binder = binders[instruction.form.mnemonic];
  let execute = binder === undefined ? step.execute : binder(instruction, step, engine);
  const attributes = instruction.form.attributes;
  if ((attributes & Attribute.Fpu) !== 0) execute = withFpu(execute, Vector.NM);
  if ((attributes & Attribute.Simd) !== 0) execute = withFpu(execute, Vector.UD);
  if ((attributes & Attribute.Privileged) !== 0) execute = privileged(execute);
  if ((attributes & Attribute.ProtectedOnly) !== 0) execute = protectedOnly(execute);
  step.execute = execute;
  return step;
}

function unimplemented(engine: Engine): Execute {
  return (_cpu, step) => engine.unimplemented(step);
}
