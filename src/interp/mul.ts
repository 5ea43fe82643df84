/**
 * MUL, IMUL, DIV, IDIV in all sizes, with 64-bit products and dividends as two 32-bit halves. (SDM 2, one heading per mnemonic)
 *
 * Flags that the manual leaves undefined: after a multiplication SF, ZF and PF follow the low half and AF is 0; a division
 * changes none. Read before: `operands.ts`. Read after: `bcd.ts`.
 */
import type { Mnemonic } from '../x86/mnemonics.js';
import { Flag } from '../x86/form.js';
import type { Binder, Execute, Step } from './step.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Lazy } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { getRegister, load, load32, setRegister } from './operands.js';

const AL = 0;
const AH = 1;
/** Indices of AX and DX in `Vcpu.halves`. */
const AX = 0;
const DX = 4;

/** High half of the unsigned 64-bit product of two 32-bit values. */
export function multiplyHighUnsigned(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aLow * bHigh + ((aLow * bLow) >>> 16);
  const middleLow = aHigh * bLow + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (middleLow >>> 16)) | 0;
}

/** High half of the signed 64-bit product. */
export function multiplyHighSigned(a: number, b: number): number {
  return (multiplyHighUnsigned(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}

function setProductFlags(cpu: Vcpu, low: number, overflow: boolean): void {
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = low;
  cpu.lazySource = overflow ? Flag.CF | Flag.OF : 0;
}

/** The one explicit operand of MUL, DIV and the short IMUL, zero-extended (32 bits as int32). */
function operand(cpu: Vcpu, step: Step): number {
  return step.instruction.memory === undefined ? getRegister(cpu, step.dst, step.size) : load(cpu, step, step.size);
}

const mul: Execute = (cpu, s) => {
  const b = operand(cpu, s);
  if (s.size === 4) {
    const a = cpu.words[Word.Eax];
    const high = multiplyHighUnsigned(a, b);
    const low = Math.imul(a, b);
    cpu.words[Word.Eax] = low;
    cpu.words[Word.Edx] = high;
    setProductFlags(cpu, low, high !== 0);
  } else if (s.size === 2) {
    const product = cpu.halves[AX] * b;
    cpu.halves[AX] = product;
    cpu.halves[DX] = product >>> 16;
    setProductFlags(cpu, (product << 16) >> 16, product >>> 16 !== 0);
  } else {
    const product = cpu.bytes[AL] * b;
    cpu.halves[AX] = product;
    setProductFlags(cpu, (product << 24) >> 24, product >>> 8 !== 0);
  }
};

const imulShort: Execute = (cpu, s) => {
  const b = (operand(cpu, s) << s.shift) >> s.shift;
  if (s.size === 4) {
    const a = cpu.words[Word.Eax];
    const high = multiplyHighSigned(a, b);
    const low = Math.imul(a, b);
    cpu.words[Word.Eax] = low;
    cpu.words[Word.Edx] = high;
    setProductFlags(cpu, low, high !== low >> 31);
  } else if (s.size === 2) {
    const product = ((cpu.halves[AX] << 16) >> 16) * b;
    cpu.halves[AX] = product;
    cpu.halves[DX] = product >> 16;
    setProductFlags(cpu, (product << 16) >> 16, product !== (product << 16) >> 16);
  } else {
    const product = ((cpu.bytes[AL] << 24) >> 24) * b;
    cpu.halves[AX] = product;
    setProductFlags(cpu, (product << 24) >> 24, product !== (product << 24) >> 24);
  }
};

/** Truncated signed product. Where it does not fit, the double product differs from it: it is exact below 2^53 and big above. */
function imul32(cpu: Vcpu, a: number, b: number): number {
  const low = Math.imul(a, b);
  setProductFlags(cpu, low, a * b !== low);
  return low;
}

function imul16(cpu: Vcpu, a: number, b: number): number {
  const product = ((a << 16) >> 16) * ((b << 16) >> 16);
  const low = (product << 16) >> 16;
  setProductFlags(cpu, low, product !== low);
  return low;
}

const imulRegister32: Execute = (cpu, s) => void (cpu.words[s.dst] = imul32(cpu, cpu.words[s.dst], cpu.words[s.src]));
const imulMemory32: Execute = (cpu, s) => void (cpu.words[s.dst] = imul32(cpu, cpu.words[s.dst], load32(cpu, s)));
const imulRegister16: Execute = (cpu, s) =>
  void (cpu.halves[s.dst] = imul16(cpu, cpu.halves[s.dst], cpu.halves[s.src]));
const imulMemory16: Execute = (cpu, s) => void (cpu.halves[s.dst] = imul16(cpu, cpu.halves[s.dst], load(cpu, s, 2)));

/** IMUL r, r/m, imm. */
const imulImmediate: Execute = (cpu, s) => {
  const a = s.instruction.memory === undefined ? getRegister(cpu, s.src, s.size) : load(cpu, s, s.size);
  setRegister(cpu, s.dst, s.size, s.size === 4 ? imul32(cpu, a, s.imm) : imul16(cpu, a, s.imm));
};

const bindImul: Binder = (instruction, step) => {
  if (instruction.operands.length === 1) return imulShort;
  if (instruction.operands.length === 3) return imulImmediate;
  if (instruction.memory === undefined) return step.size === 4 ? imulRegister32 : imulRegister16;
  return step.size === 4 ? imulMemory32 : imulMemory16;
};

function divideError(): never {
  throw new GuestFault(Vector.DE, undefined);
}

/** Quotient and remainder of `divideUnsigned`. */
let quotient = 0;
let remainder = 0;

/**
 * Divides the 64-bit value high:low by `divisor`, 16 quotient bits at a time: every step's dividend stays below 2^48, where
 * division of doubles is exact after truncation.
 * @param high unsigned, below `divisor`
 * @param low unsigned
 * @param divisor unsigned, not 0
 */
function divideUnsigned(high: number, low: number, divisor: number): void {
  const upper = high * 0x10000 + (low >>> 16);
  const upperQuotient = Math.floor(upper / divisor);
  const lower = (upper - upperQuotient * divisor) * 0x10000 + (low & 0xffff);
  const lowerQuotient = Math.floor(lower / divisor);
  quotient = upperQuotient * 0x10000 + lowerQuotient;
  remainder = lower - lowerQuotient * divisor;
}

const div: Execute = (cpu, s) => {
  const divisor = operand(cpu, s) >>> 0;
  if (divisor === 0) divideError();
  if (s.size === 4) {
    const high = cpu.words[Word.Edx] >>> 0;
    if (high >= divisor) divideError();
    divideUnsigned(high, cpu.words[Word.Eax] >>> 0, divisor);
    cpu.words[Word.Eax] = quotient;
    cpu.words[Word.Edx] = remainder;
  } else if (s.size === 2) {
    const dividend = cpu.halves[DX] * 0x10000 + cpu.halves[AX];
    const result = Math.floor(dividend / divisor);
    if (result > 0xffff) divideError();
    cpu.halves[AX] = result;
    cpu.halves[DX] = dividend % divisor;
  } else {
    const dividend = cpu.halves[AX];
    const result = Math.floor(dividend / divisor);
    if (result > 0xff) divideError();
    cpu.bytes[AL] = result;
    cpu.bytes[AH] = dividend % divisor;
  }
};

const idiv: Execute = (cpu, s) => {
  const divisor = (operand(cpu, s) << s.shift) >> s.shift;
  if (divisor === 0) divideError();
  if (s.size === 4) {
    idiv32(cpu, divisor);
  } else if (s.size === 2) {
    const dividend = (cpu.halves[DX] << 16) | cpu.halves[AX];
    const result = Math.trunc(dividend / divisor);
    if (result > 0x7fff || result < -0x8000) divideError();
    cpu.halves[AX] = result;
    cpu.halves[DX] = dividend % divisor;
  } else {
    const dividend = (cpu.halves[AX] << 16) >> 16;
    const result = Math.trunc(dividend / divisor);
    if (result > 0x7f || result < -0x80) divideError();
    cpu.bytes[AL] = result;
    cpu.bytes[AH] = dividend % divisor;
  }
};

function idiv32(cpu: Vcpu, divisor: number): void {
  const words = cpu.words;
  const negative = words[Word.Edx] < 0;
  let low = words[Word.Eax];
  let high = words[Word.Edx];
  if (negative) {
    low = -low | 0;
    high = (~high + (low === 0 ? 1 : 0)) | 0;
  }
  const magnitude = Math.abs(divisor);
  if (high >>> 0 >= magnitude) divideError();
  divideUnsigned(high >>> 0, low >>> 0, magnitude);
  const opposite = negative !== divisor < 0;
  if (quotient > (opposite ? 0x80000000 : 0x7fffffff)) divideError();
  words[Word.Eax] = opposite ? -quotient : quotient;
  words[Word.Edx] = negative ? -remainder : remainder;
}

export const mulBinders = {
  MUL: () => mul,
  IMUL: bindImul,
  DIV: () => div,
  IDIV: () => idiv,
} satisfies Partial<Record<Mnemonic, Binder>>;
