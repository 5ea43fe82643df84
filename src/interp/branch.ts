/**
 * Transfers of control: Jcc, JMP, CALL, RET, LOOP, JCXZ, their far forms, IRET, INT and its kin, BOUND, SYSENTER, SYSEXIT.
 *
 * Near transfers are carried out here: the target is checked against the limit of CS before anything changes. Far ones and
 * interrupts are `../vcpu/transfer.ts` and `../vcpu/deliver.ts`. (SDM 2, one heading per mnemonic)
 * Read before: `stack.ts`. Read after: `segment.ts`.
 */
import { OperandKind } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { icebp, softwareInterrupt } from '../vcpu/deliver.js';
import { Flag } from '../x86/form.js';
import { LAZY_KIND, Lazy, cf, condition, of, zf } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import { adjustStack, checkBranch, linearRead, peek16, peek32, pop32, push16, push32 } from '../vcpu/segments.js';
import { farCall, farJump, farReturn, interruptReturn, sysenter, sysexit } from '../vcpu/transfer.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { effective, getRegister, load, load32, loadAt } from './operands.js';
import type { Binder, Execute, Step } from './step.js';

/** Jumps within CS. */
function jump(cpu: Vcpu, target: number): void {
  checkBranch(cpu, target);
  cpu.words[Word.Eip] = target;
}

/** Takes a relative branch with a 32-bit operand size. */
function branch(cpu: Vcpu, step: Step): void {
  jump(cpu, (cpu.words[Word.Eip] + step.imm) | 0);
}

/** Takes a relative branch; a 16-bit operand size cuts EIP to 16 bits. */
function branchSized(cpu: Vcpu, step: Step): void {
  const target = (cpu.words[Word.Eip] + step.imm) | 0;
  jump(cpu, step.operandSize === 2 ? target & 0xffff : target);
}

/** True after CMP or SUB, any size: then a comparison is one comparison of the operands. */
function comparable(cpu: Vcpu): boolean {
  return (cpu.lazyOp & LAZY_KIND) === Lazy.Sub;
}

/** The left operand of the comparison, sign-extended; the right one is `lazySource`. */
function left(cpu: Vcpu): number {
  const op = cpu.lazyOp;
  return ((cpu.lazyResult + cpu.lazySource) << op) >> op;
}

function below(cpu: Vcpu): boolean {
  return comparable(cpu) ? left(cpu) >>> 0 < cpu.lazySource >>> 0 : cf(cpu);
}

function belowOrEqual(cpu: Vcpu): boolean {
  return comparable(cpu) ? left(cpu) >>> 0 <= cpu.lazySource >>> 0 : cf(cpu) || zf(cpu);
}

function less(cpu: Vcpu): boolean {
  return comparable(cpu) ? left(cpu) < cpu.lazySource : condition(cpu, 12);
}

function lessOrEqual(cpu: Vcpu): boolean {
  return comparable(cpu) ? left(cpu) <= cpu.lazySource : condition(cpu, 14);
}

function sign(cpu: Vcpu): boolean {
  return cpu.lazyOp === Lazy.Settled ? (cpu.words[Word.Eflags] & Flag.SF) !== 0 : cpu.lazyResult < 0;
}

/** Jcc with a 32-bit operand size, by condition code: one function each, so that each has its own branch history. */
const jcc32: readonly Execute[] = [
  (cpu, s) => (of(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (of(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (below(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (below(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (zf(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (zf(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (belowOrEqual(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (belowOrEqual(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (sign(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (sign(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (condition(cpu, 10) ? branch(cpu, s) : undefined),
  (cpu, s) => (condition(cpu, 10) ? undefined : branch(cpu, s)),
  (cpu, s) => (less(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (less(cpu) ? undefined : branch(cpu, s)),
  (cpu, s) => (lessOrEqual(cpu) ? branch(cpu, s) : undefined),
  (cpu, s) => (lessOrEqual(cpu) ? undefined : branch(cpu, s)),
];

const bindJcc: Binder = (instruction) => {
  const code = instruction.form.condition;
  if (instruction.operandSize === 4) return jcc32[code];
  return (cpu, s) => {
    if (condition(cpu, code)) branchSized(cpu, s);
  };
};

/** The target of an indirect near JMP or CALL, zero-extended from the operand size. */
function indirectTarget(cpu: Vcpu, step: Step): number {
  return step.instruction.memory === undefined
    ? getRegister(cpu, step.dst, step.operandSize)
    : load(cpu, step, step.operandSize);
}

const jmpRegister32: Execute = (cpu, s) => jump(cpu, cpu.words[s.dst]);
const jmpMemory32: Execute = (cpu, s) => jump(cpu, load32(cpu, s));
const jmpIndirect: Execute = (cpu, s) => jump(cpu, indirectTarget(cpu, s));

const bindJmp: Binder = (instruction) => {
  if (instruction.operands[0].kind === OperandKind.Relative) {
    return instruction.operandSize === 4 ? branch : branchSized;
  }
  if (instruction.operandSize === 2) return jmpIndirect;
  return instruction.memory === undefined ? jmpRegister32 : jmpMemory32;
};

function call32(cpu: Vcpu, target: number): void {
  checkBranch(cpu, target);
  push32(cpu, cpu.words[Word.Eip]);
  cpu.words[Word.Eip] = target;
}

function call16(cpu: Vcpu, target: number): void {
  checkBranch(cpu, target & 0xffff);
  push16(cpu, cpu.words[Word.Eip]);
  cpu.words[Word.Eip] = target & 0xffff;
}

const callRelative32: Execute = (cpu, s) => call32(cpu, (cpu.words[Word.Eip] + s.imm) | 0);
const callRelative16: Execute = (cpu, s) => call16(cpu, cpu.words[Word.Eip] + s.imm);
const callRegister32: Execute = (cpu, s) => call32(cpu, cpu.words[s.dst]);
const callMemory32: Execute = (cpu, s) => call32(cpu, load32(cpu, s));
const callIndirect16: Execute = (cpu, s) => call16(cpu, indirectTarget(cpu, s));

const bindCall: Binder = (instruction) => {
  const wide = instruction.operandSize === 4;
  if (instruction.operands[0].kind === OperandKind.Relative) return wide ? callRelative32 : callRelative16;
  if (!wide) return callIndirect16;
  return instruction.memory === undefined ? callRegister32 : callMemory32;
};

/** RET: nothing is popped before the target has passed the limit check. */
const ret32: Execute = (cpu, s) => {
  if (cpu.flatCode) {
    cpu.words[Word.Eip] = pop32(cpu);
  } else {
    jump(cpu, peek32(cpu, 0));
    adjustStack(cpu, 4);
  }
  if (s.imm !== 0) adjustStack(cpu, s.imm);
};

const ret16: Execute = (cpu, s) => {
  jump(cpu, peek16(cpu, 0));
  adjustStack(cpu, 2 + s.imm);
};

/** Decrements ECX or CX (by address size) and returns it. */
function countDown(cpu: Vcpu, step: Step): number {
  if (step.addressMask === -1) return (cpu.words[Word.Ecx] = (cpu.words[Word.Ecx] - 1) | 0);
  cpu.halves[Word.Ecx * 2]--;
  return cpu.halves[Word.Ecx * 2];
}

/** The count is written only after the target was found good: a faulting LOOP restarts. */
function loopWhile(holds: (cpu: Vcpu) => boolean): Execute {
  return (cpu, s) => {
    const before = cpu.words[Word.Ecx];
    if (countDown(cpu, s) === 0 || !holds(cpu)) return;
    const after = cpu.words[Word.Ecx];
    cpu.words[Word.Ecx] = before;
    branchSized(cpu, s);
    cpu.words[Word.Ecx] = after;
  };
}
const loop = loopWhile(() => true);
const loope = loopWhile(zf);
const loopne = loopWhile((cpu) => !zf(cpu));

const jcxz: Execute = (cpu, s) => {
  if ((cpu.words[Word.Ecx] & s.addressMask) === 0) branchSized(cpu, s);
};

/** A far transfer through memory or an immediate pointer. */
function far(transfer: (cpu: Vcpu, selector: number, offset: number, operandSize: number) => void): Binder {
  const direct: Execute = (cpu, s) => transfer(cpu, s.imm2, s.imm, s.operandSize);
  const indirect: Execute = (cpu, s) => {
    const linear = linearRead(cpu, s.segment, effective(cpu, s), s.operandSize + 2);
    const offset = loadAt(cpu, linear, s.operandSize);
    transfer(cpu, cpu.mmu.read16((linear + s.operandSize) | 0), offset, s.operandSize);
  };
  return (instruction) => (instruction.memory === undefined ? direct : indirect);
}

const retf: Execute = (cpu, s) => farReturn(cpu, s.operandSize, s.imm);
const iret: Execute = (cpu, s) => interruptReturn(cpu, s.operandSize);

const int: Execute = (cpu, s) => softwareInterrupt(cpu, s.imm & 0xff, cpu.words[Word.Eip], true);
const int3: Execute = (cpu) => softwareInterrupt(cpu, Vector.BP, cpu.words[Word.Eip], false);
const into: Execute = (cpu) => {
  if (of(cpu)) softwareInterrupt(cpu, Vector.OF, cpu.words[Word.Eip], false);
};

const bound: Execute = (cpu, s) => {
  const size = s.operandSize;
  const linear = linearRead(cpu, s.segment, effective(cpu, s), 2 * size);
  const shift = 32 - 8 * size;
  const lower = (loadAt(cpu, linear, size) << shift) >> shift;
  const upper = (loadAt(cpu, (linear + size) | 0, size) << shift) >> shift;
  const index = (getRegister(cpu, s.dst, size) << shift) >> shift;
  if (index < lower || index > upper) throw new GuestFault(Vector.BR, undefined);
};

export const branchBinders = {
  JCC: bindJcc,
  JMP: bindJmp,
  CALL: bindCall,
  RET: (instruction) => (instruction.operandSize === 4 ? ret32 : ret16),
  LOOP: () => loop,
  LOOPE: () => loope,
  LOOPNE: () => loopne,
  JCXZ: () => jcxz,
  JMPF: far(farJump),
  CALLF: far(farCall),
  RETF: () => retf,
  IRET: () => iret,
  INT: () => int,
  INT3: () => int3,
  INTO: () => into,
  ICEBP: () => (cpu) => icebp(cpu, cpu.words[Word.Eip]),
  BOUND: () => bound,
  SYSENTER: () => (cpu) => sysenter(cpu),
  SYSEXIT: () => (cpu) => sysexit(cpu),
} satisfies Partial<Record<Mnemonic, Binder>>;
