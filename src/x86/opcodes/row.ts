/**
 * Builds table rows. A row is one line, `[opcode, mnemonic, operands, flags, attributes, feature, condition]`; the last
 * four may be left out. Separate from the tables so that they are nothing but rows. Read before: `../form.ts`. Read
 * after: `primary.ts`, `secondary.ts`, `groups.ts`, `x87.ts`, `simd.ts`, then `../encoding.ts`, which reads the opcode
 * notation.
 *
 * Opcode notation, after SDM 2, "Instruction column in the opcode summary table":
 *
 *     NP 66 F3 F2    first token: mandatory prefix; NP = none of them. No token: these prefixes do not select the row
 *     0F, 0F 38 ..   opcode map, then the opcode byte
 *     40+r           the register number is added to the opcode byte: eight opcodes
 *     70+cc          the condition number is added to the opcode byte: sixteen rows, one per condition
 *     /r             a ModR/M byte follows, reg field and r/m field are operands
 *     /0 .. /7       a ModR/M byte follows, its reg field extends the opcode
 *     C1, C0+i       a fixed ModR/M byte; eight of them, r/m is an x87 stack register
 *     mem, reg       for memory (mod != 3) or register (mod = 3) only, where two rows share an opcode
 *     ib iw iz       immediate: byte, word, word or doubleword by operand size
 *     cb cz cp mo    branch displacement; far pointer; memory offset of address size
 *
 * Where two rows fit an encoding, the more specific one holds ('F3 90' before '90', '90' before '90+r').
 *
 * Flags notation, after the SDM's EFLAGS cross-reference, six columns in the order OF SF ZF AF PF CF:
 *
 *     .  not touched     T  tested       M  modified     X  tested and modified
 *     0  cleared         1  set          -  undefined
 */
import { Attribute, Flag, type Feature, type Form } from '../form.js';
import type { Mnemonic } from '../mnemonics.js';
import { OperandSource, operandSpecs, type OperandCode } from '../operands.js';

// Attributes by the short names of the tables.
export const LOCK = Attribute.Lockable;
export const PRIV = Attribute.Privileged;
export const IOS = Attribute.IoSensitive;
export const BRANCH = Attribute.Branch;
export const SERIAL = Attribute.Serializing;
export const REP = Attribute.Repeatable;
export const PROT = Attribute.ProtectedOnly;
export const UNDOC = Attribute.Undocumented;
export const FPU = Attribute.Fpu;
export const SIMD = Attribute.Simd;
export const BYTE = Attribute.ByteSized;
export const KEEP = Attribute.MayKeepFlags;
export const UNALIGNED = Attribute.Unaligned;

/** Flags column of rows that read what their condition names. */
export const CONDITION = 'condition';

export type Row = readonly [
  opcode: string,
  mnemonic: Mnemonic,
  operands: readonly OperandCode[],
  flags?: string | undefined,
  attributes?: number | undefined,
  feature?: Feature | undefined,
  condition?: number | undefined,
];

const columns = [Flag.OF, Flag.SF, Flag.ZF, Flag.AF, Flag.PF, Flag.CF];

/** Flags that conditions 0/1, 2/3, ... 14/15 read: O, B, Z, BE, S, P, L, LE. (SDM 1, "EFLAGS condition codes") */
const conditionFlags = [
  Flag.OF,
  Flag.CF,
  Flag.ZF,
  Flag.CF | Flag.ZF,
  Flag.SF,
  Flag.PF,
  Flag.SF | Flag.OF,
  Flag.ZF | Flag.SF | Flag.OF,
];

function flagMask(effects: string, letters: string): number {
  return columns.reduce<number>(
    (mask, flag, column) => (letters.includes(effects[column] ?? ' ') ? mask | flag : mask),
    0,
  );
}

function build(defaultFeature: Feature, row: Row): Form {
  const [opcode, mnemonic, operands, flags = '......', attributes = 0, feature = defaultFeature, condition = -1] = row;
  if (flags !== CONDITION && !/^[.TMX01-]{6}$/.test(flags)) {
    throw new Error(`instruction table: row ${opcode} has flags "${flags}"; give six of . T M X 0 1 -`);
  }
  const sources = operands.map((code) => operandSpecs[code].source);
  const memoryOnly = sources.includes(OperandSource.MemoryOnly) || / mem\b/.test(opcode);
  const registerOnly = sources.includes(OperandSource.RegisterOnly) || / reg\b/.test(opcode);
  return {
    mnemonic,
    opcode,
    operands,
    attributes: attributes | (memoryOnly ? Attribute.MemoryOnly : 0) | (registerOnly ? Attribute.RegisterOnly : 0),
    feature,
    flagsRead: flags === CONDITION ? (conditionFlags[condition >> 1] ?? 0) : flagMask(flags, 'TX'),
    flagsWritten: flags === CONDITION ? 0 : flagMask(flags, 'MX01'),
    flagsUndefined: flags === CONDITION ? 0 : flagMask(flags, '-'),
    condition,
  };
}

function expandConditions(row: Row): readonly Row[] {
  const [opcode, mnemonic, operands, flags, attributes, feature] = row;
  const match = /([0-9A-F]{2})\+cc/.exec(opcode);
  if (match === null) {
    return [row];
  }
  const first = Number.parseInt(match[1] ?? '', 16);
  return Array.from({ length: 16 }, (_, condition): Row => {
    const byte = (first + condition).toString(16).toUpperCase().padStart(2, '0');
    return [opcode.replace(match[0], byte), mnemonic, operands, flags, attributes, feature, condition];
  });
}

/**
 * Makes the forms of one table file.
 *
 * @param feature the feature of rows that name none
 * @param table the rows in opcode order
 * @returns one form per row, `+cc` rows expanded to sixteen
 */
export function rows(feature: Feature, table: readonly Row[]): readonly Form[] {
  return table.flatMap(expandConditions).map((row) => build(feature, row));
}
