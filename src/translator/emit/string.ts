/**
 * String instructions, repeated or not. The destination is ES:EDI, and no prefix can put GS in the place of ES; and processors are slow to
 * start a repeated instruction whose source has a segment base (Zen 4: some 30 cycles more). So RSI and RDI get the window base added for
 * the time of the instruction, which then has 64-bit addresses. As the base is a multiple of 4 GiB, their low halves are ESI and EDI all the
 * time, and a fault finds in RSI, RDI and RCX the iterations done. Going up or down element by element the instruction meets a guard page
 * before it could leave the window. (SDM 2, MOVS, CMPS, SCAS, LODS, STOS, "REP/REPE/REPNE")
 * Read before: `branch.ts`. Read after: `flags.ts`.
 */
import { Attribute } from '../../x86/form.js';
import { Prefix, type Instruction } from '../../x86/instruction.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import { Host } from '../asm64.js';
import { isFlat, type Emit, type Plan } from './emitter.js';

/** F2 or F3 as the host is to have it, 0 for none. Both mean REP to an instruction that does not compare. */
function repeatPrefix({ prefixes }: Instruction, compares: boolean): number {
  if ((prefixes & Prefix.Repne) !== 0) return compares ? 0xf2 : 0xf3;
  return (prefixes & Prefix.Rep) !== 0 ? 0xf3 : 0;
}

const enum Use {
  None = 0,
  /** DS:ESI is read. */
  Source = 1,
  /** ES:EDI is read or written. */
  Destination = 2,
  /** REPE and REPNE look at ZF. */
  Compares = 4,
}

/** @param opcode of the byte form @param uses `Use` bits */
function planString(opcode: number, uses: number): Plan {
  const emit: Emit = (emitter, instruction) => {
    const { asm } = emitter;
    const bytes = (instruction.form.attributes & Attribute.ByteSized) !== 0;
    const repeat = repeatPrefix(instruction, (uses & Use.Compares) !== 0);
    // The host would not be interrupted. The interpreter does 65536 repetitions or more in bursts and looks at the attention word in between.
    if (repeat !== 0) emitter.leaveUnlessShort(Host.Rcx);
    const pointers: Host[] = [];
    if ((uses & Use.Source) !== 0) pointers.push(Host.Rsi);
    if ((uses & Use.Destination) !== 0) pointers.push(Host.Rdi);
    for (const base of pointers) asm.lea64(base, { base, index: Host.R12, scale: 0, displacement: 0 });
    if (repeat !== 0) asm.byte(repeat);
    if (!bytes && instruction.operandSize === 2) asm.byte(0x66);
    asm.byte(opcode | (bytes ? 0 : 1));
    // a 32-bit move clears the upper half
    for (const pointer of pointers) asm.move(pointer, pointer);
  };
  return ({ addressSize, segment }) => {
    if (addressSize === 2 || ((uses & Use.Source) !== 0 && !isFlat(segment))) return undefined;
    return emit;
  };
}

export const stringPlans: Partial<Record<Mnemonic, Plan>> = {
  MOVS: planString(0xa4, Use.Source | Use.Destination),
  CMPS: planString(0xa6, Use.Source | Use.Destination | Use.Compares),
  STOS: planString(0xaa, Use.Destination),
  LODS: planString(0xac, Use.Source),
  SCAS: planString(0xae, Use.Destination | Use.Compares),
};
