/**
 * Data movement between general registers and memory: MOV, MOVZX, MOVSX, XCHG, XADD, CMPXCHG, CMPXCHG8B, CMOVcc, SETcc, LEA, XLAT,
 * CBW/CWDE, CWD/CDQ, LAHF, SAHF, SALC, NOP. MOV to and from segment, control and debug registers is bound here and carried out in
 * `segment.ts` and `system.ts`. (SDM 2, one heading per mnemonic)
 * Read before: `operands.ts`. Read after: `stack.ts`.
 */
import { Flag } from '../x86/form.js';
import { OperandKind, type Instruction } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { Eflag, Lazy, arithmeticFlags, cf, condition, setArithmeticFlags } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import { linearRead } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import {
  effective,
  getRegister,
  linearModify,
  load,
  load16,
  load32,
  load8,
  loadAt,
  setRegister,
  store16,
  store32,
  store8,
  storeAt,
} from './operands.js';
import { bindMoveSegment } from './segment.js';
import { byShape, bySize } from './step.js';
import type { Binder, Execute, Shapes, Step } from './step.js';
import { bindMoveControl, bindMoveDebug } from './system.js';

const mov32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = cpu.words[s.src]),
  (cpu, s) => void (cpu.words[s.dst] = load32(cpu, s)),
  (cpu, s) => store32(cpu, s, cpu.words[s.src]),
  (cpu, s) => void (cpu.words[s.dst] = s.imm),
  (cpu, s) => store32(cpu, s, s.imm),
];

const mov16: Shapes = [
  (cpu, s) => void (cpu.halves[s.dst] = cpu.halves[s.src]),
  (cpu, s) => void (cpu.halves[s.dst] = load16(cpu, s)),
  (cpu, s) => store16(cpu, s, cpu.halves[s.src]),
  (cpu, s) => void (cpu.halves[s.dst] = s.imm),
  (cpu, s) => store16(cpu, s, s.imm),
];

const mov8: Shapes = [
  (cpu, s) => void (cpu.bytes[s.dst] = cpu.bytes[s.src]),
  (cpu, s) => void (cpu.bytes[s.dst] = load8(cpu, s)),
  (cpu, s) => store8(cpu, s, cpu.bytes[s.src]),
  (cpu, s) => void (cpu.bytes[s.dst] = s.imm),
  (cpu, s) => store8(cpu, s, s.imm),
];

const bindMov: Binder = (instruction, step, engine) => {
  for (const operand of instruction.operands) {
    switch (operand.kind) {
      case OperandKind.Segment:
        return bindMoveSegment(instruction, step, engine);
      case OperandKind.Control:
        return bindMoveControl(instruction, step, engine);
      case OperandKind.Debug:
        return bindMoveDebug(instruction, step, engine);
      default:
    }
  }
  return byShape(instruction, bySize(step.size, mov8, mov16, mov32));
};

/** MOVZX and MOVSX into 32 bits, by source size, register and memory. */
const zeroExtend8: Execute = (cpu, s) => void (cpu.words[s.dst] = cpu.bytes[s.src]);
const zeroExtend8Memory: Execute = (cpu, s) => void (cpu.words[s.dst] = load8(cpu, s));
const zeroExtend16: Execute = (cpu, s) => void (cpu.words[s.dst] = cpu.halves[s.src]);
const zeroExtend16Memory: Execute = (cpu, s) => void (cpu.words[s.dst] = load16(cpu, s));
const signExtend8: Execute = (cpu, s) => void (cpu.words[s.dst] = (cpu.bytes[s.src] << 24) >> 24);
const signExtend8Memory: Execute = (cpu, s) => void (cpu.words[s.dst] = (load8(cpu, s) << 24) >> 24);
const signExtend16: Execute = (cpu, s) => void (cpu.words[s.dst] = (cpu.halves[s.src] << 16) >> 16);
const signExtend16Memory: Execute = (cpu, s) => void (cpu.words[s.dst] = (load16(cpu, s) << 16) >> 16);

/** The extensions into 16 bits: the source may be 8 or, as a plain move, 16 bits wide. */
function extendTo16(signed: boolean): Execute {
  return (cpu, s) => {
    const size = s.instruction.operands[1].size;
    const value = s.instruction.memory === undefined ? getRegister(cpu, s.src, size) : load(cpu, s, size);
    cpu.halves[s.dst] = signed && size === 1 ? (value << 24) >> 24 : value;
  };
}

function extension(to16: Execute, byte: Execute, byteMemory: Execute, half: Execute, halfMemory: Execute): Binder {
  return (instruction, step) => {
    if (step.size === 2) return to16;
    const memory = instruction.memory !== undefined;
    if (instruction.operands[1].size === 1) return memory ? byteMemory : byte;
    return memory ? halfMemory : half;
  };
}

const xchgRegisters: Execute = (cpu, s) => {
  const a = getRegister(cpu, s.dst, s.size);
  setRegister(cpu, s.dst, s.size, getRegister(cpu, s.src, s.size));
  setRegister(cpu, s.src, s.size, a);
};

/** XCHG with memory; the register operand may stand first or second. */
function xchgMemory(registerOf: (step: Step) => number): Execute {
  return (cpu, s) => {
    const register = registerOf(s);
    const linear = linearModify(cpu, s, s.size);
    const before = loadAt(cpu, linear, s.size);
    storeAt(cpu, linear, s.size, getRegister(cpu, register, s.size));
    setRegister(cpu, register, s.size, before);
  };
}
const xchgSecond = xchgMemory((s) => s.src);
const xchgFirst = xchgMemory((s) => s.dst);

const bindXchg: Binder = (instruction) => {
  if (instruction.memory === undefined) return xchgRegisters;
  return instruction.operands[0].kind === OperandKind.Memory ? xchgSecond : xchgFirst;
};

function addFlags(cpu: Vcpu, sum: number, b: number, shift: number): number {
  const result = (sum << shift) >> shift;
  cpu.lazyOp = Lazy.Add | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (b << shift) >> shift;
  return result;
}

const xaddRegisters: Execute = (cpu, s) => {
  const a = getRegister(cpu, s.dst, s.size);
  const b = getRegister(cpu, s.src, s.size);
  const sum = addFlags(cpu, a + b, b, s.shift);
  setRegister(cpu, s.src, s.size, a);
  setRegister(cpu, s.dst, s.size, sum);
};

const xaddMemory: Execute = (cpu, s) => {
  const linear = linearModify(cpu, s, s.size);
  const a = loadAt(cpu, linear, s.size);
  const b = getRegister(cpu, s.src, s.size);
  storeAt(cpu, linear, s.size, addFlags(cpu, a + b, b, s.shift));
  setRegister(cpu, s.src, s.size, a);
};

/** Compares the accumulator with `value` as CMP does; true when equal. */
function compareAccumulator(cpu: Vcpu, value: number, sizeBytes: number, shift: number): boolean {
  const result = ((getRegister(cpu, Word.Eax, sizeBytes) - value) << shift) >> shift;
  cpu.lazyOp = Lazy.Sub | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (value << shift) >> shift;
  return result === 0;
}

const cmpxchgRegisters: Execute = (cpu, s) => {
  const value = getRegister(cpu, s.dst, s.size);
  if (compareAccumulator(cpu, value, s.size, s.shift)) {
    setRegister(cpu, s.dst, s.size, getRegister(cpu, s.src, s.size));
  } else {
    setRegister(cpu, Word.Eax, s.size, value);
  }
};

/** The destination receives a write cycle whatever the comparison says (SDM 2, "CMPXCHG"). */
const cmpxchgMemory: Execute = (cpu, s) => {
  const linear = linearModify(cpu, s, s.size);
  const value = loadAt(cpu, linear, s.size);
  if (compareAccumulator(cpu, value, s.size, s.shift)) {
    storeAt(cpu, linear, s.size, getRegister(cpu, s.src, s.size));
  } else {
    storeAt(cpu, linear, s.size, value);
    setRegister(cpu, Word.Eax, s.size, value);
  }
};

const cmpxchg8b: Execute = (cpu, s) => {
  const linear = linearModify(cpu, s, 8);
  cpu.mmu.requireAligned(linear, 8);
  const words = cpu.words;
  const low = cpu.mmu.read32(linear);
  const high = cpu.mmu.read32((linear + 4) | 0);
  const equal = low === words[Word.Eax] && high === words[Word.Edx];
  cpu.mmu.write32(linear, equal ? words[Word.Ebx] : low);
  cpu.mmu.write32((linear + 4) | 0, equal ? words[Word.Ecx] : high);
  if (!equal) {
    words[Word.Eax] = low;
    words[Word.Edx] = high;
  }
  setArithmeticFlags(cpu, equal ? Flag.ZF : 0, Flag.ZF);
};

/** CMOVcc reads its source whatever the condition says, so it faults on a bad address either way (SDM 2, "CMOVcc"). */
const bindCmov: Binder = (instruction) => {
  const code = instruction.form.condition;
  if (instruction.memory !== undefined) {
    return (cpu, s) => {
      const value = load(cpu, s, s.size);
      if (condition(cpu, code)) setRegister(cpu, s.dst, s.size, value);
    };
  }
  return (cpu, s) => {
    if (condition(cpu, code)) setRegister(cpu, s.dst, s.size, getRegister(cpu, s.src, s.size));
  };
};

const bindSetcc: Binder = (instruction) => {
  const code = instruction.form.condition;
  if (instruction.memory !== undefined) return (cpu, s) => store8(cpu, s, condition(cpu, code) ? 1 : 0);
  return (cpu, s) => void (cpu.bytes[s.dst] = condition(cpu, code) ? 1 : 0);
};

const lea32: Execute = (cpu, s) => void (cpu.words[s.dst] = effective(cpu, s));
const lea16: Execute = (cpu, s) => void (cpu.halves[s.dst] = effective(cpu, s));

const xlat: Execute = (cpu, s) => {
  const offset = (cpu.words[Word.Ebx] + cpu.bytes[0]) & s.addressMask;
  cpu.bytes[0] = cpu.mmu.read8(linearRead(cpu, s.segment, offset, 1));
};

const cbw: Execute = (cpu) => void (cpu.halves[0] = (cpu.bytes[0] << 24) >> 24);
const cwde: Execute = (cpu) => void (cpu.words[Word.Eax] = (cpu.halves[0] << 16) >> 16);
const cwd: Execute = (cpu) => void (cpu.halves[4] = (cpu.halves[0] << 16) >> 31);
const cdq: Execute = (cpu) => void (cpu.words[Word.Edx] = cpu.words[Word.Eax] >> 31);

const AH_FLAGS = Flag.SF | Flag.ZF | Flag.AF | Flag.PF | Flag.CF;
const lahf: Execute = (cpu) => void (cpu.bytes[1] = (arithmeticFlags(cpu) & AH_FLAGS) | 2);
const sahf: Execute = (cpu) => setArithmeticFlags(cpu, cpu.bytes[1], AH_FLAGS);
const salc: Execute = (cpu) => void (cpu.bytes[0] = cf(cpu) ? 0xff : 0);

const nop: Execute = () => undefined;

const clearDirection: Execute = (cpu) => void (cpu.words[Word.Eflags] &= ~Eflag.DF);
const setDirection: Execute = (cpu) => void (cpu.words[Word.Eflags] |= Eflag.DF);

const isWord = (instruction: Instruction): boolean => instruction.operandSize === 2;

export const moveBinders = {
  MOV: bindMov,
  MOVZX: extension(extendTo16(false), zeroExtend8, zeroExtend8Memory, zeroExtend16, zeroExtend16Memory),
  MOVSX: extension(extendTo16(true), signExtend8, signExtend8Memory, signExtend16, signExtend16Memory),
  XCHG: bindXchg,
  XADD: (instruction) => (instruction.memory === undefined ? xaddRegisters : xaddMemory),
  CMPXCHG: (instruction) => (instruction.memory === undefined ? cmpxchgRegisters : cmpxchgMemory),
  CMPXCHG8B: () => cmpxchg8b,
  CMOVCC: bindCmov,
  SETCC: bindSetcc,
  LEA: (_instruction, step) => (step.size === 4 ? lea32 : lea16),
  XLAT: () => xlat,
  CBW: (instruction) => (isWord(instruction) ? cbw : cwde),
  CWD: (instruction) => (isWord(instruction) ? cwd : cdq),
  LAHF: () => lahf,
  SAHF: () => sahf,
  SALC: () => salc,
  NOP: () => nop,
  PAUSE: () => nop,
  CLD: () => clearDirection,
  STD: () => setDirection,
} satisfies Partial<Record<Mnemonic, Binder>>;
