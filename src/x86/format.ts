/**
 * The disassembler's second half: a decoded instruction as text in Intel syntax, `mov eax, dword ptr [ebx+esi*4+0x10]`.
 * It prints by operand kind and knows no single instruction but the few whose name depends on a size, so that every row
 * of the table has a printer. Read before: `decode.ts`.
 */
import { Attribute } from './form.js';
import {
  OperandKind,
  Prefix,
  Reg,
  Segment,
  type Instruction,
  type MemoryOperand,
  type Operand,
} from './instruction.js';
import type { Mnemonic } from './mnemonics.js';
import { OperandSource, SizeRule, operandSpecs, sizeInBytes, type OperandCode } from './operands.js';

export interface FormatOptions {
  /**
   * Names branch targets.
   *
   * @param target the target's offset in the code segment, unsigned
   * @returns the text to print, or undefined for the number
   */
  readonly symbol?: (target: number) => string | undefined;
}

const names8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const names16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const names32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];

/** Names of the conditions 0 to 15 (SDM 2, "Condition codes"), and of the four pairs that FCMOVcc has. */
const conditions = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];
const fpuConditions: Readonly<Record<number, string>> = { 3: 'nb', 7: 'nbe', 10: 'u', 11: 'nu' };

const sizeNames: Readonly<Record<number, string>> = {
  1: 'byte ptr ',
  2: 'word ptr ',
  4: 'dword ptr ',
  6: 'fword ptr ',
  8: 'qword ptr ',
  10: 'tbyte ptr ',
  16: 'xmmword ptr ',
};

/** Names that depend on the operand size: with 16 bits, with 32 bits. JCXZ goes by the address size. */
const sizedNames: Partial<Record<Mnemonic, readonly [string, string]>> = {
  CBW: ['cbw', 'cwde'],
  CWD: ['cwd', 'cdq'],
  IRET: ['iret', 'iretd'],
  PUSHA: ['pusha', 'pushad'],
  POPA: ['popa', 'popad'],
  PUSHF: ['pushf', 'pushfd'],
  POPF: ['popf', 'popfd'],
  CALLF: ['call far', 'call far'],
  JMPF: ['jmp far', 'jmp far'],
};

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

function signedHex(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `+0x${value.toString(16)}`;
}

function registerName(size: number, value: number): string {
  const names = size === 1 ? names8 : size === 2 ? names16 : names32;
  return names[value] ?? '';
}

function mnemonicText({ form, operandSize, addressSize }: Instruction): string {
  if (form.condition >= 0) {
    const isFpu = form.mnemonic === 'FCMOVCC';
    const condition = (isFpu ? fpuConditions[form.condition] : undefined) ?? conditions[form.condition] ?? '';
    return form.mnemonic.slice(0, -2).toLowerCase() + condition;
  }
  if (form.mnemonic === 'JCXZ') {
    return addressSize === 2 ? 'jcxz' : 'jecxz';
  }
  const sized = sizedNames[form.mnemonic];
  return sized === undefined ? form.mnemonic.toLowerCase() : sized[operandSize === 2 ? 0 : 1];
}

/** True if the text shows the operand size: in the name, or as the size of an operand. */
function showsOperandSize({ form }: Instruction): boolean {
  if (form.attributes & Attribute.Repeatable) {
    return !(form.attributes & Attribute.ByteSized);
  }
  return (
    sizedNames[form.mnemonic] !== undefined ||
    form.operands.some((code) => {
      const { source, size } = operandSpecs[code];
      const isTarget = source === OperandSource.Relative || source === OperandSource.FarPointer;
      return !isTarget && size <= (SizeRule.V as number) && size >= (SizeRule.A as number);
    })
  );
}

/** Prefixes as words: LOCK and REP, and whatever else was there but shows neither in the name nor in an operand. */
function prefixText(instruction: Instruction): string {
  const { form, prefixes, operandSize, addressSize, memory } = instruction;
  const isString = (form.attributes & Attribute.Repeatable) !== 0;
  const words: string[] = [];
  if (prefixes & Prefix.Lock) {
    words.push('lock ');
  }
  if (prefixes & (Prefix.Rep | Prefix.Repne)) {
    const comparing = isString && form.flagsWritten !== 0;
    words.push(prefixes & Prefix.Repne ? 'repne ' : comparing ? 'repe ' : 'rep ');
  }
  if (prefixes & Prefix.Segment && memory === undefined && !form.operands.some((code) => code.startsWith('X'))) {
    words.push(`${segmentNames[instruction.segment] ?? ''} `);
  }
  if (prefixes & Prefix.OperandSize && !showsOperandSize(instruction)) {
    words.push(operandSize === 2 ? 'data16 ' : 'data32 ');
  }
  const showsAddressSize = isString || form.mnemonic === 'JCXZ' || memory !== undefined;
  if (prefixes & Prefix.AddressSize && !showsAddressSize) {
    words.push(addressSize === 2 ? 'addr16 ' : 'addr32 ');
  }
  return words.join('');
}

function memoryText(memory: MemoryOperand, size: number, instruction: Instruction): string {
  const { addressSize } = instruction;
  const parts: string[] = [];
  if (memory.base !== Reg.None) {
    parts.push(registerName(addressSize, memory.base));
  }
  if (memory.index !== Reg.None) {
    parts.push(registerName(addressSize, memory.index) + (addressSize === 4 ? `*${1 << memory.scale}` : ''));
  }
  let address = parts.join('+');
  if (parts.length === 0) {
    address = hex(memory.displacement);
  } else if (memory.displacement !== 0) {
    address += signedHex(memory.displacement);
  }
  const override = instruction.prefixes & Prefix.Segment ? `${segmentNames[memory.segment] ?? ''}:` : '';
  return `${sizeNames[size] ?? ''}${override}[${address}]`;
}

function branchText(instruction: Instruction, displacement: number, eip: number, options: FormatOptions): string {
  const mask = instruction.operandSize === 2 ? 0xffff : 0xffffffff;
  const target = ((eip + instruction.length + displacement) & mask) >>> 0;
  return options.symbol?.(target) ?? hex(target);
}

function operandText(operand: Operand, instruction: Instruction, eip: number, options: FormatOptions): string {
  const { kind, size, value } = operand;
  switch (kind) {
    case OperandKind.Register:
      return registerName(size, value);
    case OperandKind.Memory:
      return instruction.memory === undefined ? '' : memoryText(instruction.memory, size, instruction);
    case OperandKind.Immediate:
      return hex(value);
    case OperandKind.Relative:
      return branchText(instruction, value, eip, options);
    case OperandKind.FarPointer:
      return `${hex(operand.selector)}:${hex(value)}`;
    case OperandKind.Segment:
      return segmentNames[value] ?? '';
    case OperandKind.Control:
      return `cr${value}`;
    case OperandKind.Debug:
      return `dr${value}`;
    case OperandKind.St:
      return value === 0 ? 'st' : `st(${value})`;
    case OperandKind.Mmx:
      return `mm${value}`;
    case OperandKind.Xmm:
      return `xmm${value}`;
  }
}

/** An operand of a string instruction: es:[edi], [esi], or the register that stands beside it. */
function stringOperandText(code: OperandCode, instruction: Instruction): string {
  const { addressSize, operandSize, prefixes } = instruction;
  const { source, size, fixed } = operandSpecs[code];
  const sizeBytes = sizeInBytes(size, operandSize);
  if (source !== OperandSource.Implicit) {
    return registerName(sizeBytes, fixed);
  }
  const isDestination = code.startsWith('Y');
  const segment = isDestination ? Segment.Es : instruction.segment;
  const index = registerName(addressSize, isDestination ? Reg.Edi : Reg.Esi);
  const prefix = isDestination || prefixes & Prefix.Segment ? `${segmentNames[segment] ?? ''}:` : '';
  return `${sizeNames[sizeBytes] ?? ''}${prefix}[${index}]`;
}

/** `movsd` when the operands are the usual ones, else `movs dword ptr es:[edi], dword ptr fs:[esi]`. */
function stringText(instruction: Instruction): string {
  const { form, operandSize, prefixes } = instruction;
  const name = form.mnemonic.toLowerCase();
  if (prefixes & (Prefix.Segment | Prefix.AddressSize)) {
    return `${name} ${form.operands.map((code) => stringOperandText(code, instruction)).join(', ')}`;
  }
  return name + (form.attributes & Attribute.ByteSized ? 'b' : operandSize === 2 ? 'w' : 'd');
}

/**
 * Prints an instruction.
 *
 * @param instruction what `decode` returned
 * @param eip offset of the instruction in its code segment, unsigned: branch targets are printed from it
 * @param options see `FormatOptions`
 * @returns lower-case Intel syntax without the bytes; `(undefined)` for the form `UD`
 */
export function format(instruction: Instruction, eip: number, options: FormatOptions = {}): string {
  if (instruction.form.mnemonic === 'UD') {
    return '(undefined)';
  }
  const prefix = prefixText(instruction);
  if (instruction.form.attributes & Attribute.Repeatable) {
    return prefix + stringText(instruction);
  }
  const operands = instruction.operands.map((operand) => operandText(operand, instruction, eip, options));
  const separator = operands.length === 0 ? '' : ' ';
  return prefix + mnemonicText(instruction) + separator + operands.join(', ');
}
