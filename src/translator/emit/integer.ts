/**
 * General-purpose instructions but for the stack, transfers of control, strings and flags: nearly all of them are the host's own, flags
 * left undefined by the manual included. (SDM 2, one heading per mnemonic)
 * Read before: `native.ts`. Read after: `stack.ts`.
 */
import { OperandKind, Reg, type Instruction, type Operand } from '../../x86/instruction.js';
import type { IntegerMnemonic, Mnemonic } from '../../x86/mnemonics.js';
import { deferring, isFlat, type Emit, type Plan } from './emitter.js';
import { emitLea, emitNative } from './native.js';
import { emitSelector, planLoad } from './segment.js';

/** The same in 64-bit mode as in protected mode, encoding apart. */
const natives: readonly IntegerMnemonic[] = [
  ...(['ADC', 'ADD', 'AND', 'CMP', 'NEG', 'NOT', 'OR', 'SBB', 'SUB', 'TEST', 'XOR'] as const),
  ...(['BSF', 'BSR', 'BSWAP', 'BT', 'BTC', 'BTR', 'BTS', 'CBW', 'CLC', 'CLD', 'CMC', 'CMOVCC', 'CMPXCHG'] as const),
  ...([
    'CMPXCHG8B',
    'CWD',
    'DIV',
    'IDIV',
    'IMUL',
    'LAHF',
    'MOVSX',
    'MOVZX',
    'MUL',
    'PAUSE',
    'RCL',
    'RCR',
    'ROL',
  ] as const),
  ...(['ROR', 'SAHF', 'SAR', 'SETCC', 'SHL', 'SHLD', 'SHR', 'SHRD', 'STC', 'STD', 'XADD', 'XCHG'] as const),
];

const planNative: Plan = () => emitNative;

const isEsp = ({ kind, value, size }: Operand): boolean =>
  kind === OperandKind.Register && value === (Reg.Esp as number) && size === 4;

/** ADD or SUB of a constant to ESP: a move of the stack where nobody sees the flags. */
function planStackMove(sign: 1 | -1): Plan {
  const emit = deferring((emitter, instruction) => {
    if (emitter.flagsDead) {
      emitter.moveStack(sign * instruction.operands[1].value);
    } else {
      emitter.settleStack();
      emitNative(emitter, instruction);
    }
  }, true);
  return ({ operands: [destination, source] }) =>
    isEsp(destination) && source.kind === OperandKind.Immediate ? emit : emitNative;
}

/** 40 to 4F are REX prefixes in 64-bit mode. */
function planStep(extension: 0 | 1): Plan {
  const emitRegister = deferring(({ asm }, { operands: [{ value, size }] }) => {
    if (size === 2) asm.byte(0x66);
    asm.bytes(0xff, 0xc0 | (extension << 3) | value);
  });
  return ({ modRm }) => (modRm < 0 ? emitRegister : emitNative);
}

/** MOV between the accumulator and an absolute address: the form without ModR/M has a 64-bit address in 64-bit mode. */
const emitAbsolute = deferring((emitter, { operands: [destination, { size }], memory }) => {
  if (memory === undefined) throw new Error('MOV without its memory operand');
  const opcode = (destination.kind === OperandKind.Register ? 0x8a : 0x88) | (size === 1 ? 0 : 1);
  emitter.guest(size === 2 ? 0x66 : 0, false, [opcode], Reg.Eax, emitter.address(memory));
});

const planMove: Plan = (instruction, request, nextEip) => {
  const {
    operands: [destination, source],
    modRm,
    memory,
  } = instruction;
  const special = (kind: OperandKind): boolean => kind === OperandKind.Control || kind === OperandKind.Debug;
  if (special(destination.kind) || special(source.kind)) return undefined;
  if (destination.kind === OperandKind.Segment) return planLoad(instruction, request, nextEip);
  if (source.kind === OperandKind.Segment) return emitSelector;
  return modRm < 0 && memory !== undefined ? emitAbsolute : emitNative;
};

/** Its operand is [EBX + AL], which ModR/M cannot say; prefixes work on it as on any other. */
const emitXlat: Emit = ({ asm }) => asm.bytes(0x65, 0x67, 0xd7);

const planXlat: Plan = ({ addressSize, segment }) => (addressSize === 4 && isFlat(segment) ? emitXlat : undefined);

const emitNothing = deferring(() => undefined);

const planNothing: Plan = () => emitNothing;

export const integerPlans: Partial<Record<Mnemonic, Plan>> = {
  ...Object.fromEntries(natives.map((mnemonic) => [mnemonic, planNative])),
  ADD: planStackMove(1),
  SUB: planStackMove(-1),
  INC: planStep(0),
  DEC: planStep(1),
  LEA: () => emitLea,
  MOV: planMove,
  NOP: planNothing,
  XLAT: planXlat,
};

/** Whether AH, CH, DH or BH is an operand, which no instruction with a REX prefix can name. */
export function namesHighByte({ operands }: Instruction): boolean {
  return operands.some(({ kind, size, value }) => kind === OperandKind.Register && size === 1 && value >= 4);
}
