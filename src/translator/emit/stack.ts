/**
 * The stack: the host's PUSH and POP cannot reach it, so that each is a move, and one LEA for several in a row moves ESP behind them.
 * (SDM 2, one heading per mnemonic)
 * Read before: `integer.ts`. Read after: `branch.ts`.
 */
import { SegmentWord } from '../../vcpu/layout.js';
import { OperandKind, Reg, type Instruction, type MemoryOperand } from '../../x86/instruction.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import { Host, segmentWord } from '../asm64.js';
import { deferring, type Emit, type Emitter, type Plan } from './emitter.js';
import { planPopSegment } from './segment.js';

/** Loads the memory operand, in r8d. */
function loadOperand(emitter: Emitter, memory: MemoryOperand, sizeBytes: 2 | 4): void {
  emitter.load(Host.R8, emitter.address(memory), sizeBytes);
}

const emitPush = deferring((emitter, { operands: [operand], operandSize, memory }) => {
  const top = emitter.stack(-operandSize);
  switch (operand.kind) {
    case OperandKind.Immediate:
      emitter.storeImmediate(top, operand.value, operandSize);
      break;
    case OperandKind.Memory:
      if (memory === undefined) throw new Error('PUSH without its memory operand');
      loadOperand(emitter, memory, operandSize);
      emitter.store(top, Host.R8, operandSize);
      break;
    case OperandKind.Segment:
      emitter.asm.loadState(Host.R8, segmentWord(operand.value) + SegmentWord.Selector);
      emitter.store(top, Host.R8, operandSize);
      break;
    default:
      emitter.store(top, operand.value, operandSize);
  }
  emitter.moveStack(-operandSize);
});

const emitPopRegister = deferring((emitter, { operands: [{ value }], operandSize }) => {
  if (value !== Reg.Esp) {
    emitter.load(value, emitter.stack(0), operandSize);
    emitter.moveStack(operandSize);
  } else if (operandSize === 4) {
    emitter.load(Host.Rsp, emitter.stack(0));
  } else {
    // the new SP goes into ESP + 2, whose upper half may differ from that of ESP
    emitter.load(Host.R8, emitter.stack(0), 2);
    emitter.moveStack(2);
    emitter.settleStack();
    emitter.asm.bytes(0x66, 0x44, 0x89, 0xc4);
  }
});

/** A memory operand based on ESP is addressed with ESP after the pop (SDM 2, POP). */
const emitPopMemory = deferring((emitter, { memory, operandSize }) => {
  if (memory === undefined) throw new Error('POP without its memory operand');
  const moved = memory.base === Reg.Esp ? { ...memory, displacement: (memory.displacement + operandSize) | 0 } : memory;
  emitter.load(Host.R8, emitter.stack(0), operandSize);
  emitter.store(emitter.address(moved), Host.R8, operandSize);
  emitter.moveStack(operandSize);
});

const planPop: Plan = (instruction, request, nextEip) => {
  const { kind } = instruction.operands[0];
  if (kind === OperandKind.Segment) return planPopSegment(instruction, request, nextEip);
  return kind === OperandKind.Memory ? emitPopMemory : emitPopRegister;
};

/** All of it is probed first, in the order of the pushes, so that one that faults has written nothing. */
const emitPusha: Emit = (emitter, { operandSize }) => {
  for (let count = 1; count <= 8; count++) probeWrite(emitter, -operandSize * count, operandSize);
  for (let register = Reg.Eax; register <= Reg.Edi; register++) {
    emitter.store(emitter.stack(-operandSize * (register + 1)), register, operandSize);
  }
  emitter.moveStack(-operandSize * 8);
};

/** All of it is read first, in the order of the pops: then no load after the first changed register can fault. */
const emitPopa: Emit = (emitter, { operandSize }) => {
  for (let i = 0; i < 8; i++) emitter.load(Host.R8, emitter.stack(operandSize * i), operandSize);
  for (let i = 0; i < 8; i++) {
    const register = Reg.Edi - i;
    if (register !== Reg.Esp) emitter.load(register, emitter.stack(operandSize * i), operandSize);
  }
  emitter.moveStack(operandSize * 8);
};

const emitLeave: Emit = (emitter) => {
  emitter.load(Host.R8, { base: Host.Rbp, index: Host.None, scale: 0, displacement: 0 });
  emitter.asm.leaBase(Host.Rsp, Host.Rbp, 4);
  emitter.asm.move(Host.Rbp, Host.R8);
};

/** Faults as a write would, and leaves memory and the flags as they are. */
function probeWrite(emitter: Emitter, displacement: number, sizeBytes: 2 | 4 = 4): void {
  const not = (): void => emitter.guest(sizeBytes === 2 ? 0x66 : 0, false, [0xf7], 2, emitter.stack(displacement));
  not();
  not();
}

/**
 * ENTER at nesting level 0, the only one that compilers use. It checks that the final ESP could be written to, though it does not write there
 * (SDM 2, ENTER, exceptions).
 */
const emitEnter: Emit = (emitter, { operands: [allocated] }) => {
  const final = -4 - (allocated.value & 0xffff);
  probeWrite(emitter, -4);
  if (final !== -4) probeWrite(emitter, final);
  emitter.store(emitter.stack(-4), Host.Rbp);
  emitter.asm.leaBase(Host.Rbp, Host.Rsp, -4);
  emitter.moveStack(final);
};

const isDouble = ({ operandSize }: Instruction): boolean => operandSize === 4;

export const stackPlans: Partial<Record<Mnemonic, Plan>> = {
  PUSH: () => emitPush,
  POP: planPop,
  PUSHA: () => emitPusha,
  POPA: () => emitPopa,
  LEAVE: (instruction) => (isDouble(instruction) ? emitLeave : undefined),
  ENTER: (instruction) => (isDouble(instruction) && (instruction.operands[1].value & 31) === 0 ? emitEnter : undefined),
};
