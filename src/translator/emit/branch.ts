/**
 * Near transfers of control. A target inside the page is a chain, any other goes through the window's jump table. Far transfers,
 * interrupts and 16-bit operand sizes are the interpreter's. (SDM 2, CALL, JMP, Jcc, LOOP, RET)
 * Read before: `stack.ts`. Read after: `string.ts`.
 */
import { OperandKind, type Instruction } from '../../x86/instruction.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import { Host } from '../asm64.js';
import { deferring, type Emit, type Emitter, type Plan } from './emitter.js';
import { romIntrinsic } from './rom.js';

/** Target of a relative branch. */
export function relativeTarget(instruction: Instruction, nextEip: number): number {
  return (nextEip + instruction.operands[0].value) | 0;
}

const emitJump = deferring((emitter, instruction) => emitter.transfer(relativeTarget(instruction, emitter.next)));

/** Loads the target of an indirect branch, in r8d. */
function loadTarget(emitter: Emitter, { operands: [operand], memory }: Instruction): void {
  if (memory === undefined) emitter.asm.move(Host.R8, operand.value);
  else emitter.load(Host.R8, emitter.address(memory));
}

const emitJumpIndirect = deferring((emitter, instruction) => {
  loadTarget(emitter, instruction);
  emitter.jumpThroughTable();
});

function pushReturn(emitter: Emitter): void {
  emitter.storeImmediate(emitter.stack(-4), emitter.next);
  emitter.moveStack(-4);
}

const emitCall = deferring((emitter, instruction) => {
  pushReturn(emitter);
  emitter.transfer(relativeTarget(instruction, emitter.next));
});

const emitCallIndirect = deferring((emitter, instruction) => {
  loadTarget(emitter, instruction);
  pushReturn(emitter);
  emitter.jumpThroughTable();
});

const emitReturn = deferring((emitter, { operands }) => {
  const released = operands.length > 0 ? operands[0].value : 0;
  emitter.load(Host.R8, emitter.stack(0));
  emitter.moveStack(4 + released);
  emitter.jumpThroughTable();
});

const emitConditional = deferring((emitter, instruction) =>
  emitter.transferIf(instruction.form.condition, relativeTarget(instruction, emitter.next)),
);

/** LOOP without the instruction of that name, which is slow on many hosts. */
const emitLoop: Emit = (emitter, instruction) => {
  const { asm } = emitter;
  asm.leaBase(Host.Rcx, Host.Rcx, -1);
  const done = asm.jumpIfEcxZero();
  emitter.transfer(relativeTarget(instruction, emitter.next));
  asm.bindShort(done);
};

/** JCXZ, LOOPE, LOOPNE: the host's own, around a transfer. */
function takeIf(branch: (emitter: Emitter) => number): Emit {
  return (emitter, instruction) => {
    const { asm } = emitter;
    const taken = branch(emitter);
    const not = asm.jumpShort();
    asm.bindShort(taken);
    emitter.transfer(relativeTarget(instruction, emitter.next));
    asm.bindShort(not);
  };
}

const near = (emit: Emit): Plan => {
  return ({ operandSize }) => (operandSize === 4 ? emit : undefined);
};

/** LOOP and JCXZ count in ECX by the address size. */
const counted = (emit: Emit): Plan => {
  return ({ operandSize, addressSize }) => (operandSize === 4 && addressSize === 4 ? emit : undefined);
};

const isRelative = ({ operands }: Instruction): boolean => operands[0].kind === OperandKind.Relative;

const planCall: Plan = (instruction, request, nextEip) => {
  if (instruction.operandSize === 2) return undefined;
  if (!isRelative(instruction)) return emitCallIndirect;
  const slot = request.cpl === 0 ? request.romSlotAt(relativeTarget(instruction, nextEip)) : undefined;
  return (slot === undefined ? undefined : romIntrinsic(slot, request, emitCall)) ?? emitCall;
};

const planJump: Plan = (instruction) => {
  if (instruction.operandSize === 2) return undefined;
  return isRelative(instruction) ? emitJump : emitJumpIndirect;
};

/** How control goes on behind an instruction. */
export const enum Flow {
  /** To the next one. */
  Next,
  /** To the next one or to a relative target. */
  Conditional,
  /** To a relative target. */
  Direct,
  Indirect,
}

const loopEqual = takeIf(({ asm }) => asm.loop(0xe1));
const loopNotEqual = takeIf(({ asm }) => asm.loop(0xe0));
const jumpCountZero = takeIf(({ asm }) => asm.jumpIfEcxZero());

const flows: ReadonlyMap<Emit, Flow> = new Map<Emit, Flow>([
  ...[emitConditional, emitLoop, loopEqual, loopNotEqual, jumpCountZero].map((emit): [Emit, Flow] => [
    emit,
    Flow.Conditional,
  ]),
  [emitJump, Flow.Direct],
  [emitCall, Flow.Direct],
  [emitJumpIndirect, Flow.Indirect],
  [emitCallIndirect, Flow.Indirect],
  [emitReturn, Flow.Indirect],
]);

/** @param emit what `planOf` gave */
export function flowOf(emit: Emit): Flow {
  return flows.get(emit) ?? Flow.Next;
}

export const branchPlans: Partial<Record<Mnemonic, Plan>> = {
  CALL: planCall,
  JMP: planJump,
  RET: near(emitReturn),
  JCC: near(emitConditional),
  LOOP: counted(emitLoop),
  LOOPE: counted(loopEqual),
  LOOPNE: counted(loopNotEqual),
  JCXZ: counted(jumpCountZero),
};
