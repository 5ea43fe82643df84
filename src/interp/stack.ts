/**
 * The stack: PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE. Pushing and popping themselves stand in `../vcpu/segments.ts`; here
 * is what goes on and off, in an order that leaves nothing half done at a fault. (SDM 2, one heading per mnemonic)
 * Read before: `move.ts`. Read after: `branch.ts`.
 */
import { OperandKind, Segment } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { ARITHMETIC_FLAGS, Eflag, getEflags, setEflags } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import {
  adjustStack,
  linearRead,
  peek16,
  peek32,
  pop16,
  pop32,
  probePushes,
  push16,
  push32,
  stackLinear,
} from '../vcpu/segments.js';
import { Mode } from '../vcpu/vcpu.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { load, load32, loadAt, setRegister, store } from './operands.js';
import { bindPopSegment, bindPushSegment } from './segment.js';
import type { Binder, Execute } from './step.js';

/** Pushes at an operand size of 2 or 4 bytes. */
function push(cpu: Vcpu, value: number, sizeBytes: number): void {
  if (sizeBytes === 4) push32(cpu, value);
  else push16(cpu, value & 0xffff);
}

function pop(cpu: Vcpu, sizeBytes: number): number {
  return sizeBytes === 4 ? pop32(cpu) : pop16(cpu);
}

const pushRegister32: Execute = (cpu, s) => push32(cpu, cpu.words[s.dst]);
const pushRegister16: Execute = (cpu, s) => push16(cpu, cpu.halves[s.dst]);
const pushImmediate: Execute = (cpu, s) => push(cpu, s.imm, s.operandSize);
const pushMemory32: Execute = (cpu, s) => push32(cpu, load32(cpu, s));
const pushMemory16: Execute = (cpu, s) => push16(cpu, load(cpu, s, 2));

const bindPush: Binder = (instruction, step, engine) => {
  const wide = instruction.operandSize === 4;
  switch (instruction.operands[0].kind) {
    case OperandKind.Segment:
      return bindPushSegment(instruction, step, engine);
    case OperandKind.Immediate:
      return pushImmediate;
    case OperandKind.Memory:
      return wide ? pushMemory32 : pushMemory16;
    default:
      return wide ? pushRegister32 : pushRegister16;
  }
};

/** POP ESP ends with the popped value: the register is written last. */
const popRegister32: Execute = (cpu, s) => void (cpu.words[s.dst] = pop32(cpu));
const popRegister16: Execute = (cpu, s) => {
  const value = pop16(cpu);
  cpu.halves[s.dst] = value;
};

/** A memory operand based on ESP is addressed with ESP after the pop (SDM 2, POP); a fault on it takes the pop back. */
const popMemory: Execute = (cpu, s) => {
  const esp = cpu.words[Word.Esp];
  const value = pop(cpu, s.operandSize);
  try {
    store(cpu, s, s.operandSize, value);
  } catch (fault) {
    cpu.words[Word.Esp] = esp;
    throw fault;
  }
};

const bindPop: Binder = (instruction, step, engine) => {
  switch (instruction.operands[0].kind) {
    case OperandKind.Segment:
      return bindPopSegment(instruction, step, engine);
    case OperandKind.Memory:
      return popMemory;
    default:
      return instruction.operandSize === 4 ? popRegister32 : popRegister16;
  }
};

const pusha: Execute = (cpu, s) => {
  const size = s.operandSize;
  probePushes(cpu, 8, size);
  const esp = cpu.words[Word.Esp];
  for (let register = Word.Eax as number; register <= Word.Edi; register++) {
    push(cpu, register === Word.Esp ? esp : cpu.words[register], size);
  }
};

const popa: Execute = (cpu, s) => {
  const size = s.operandSize;
  const values = new Int32Array(8);
  for (let i = 0; i < 8; i++) values[i] = size === 4 ? peek32(cpu, i * 4) : peek16(cpu, i * 2);
  adjustStack(cpu, 8 * size);
  for (let i = 0; i < 8; i++) {
    const register = Word.Edi - i;
    if (register !== Word.Esp) setRegister(cpu, size === 4 ? register : register * 2, size, values[i]);
  }
};

/** #GP(0) in virtual-8086 mode with IOPL below 3 (SDM 2, PUSHF and POPF). */
function checkVirtual(cpu: Vcpu): void {
  if (cpu.mode === Mode.Virtual8086 && (cpu.words[Word.Eflags] & Eflag.IOPL) !== Eflag.IOPL) {
    throw new GuestFault(Vector.GP, 0);
  }
}

const pushf: Execute = (cpu, s) => {
  checkVirtual(cpu);
  push(cpu, getEflags(cpu) & ~(Eflag.VM | Eflag.RF), s.operandSize);
};

/** Flags that POPF may always change. */
const POPF_ANY = ARITHMETIC_FLAGS | Eflag.TF | Eflag.DF | Eflag.NT | Eflag.AC | Eflag.ID;

const popf: Execute = (cpu, s) => {
  checkVirtual(cpu);
  const cpl = cpu.words[Word.Cpl];
  const iopl = (cpu.words[Word.Eflags] & Eflag.IOPL) >> 12;
  let mask = POPF_ANY | Eflag.RF;
  if (cpl === 0) mask |= Eflag.IOPL;
  if (cpl <= iopl) mask |= Eflag.IF;
  if (s.operandSize === 2) mask &= 0xffff;
  setEflags(cpu, pop(cpu, s.operandSize) & ~Eflag.RF, mask);
};

/**
 * ENTER. All reads and all checks come before the first push, so that a fault leaves EBP, ESP and the stack alone. One check is for a
 * write at the final ESP, though there is none (SDM 2, ENTER, exceptions).
 */
const enter: Execute = (cpu, s) => {
  const size = s.operandSize;
  const words = cpu.words;
  const allocated = s.imm & 0xffff;
  const level = s.imm2 & 31;
  const base = words[Word.Ebp];
  const link = (i: number): number => {
    const linear = linearRead(cpu, Segment.Ss, (base - i * size) & cpu.stackMask, size);
    return loadAt(cpu, linear, size);
  };
  for (let i = 1; i < level; i++) link(i);
  probePushes(cpu, 1 + level, size);
  cpu.mmu.probeWrite(stackLinear(cpu, -(1 + level) * size - allocated, size, true), size);
  push(cpu, base, size);
  const frame = words[Word.Esp];
  // read again: the new frame may lie over the old one
  for (let i = 1; i < level; i++) push(cpu, link(i), size);
  if (level > 0) push(cpu, frame, size);
  if (size === 4) words[Word.Ebp] = frame;
  else cpu.halves[Word.Ebp * 2] = frame;
  adjustStack(cpu, -allocated);
};

const leave: Execute = (cpu, s) => {
  const size = s.operandSize;
  const words = cpu.words;
  const mask = cpu.stackMask;
  const frame = words[Word.Ebp] & mask;
  const value = loadAt(cpu, linearRead(cpu, Segment.Ss, frame, size), size);
  words[Word.Esp] = (words[Word.Esp] & ~mask) | frame;
  adjustStack(cpu, size);
  if (size === 4) words[Word.Ebp] = value;
  else cpu.halves[Word.Ebp * 2] = value;
};

export const stackBinders = {
  PUSH: bindPush,
  POP: bindPop,
  PUSHA: () => pusha,
  POPA: () => popa,
  PUSHF: () => pushf,
  POPF: () => popf,
  ENTER: () => enter,
  LEAVE: () => leave,
} satisfies Partial<Record<Mnemonic, Binder>>;
