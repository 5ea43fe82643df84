/**
 * What the manual leaves to the processor, so that a recording of one may differ on another. Read before: `outcome.ts`. Read after: `play.ts`.
 */
import { OperandKind, Prefix, type Instruction } from '../../src/x86/instruction.js';
import { Vector } from '../../src/x86/vectors.js';
import type { Recorded } from './codec.js';
import { tryDecode } from './disassemble.js';
import { isCr2Open, type Ignored } from './outcome.js';
import { ARITHMETIC, modeOf } from './state.js';

/** Rows whose results are open: approximations, and transcendental functions to their last bit. */
const APPROXIMATE = /^(RCP|RSQRT|F2XM1|FYL2X|FPTAN|FPATAN|FSIN|FCOS)/;

/** The instructions of a case, one behind the other. */
function instructionsOf({ test }: Recorded): Map<number, Instruction> {
  const instructions = new Map<number, Instruction>();
  for (let at = 0; at < test.code.length;) {
    const instruction = tryDecode(test.code.subarray(at), modeOf(test).codeSize);
    if (instruction === undefined) break;
    instructions.set(at, instruction);
    at += instruction.length;
  }
  return instructions;
}

/**
 * x87 and MMX instructions that store. Where the operand is in no page, one processor finds that first and another an exception of the FPU, for
 * which it stores nothing; one has made x87 registers MMX registers by then, another has not; and of ten bytes one may store what
 * lies in the page that is there.
 */
export function isFpuStore({ form, operands }: Instruction): boolean {
  const isStore =
    /^(FI?ST|FBSTP|FNST|FNSAVE|FXSAVE)/.test(form.mnemonic) || operands.some(({ kind }) => kind === OperandKind.Mmx);
  return isStore && operands[0]?.kind === OperandKind.Memory;
}

/** One that faults may show the flags of its last round, or those from before it. */
export const isRepeatedComparison = ({ form, prefixes }: Instruction): boolean =>
  /^(CMPS|SCAS)$/.test(form.mnemonic) && (prefixes & (Prefix.Rep | Prefix.Repne)) !== 0;

/** @returns what another processor than the recorded one is not held to; undefined when the case says nothing about it */
export function openElsewhere(recorded: Recorded): Ignored | undefined {
  const { state, expected, ignored } = recorded;
  const instructions = instructionsOf(recorded);
  for (const { form } of instructions.values()) if (APPROXIMATE.test(form.mnemonic)) return undefined;
  const last = (expected.vector as Vector) === Vector.PF ? instructions.get(expected.eip - state.eip) : undefined;
  if (last === undefined) return ignored;
  if (isFpuStore(last)) return undefined;
  return {
    ...ignored,
    flags: ignored.flags | (isRepeatedComparison(last) ? ARITHMETIC : 0),
    cr2: ignored.cr2 === true || isCr2Open(last),
  };
}
