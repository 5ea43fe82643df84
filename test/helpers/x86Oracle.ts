/**
 * The independent decoder iced-x86 and ours, brought to one form in which two decodings can be compared as text.
 * Read before: `x86Encodings.ts`. Read after: `../unit/x86/decode.test.ts`.
 */
import { CpuidFeature, Decoder, DecoderOptions, MemorySizeExt, Mnemonic, OpKind, Register } from 'iced-x86';
import { Instruction as IcedInstruction } from 'iced-x86';
import { format } from '../../src/x86/format.js';
import { Attribute } from '../../src/x86/form.js';
import { OperandKind, Prefix, Reg, type Instruction, type MemoryOperand } from '../../src/x86/instruction.js';

/** One decoding in comparable form. */
export interface Comparable {
  readonly valid: boolean;
  readonly length: number;
  /** Mnemonic in lower case with its condition or size suffix, and the LOCK and REP prefixes before it. */
  readonly name: string;
  readonly operands: readonly string[];
  /** CPUID features that the oracle names, else empty. */
  readonly features: readonly string[];
}

const options =
  DecoderOptions.ForceReservedNop | DecoderOptions.NoWbnoinvd | DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD;

const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const registers8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const registers16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];

function generalName(size: number, value: number): string {
  if (value === (Reg.None as number)) {
    return '';
  }
  const name = (size === 1 ? registers8 : registers16)[value] ?? '?';
  return size === 4 ? `e${name}` : name;
}

function ourMemory(memory: MemoryOperand, sizeBytes: number, addressSize: 2 | 4): string {
  const displacement = (memory.displacement & (addressSize === 2 ? 0xffff : -1)) >>> 0;
  const base = generalName(addressSize, memory.base);
  const index = generalName(addressSize, memory.index);
  const sum = `${base}+${index}*${1 << memory.scale}+${displacement.toString(16)}`;
  return `[${sizeBytes} ${segmentNames[memory.segment] ?? '?'}:${sum}]`;
}

function unsignedHex(value: number, size: number): string {
  return BigInt.asUintN(8 * size, BigInt(value)).toString(16);
}

/** Our decoding of an instruction at offset 0. */
export function ourComparable(instruction: Instruction): Comparable {
  const { form, length, memory, addressSize, operandSize, prefixes } = instruction;
  const valid = form.mnemonic !== 'UD';
  const operands = instruction.operands.map(({ kind, size, value, selector }) => {
    switch (kind) {
      case OperandKind.Register:
        return generalName(size, value);
      case OperandKind.Memory:
        return memory === undefined ? '?' : ourMemory(memory, size, addressSize);
      case OperandKind.Immediate:
        return unsignedHex(value, size);
      case OperandKind.Relative:
        return `to ${((length + value) & (operandSize === 2 ? 0xffff : -1)) >>> 0}`;
      case OperandKind.FarPointer:
        return `${selector}:${value >>> 0}`;
      case OperandKind.Segment:
        return segmentNames[value] ?? '?';
      case OperandKind.Control:
        return `cr${value}`;
      case OperandKind.Debug:
        return `dr${value}`;
      case OperandKind.St:
        return `st${value}`;
      case OperandKind.Mmx:
        return `mm${value}`;
      case OperandKind.Xmm:
        return `xmm${value}`;
    }
  });
  const repeatable = (form.attributes & Attribute.Repeatable) !== 0;
  const lock = prefixes & Prefix.Lock ? 'lock ' : '';
  const rep = repeatable ? (prefixes & Prefix.Repne ? 'repne ' : prefixes & Prefix.Rep ? 'rep ' : '') : '';
  // The suffixes of names are the formatter's business; string instructions are asked for their short form.
  const short = repeatable ? { ...instruction, prefixes: 0 } : { ...instruction, prefixes: 0, operands: [] };
  return { valid, length, name: lock + rep + format(short, 0), operands, features: [] };
}

const registerNames = new Map<number, string>(
  Object.entries(Register).flatMap(([name, value]) => (typeof value === 'number' ? [[value, name.toLowerCase()]] : [])),
);
const registerName = (register: Register): string =>
  register === Register.None ? '' : (registerNames.get(register) ?? '?');

function icedMemory(instruction: IcedInstruction): string {
  const base = registerName(instruction.memoryBase);
  const index = registerName(instruction.memoryIndex);
  const is16 =
    base.length === 2 || index.length === 2 || (base === '' && index === '' && instruction.memoryDisplSize === 2);
  const displacement = BigInt.asUintN(is16 ? 16 : 32, instruction.memoryDisplacement).toString(16);
  const scale = index === '' ? 1 : instruction.memoryIndexScale;
  const size = MemorySizeExt.size(instruction.memorySize);
  const segment = registerName(instruction.memorySegment);
  return `[${size} ${segment}:${base}+${index}*${scale}+${displacement}]`;
}

function icedOperand(instruction: IcedInstruction, index: number): string | undefined {
  switch (instruction.opKind(index)) {
    case OpKind.Register:
      return registerName(instruction.opRegister(index));
    case OpKind.Memory:
      return icedMemory(instruction);
    case OpKind.NearBranch16:
      return `to ${instruction.nearBranch16}`;
    case OpKind.NearBranch32:
      return `to ${instruction.nearBranch32}`;
    case OpKind.FarBranch16:
      return `${instruction.farBranchSelector}:${instruction.farBranch16}`;
    case OpKind.FarBranch32:
      return `${instruction.farBranchSelector}:${instruction.farBranch32}`;
    case OpKind.Immediate8:
    case OpKind.Immediate8_2nd:
      return BigInt.asUintN(8, instruction.immediate(index)).toString(16);
    case OpKind.Immediate16:
    case OpKind.Immediate8to16:
      return BigInt.asUintN(16, instruction.immediate(index)).toString(16);
    case OpKind.Immediate32:
    case OpKind.Immediate8to32:
      return BigInt.asUintN(32, instruction.immediate(index)).toString(16);
    default:
      // DS:eSI, ES:eDI and the like: implicit for us.
      return undefined;
  }
}

/** The oracle for one code-segment size. */
export class Oracle {
  private readonly decoder: Decoder;
  private readonly instruction = new IcedInstruction();

  /**
   * @param bitness 16 or 32
   * @param bytes encodings of 16 bytes each
   */
  constructor(bitness: 16 | 32, bytes: readonly Uint8Array[]) {
    this.decoder = new Decoder(bitness, Buffer.concat(bytes), options);
  }

  /** The oracle's decoding of encoding number `index`, as if it stood at offset 0. */
  decode(index: number): Comparable {
    const { decoder, instruction } = this;
    decoder.position = index * 16;
    decoder.ip = 0n;
    decoder.decodeOut(instruction);
    const valid = !instruction.isInvalid;
    const mnemonic = Mnemonic[instruction.mnemonic]?.toLowerCase() ?? '?';
    const isString = instruction.isStringInstruction;
    const all = isString ? [] : Array.from({ length: instruction.opCount }, (_, i) => icedOperand(instruction, i));
    const operands = all.filter((text) => text !== undefined);
    const rep = !isString ? '' : instruction.hasRepnePrefix ? 'repne ' : instruction.hasRepPrefix ? 'rep ' : '';
    return {
      valid,
      length: instruction.length,
      name: (instruction.hasLockPrefix ? 'lock ' : '') + rep + mnemonic,
      operands,
      features: Array.from(instruction.cpuidFeatures(), (feature) => CpuidFeature[feature] ?? '?'),
    };
  }

  dispose(): void {
    this.instruction.free();
    this.decoder.free();
  }
}
