/**
 * One instruction made ready to run: the handler chosen for its operand shape, and the operands flattened into numbers. Steps are
 * what the code cache keeps; all are of one class with the same field types, so that the engine's loop and every handler stay
 * monomorphic.
 *
 * Separate from the binders because all of them share it. Read before: `../x86/instruction.ts`. Read after: `operands.ts`.
 */
import type { Instruction, Operand } from '../x86/instruction.js';
import { OperandKind } from '../x86/instruction.js';
import type { PhysMemory } from '../memory/phys.js';
import type { Vcpu } from '../vcpu/vcpu.js';

/** Runs one step. EIP already stands at the next instruction; a thrown `GuestFault` makes the engine put it back. */
export type Execute = (cpu: Vcpu, step: Step) => void;

/** What handlers may ask of the interpreter that runs them. */
export interface Engine {
  readonly cpu: Vcpu;
  readonly phys: PhysMemory;
  /** Offset of the running instruction in CS. */
  readonly eip: number;
  /** True while only one instruction is wanted: TF is set, or `step()` was called. */
  readonly single: boolean;
  /** What sensitive instructions go through; undefined: they are executed in place. */
  readonly trapPath?: { wrap(execute: Execute): Execute } | undefined;
  /**
   * Holds interrupts off for the next instruction: runs it at once, or sets `Word.Shadow` when only one is wanted.
   * @param stackSwitch MOV SS or POP SS, which hold single-step traps off too; false for STI
   */
  shadow(stackSwitch: boolean): void;
  /** Reports that the running instruction has no handler: throws `UnimplementedInstruction`. */
  unimplemented(step: Step): never;
  /** Runs the ROM call whose call-out instruction is at `eip`; #UD when that is not inside the ROM. */
  romCall(): void;
}

/** Chooses the handler for one instruction. May set `step` fields beyond those that `Step` fills itself. */
export type Binder = (instruction: Instruction, step: Step, engine: Engine) => Execute;

/** Where the first two operands are. */
const enum Shape {
  RegReg,
  RegMem,
  MemReg,
  RegImm,
  MemImm,
}

/** Index of 8-bit register `number` (AL CL DL BL AH CH DH BH) in `Vcpu.bytes`. */
export function byteRegister(number: number): number {
  return number < 4 ? number * 4 : (number - 4) * 4 + 1;
}

/** Index of a general register in the view of its size: `Vcpu.words`, `halves` or `bytes`. */
export function registerIndex(number: number, sizeBytes: number): number {
  if (sizeBytes === 1) return byteRegister(number);
  return sizeBytes === 2 ? number * 2 : number;
}

function operandValue(operand: Operand | undefined): number {
  if (operand === undefined) return 0;
  return operand.kind === OperandKind.Register ? registerIndex(operand.value, operand.size) : operand.value;
}

export class Step {
  execute: Execute;
  /** Bytes. */
  readonly length: number;
  /** First and second operand: register index (see `registerIndex`), or the operand's `value`. */
  readonly dst: number;
  readonly src: number;
  /** The immediate, relative displacement or far offset, if there is one. */
  readonly imm: number;
  /** Second immediate (ENTER), or the selector of a far pointer. */
  readonly imm2: number;
  /** Memory operand: word indices of base and index, shift count, displacement, 0xffff or -1 by address size, segment. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
  readonly addressMask: number;
  readonly segment: number;
  /** Size in bytes of the first operand, or the operand-size attribute where there is none. */
  readonly size: number;
  /** 32 - operand size in bits: the shift of lazy flags. */
  readonly shift: number;
  /** Operand-size attribute in bytes. */
  readonly operandSize: number;
  /** `Prefix` bits. */
  readonly prefixes: number;
  readonly instruction: Instruction;

  constructor(instruction: Instruction, execute: Execute) {
    const [first, second] = instruction.operands;
    this.execute = execute;
    this.length = instruction.length;
    this.dst = operandValue(first);
    this.src = operandValue(second);
    let imm = 0;
    let imm2 = 0;
    let immediates = 0;
    for (const operand of instruction.operands) {
      switch (operand.kind) {
        case OperandKind.FarPointer:
          imm = operand.value;
          imm2 = operand.selector;
          break;
        case OperandKind.Immediate:
        case OperandKind.Relative:
          if (immediates++ === 0) imm = operand.value;
          else imm2 = operand.value;
          break;
        default:
      }
    }
    this.imm = imm;
    this.imm2 = imm2;
    const memory = instruction.memory;
    this.base = memory === undefined ? 0 : memory.base;
    this.index = memory === undefined ? 0 : memory.index;
    this.scale = memory === undefined ? 0 : memory.scale;
    this.displacement = memory === undefined ? 0 : memory.displacement;
    this.addressMask = instruction.addressSize === 2 ? 0xffff : -1;
    this.segment = memory === undefined ? instruction.segment : memory.segment;
    this.size = first === undefined || first.size === 0 ? instruction.operandSize : first.size;
    this.shift = 32 - 8 * Math.min(4, this.size);
    this.operandSize = instruction.operandSize;
    this.prefixes = instruction.prefixes;
    this.instruction = instruction;
  }
}

function shapeOf(instruction: Instruction): Shape {
  const [first, second] = instruction.operands;
  const isMemory = first.kind === OperandKind.Memory;
  switch (second.kind) {
    case OperandKind.Register:
      return isMemory ? Shape.MemReg : Shape.RegReg;
    case OperandKind.Memory:
      return Shape.RegMem;
    default:
      return isMemory ? Shape.MemImm : Shape.RegImm;
  }
}

/** One handler per shape of two operands: register-register, register-memory, memory-register, register-immediate, memory-immediate. */
export type Shapes = readonly [Execute, Execute, Execute, Execute, Execute];

/** The handler for an instruction of two operands. */
export function byShape(instruction: Instruction, shapes: Shapes): Execute {
  return shapes[shapeOf(instruction)];
}

/** Picks by operand size in bytes: 1, 2 or 4. */
export function bySize<T>(sizeBytes: number, byte: T, half: T, word: T): T {
  return sizeBytes === 1 ? byte : sizeBytes === 2 ? half : word;
}
