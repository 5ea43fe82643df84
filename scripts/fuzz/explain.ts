/**
 * Looks at a sequence that ended in two ways, instruction by instruction, for a reason why the host's answer does not count: undefined
 * flags that were looked at, an instruction that is not compared, a fault whose order the manual leaves open. What is left is a
 * difference. Read before: `../record-vectors/undefined.ts`. Read after: `shrink.ts`.
 */
import { SegmentWord, Word } from '../../src/vcpu/layout.js';
import { OperandKind, Prefix, Reg, Segment, type Instruction } from '../../src/x86/instruction.js';
import { Vector } from '../../src/x86/vectors.js';
import { tryDecode } from '../../test/vectors/disassemble.js';
import { isFpuStore, isRepeatedComparison } from '../../test/vectors/otherProcessor.js';
import { Ending, differences, isCr2Open, type Ignored, type Outcome } from '../../test/vectors/outcome.js';
import { ARITHMETIC, initialState, modeOf, type Case, type State } from '../../test/vectors/state.js';
import type { UserMachine } from '../../test/vectors/userMachine.js';
import { FOREIGN_END, FOREIGN_START } from '../../test/vectors/world.js';
import {
  carryUndefined,
  effectiveAddress,
  isResultUndefined,
  pushedBeforeFault,
  uncomparedImage,
  whyIncomparable,
  whyOutcomeOpen,
} from '../record-vectors/undefined.js';

export interface Verdict {
  /** Why the difference is none; undefined when it is one. */
  readonly reason: string | undefined;
  readonly found: readonly string[];
  readonly ignored: Ignored;
}

/** The reason when host and guest differ in undefined flags alone: the case still counts. */
export const UNDEFINED_FLAGS = 'undefined flags';

/** Steps after which nobody traces on. */
const MAX_STEPS = 4000;
const TOO_LONG = 'too long to trace';
/** MXCSR bit 17 in the FXSAVE image: misaligned operands allowed. */
const MXCSR_HIGH = 26;
const MISALIGNED = 2;
/** NT. */
const NESTED = 1 << 14;

/**
 * Zen 5 (family 26, model 2, stepping 1, microcode 1000065) copies stale bytes in REP MOVS with 16-bit addresses that overlap, where the upper half of EDI is not
 * 0: it seems to look for an overlap in the whole register.
 */
function overlapsUnseen({ form, prefixes, addressSize, operandSize }: Instruction, words: Int32Array): boolean {
  if (form.mnemonic !== 'MOVS' || addressSize !== 2 || (prefixes & (Prefix.Rep | Prefix.Repne)) === 0) return false;
  const [esi, edi, ecx] = [words[Word.Esi], words[Word.Edi], words[Word.Ecx]];
  const distance = Math.abs((esi & 0xffff) - (edi & 0xffff));
  return edi >>> 16 !== 0 && Math.min(distance, 0x10000 - distance) < (ecx & 0xffff) * operandSize;
}

/** Selectors of the host's GDT that the guest has not: 64-bit code and the processor's number. */
const foreignSelector = (selector: number): boolean => {
  const index = selector >> 3;
  return (selector & 4) === 0 && (index === 6 || index === 15);
};

/** The host's kernel comes in between, for a locked access across cache lines for one. (SDM 2, IRET, Operation) */
const isNullWithRpl = (selector: number): boolean => selector > 0 && selector < 4;

const isForeign = (linear: number): boolean => linear >>> 0 >= FOREIGN_START - 0x1000 && linear >>> 0 < FOREIGN_END;

interface Trace {
  reason: string | undefined;
  flags: number;
  /** `flags` before the last instruction, and its EIP. */
  flagsBefore: number;
  eip: number;
  last: Instruction | undefined;
  /** Registers before the last instruction. */
  registers: Int32Array;
}

/** The selector that LAR and its kin ask about. */
function selectorOperand({ words, phys }: UserMachine, instruction: Instruction): number {
  const { operands, memory } = instruction;
  const operand = operands[operands.length - 1];
  if (memory === undefined) return words[operand.value] & 0xffff;
  const base = words[Word.Segments + memory.segment * SegmentWord.Count + SegmentWord.Base];
  return phys.read16((base + effectiveAddress(instruction, words)) >>> 0);
}

/**
 * Takes note of the instruction at `linear`.
 * @param ecx ECX before it @returns it, or undefined when there is none; `into.reason` is set when tracing ends there
 */
function note(machine: UserMachine, linear: number, ecx: number, into: Trace): Instruction | undefined {
  const { words, phys, cpu } = machine;
  const bytes = phys.bytes.slice(linear, linear + 16);
  const instruction = tryDecode(bytes, cpu.codeSize);
  into.last = instruction;
  into.registers = words.slice(Word.Eax, Word.Edi + 1);
  if (instruction === undefined) return undefined;
  const { form } = instruction;
  into.reason = whyIncomparable(instruction, bytes);
  if (uncomparedImage(form.mnemonic, 4).length > 0)
    into.reason = 'stores pointers that processors keep in different ways';
  if ((form.flagsRead & into.flags) !== 0) into.reason = 'reads undefined flags';
  if (/^(LAR|LSL|VER[RW])$/.test(form.mnemonic) && foreignSelector(selectorOperand(machine, instruction))) {
    into.reason = "a segment of the host's own";
  }
  if (form.mnemonic === 'PUSH' && instruction.operands[0].kind === OperandKind.Segment)
    into.reason = 'PUSH of a segment register, which may leave the upper half of its place as it is';
  if (overlapsUnseen(instruction, words)) into.reason = 'REP MOVS with an overlap that Zen 5 does not see';
  if (isResultUndefined(instruction, ecx)) into.reason = 'undefined result';
  if (form.mnemonic === 'IRET' && (words[Word.Eflags] & NESTED) !== 0) {
    into.reason = 'IRET with NT: a 64-bit host has no task switch';
  }
  into.flagsBefore = into.flags;
  into.flags = carryUndefined(into.flags, instruction, ecx);
  return instruction;
}

/** MOV SS and POP SS take the next instruction with them. */
const loadsStack = ({ operands, form }: Instruction): boolean =>
  (form.mnemonic === 'MOV' || form.mnemonic === 'POP') &&
  operands[0].kind === OperandKind.Segment &&
  operands[0].value === (Segment.Ss as number);

function trace(machine: UserMachine, state: State): Trace {
  const result: Trace = {
    reason: undefined,
    flags: 0,
    flagsBefore: 0,
    eip: -1,
    last: undefined,
    registers: state.registers,
  };
  machine.begin(state);
  for (let steps = 0; machine.running && result.reason === undefined; steps++) {
    const linear = machine.linearEip;
    if (linear >= 0x10000) break;
    if (steps === MAX_STEPS) return { ...result, reason: TOO_LONG };
    result.eip = machine.words[Word.Eip];
    const ecx = machine.words[Word.Ecx];
    const instruction = note(machine, linear, ecx, result);
    const code = machine.phys.bytes.slice(linear, linear + (instruction?.length ?? 0));
    machine.step();
    const isRepeated = ((instruction?.prefixes ?? 0) & (Prefix.Rep | Prefix.Repne)) !== 0;
    if (isRepeated && code.some((byte, index) => byte !== machine.phys.bytes[linear + index])) {
      result.reason ??= 'a repeated instruction that overwrites itself: when the processor fetches it again is open';
    }
    if (instruction !== undefined && loadsStack(instruction) && machine.words[Word.Eip] !== result.eip) {
      result.eip += instruction.length;
      if (result.reason === undefined) note(machine, linear + instruction.length, ecx, result);
    }
  }
  return result;
}

/** Instructions with several memory accesses, which processors check in different orders. */
const SEVERAL_ACCESSES =
  /^(CMPS|MOVS|L[DEFGS]S|ENTER|LEAVE|IRET|RETF|CALL|CALLF|JMPF|FX(SAVE|RSTOR)|FLDENV|FNSTENV|FRSTOR|FNSAVE|PUSHA|POPA|BOUND)$/;

/** Instructions on 16 bytes that need no alignment (SDM 2, "MOVUPS"), and POP of a segment register, which may read its two bytes alone. */
const isAlignmentOpen = ({ form, operands }: Instruction): boolean =>
  /^(MOVUP[SD]|MOVDQU|LDDQU)$/.test(form.mnemonic) ||
  (form.mnemonic === 'POP' && operands[0].kind === OperandKind.Segment);

const isMemoryFault = ({ vector }: Outcome): boolean =>
  [Vector.SS, Vector.GP, Vector.PF, Vector.AC].some((known) => known === vector);

/** Judges a difference between host and guest. */
export function explain(machine: UserMachine, test: Case, expected: Outcome, actual: Outcome): Verdict {
  const state = initialState(test);
  const verdict = (reason: string | undefined, found: readonly string[], ignored: Ignored): Verdict => ({
    reason,
    found,
    ignored,
  });
  if (expected.vector === Ending.SystemCall) return verdict('a system call', [], { flags: 0 });
  if (expected.vector === Ending.Endless && actual.vector === Ending.Endless) {
    return verdict('endless', [], { flags: 0 });
  }
  if ((expected.fx[MXCSR_HIGH] & MISALIGNED) !== 0) return verdict('MXCSR.MM, which AMD has', [], { flags: 0 });
  const refused = (actual.vector as Vector) === Vector.GP && foreignSelector(actual.error);
  if (refused || expected.selectors.some(foreignSelector) || actual.selectors.some(foreignSelector)) {
    return verdict("a segment of the host's own", [], { flags: 0 });
  }
  if (expected.selectors.some((selector, index) => selector === 0 && isNullWithRpl(actual.selectors[index]))) {
    return verdict('a null selector, of which an IRET of the host to the program makes 0', [], { flags: 0 });
  }
  if ([expected.cr2, actual.cr2, expected.eip, actual.eip].some(isForeign)) {
    return verdict("memory of the host's own", [], { flags: 0 });
  }
  for (const { eip } of [expected, actual]) {
    const offset = eip - state.eip;
    const ended = offset < 0 ? undefined : tryDecode(test.code.subarray(offset), modeOf(test).codeSize);
    if (ended !== undefined && /^MASKMOV/.test(ended.form.mnemonic)) {
      return verdict('MASKMOV may or may not fault on bytes that it does not store', [], { flags: 0 });
    }
  }
  const { reason, last, registers, ...traced } = trace(machine, state);
  // an instruction that faults has written no flags
  const flags = traced.eip === actual.eip ? traced.flagsBefore : traced.flags;
  let ignored: Ignored = { flags };
  if (expected.vector === Ending.Endless || actual.vector === Ending.Endless) {
    // how long is endless differs between the two
    return verdict(reason, ['one of them is endless'], ignored);
  }
  if (reason !== undefined) return verdict(reason, [], ignored);
  if (last !== undefined) {
    const bothFault = isMemoryFault(expected) && isMemoryFault(actual) && expected.eip === actual.eip;
    if (bothFault && SEVERAL_ACCESSES.test(last.form.mnemonic)) {
      return verdict('two faults in one instruction, whose order is open', [], ignored);
    }
    if (last.form.mnemonic === 'BOUND' && (isMemoryFault(expected) || isMemoryFault(actual)))
      return verdict('BOUND, which may look at one bound before it reads the other', [], ignored);
    if ((actual.vector as Vector) === Vector.AC && isAlignmentOpen(last))
      return verdict('#AC where the processor decides what it reads at once', [], ignored);
    if (isFpuStore(last) && (isMemoryFault(expected) || isMemoryFault(actual)))
      return verdict('a store of the FPU that faults, which may come before or behind its own exceptions', [], ignored);
    if (isRepeatedComparison(last) && isMemoryFault(expected)) ignored = { flags: flags | ARITHMETIC };
    const open = whyOutcomeOpen(last, { ...state, registers }, expected);
    if (open !== undefined) return verdict(open, [], ignored);
    const pushed = pushedBeforeFault(last, expected);
    const esp = registers[Reg.Esp];
    if (pushed > 0) ignored = { ...ignored, memory: [{ start: Math.max(0, esp - pushed), end: esp }] };
    if (isCr2Open(last)) ignored = { ...ignored, cr2: true };
  }
  const found = differences(expected, actual, test.fpu, ignored, state, machine.base);
  return verdict(found.length === 0 ? UNDEFINED_FLAGS : undefined, found, ignored);
}
