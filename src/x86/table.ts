/**
 * The whole instruction table, and its rows arranged for look-up: by opcode map and opcode byte, then by mandatory
 * prefix and ModR/M byte. Built once when the module loads, so that decoding parses nothing; a table that contradicts
 * itself does not load. Read before: `encoding.ts`. Read after: `decode.ts`.
 */
import { MandatoryPrefix, mapEscapes, readEncoding, type Encoding } from './encoding.js';
import { Attribute, type Form } from './form.js';
import { groups } from './opcodes/groups.js';
import { primary } from './opcodes/primary.js';
import { secondary } from './opcodes/secondary.js';
import { simd } from './opcodes/simd.js';
import { x87 } from './opcodes/x87.js';
import { OperandSource, operandSpecs, type OperandSpec } from './operands.js';

/** Every row, in table order. */
export const forms: readonly Form[] = [...primary, ...secondary, ...groups, ...x87, ...simd];

/** The row of every encoding that no other row describes. */
export const undefinedForm: Form = {
  mnemonic: 'UD',
  opcode: 'undefined',
  operands: [],
  attributes: Attribute.Branch,
  feature: 'i386',
  flagsRead: 0,
  flagsWritten: 0,
  flagsUndefined: 0,
  condition: -1,
};

/** A row as the decoder wants it. */
export interface DecodeRow {
  readonly form: Form;
  /** Specifications of the explicit operands. */
  readonly operands: readonly OperandSpec[];
  readonly prefix: MandatoryPrefix;
  readonly lockable: boolean;
  /** The ModR/M byte names registers whatever mod says. */
  readonly modIgnored: boolean;
  /** An operand is memory at an offset, without ModR/M. */
  readonly hasOffset: boolean;
}

/** ModR/M slots: 0..7 = memory by reg field, 8..71 = the bytes C0 to FF. */
const modRmSlots = 72;

/** What the decoder knows after the opcode byte. */
export interface OpcodeEntry {
  readonly hasModRm: boolean;
  /** Slots per prefix class: 1 or 72. */
  readonly stride: number;
  /** Rows differ by prefix class, so that there are four times `stride` slots. */
  readonly byPrefix: boolean;
  readonly slots: readonly (DecodeRow | undefined)[];
}

/**
 * Slot of a ModR/M byte within a prefix class.
 *
 * @param modRm the byte
 * @returns 0 to 71
 */
export function modRmSlot(modRm: number): number {
  return modRm < 0xc0 ? (modRm >> 3) & 7 : 8 + (modRm & 0x3f);
}

interface Candidate {
  readonly encoding: Encoding;
  readonly row: DecodeRow;
}

function decodeRow(form: Form, encoding: Encoding): DecodeRow {
  const specs = form.operands.map((code) => operandSpecs[code]);
  const explicit = form.attributes & Attribute.Repeatable ? [] : specs;
  return {
    form,
    operands: explicit,
    prefix: encoding.prefix,
    lockable: (form.attributes & Attribute.Lockable) !== 0,
    modIgnored: specs.some((spec) => spec.source === OperandSource.ModIgnored),
    hasOffset: explicit.some((spec) => spec.source === OperandSource.Offset),
  };
}

/** The slots, within a prefix class, of the ModR/M bytes that a row describes, as pairs: first slot, and how many. */
function slotRanges({ hasModRm, extension, modRm, modRmCount, memory, register }: Encoding): readonly number[] {
  if (!hasModRm) return [0, 1];
  if (modRm >= 0) return [modRmSlot(modRm), modRmCount];
  const first = Math.max(extension, 0);
  const count = extension < 0 ? 8 : 1;
  return [...(memory ? [first, count] : []), ...(register ? [8 + 8 * first, 8 * count] : [])];
}

/** Puts a row into slots, over less specific ones. */
function fill(slots: (Candidate | undefined)[], first: number, count: number, candidate: Candidate): void {
  const { row, encoding } = candidate;
  for (let slot = first; slot < first + count; slot++) {
    const before = slots[slot];
    if (before?.encoding.specificity === encoding.specificity) {
      throw new Error(`instruction table: "${before.row.form.opcode}" and "${row.form.opcode}" claim one encoding`);
    }
    slots[slot] = candidate;
  }
}

function buildEntry(candidates: readonly Candidate[]): OpcodeEntry | undefined {
  const [first] = candidates;
  if (first === undefined) {
    return undefined;
  }
  const { hasModRm } = first.encoding;
  const odd = candidates.find(({ encoding }) => encoding.hasModRm !== hasModRm);
  if (odd !== undefined) {
    throw new Error(
      `instruction table: "${first.row.form.opcode}" and "${odd.row.form.opcode}" differ in having ModR/M`,
    );
  }
  const byPrefix = candidates.some(({ encoding }) => encoding.prefix !== MandatoryPrefix.Any);
  const stride = hasModRm ? modRmSlots : 1;
  const classes = byPrefix ? 4 : 1;
  const slots = new Array<Candidate | undefined>(classes * stride).fill(undefined);
  for (const candidate of [...candidates].sort((a, b) => a.encoding.specificity - b.encoding.specificity)) {
    const { encoding } = candidate;
    const ranges = slotRanges(encoding);
    for (let prefixClass = 0; prefixClass < classes; prefixClass++) {
      if (encoding.prefix !== MandatoryPrefix.Any && (encoding.prefix as number) !== prefixClass) continue;
      for (let i = 0; i < ranges.length; i += 2)
        fill(slots, prefixClass * stride + ranges[i], ranges[i + 1], candidate);
    }
  }
  return { hasModRm, stride, byPrefix, slots: slots.map((candidate) => candidate?.row) };
}

function buildMaps(): readonly (readonly (OpcodeEntry | undefined)[])[] {
  const candidates = mapEscapes.map(() => Array.from({ length: 256 }, (): Candidate[] => []));
  for (const form of forms) {
    const encoding = readEncoding(form);
    const row = decodeRow(form, encoding);
    for (let i = 0; i < encoding.opcodeCount; i++) {
      candidates[encoding.map]?.[encoding.opcode + i]?.push({ encoding, row });
    }
  }
  return candidates.map((map) => map.map(buildEntry));
}

/** Look-up arrays in the order of `mapEscapes`, 256 entries each; undefined = no such opcode. */
export const opcodeMaps = buildMaps();
