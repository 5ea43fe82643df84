/**
 * EFLAGS. The six arithmetic flags are lazy: an instruction leaves its result and one source operand behind, and a flag is worked
 * out when somebody looks. IF has a word of its own (`Word.InterruptFlag`); every other bit lives in `Word.Eflags`.
 *
 * Separate from `vcpu.ts` because both the interpreter (which writes lazily) and exception delivery (which wants the whole
 * register) need it. Read before: `layout.ts`, `vcpu.ts`. Read after: `../interp/alu.ts`.
 *
 * A lazy state is `lazyOp` = kind | shift, where shift = 32 - operand size in bits and the kinds are multiples of 32, so that
 * `x << lazyOp >> lazyOp` sign-extends to the operand size (JavaScript uses the low five bits of a shift count). `lazyResult`
 * and `lazySource` are kept sign-extended: sign extension keeps the unsigned order, so one formula serves all sizes.
 */
import { Flag } from '../x86/form.js';
import { Attention, Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

/** Kinds of lazy state; OR the shift (0, 16 or 24) to the sized ones. */
export const enum Lazy {
  /** All flags stand in `Word.Eflags`. */
  Settled = 0,
  /** ZF, SF, PF from the result; CF, AF, OF in `lazySource` at their EFLAGS places. */
  Explicit = 32,
  /** result = destination + source. */
  Add = 64,
  /** result = destination + source + 1. */
  AddCarry = 96,
  /** result = destination - source. */
  Sub = 128,
  /** result = destination - source - 1. */
  SubBorrow = 160,
}

/** Masks a kind out of `lazyOp`. */
export const LAZY_KIND = ~31;

/** EFLAGS bits that are not arithmetic (SDM 1, "EFLAGS Register"). */
export const enum Eflag {
  TF = 1 << 8,
  IF = 1 << 9,
  DF = 1 << 10,
  IOPL = 3 << 12,
  NT = 1 << 14,
  RF = 1 << 16,
  VM = 1 << 17,
  AC = 1 << 18,
  VIF = 1 << 19,
  VIP = 1 << 20,
  ID = 1 << 21,
}

/** CF, PF, AF, ZF, SF, OF. */
export const ARITHMETIC_FLAGS = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF;

/** Bits that exist; the others read as 0, except bit 1 which reads as 1. */
const WRITABLE = 0x003f7fd5;
const ALWAYS_ONE = 2;

/** Value of `Vcpu.fetchPage` that matches no page: makes the interpreter's loop take its slow way before the next instruction. */
export const NO_FETCH_PAGE = 1;

/** The destination operand before a lazy addition or subtraction, sign-extended. */
function destination(cpu: Vcpu): number {
  const op = cpu.lazyOp;
  switch (op & LAZY_KIND) {
    case Lazy.Add:
      return ((cpu.lazyResult - cpu.lazySource) << op) >> op;
    case Lazy.AddCarry:
      return ((cpu.lazyResult - cpu.lazySource - 1) << op) >> op;
    case Lazy.Sub:
      return ((cpu.lazyResult + cpu.lazySource) << op) >> op;
    default:
      return ((cpu.lazyResult + cpu.lazySource + 1) << op) >> op;
  }
}

/** The carry flag. */
export function cf(cpu: Vcpu): boolean {
  const op = cpu.lazyOp;
  switch (op & LAZY_KIND) {
    case Lazy.Settled:
      return (cpu.words[Word.Eflags] & Flag.CF) !== 0;
    case Lazy.Explicit:
      return (cpu.lazySource & Flag.CF) !== 0;
    case Lazy.Add:
      return cpu.lazyResult >>> 0 < cpu.lazySource >>> 0;
    case Lazy.AddCarry:
      return cpu.lazyResult >>> 0 <= cpu.lazySource >>> 0;
    case Lazy.Sub:
      return destination(cpu) >>> 0 < cpu.lazySource >>> 0;
    default:
      return destination(cpu) >>> 0 <= cpu.lazySource >>> 0;
  }
}

/** The zero flag. */
export function zf(cpu: Vcpu): boolean {
  return cpu.lazyOp === Lazy.Settled ? (cpu.words[Word.Eflags] & Flag.ZF) !== 0 : cpu.lazyResult === 0;
}

/** The sign flag. */
export function sf(cpu: Vcpu): boolean {
  return cpu.lazyOp === Lazy.Settled ? (cpu.words[Word.Eflags] & Flag.SF) !== 0 : cpu.lazyResult < 0;
}

/** The parity flag: even number of ones in the low byte of the result. */
export function pf(cpu: Vcpu): boolean {
  if (cpu.lazyOp === Lazy.Settled) return (cpu.words[Word.Eflags] & Flag.PF) !== 0;
  const byte = cpu.lazyResult & 0xff;
  // 0x9669 holds the parity of each nibble: bit n is 1 when n has an even number of ones
  return ((0x9669 >> ((byte ^ (byte >> 4)) & 15)) & 1) !== 0;
}

/** The auxiliary carry flag: carry or borrow across bit 4. */
export function af(cpu: Vcpu): boolean {
  switch (cpu.lazyOp & LAZY_KIND) {
    case Lazy.Settled:
      return (cpu.words[Word.Eflags] & Flag.AF) !== 0;
    case Lazy.Explicit:
      return (cpu.lazySource & Flag.AF) !== 0;
    default:
      return ((destination(cpu) ^ cpu.lazySource ^ cpu.lazyResult) & 0x10) !== 0;
  }
}

/** The overflow flag. */
export function of(cpu: Vcpu): boolean {
  const op = cpu.lazyOp;
  switch (op & LAZY_KIND) {
    case Lazy.Settled:
      return (cpu.words[Word.Eflags] & Flag.OF) !== 0;
    case Lazy.Explicit:
      return (cpu.lazySource & Flag.OF) !== 0;
    case Lazy.Add:
    case Lazy.AddCarry:
      return ((destination(cpu) ^ cpu.lazyResult) & (cpu.lazySource ^ cpu.lazyResult)) < 0;
    default: {
      const before = destination(cpu);
      return ((before ^ cpu.lazySource) & (before ^ cpu.lazyResult)) < 0;
    }
  }
}

/**
 * Evaluates a condition code.
 * @param code 0..15 as in the low nibble of Jcc (SDM 1, appendix B, "EFLAGS Condition Codes")
 */
export function condition(cpu: Vcpu, code: number): boolean {
  let holds: boolean;
  switch (code >> 1) {
    case 0:
      holds = of(cpu);
      break;
    case 1:
      holds = cf(cpu);
      break;
    case 2:
      holds = zf(cpu);
      break;
    case 3:
      holds = cf(cpu) || zf(cpu);
      break;
    case 4:
      holds = sf(cpu);
      break;
    case 5:
      holds = pf(cpu);
      break;
    case 6:
      holds = sf(cpu) !== of(cpu);
      break;
    default:
      holds = zf(cpu) || sf(cpu) !== of(cpu);
  }
  return (code & 1) === 0 ? holds : !holds;
}

/** The six arithmetic flags at their EFLAGS places. */
export function arithmeticFlags(cpu: Vcpu): number {
  if (cpu.lazyOp === Lazy.Settled) return cpu.words[Word.Eflags] & ARITHMETIC_FLAGS;
  return (
    (cf(cpu) ? Flag.CF : 0) |
    (pf(cpu) ? Flag.PF : 0) |
    (af(cpu) ? Flag.AF : 0) |
    (zf(cpu) ? Flag.ZF : 0) |
    (sf(cpu) ? Flag.SF : 0) |
    (of(cpu) ? Flag.OF : 0)
  );
}

/** Writes the lazy flags back into `Word.Eflags`; afterwards the state block is the whole truth. */
export function settle(cpu: Vcpu): void {
  if (cpu.lazyOp === Lazy.Settled) return;
  const flags = arithmeticFlags(cpu);
  cpu.words[Word.Eflags] = (cpu.words[Word.Eflags] & ~ARITHMETIC_FLAGS) | flags;
  cpu.lazyOp = Lazy.Settled;
}

/**
 * Replaces some arithmetic flags and keeps the others.
 * @param value new values at their EFLAGS places
 * @param mask the bits to replace, a subset of `ARITHMETIC_FLAGS`
 */
export function setArithmeticFlags(cpu: Vcpu, value: number, mask: number): void {
  settle(cpu);
  cpu.words[Word.Eflags] = (cpu.words[Word.Eflags] & ~mask) | (value & mask);
}

/** The whole EFLAGS register, IF and the constant bit 1 included. */
export function getEflags(cpu: Vcpu): number {
  settle(cpu);
  return cpu.words[Word.Eflags] | ALWAYS_ONE | (cpu.words[Word.InterruptFlag] !== 0 ? Eflag.IF : 0);
}

/**
 * Replaces the bits of EFLAGS that `mask` names; bits that do not exist are ignored. Turning IF on makes the run loop look at
 * the interrupt controller (`enableInterrupts`).
 */
export function setEflags(cpu: Vcpu, value: number, mask: number): void {
  settle(cpu);
  const words = cpu.words;
  const before = words[Word.Eflags];
  const writable = mask & WRITABLE & ~Eflag.IF;
  const after = (before & ~writable) | (value & writable) | ALWAYS_ONE;
  words[Word.Eflags] = after;
  // single-stepping, and the one instruction that RF covers, are the interpreter's slow way
  if (((before ^ after) & (Eflag.TF | Eflag.RF | Eflag.VM)) !== 0) cpu.fetchPage = NO_FETCH_PAGE;
  if (((before ^ after) & Eflag.AC) !== 0) cpu.refreshAlignment();
  if ((mask & Eflag.IF) !== 0) {
    if ((value & Eflag.IF) !== 0) enableInterrupts(cpu);
    else disableInterrupts(cpu);
  }
}

/** Clears IF. */
export function disableInterrupts(cpu: Vcpu): void {
  if (cpu.flagSwitch === undefined) {
    cpu.words[Word.InterruptFlag] = 0;
  } else if (cpu.words[Word.InterruptFlag] !== 0) {
    cpu.words[Word.InterruptFlag] = 0;
    cpu.flagSwitch.closed();
  }
}

/** Sets IF; on its change from 0 to 1 a request that waits in the interrupt controller becomes the run loop's business. */
export function enableInterrupts(cpu: Vcpu): void {
  const words = cpu.words;
  if (words[Word.InterruptFlag] !== 0) return;
  words[Word.InterruptFlag] = 1;
  // before the controller is asked: what the host has held back reaches it now
  if (cpu.flagSwitch !== undefined) cpu.flagSwitch.opened();
  if (cpu.hooks.pic.requested) Atomics.or(words, Word.Attention, Attention.Interrupt);
}
