/**
 * Shifts and rotates: SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD. (SDM 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD")
 *
 * Counts are masked to five bits; a masked count of 0 changes no flag. OF is defined for a count of 1 only; for others it gets
 * what the last one-bit step would give, as current processors do. AF, undefined after shifts, becomes 0.
 * Read before: `alu.ts`. Read after: `mul.ts`.
 */
import { Flag } from '../x86/form.js';
import { OperandKind } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { Lazy, af, cf, setArithmeticFlags } from '../vcpu/flags.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { getRegister, linearModify, loadAt, setRegister, storeAt } from './operands.js';
import type { Binder, Execute } from './step.js';

/** Index of CL in `Vcpu.bytes`. */
const CL = 4;

/**
 * One shift or rotate.
 * @param a operand, zero-extended (32 bits as int32)
 * @param count 1 to 31
 * @param shift 32 - operand size in bits
 * @returns the result; bits above the operand size mean nothing
 */
type Shifter = (cpu: Vcpu, a: number, count: number, shift: number) => number;

function setShiftFlags(cpu: Vcpu, result: number, carry: number, overflow: number): void {
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = result;
  cpu.lazySource = (carry & 1) | ((overflow & 1) << 11);
}

function shl(cpu: Vcpu, a: number, count: number, shift: number): number {
  // the operand moved to the top of 32 bits: the last bit out is then the same bit for every size
  const top = a << shift;
  const carry = (top << (count - 1)) >>> 31;
  const result = (top << count) >> shift;
  setShiftFlags(cpu, result, carry, carry ^ (result >>> 31));
  return result;
}

function shr(cpu: Vcpu, a: number, count: number, shift: number): number {
  const result = a >>> count;
  const extended = (result << shift) >> shift;
  setShiftFlags(cpu, extended, a >>> (count - 1), (extended >>> 31) ^ (result >>> (30 - shift)));
  return result;
}

function sar(cpu: Vcpu, a: number, count: number, shift: number): number {
  const extended = (a << shift) >> shift;
  const result = extended >> count;
  setShiftFlags(cpu, result, extended >> (count - 1), 0);
  return result;
}

/** Rotates leave SF, ZF, AF and PF alone. */
function setRotateFlags(cpu: Vcpu, carry: number, overflow: number): void {
  const flags = (carry & 1) | ((overflow & 1) << 11);
  if (cpu.lazyOp === Lazy.Settled) {
    setArithmeticFlags(cpu, flags, Flag.CF | Flag.OF);
    return;
  }
  // SF, ZF and PF go on following from the result that is there
  cpu.lazySource = (af(cpu) ? Flag.AF : 0) | flags;
  cpu.lazyOp = Lazy.Explicit;
}

function rol(cpu: Vcpu, a: number, count: number, shift: number): number {
  const bits = 32 - shift;
  const by = count & (bits - 1);
  const result = by === 0 ? a : (a << by) | (a >>> (bits - by));
  setRotateFlags(cpu, result, result ^ (result >>> (bits - 1)));
  return result;
}

function ror(cpu: Vcpu, a: number, count: number, shift: number): number {
  const bits = 32 - shift;
  const by = count & (bits - 1);
  const result = by === 0 ? a : (a >>> by) | (a << (bits - by));
  const sign = result >>> (bits - 1);
  setRotateFlags(cpu, sign, sign ^ (result >>> (bits - 2)));
  return result;
}

function rcl(cpu: Vcpu, a: number, count: number, shift: number): number {
  const bits = 32 - shift;
  let by = count % (bits + 1);
  if (by === 0) return a;
  let carry = cf(cpu) ? 1 : 0;
  let result = a;
  for (; by > 0; by--) {
    const out = (result >>> (bits - 1)) & 1;
    result = (result << 1) | carry;
    carry = out;
  }
  setRotateFlags(cpu, carry, carry ^ (result >>> (bits - 1)));
  return result;
}

function rcr(cpu: Vcpu, a: number, count: number, shift: number): number {
  const bits = 32 - shift;
  let by = count % (bits + 1);
  if (by === 0) return a;
  let carry = cf(cpu) ? 1 : 0;
  let result = a;
  for (; by > 0; by--) {
    const out = result & 1;
    result = (result >>> 1) | (carry << (bits - 1));
    carry = out;
  }
  setRotateFlags(cpu, carry, (result >>> (bits - 1)) ^ (result >>> (bits - 2)));
  return result;
}

/** A shift or rotate of the first operand by an immediate, 1 or CL. */
function shifter(operation: Shifter, register32: Execute): Binder {
  const apply: Shifter = (cpu, a, by, shift) => (by === 0 ? a : operation(cpu, a, by, shift));
  const byImmediate: Execute = (cpu, s) => {
    const a = getRegister(cpu, s.dst, s.size);
    setRegister(cpu, s.dst, s.size, apply(cpu, a, s.imm & 31, s.shift));
  };
  const byCl: Execute = (cpu, s) => {
    const a = getRegister(cpu, s.dst, s.size);
    setRegister(cpu, s.dst, s.size, apply(cpu, a, cpu.bytes[CL] & 31, s.shift));
  };
  const memory =
    (byRegister: boolean): Execute =>
    (cpu, s) => {
      const linear = linearModify(cpu, s, s.size);
      const by = (byRegister ? cpu.bytes[CL] : s.imm) & 31;
      storeAt(cpu, linear, s.size, apply(cpu, loadAt(cpu, linear, s.size), by, s.shift));
    };
  const memoryByImmediate = memory(false);
  const memoryByCl = memory(true);
  return (instruction, step) => {
    const byRegister = instruction.operands[1].kind === OperandKind.Register;
    if (instruction.memory !== undefined) return byRegister ? memoryByCl : memoryByImmediate;
    if (byRegister) return byCl;
    return step.size === 4 && (step.imm & 31) !== 0 ? register32 : byImmediate;
  };
}

/**
 * Double-precision shift left. A 16-bit count above 16 is undefined; the destination then follows the source into the
 * result, as on current processors.
 */
function shld(cpu: Vcpu, a: number, b: number, count: number, sizeBytes: number): number {
  let result: number;
  let carry: number;
  if (sizeBytes === 4) {
    result = (a << count) | (b >>> (32 - count));
    carry = a >>> (32 - count);
    setShiftFlags(cpu, result, carry, (result ^ a) >>> 31);
  } else {
    const pair = count <= 16 ? (a << 16) | b : (b << 16) | a;
    const by = count <= 16 ? count : count - 16;
    result = (pair << by) >> 16;
    carry = (pair << (by - 1)) >>> 31;
    setShiftFlags(cpu, result, carry, (result ^ a) >>> 15);
  }
  return result;
}

/** Double-precision shift right, the mirror of `shld`. */
function shrd(cpu: Vcpu, a: number, b: number, count: number, sizeBytes: number): number {
  let result: number;
  if (sizeBytes === 4) {
    result = (a >>> count) | (b << (32 - count));
    setShiftFlags(cpu, result, a >>> (count - 1), (result ^ a) >>> 31);
  } else {
    const pair = count <= 16 ? (b << 16) | a : (a << 16) | b;
    const by = count <= 16 ? count : count - 16;
    result = ((pair >>> by) << 16) >> 16;
    setShiftFlags(cpu, result, pair >>> (by - 1), (result ^ a) >>> 15);
  }
  return result;
}

type DoubleShifter = (cpu: Vcpu, a: number, b: number, count: number, sizeBytes: number) => number;

function doubleShifter(operation: DoubleShifter): Binder {
  const apply: DoubleShifter = (cpu, a, b, by, size) => (by === 0 ? a : operation(cpu, a, b, by, size));
  const make = (byRegister: boolean): { register: Execute; memory: Execute } => ({
    register: (cpu, s) => {
      const by = (byRegister ? cpu.bytes[CL] : s.imm) & 31;
      const b = getRegister(cpu, s.src, s.size);
      setRegister(cpu, s.dst, s.size, apply(cpu, getRegister(cpu, s.dst, s.size), b, by, s.size));
    },
    memory: (cpu, s) => {
      const by = (byRegister ? cpu.bytes[CL] : s.imm) & 31;
      const linear = linearModify(cpu, s, s.size);
      const b = getRegister(cpu, s.src, s.size);
      storeAt(cpu, linear, s.size, apply(cpu, loadAt(cpu, linear, s.size), b, by, s.size));
    },
  });
  const byImmediate = make(false);
  const byCl = make(true);
  return (instruction) => {
    const handlers = instruction.operands[2].kind === OperandKind.Register ? byCl : byImmediate;
    return instruction.memory === undefined ? handlers.register : handlers.memory;
  };
}

export const shiftBinders = {
  SHL: shifter(shl, (cpu, s) => void (cpu.words[s.dst] = shl(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  SHR: shifter(shr, (cpu, s) => void (cpu.words[s.dst] = shr(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  SAR: shifter(sar, (cpu, s) => void (cpu.words[s.dst] = sar(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  ROL: shifter(rol, (cpu, s) => void (cpu.words[s.dst] = rol(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  ROR: shifter(ror, (cpu, s) => void (cpu.words[s.dst] = ror(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  RCL: shifter(rcl, (cpu, s) => void (cpu.words[s.dst] = rcl(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  RCR: shifter(rcr, (cpu, s) => void (cpu.words[s.dst] = rcr(cpu, cpu.words[s.dst], s.imm & 31, 0))),
  SHLD: doubleShifter(shld),
  SHRD: doubleShifter(shrd),
} satisfies Partial<Record<Mnemonic, Binder>>;
