/**
 * Instructions that the host executes as they are: encoded again from the decoded form, with the guest's memory operand reached through
 * the window. Prefixes without meaning for the i386 are dropped on the way, as a host may give them one (F3 0F BC is TZCNT there).
 *
 * Read before: `emitter.ts`. Read after: `integer.ts`, `fpu.ts`.
 */
import { MandatoryPrefix, mapEscapes, readEncoding } from '../../x86/encoding.js';
import { Attribute, type Form } from '../../x86/form.js';
import { OperandKind, Prefix, type Instruction } from '../../x86/instruction.js';
import type { Address } from '../asm64.js';
import { deferring, type Emitter } from './emitter.js';

/** What of an encoding follows from the form alone. */
interface Recipe {
  /** Mandatory prefix byte, or 0. */
  readonly prefix: number;
  /** The operand-size prefix counts. */
  readonly sized: boolean;
  /** Opcode with its escape bytes. */
  readonly opcode: readonly number[];
  /** The register number is added to the last opcode byte. */
  readonly plusRegister: boolean;
  readonly hasModRm: boolean;
  /** Value of the reg field where it extends the opcode, else -1. */
  readonly extension: number;
  /** Encoded sizes of the immediate operands in bytes, 0 = that of the operand. */
  readonly immediates: readonly number[];
}

const prefixBytes: Readonly<Record<MandatoryPrefix, number>> = {
  [MandatoryPrefix.None]: 0,
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
  [MandatoryPrefix.Any]: 0,
};

const immediateBytes: Readonly<Record<string, number>> = { ib: 1, iw: 2, iz: 0 };

/** Aliases that 64-bit mode lacks or no manual promises, by what every processor has. */
function extensionOf(form: Form, extension: number): number {
  if (extension === 6 && form.mnemonic === 'SHL') return 4;
  if (extension === 1 && form.mnemonic === 'TEST') return 0;
  return extension;
}

function makeRecipe(form: Form): Recipe {
  const encoding = readEncoding(form);
  // 82 is 80 once more
  const opcode = encoding.map === 0 && encoding.opcode === 0x82 ? 0x80 : encoding.opcode;
  return {
    prefix: prefixBytes[encoding.prefix],
    sized: encoding.prefix === MandatoryPrefix.Any && (form.attributes & Attribute.Fpu) === 0,
    opcode: [...mapEscapes[encoding.map], opcode],
    plusRegister: encoding.opcodeCount === 8,
    hasModRm: encoding.hasModRm,
    extension: extensionOf(form, encoding.extension),
    immediates: encoding.immediates.map((token) => immediateBytes[token]),
  };
}

const recipes = new Map<Form, Recipe>();

function recipeOf(form: Form): Recipe {
  let recipe = recipes.get(form);
  if (recipe === undefined) recipes.set(form, (recipe = makeRecipe(form)));
  return recipe;
}

function emitImmediates(emitter: Emitter, instruction: Instruction, recipe: Recipe): void {
  if (recipe.immediates.length === 0) return;
  let at = 0;
  for (const operand of instruction.operands) {
    if (operand.kind !== OperandKind.Immediate || at >= recipe.immediates.length) continue;
    const size = recipe.immediates[at++] || operand.size;
    for (let i = 0; i < size; i++) emitter.asm.byte((operand.value >> (8 * i)) & 0xff);
  }
}

/** Emits the instruction itself, its memory operand at `address`. */
function encode(emitter: Emitter, instruction: Instruction, address: Address | undefined): void {
  const asm = emitter.asm;
  const recipe = recipeOf(instruction.form);
  const prefix = recipe.prefix !== 0 ? recipe.prefix : recipe.sized && instruction.operandSize === 2 ? 0x66 : 0;
  const reg = recipe.extension >= 0 ? recipe.extension : (instruction.modRm >> 3) & 7;
  if (address !== undefined) {
    const lock = (instruction.prefixes & Prefix.Lock) !== 0;
    emitter.guest(prefix, lock, recipe.opcode, reg, address);
  } else {
    if (prefix !== 0) asm.byte(prefix);
    const last = recipe.opcode.length - 1;
    for (let i = 0; i < last; i++) asm.byte(recipe.opcode[i]);
    asm.byte(recipe.opcode[last] + (recipe.plusRegister ? instruction.operands[0].value : 0));
    if (recipe.hasModRm) asm.byte(0xc0 | (reg << 3) | (instruction.modRm & 7));
  }
  emitImmediates(emitter, instruction, recipe);
}

/** The instruction as the host's. */
export const emitNative = deferring((emitter, instruction) => {
  const { memory } = instruction;
  encode(emitter, instruction, memory && emitter.address(memory));
});

/** LEA: an address and no access. */
export const emitLea = deferring((emitter, { memory, operands, operandSize }) => {
  if (memory === undefined) throw new Error('LEA without a memory operand');
  if (operandSize === 2) emitter.asm.byte(0x66);
  emitter.asm.lea(operands[0].value, emitter.effective(memory));
});
