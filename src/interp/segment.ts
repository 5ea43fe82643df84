/**
 * Segment registers and selectors: MOV, PUSH and POP of segment registers, LDS and its kin, LLDT, LTR, SLDT, STR, LAR, LSL, VERR,
 * VERW, ARPL. The checks stand in `../vcpu/segments.ts`. (SDM 2, one heading per mnemonic)
 * Read before: `operands.ts`, `../vcpu/segments.ts`. Read after: `system.ts`.
 */
import { OperandKind, Segment } from '../x86/instruction.js';
import { Flag } from '../x86/form.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { setArithmeticFlags } from '../vcpu/flags.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import {
  lar,
  linearRead,
  linearWrite,
  loadLdtr,
  loadSegment,
  loadTr,
  lsl,
  peek16,
  peek32,
  push16,
  push32,
  verr,
  verw,
} from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { effective, getRegister, load, loadAt, setRegister, store16 } from './operands.js';
import type { Binder, Execute, Step } from './step.js';

function selectorOf(cpu: Vcpu, segment: number): number {
  return cpu.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
}

/** Stores a selector-like value: 16 bits to memory, zero-extended to the operand size in a register (SDM 2, MOV and SLDT). */
export function storeSelector(cpu: Vcpu, step: Step, value: number): void {
  if (step.instruction.memory !== undefined) store16(cpu, step, value);
  else setRegister(cpu, step.dst, step.operandSize, value);
}

/** The 16-bit r/m operand of MOV Sreg, LLDT, LAR and others; registers are taken by their low half. */
export function selectorOperand(cpu: Vcpu, step: Step, operand: number): number {
  if (step.instruction.memory !== undefined) return load(cpu, step, 2);
  return cpu.halves[step.instruction.operands[operand].value * 2];
}

/** MOV to and from a segment register. MOV SS holds interrupts off for one instruction; MOV CS does not exist. */
export const bindMoveSegment: Binder = (instruction, _step, engine) => {
  const first = instruction.operands[0];
  if (first.kind !== OperandKind.Segment) return (cpu, s) => storeSelector(cpu, s, selectorOf(cpu, s.src));
  const segment = first.value as Segment;
  if (segment === Segment.Cs) {
    return () => {
      throw new GuestFault(Vector.UD, undefined);
    };
  }
  if (segment === Segment.Ss) {
    return (cpu, s) => {
      loadSegment(cpu, segment, selectorOperand(cpu, s, 1));
      engine.shadow(true);
    };
  }
  return (cpu, s) => loadSegment(cpu, segment, selectorOperand(cpu, s, 1));
};

export const bindPushSegment: Binder = (instruction) => {
  if (instruction.operandSize === 4) return (cpu, s) => push32(cpu, selectorOf(cpu, s.dst));
  return (cpu, s) => push16(cpu, selectorOf(cpu, s.dst));
};

/** ESP moves only after the load has passed its checks, by the stack size from before it. */
function popSegment(cpu: Vcpu, segment: Segment, sizeBytes: number): void {
  const selector = sizeBytes === 4 ? peek32(cpu, 0) & 0xffff : peek16(cpu, 0);
  const mask = cpu.stackMask;
  loadSegment(cpu, segment, selector);
  const esp = cpu.words[Word.Esp];
  cpu.words[Word.Esp] = (esp & ~mask) | ((esp + sizeBytes) & mask);
}

export const bindPopSegment: Binder = (instruction, _step, engine) => {
  const segment = instruction.operands[0].value as Segment;
  if (segment !== Segment.Ss) return (cpu, s) => popSegment(cpu, segment, s.operandSize);
  return (cpu, s) => {
    popSegment(cpu, segment, s.operandSize);
    engine.shadow(true);
  };
};

/** LDS, LES, LFS, LGS, LSS. */
function loadPointer(segment: Segment): Binder {
  const execute: Execute = (cpu, s) => {
    const linear = linearRead(cpu, s.segment, effective(cpu, s), s.operandSize + 2);
    const offset = loadAt(cpu, linear, s.operandSize);
    loadSegment(cpu, segment, cpu.mmu.read16((linear + s.operandSize) | 0));
    setRegister(cpu, s.dst, s.operandSize, offset);
  };
  return () => execute;
}

/** LAR and LSL: the destination changes only when the selector is good. */
function question(ask: (cpu: Vcpu, selector: number) => number | undefined): Binder {
  const execute: Execute = (cpu, s) => {
    const answer = ask(cpu, selectorOperand(cpu, s, 1));
    setArithmeticFlags(cpu, answer === undefined ? 0 : Flag.ZF, Flag.ZF);
    if (answer !== undefined) setRegister(cpu, s.dst, s.operandSize, answer);
  };
  return () => execute;
}

function verify(ask: (cpu: Vcpu, selector: number) => boolean): Binder {
  const execute: Execute = (cpu, s) =>
    setArithmeticFlags(cpu, ask(cpu, selectorOperand(cpu, s, 0)) ? Flag.ZF : 0, Flag.ZF);
  return () => execute;
}

/** ARPL raises the RPL of its first operand to that of the second. */
function adjustRpl(cpu: Vcpu, selector: number, step: Step): number {
  const rpl = getRegister(cpu, step.src, 2) & 3;
  const raise = (selector & 3) < rpl;
  setArithmeticFlags(cpu, raise ? Flag.ZF : 0, Flag.ZF);
  return raise ? (selector & ~3) | rpl : selector;
}

const arplRegister: Execute = (cpu, s) => void (cpu.halves[s.dst] = adjustRpl(cpu, cpu.halves[s.dst], s));
/** Memory is written, and has to be writable, only when the RPL changes. */
const arplMemory: Execute = (cpu, s) => {
  const offset = effective(cpu, s);
  const selector = cpu.mmu.read16(linearRead(cpu, s.segment, offset, 2));
  if ((selector & 3) < (getRegister(cpu, s.src, 2) & 3)) {
    const linear = linearWrite(cpu, s.segment, offset, 2);
    cpu.mmu.probeWrite(linear, 2);
    cpu.mmu.write16(linear, adjustRpl(cpu, selector, s));
  } else {
    adjustRpl(cpu, selector, s);
  }
};

export const segmentBinders = {
  LDS: loadPointer(Segment.Ds),
  LES: loadPointer(Segment.Es),
  LFS: loadPointer(Segment.Fs),
  LGS: loadPointer(Segment.Gs),
  LSS: loadPointer(Segment.Ss),
  LLDT: () => (cpu, s) => loadLdtr(cpu, selectorOperand(cpu, s, 0)),
  LTR: () => (cpu, s) => loadTr(cpu, selectorOperand(cpu, s, 0)),
  SLDT: () => (cpu, s) => storeSelector(cpu, s, selectorOf(cpu, Segment.Ldtr)),
  STR: () => (cpu, s) => storeSelector(cpu, s, selectorOf(cpu, Segment.Tr)),
  LAR: question(lar),
  LSL: question(lsl),
  VERR: verify(verr),
  VERW: verify(verw),
  ARPL: (instruction) => (instruction.memory === undefined ? arplRegister : arplMemory),
} satisfies Partial<Record<Mnemonic, Binder>>;
