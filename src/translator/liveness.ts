/**
 * Where a fragment's code may spoil the arithmetic flags: at boundaries behind which all six are written before anybody can see them. An
 * instruction that can fault shows the flags to the guest's handler, so only those that cannot fault are looked through.
 * Read before: `fragment.ts`. Read after: `frontend.ts`.
 */
import { Attribute, Flag, type Form } from '../x86/form.js';
import { OperandKind, type Instruction } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';

const ALL = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF;

/** Instructions that cannot fault, nor leave the fragment, as long as they have no operand in memory. */
const quiet: ReadonlySet<Mnemonic> = new Set<Mnemonic>([
  ...(['ADC', 'ADD', 'AND', 'BSF', 'BSR', 'BSWAP', 'BT', 'BTC', 'BTR', 'BTS', 'CBW', 'CLC', 'CLD', 'CMC'] as const),
  ...(['CMOVCC', 'CMP', 'CMPXCHG', 'CWD', 'DEC', 'IMUL', 'INC', 'LAHF', 'LEA', 'MOV', 'MOVSX', 'MOVZX'] as const),
  ...(['MUL', 'NEG', 'NOP', 'NOT', 'OR', 'PAUSE', 'RCL', 'RCR', 'ROL', 'ROR', 'SAHF', 'SAR', 'SBB', 'SETCC'] as const),
  ...(['SHL', 'SHLD', 'SHR', 'SHRD', 'STC', 'STD', 'SUB', 'TEST', 'XADD', 'XCHG', 'XOR'] as const),
]);

function isQuiet({ form: { mnemonic }, memory, operands }: Instruction): boolean {
  if (mnemonic === 'MOV' && operands[0].kind === OperandKind.Segment) return false;
  return quiet.has(mnemonic) && (memory === undefined || mnemonic === 'LEA' || mnemonic === 'NOP');
}

/** The logical instructions leave AF undefined, and every processor writes it. */
function flagsKilled(form: Form): number {
  if ((form.attributes & Attribute.MayKeepFlags) !== 0) return 0;
  return form.flagsUndefined === Flag.AF ? form.flagsWritten | Flag.AF : form.flagsWritten;
}

/**
 * @param items in order
 * @returns for each boundary, that before instruction 0 first and that behind the last one last, whether no arithmetic flag matters there
 */
export function deadFlags(items: readonly { readonly instruction: Instruction }[]): readonly boolean[] {
  const result: boolean[] = new Array<boolean>(items.length + 1).fill(false);
  let dead = 0;
  for (let index = items.length - 1; index >= 0; index--) {
    const { instruction } = items[index];
    dead = isQuiet(instruction) ? (dead | flagsKilled(instruction.form)) & ~instruction.form.flagsRead : 0;
    result[index] = dead === ALL;
  }
  return result;
}
