/**
 * ADD, ADC, SUB, SBB, CMP, AND, OR, XOR, TEST, INC, DEC, NEG, NOT and the flag instructions CLC, STC, CMC.
 *
 * The 32-bit shapes are written out one by one: each is a function of its own, so V8 inlines the arithmetic into it. The 8- and
 * 16-bit shapes, less frequent, share one handler per shape that calls the operation. (SDM 2, one heading per mnemonic)
 * Read before: `step.ts`, `operands.ts`, `../vcpu/flags.ts`. Read after: `shift.ts`.
 */
import { Flag } from '../x86/form.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { Lazy, cf, setArithmeticFlags } from '../vcpu/flags.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { linearModify, load32, load8, load, loadAt, storeAt, getRegister, setRegister } from './operands.js';
import { byShape, bySize } from './step.js';
import type { Binder, Execute, Shapes } from './step.js';

/** A two-operand operation on `32 - shift` bits: sets the lazy flags and returns the result, sign-extended. */
type Alu = (cpu: Vcpu, a: number, b: number, shift: number) => number;

function add(cpu: Vcpu, a: number, b: number, shift: number): number {
  const result = ((a + b) << shift) >> shift;
  cpu.lazyOp = Lazy.Add | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (b << shift) >> shift;
  return result;
}

function adc(cpu: Vcpu, a: number, b: number, shift: number): number {
  const carry = cf(cpu);
  const result = ((a + b + (carry ? 1 : 0)) << shift) >> shift;
  cpu.lazyOp = (carry ? Lazy.AddCarry : Lazy.Add) | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (b << shift) >> shift;
  return result;
}

function sub(cpu: Vcpu, a: number, b: number, shift: number): number {
  const result = ((a - b) << shift) >> shift;
  cpu.lazyOp = Lazy.Sub | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (b << shift) >> shift;
  return result;
}

function sbb(cpu: Vcpu, a: number, b: number, shift: number): number {
  const borrow = cf(cpu);
  const result = ((a - b - (borrow ? 1 : 0)) << shift) >> shift;
  cpu.lazyOp = (borrow ? Lazy.SubBorrow : Lazy.Sub) | shift;
  cpu.lazyResult = result;
  cpu.lazySource = (b << shift) >> shift;
  return result;
}

/** CF and OF are cleared; AF, undefined, is cleared too as current processors do. */
function logic(cpu: Vcpu, value: number, shift: number): number {
  const result = (value << shift) >> shift;
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = result;
  cpu.lazySource = 0;
  return result;
}

const and: Alu = (cpu, a, b, shift) => logic(cpu, a & b, shift);
const or: Alu = (cpu, a, b, shift) => logic(cpu, a | b, shift);
const xor: Alu = (cpu, a, b, shift) => logic(cpu, a ^ b, shift);

const add32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = add(cpu, cpu.words[s.dst], cpu.words[s.src], 0)),
  (cpu, s) => void (cpu.words[s.dst] = add(cpu, cpu.words[s.dst], load32(cpu, s), 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, add(cpu, cpu.mmu.read32(linear), cpu.words[s.src], 0));
  },
  (cpu, s) => void (cpu.words[s.dst] = add(cpu, cpu.words[s.dst], s.imm, 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, add(cpu, cpu.mmu.read32(linear), s.imm, 0));
  },
];

const sub32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = sub(cpu, cpu.words[s.dst], cpu.words[s.src], 0)),
  (cpu, s) => void (cpu.words[s.dst] = sub(cpu, cpu.words[s.dst], load32(cpu, s), 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, sub(cpu, cpu.mmu.read32(linear), cpu.words[s.src], 0));
  },
  (cpu, s) => void (cpu.words[s.dst] = sub(cpu, cpu.words[s.dst], s.imm, 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, sub(cpu, cpu.mmu.read32(linear), s.imm, 0));
  },
];

const and32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] & cpu.words[s.src], 0)),
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] & load32(cpu, s), 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) & cpu.words[s.src], 0));
  },
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] & s.imm, 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) & s.imm, 0));
  },
];

const or32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] | cpu.words[s.src], 0)),
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] | load32(cpu, s), 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) | cpu.words[s.src], 0));
  },
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] | s.imm, 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) | s.imm, 0));
  },
];

const xor32: Shapes = [
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] ^ cpu.words[s.src], 0)),
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] ^ load32(cpu, s), 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) ^ cpu.words[s.src], 0));
  },
  (cpu, s) => void (cpu.words[s.dst] = logic(cpu, cpu.words[s.dst] ^ s.imm, 0)),
  (cpu, s) => {
    const linear = linearModify(cpu, s, 4);
    cpu.mmu.write32(linear, logic(cpu, cpu.mmu.read32(linear) ^ s.imm, 0));
  },
];

const cmp32: Shapes = [
  (cpu, s) => void sub(cpu, cpu.words[s.dst], cpu.words[s.src], 0),
  (cpu, s) => void sub(cpu, cpu.words[s.dst], load32(cpu, s), 0),
  (cpu, s) => void sub(cpu, load32(cpu, s), cpu.words[s.src], 0),
  (cpu, s) => void sub(cpu, cpu.words[s.dst], s.imm, 0),
  (cpu, s) => void sub(cpu, load32(cpu, s), s.imm, 0),
];

const cmp8: Shapes = [
  (cpu, s) => void sub(cpu, cpu.bytes[s.dst], cpu.bytes[s.src], 24),
  (cpu, s) => void sub(cpu, cpu.bytes[s.dst], load8(cpu, s), 24),
  (cpu, s) => void sub(cpu, load8(cpu, s), cpu.bytes[s.src], 24),
  (cpu, s) => void sub(cpu, cpu.bytes[s.dst], s.imm, 24),
  (cpu, s) => void sub(cpu, load8(cpu, s), s.imm, 24),
];

const test32: Shapes = [
  (cpu, s) => void logic(cpu, cpu.words[s.dst] & cpu.words[s.src], 0),
  (cpu, s) => void logic(cpu, cpu.words[s.dst] & load32(cpu, s), 0),
  (cpu, s) => void logic(cpu, load32(cpu, s) & cpu.words[s.src], 0),
  (cpu, s) => void logic(cpu, cpu.words[s.dst] & s.imm, 0),
  (cpu, s) => void logic(cpu, load32(cpu, s) & s.imm, 0),
];

const test8: Shapes = [
  (cpu, s) => void logic(cpu, cpu.bytes[s.dst] & cpu.bytes[s.src], 24),
  (cpu, s) => void logic(cpu, cpu.bytes[s.dst] & load8(cpu, s), 24),
  (cpu, s) => void logic(cpu, load8(cpu, s) & cpu.bytes[s.src], 24),
  (cpu, s) => void logic(cpu, cpu.bytes[s.dst] & s.imm, 24),
  (cpu, s) => void logic(cpu, load8(cpu, s) & s.imm, 24),
];

/** The five shapes of an operation that writes its destination, any size. */
function writing(alu: Alu): Shapes {
  return [
    (cpu, s) => {
      const a = getRegister(cpu, s.dst, s.size);
      setRegister(cpu, s.dst, s.size, alu(cpu, a, getRegister(cpu, s.src, s.size), s.shift));
    },
    (cpu, s) => {
      const b = load(cpu, s, s.size);
      setRegister(cpu, s.dst, s.size, alu(cpu, getRegister(cpu, s.dst, s.size), b, s.shift));
    },
    (cpu, s) => {
      const linear = linearModify(cpu, s, s.size);
      storeAt(cpu, linear, s.size, alu(cpu, loadAt(cpu, linear, s.size), getRegister(cpu, s.src, s.size), s.shift));
    },
    (cpu, s) => setRegister(cpu, s.dst, s.size, alu(cpu, getRegister(cpu, s.dst, s.size), s.imm, s.shift)),
    (cpu, s) => {
      const linear = linearModify(cpu, s, s.size);
      storeAt(cpu, linear, s.size, alu(cpu, loadAt(cpu, linear, s.size), s.imm, s.shift));
    },
  ];
}

/** The five shapes of an operation that only sets flags, any size. */
function comparing(alu: Alu): Shapes {
  return [
    (cpu, s) => void alu(cpu, getRegister(cpu, s.dst, s.size), getRegister(cpu, s.src, s.size), s.shift),
    (cpu, s) => void alu(cpu, getRegister(cpu, s.dst, s.size), load(cpu, s, s.size), s.shift),
    (cpu, s) => void alu(cpu, load(cpu, s, s.size), getRegister(cpu, s.src, s.size), s.shift),
    (cpu, s) => void alu(cpu, getRegister(cpu, s.dst, s.size), s.imm, s.shift),
    (cpu, s) => void alu(cpu, load(cpu, s, s.size), s.imm, s.shift),
  ];
}

function binary(byte: Shapes, half: Shapes, word: Shapes): Binder {
  return (instruction, step) => byShape(instruction, bySize(step.size, byte, half, word));
}

function writer(alu: Alu, word: Shapes = writing(alu)): Binder {
  const any = writing(alu);
  return binary(any, any, word);
}

/** A one-operand operation on `32 - shift` bits. */
type Unary = (cpu: Vcpu, a: number, shift: number) => number;

/** INC and DEC leave CF alone. */
function inc(cpu: Vcpu, a: number, shift: number): number {
  const carry = cf(cpu) ? Flag.CF : 0;
  const result = ((a + 1) << shift) >> shift;
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = result;
  cpu.lazySource = carry | ((result & 15) === 0 ? Flag.AF : 0) | (result << shift === -0x80000000 ? Flag.OF : 0);
  return result;
}

function dec(cpu: Vcpu, a: number, shift: number): number {
  const carry = cf(cpu) ? Flag.CF : 0;
  const result = ((a - 1) << shift) >> shift;
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = result;
  cpu.lazySource = carry | ((result & 15) === 15 ? Flag.AF : 0) | (a << shift === -0x80000000 ? Flag.OF : 0);
  return result;
}

/** NEG is 0 - operand, flags included. */
const neg: Unary = (cpu, a, shift) => sub(cpu, 0, a, shift);
const not: Unary = (_cpu, a) => ~a;

function unary(operation: Unary, register32: Execute): Binder {
  const register: Execute = (cpu, s) =>
    setRegister(cpu, s.dst, s.size, operation(cpu, getRegister(cpu, s.dst, s.size), s.shift));
  const memory: Execute = (cpu, s) => {
    const linear = linearModify(cpu, s, s.size);
    storeAt(cpu, linear, s.size, operation(cpu, loadAt(cpu, linear, s.size), s.shift));
  };
  return (instruction, step) => {
    if (instruction.memory !== undefined) return memory;
    return step.size === 4 ? register32 : register;
  };
}

const compare = comparing(sub);
const test = comparing(and);

export const aluBinders = {
  ADD: writer(add, add32),
  ADC: writer(adc),
  SUB: writer(sub, sub32),
  SBB: writer(sbb),
  AND: writer(and, and32),
  OR: writer(or, or32),
  XOR: writer(xor, xor32),
  CMP: binary(cmp8, compare, cmp32),
  TEST: binary(test8, test, test32),
  INC: unary(inc, (cpu, s) => void (cpu.words[s.dst] = inc(cpu, cpu.words[s.dst], 0))),
  DEC: unary(dec, (cpu, s) => void (cpu.words[s.dst] = dec(cpu, cpu.words[s.dst], 0))),
  NEG: unary(neg, (cpu, s) => void (cpu.words[s.dst] = sub(cpu, 0, cpu.words[s.dst], 0))),
  NOT: unary(not, (cpu, s) => void (cpu.words[s.dst] = ~cpu.words[s.dst])),
  CLC: () => (cpu) => setArithmeticFlags(cpu, 0, Flag.CF),
  STC: () => (cpu) => setArithmeticFlags(cpu, Flag.CF, Flag.CF),
  CMC: () => (cpu) => setArithmeticFlags(cpu, cf(cpu) ? 0 : Flag.CF, Flag.CF),
} satisfies Partial<Record<Mnemonic, Binder>>;
