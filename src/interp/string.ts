/**
 * String instructions: MOVS, CMPS, SCAS, LODS, STOS, INS, OUTS, alone and under REP, REPE, REPNE. (SDM 2, "REP/REPE/REPNE")
 *
 * Every iteration leaves registers and memory as if it were an instruction of its own, so a repetition can be left at any
 * boundary: on a fault, when something asks for attention, or after a burst. EIP then points at the instruction again.
 * MOVS and STOS that go upwards through plain RAM are done page by page.
 * Read before: `operands.ts`, `../memory/mmu.ts`. Read after: `branch.ts`.
 */
import { Attribute } from '../x86/form.js';
import { Prefix, Segment, type Instruction } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { Direct } from '../memory/phys.js';
import { checkIo } from '../vcpu/control.js';
import { Eflag, Lazy, zf } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { getRegister, loadAt, setRegister, storeAt } from './operands.js';
import type { Binder, Engine, Execute, Step } from './step.js';

/** Iterations of one execution, so that the caller's instruction budget means something. */
const BURST = 4096;

const DX = 4;

/** Element size in bytes: the byte forms say so in the table, the others follow the operand-size attribute. */
function elementSize(instruction: Instruction): 1 | 2 | 4 {
  return (instruction.form.attributes & Attribute.ByteSized) !== 0 ? 1 : instruction.operandSize;
}

function advance(cpu: Vcpu, register: Word.Esi | Word.Edi, step: Step, sizeBytes: number): void {
  const delta = (cpu.words[Word.Eflags] & Eflag.DF) === 0 ? sizeBytes : -sizeBytes;
  if (step.addressMask === -1) cpu.words[register] += delta;
  else cpu.halves[register * 2] += delta;
}

function sourceLinear(cpu: Vcpu, step: Step, sizeBytes: number): number {
  return linearRead(cpu, step.segment, cpu.words[Word.Esi] & step.addressMask, sizeBytes);
}

/** The destination is ES:EDI; no prefix overrides it. */
function destinationOffset(cpu: Vcpu, step: Step): number {
  return cpu.words[Word.Edi] & step.addressMask;
}

/** One iteration for one element size. */
type Iteration = (cpu: Vcpu, step: Step, sizeBytes: 1 | 2 | 4) => void;

const movs: Iteration = (cpu, s, size) => {
  const value = loadAt(cpu, sourceLinear(cpu, s, size), size);
  storeAt(cpu, linearWrite(cpu, Segment.Es, destinationOffset(cpu, s), size), size, value);
  advance(cpu, Word.Esi, s, size);
  advance(cpu, Word.Edi, s, size);
};

const stos: Iteration = (cpu, s, size) => {
  storeAt(cpu, linearWrite(cpu, Segment.Es, destinationOffset(cpu, s), size), size, cpu.words[Word.Eax]);
  advance(cpu, Word.Edi, s, size);
};

const lods: Iteration = (cpu, s, size) => {
  setRegister(cpu, Word.Eax, size, loadAt(cpu, sourceLinear(cpu, s, size), size));
  advance(cpu, Word.Esi, s, size);
};

function compare(cpu: Vcpu, a: number, b: number, sizeBytes: number): void {
  const shift = 32 - 8 * sizeBytes;
  cpu.lazyOp = Lazy.Sub | shift;
  cpu.lazyResult = ((a - b) << shift) >> shift;
  cpu.lazySource = (b << shift) >> shift;
}

/** Both segments are checked before either operand is read, and ES:EDI is read first, as processors do. */
const cmps: Iteration = (cpu, s, size) => {
  const source = sourceLinear(cpu, s, size);
  const destination = linearRead(cpu, Segment.Es, destinationOffset(cpu, s), size);
  const b = loadAt(cpu, destination, size);
  const a = loadAt(cpu, source, size);
  compare(cpu, a, b, size);
  advance(cpu, Word.Esi, s, size);
  advance(cpu, Word.Edi, s, size);
};

const scas: Iteration = (cpu, s, size) => {
  const b = loadAt(cpu, linearRead(cpu, Segment.Es, destinationOffset(cpu, s), size), size);
  compare(cpu, getRegister(cpu, Word.Eax, size), b, size);
  advance(cpu, Word.Edi, s, size);
};

/** The destination is checked before the port is read: a read may not be repeatable. */
const ins: Iteration = (cpu, s, size) => {
  const port = cpu.halves[DX];
  const linear = linearWrite(cpu, Segment.Es, destinationOffset(cpu, s), size);
  cpu.mmu.probeWrite(linear, size);
  storeAt(cpu, linear, size, cpu.hooks.ports.read(port, size) | 0);
  advance(cpu, Word.Edi, s, size);
};

const outs: Iteration = (cpu, s, size) => {
  const port = cpu.halves[DX];
  const value = loadAt(cpu, sourceLinear(cpu, s, size), size);
  cpu.hooks.ports.write(port, size, value >>> 0);
  advance(cpu, Word.Esi, s, size);
};

/** ECX or CX by address size, unsigned. */
function getCount(cpu: Vcpu, step: Step): number {
  return step.addressMask === -1 ? cpu.words[Word.Ecx] >>> 0 : cpu.halves[Word.Ecx * 2];
}

function setCount(cpu: Vcpu, step: Step, count: number): void {
  if (step.addressMask === -1) cpu.words[Word.Ecx] = count;
  else cpu.halves[Word.Ecx * 2] = count;
}

/**
 * Does as many iterations as it can in one go and returns their number, at most `limit`; 0 leaves it to single iterations. ESI and
 * EDI are advanced, ECX is the caller's. A fault that it meets is that of the next iteration, and nothing has changed yet.
 */
type Bulk = (engine: Engine, step: Step, sizeBytes: 1 | 2 | 4, limit: number) => number;

/**
 * Whether `Bulk` may be tried: 32-bit addresses, upwards, through a flat ES, whose offsets are linear addresses, and with nobody who
 * wants to see single accesses (data breakpoints, alignment checks).
 */
function canBulk(cpu: Vcpu, step: Step): boolean {
  const upwards = (cpu.words[Word.Eflags] & Eflag.DF) === 0;
  return step.addressMask === -1 && upwards && (cpu.flatWrite & (1 << Segment.Es)) !== 0 && cpu.mmu.isPlain;
}

/** Elements from `linear` to the end of its page. */
function elementsInPage(linear: number, sizeBytes: number): number {
  return Math.floor((0x1000 - (linear & 0xfff)) / sizeBytes);
}

const bulkMovs: Bulk = (engine, s, size, limit) => {
  const { cpu, phys } = engine;
  if (!canBulk(cpu, s) || (cpu.flatRead & (1 << s.segment)) === 0) return 0;
  const from = cpu.words[Word.Esi];
  const to = cpu.words[Word.Edi];
  const count = Math.min(limit, elementsInPage(from, size), elementsInPage(to, size));
  const bytes = count * size;
  if (count < 2) return 0;
  const source = cpu.mmu.translateFetch(from);
  cpu.mmu.probeWrite(to, bytes);
  const destination = cpu.mmu.translateFetch(to);
  if ((phys.direct[source >>> 12] & Direct.Read) === 0 || (phys.direct[destination >>> 12] & Direct.Write) === 0)
    return 0;
  // a destination inside the source repeats a pattern, element by element
  if (destination > source && destination < source + bytes) return 0;
  phys.bytes.copyWithin(destination, source, source + bytes);
  cpu.words[Word.Esi] += bytes;
  cpu.words[Word.Edi] += bytes;
  return count;
};

const bulkStos: Bulk = (engine, s, size, limit) => {
  const { cpu, phys } = engine;
  if (!canBulk(cpu, s)) return 0;
  const to = cpu.words[Word.Edi];
  const count = Math.min(limit, elementsInPage(to, size));
  const bytes = count * size;
  if (count < 2) return 0;
  cpu.mmu.probeWrite(to, bytes);
  const destination = cpu.mmu.translateFetch(to);
  if ((phys.direct[destination >>> 12] & Direct.Write) === 0) return 0;
  const value = cpu.words[Word.Eax];
  if (size === 1) phys.bytes.fill(value, destination, destination + bytes);
  else if (size === 4) for (let i = 0; i < bytes; i += 4) phys.view.setInt32(destination + i, value, true);
  else for (let i = 0; i < bytes; i += 2) phys.view.setUint16(destination + i, value, true);
  cpu.words[Word.Edi] += bytes;
  return count;
};

const noBulk: Bulk = () => 0;

/** Conditions for ending a repetition besides ECX. */
const enum Until {
  Count,
  /** REPE: ends when ZF = 0. */
  NotEqual,
  /** REPNE: ends when ZF = 1. */
  Equal,
}

function repeat(engine: Engine, iteration: Iteration, size: 1 | 2 | 4, until: Until, bulk: Bulk): Execute {
  return (cpu, s) => {
    const words = cpu.words;
    let count = getCount(cpu, s);
    let burst = engine.single ? 1 : BURST;
    while (count > 0) {
      const done = burst > 1 ? bulk(engine, s, size, Math.min(count, burst)) : 0;
      if (done > 0) {
        count -= done;
        burst -= done;
      } else {
        iteration(cpu, s, size);
        count--;
        burst--;
      }
      setCount(cpu, s, count);
      if (count === 0) return;
      if (until !== Until.Count && zf(cpu) === (until === Until.Equal)) return;
      if (burst <= 0 || words[Word.Attention] !== 0 || words[Word.ExitReason] !== 0 || cpu.debugHits !== 0) {
        words[Word.Eip] = engine.eip;
        return;
      }
    }
  };
}

/** @param compares whether REPE and REPNE look at ZF (CMPS, SCAS); for the others both mean REP */
function stringInstruction(iteration: Iteration, compares: boolean, bulk: Bulk = noBulk): Binder {
  return (instruction, _step, engine) => {
    const size = elementSize(instruction);
    if ((instruction.prefixes & (Prefix.Rep | Prefix.Repne)) === 0) return (cpu, s) => iteration(cpu, s, size);
    const equal = (instruction.prefixes & Prefix.Rep) !== 0;
    const until = !compares ? Until.Count : equal ? Until.NotEqual : Until.Equal;
    return repeat(engine, iteration, size, until, bulk);
  };
}

/** INS and OUTS: the port is checked even when ECX is 0, so that a program without the right to it faults under REP as well. */
function portString(iteration: Iteration): Binder {
  const inner = stringInstruction(iteration, false);
  return (instruction, step, engine) => {
    const size = elementSize(instruction);
    const execute = inner(instruction, step, engine);
    return (cpu, s) => {
      checkIo(cpu, cpu.halves[DX], size);
      execute(cpu, s);
    };
  };
}

export const stringBinders = {
  MOVS: stringInstruction(movs, false, bulkMovs),
  CMPS: stringInstruction(cmps, true),
  SCAS: stringInstruction(scas, true),
  LODS: stringInstruction(lods, false),
  STOS: stringInstruction(stos, false, bulkStos),
  INS: portString(ins),
  OUTS: portString(outs),
} satisfies Partial<Record<Mnemonic, Binder>>;
