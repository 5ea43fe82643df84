/**
 * The decoder: bytes in, one `Instruction` out. All it knows of single instructions comes from the table; what stands
 * here is the instruction format (SDM 2, "Instruction format"): prefixes, opcode maps, ModR/M, SIB, displacements,
 * immediates.
 *
 * Read before: `table.ts`, `instruction.ts`. Read after: `format.ts`.
 */
import { MandatoryPrefix } from './encoding.js';
import { OperandKind, Prefix, Reg, Segment } from './instruction.js';
import type { Instruction, MemoryOperand, Operand } from './instruction.js';
import { OperandSource, sizeInBytes, type OperandSpec } from './operands.js';
import { modRmSlot, opcodeMaps, undefinedForm, type DecodeRow, type OpcodeEntry } from './table.js';
import { GuestFault, Vector } from './vectors.js';

/** Where instruction bytes come from. */
export interface ByteSource {
  /**
   * @param index from the instruction's first byte, 0 to 14, asked for in ascending order and only if it belongs to the
   *   instruction
   * @returns the byte, 0 to 255
   * @throws GuestFault when the byte cannot be fetched
   */
  byte(index: number): number;
}

/** A longer instruction raises #GP(0). (SDM 2, "Instruction format") */
export const maxInstructionBytes = 15;

class Cursor {
  position = 0;

  constructor(private readonly source: ByteSource) {}

  u8(): number {
    if (this.position >= maxInstructionBytes) {
      throw new GuestFault(Vector.GP, 0);
    }
    return this.source.byte(this.position++);
  }

  s8(): number {
    return (this.u8() << 24) >> 24;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  s16(): number {
    return (this.u16() << 16) >> 16;
  }

  s32(): number {
    return this.u16() | (this.u16() << 16);
  }
}

/** 16-bit addressing forms by r/m. (SDM 2, "16-bit addressing forms with the ModR/M byte") */
const bases16 = [Reg.Ebx, Reg.Ebx, Reg.Ebp, Reg.Ebp, Reg.Esi, Reg.Edi, Reg.Ebp, Reg.Ebx] as const;
const indices16 = [Reg.Esi, Reg.Edi, Reg.Esi, Reg.Edi, Reg.None, Reg.None, Reg.None, Reg.None] as const;

function memory16(cursor: Cursor, modRm: number, override: number): MemoryOperand {
  const mod = modRm >> 6;
  const rm = modRm & 7;
  if (mod === 0 && rm === 6) {
    const segment = override < 0 ? Segment.Ds : override;
    return { segment, base: Reg.None, index: Reg.None, scale: 0, displacement: cursor.u16() };
  }
  const base = bases16[rm] ?? Reg.None;
  const index = indices16[rm] ?? Reg.None;
  const segment = override >= 0 ? override : base === Reg.Ebp ? Segment.Ss : Segment.Ds;
  const displacement = mod === 0 ? 0 : mod === 1 ? cursor.s8() : cursor.s16();
  return { segment, base, index, scale: 0, displacement };
}

function memory32(cursor: Cursor, modRm: number, override: number): MemoryOperand {
  const mod = modRm >> 6;
  let base: Reg = modRm & 7;
  let index: Reg = Reg.None;
  let scale = 0;
  if (base === Reg.Esp) {
    const sib = cursor.u8();
    base = sib & 7;
    // An index field of ESP's number means no index.
    if (((sib >> 3) & 7) !== (Reg.Esp as number)) {
      index = (sib >> 3) & 7;
      scale = sib >> 6;
    }
  }
  if (mod === 0 && base === Reg.Ebp) {
    base = Reg.None;
  }
  const displacement = mod === 1 ? cursor.s8() : mod === 2 || base === Reg.None ? cursor.s32() : 0;
  const onStack = base === Reg.Esp || base === Reg.Ebp;
  const segment = override >= 0 ? override : onStack ? Segment.Ss : Segment.Ds;
  return { segment, base, index, scale, displacement };
}

function immediate(cursor: Cursor, size: number): number {
  return size === 1 ? cursor.u8() : size === 2 ? cursor.u16() : cursor.s32();
}

function operand(kind: OperandKind, size: number, value: number, selector = 0): Operand {
  return { kind, size, value, selector };
}

/**
 * Register numbers that a reg field may name: CR0, CR2, CR3, CR4; ES to GS, and not CS as a destination. (SDM 2, MOV)
 */
function registerExists(kind: OperandKind, value: number, isDestination: boolean): boolean {
  switch (kind) {
    case OperandKind.Control:
      return value === 0 || (value >= 2 && value <= 4);
    case OperandKind.Segment:
      return value <= (Segment.Gs as number) && !(isDestination && value === (Segment.Cs as number));
    default:
      return true;
  }
}

/** Decodes one operand; its memory part, if any, has been decoded before. Undefined = there is no such register. */
function decodeOperand(
  cursor: Cursor,
  spec: OperandSpec,
  operandSize: 2 | 4,
  opcode: number,
  modRm: number,
  isDestination: boolean,
): Operand | undefined {
  const size = sizeInBytes(spec.size, operandSize);
  switch (spec.source) {
    case OperandSource.RegisterOrMemory:
    case OperandSource.MemoryOnly:
    case OperandSource.RegisterOnly:
      return modRm < 0xc0
        ? operand(OperandKind.Memory, sizeInBytes(spec.memorySize, operandSize), 0)
        : operand(spec.kind, size, modRm & 7);
    case OperandSource.ModIgnored:
      return operand(spec.kind, size, modRm & 7);
    case OperandSource.RegField: {
      const value = (modRm >> 3) & 7;
      return registerExists(spec.kind, value, isDestination) ? operand(spec.kind, size, value) : undefined;
    }
    case OperandSource.OpcodeBits:
      return operand(spec.kind, size, opcode & 7);
    case OperandSource.Immediate:
      return operand(spec.kind, size, immediate(cursor, size));
    case OperandSource.SignedByte: {
      const value = cursor.s8();
      return operand(spec.kind, size, size === 2 ? value & 0xffff : value);
    }
    case OperandSource.Relative:
      return operand(spec.kind, size, size === 1 ? cursor.s8() : size === 2 ? cursor.s16() : cursor.s32());
    case OperandSource.FarPointer: {
      const offset = immediate(cursor, operandSize);
      return operand(spec.kind, size, offset, cursor.u16());
    }
    case OperandSource.Offset:
      return operand(OperandKind.Memory, size, 0);
    case OperandSource.Fixed:
    case OperandSource.Constant:
    case OperandSource.Implicit:
      return operand(spec.kind, size, spec.fixed);
  }
}

function decodeMemory(
  cursor: Cursor,
  row: DecodeRow,
  addressSize: 2 | 4,
  override: number,
  modRm: number,
): MemoryOperand | undefined {
  if (modRm >= 0) {
    if (modRm >= 0xc0 || row.modIgnored) {
      return undefined;
    }
    return addressSize === 2 ? memory16(cursor, modRm, override) : memory32(cursor, modRm, override);
  }
  if (row.hasOffset) {
    const segment = override < 0 ? Segment.Ds : override;
    return { segment, base: Reg.None, index: Reg.None, scale: 0, displacement: immediate(cursor, addressSize) };
  }
  return undefined;
}

/** Decodes the operands, or returns undefined if one names a register that does not exist. */
function decodeOperands(
  cursor: Cursor,
  row: DecodeRow,
  operandSize: 2 | 4,
  opcode: number,
  modRm: number,
): Operand[] | undefined {
  const operands: Operand[] = [];
  const specs = row.operands;
  for (let index = 0; index < specs.length; index++) {
    const decoded = decodeOperand(cursor, specs[index], operandSize, opcode, modRm, index === 0);
    if (decoded === undefined) {
      return undefined;
    }
    operands.push(decoded);
  }
  return operands;
}

function prefixClass(prefixes: number): MandatoryPrefix {
  // F2 and F3 select before 66, wherever they stand. (SDM 2, "Instruction prefixes")
  if (prefixes & (Prefix.Rep | Prefix.Repne)) {
    return prefixes & Prefix.Rep ? MandatoryPrefix.PF3 : MandatoryPrefix.PF2;
  }
  return prefixes & Prefix.OperandSize ? MandatoryPrefix.P66 : MandatoryPrefix.None;
}

function selectRow(entry: OpcodeEntry, prefixes: number, modRm: number): DecodeRow | undefined {
  const first = entry.byPrefix ? prefixClass(prefixes) * entry.stride : 0;
  return entry.slots[first + (modRm < 0 ? 0 : modRmSlot(modRm))];
}

/** Most instructions have no prefix, and are told by one look. */
const isPrefix = new Uint8Array(256);
for (const byte of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]) isPrefix[byte] = 1;

/** Prefix bits that a mandatory prefix uses up, by `MandatoryPrefix`. */
const consumed = [0, Prefix.OperandSize, Prefix.Rep, Prefix.Repne, 0] as const;

/**
 * Decodes one instruction.
 *
 * @param source the bytes
 * @param defaultSize operand and address size of the code segment in bytes: 4 with its D bit set, else 2
 * @returns the instruction; an encoding that is undefined, or breaks the rules of LOCK, has the form `UD` and no
 *   operands
 * @throws GuestFault #GP(0) beyond 15 bytes, and whatever `source` throws
 */
export function decode(source: ByteSource, defaultSize: 2 | 4): Instruction {
  const cursor = new Cursor(source);
  const otherSize = defaultSize === 4 ? 2 : 4;
  let met = 0;
  let override = -1;
  let byte = cursor.u8();
  for (; isPrefix[byte] !== 0; byte = cursor.u8()) {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        override = (byte >> 3) & 3;
        met |= Prefix.Segment;
        break;
      case 0x64:
      case 0x65:
        override = byte & 7;
        met |= Prefix.Segment;
        break;
      case 0x66:
        met |= Prefix.OperandSize;
        break;
      case 0x67:
        met |= Prefix.AddressSize;
        break;
      case 0xf0:
        met |= Prefix.Lock;
        break;
      case 0xf2:
        met = (met & ~Prefix.Rep) | Prefix.Repne;
        break;
      case 0xf3:
        met = (met & ~Prefix.Repne) | Prefix.Rep;
        break;
    }
  }

  let map = 0;
  if (byte === 0x0f) {
    byte = cursor.u8();
    map = byte === 0x38 ? 2 : byte === 0x3a ? 3 : 1;
    if (map > 1) {
      byte = cursor.u8();
    }
  }
  const entry = opcodeMaps[map]?.[byte];
  const modRm = entry?.hasModRm === true ? cursor.u8() : -1;
  const row = entry === undefined ? undefined : selectRow(entry, met, modRm);
  const prefixes = met & ~consumed[row?.prefix ?? MandatoryPrefix.Any];
  const operandSize = prefixes & Prefix.OperandSize ? otherSize : defaultSize;
  const addressSize = prefixes & Prefix.AddressSize ? otherSize : defaultSize;
  const memory = row === undefined ? undefined : decodeMemory(cursor, row, addressSize, override, modRm);
  const operands = row === undefined ? undefined : decodeOperands(cursor, row, operandSize, byte, modRm);
  const misplacedLock = (prefixes & Prefix.Lock) !== 0 && (memory === undefined || row?.lockable !== true);
  const isDefined = row !== undefined && operands !== undefined && !misplacedLock;
  return {
    form: isDefined ? row.form : undefinedForm,
    length: cursor.position,
    operandSize,
    addressSize,
    prefixes,
    modRm,
    segment: override < 0 ? Segment.Ds : override,
    operands: isDefined ? operands : [],
    memory: isDefined ? memory : undefined,
  };
}
