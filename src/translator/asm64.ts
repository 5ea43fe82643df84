/**
 * An assembler for the x86-64 instructions that translated code is made of, into one buffer that is used again for each fragment. It
 * knows encodings (SDM 2, "Instruction Format") and the place of the state block, and nothing of guest instructions.
 *
 * Read before: `fragment.ts`. Read after: `emit/emitter.ts`.
 */
import { Word } from '../vcpu/layout.js';

/** Host registers by number. */
export const enum Host {
  Rax,
  Rcx,
  Rdx,
  Rbx,
  Rsp,
  Rbp,
  Rsi,
  Rdi,
  R8,
  R9,
  R10,
  R11,
  /** Window base. */
  R12,
  /** Code base. */
  R13,
  /** Jump table. */
  R14,
  /** State block. */
  R15,
  None = -1,
}

/** Condition codes (SDM 1, appendix B). */
export const enum Condition {
  Equal = 4,
  NotEqual = 5,
  /** Unsigned. */
  Above = 7,
}

/** A memory operand of host registers: base + index << scale + displacement. */
export interface Address {
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
}

/** More than any fragment can need: what the front end allows is far below. */
const CAPACITY = 1 << 17;

export class Asm64 {
  readonly buffer = new Uint8Array(CAPACITY);
  position = 0;

  byte(value: number): void {
    this.buffer[this.position++] = value;
  }

  /** Two to four bytes. */
  bytes(first: number, second: number, third = -1, fourth = -1): void {
    const { buffer } = this;
    buffer[this.position++] = first;
    buffer[this.position++] = second;
    if (third >= 0) buffer[this.position++] = third;
    if (fourth >= 0) buffer[this.position++] = fourth;
  }

  int32(value: number): void {
    const { buffer, position } = this;
    buffer[position] = value;
    buffer[position + 1] = value >> 8;
    buffer[position + 2] = value >> 16;
    buffer[position + 3] = value >> 24;
    this.position = position + 4;
  }

  /** The code since the start: a view of the buffer. */
  code(): Uint8Array {
    return this.buffer.subarray(0, this.position);
  }

  /** A REX prefix where one is needed. @param reg ModR/M reg field @param index SIB index @param base r/m or SIB base; -1 = none */
  rex(wide: boolean, reg: number, index: number, base: number): void {
    const value = (wide ? 8 : 0) | (reg > 7 ? 4 : 0) | (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0);
    if (value !== 0) this.byte(0x40 | value);
  }

  /** ModR/M, SIB and displacement of a memory operand. */
  modRm(reg: number, { base, index, scale, displacement }: Address): void {
    const field = (reg & 7) << 3;
    if (base < 0) {
      // ModR/M 00 101 would be relative to RIP here
      this.bytes(field | 4, (scale << 6) | ((index < 0 ? 4 : index & 7) << 3) | 5);
      this.int32(displacement);
      return;
    }
    const low = base & 7;
    const mod = displacement === 0 && low !== 5 ? 0 : displacement >= -128 && displacement < 128 ? 1 : 2;
    if (index >= 0 || low === 4) {
      this.bytes((mod << 6) | field | 4, (scale << 6) | ((index < 0 ? 4 : index & 7) << 3) | low);
    } else {
      this.byte((mod << 6) | field | low);
    }
    if (mod === 1) this.byte(displacement & 0xff);
    else if (mod === 2) this.int32(displacement);
  }

  /** One opcode byte with a register and a memory operand. */
  private _memory(wide: boolean, opcode: number, reg: number, address: Address): void {
    this.rex(wide, reg, address.index, address.base);
    this.byte(opcode);
    this.modRm(reg, address);
  }

  /** One opcode byte with two register operands. */
  private _registers(wide: boolean, opcode: number, reg: number, rm: number): void {
    this.rex(wide, reg, -1, rm);
    this.bytes(opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  private _state(wide: boolean, opcode: number, reg: number, word: number): void {
    this.rex(wide, reg, -1, Host.R15);
    this.byte(opcode);
    const offset = word * 4;
    this.byte((offset < 128 ? 0x40 : 0x80) | ((reg & 7) << 3) | 7);
    if (offset < 128) this.byte(offset);
    else this.int32(offset);
  }

  // Words of the state block. Moves keep the flags.
  loadState(reg: number, word: number): void {
    this._state(false, 0x8b, reg, word);
  }
  loadState64(reg: number, word: number): void {
    this._state(true, 0x8b, reg, word);
  }
  storeState(word: number, reg: number): void {
    this._state(false, 0x89, reg, word);
  }
  storeState64(word: number, reg: number): void {
    this._state(true, 0x89, reg, word);
  }
  setState(word: number, value: number): void {
    this._state(false, 0xc7, 0, word);
    this.int32(value);
  }
  /** CMP word, R12D, which is 0: against an immediate operand the processor would not fuse it with the jump behind it. */
  compareStateZero(word: number): void {
    this._state(false, 0x39, Host.R12, word);
  }
  /** CMP reg, word. */
  compareState(reg: number, word: number): void {
    this._state(false, 0x3b, reg, word);
  }
  /** TEST word, immediate. */
  testStateImmediate(word: number, value: number): void {
    this._state(false, 0xf7, 0, word);
    this.int32(value);
  }
  testState(word: number, reg: number): void {
    this._state(false, 0x85, reg, word);
  }
  orState(reg: number, word: number): void {
    this._state(false, 0x0b, reg, word);
  }
  andState(reg: number, word: number): void {
    this._state(false, 0x23, reg, word);
  }

  /** ADD word, reg. */
  addState(word: number, reg: number): void {
    this._state(false, 0x01, reg, word);
  }
  /** ADD word pair, 1: a 64-bit counter. */
  incrementState64(word: number): void {
    this._state(true, 0x83, 0, word);
    this.byte(1);
  }

  // Registers. Moves and LEA keep the flags.
  move(destination: number, source: number): void {
    this._registers(false, 0x89, source, destination);
  }
  move64(destination: number, source: number): void {
    this._registers(true, 0x89, source, destination);
  }
  /** MOVZX r32, r16. */
  moveWord(destination: number, source: number): void {
    this.rex(false, destination, -1, source);
    this.bytes(0x0f, 0xb7, 0xc0 | ((destination & 7) << 3) | (source & 7));
  }
  moveImmediate(reg: number, value: number): void {
    this.rex(false, 0, -1, reg);
    this.byte(0xb8 | (reg & 7));
    this.int32(value);
  }
  negate(reg: number): void {
    this._registers(false, 0xf7, 3, reg);
  }
  and(destination: number, source: number): void {
    this._registers(false, 0x21, source, destination);
  }
  xor(destination: number, source: number): void {
    this._registers(false, 0x31, source, destination);
  }
  compare(first: number, second: number): void {
    this._registers(false, 0x39, second, first);
  }
  /** AND, OR, CMP and TEST with a 32-bit immediate. */
  andImmediate(reg: number, value: number): void {
    this._registers(false, 0x81, 4, reg);
    this.int32(value);
  }
  orImmediate(reg: number, value: number): void {
    this._registers(false, 0x81, 1, reg);
    this.int32(value);
  }
  compareImmediate(reg: number, value: number): void {
    this._registers(false, 0x81, 7, reg);
    this.int32(value);
  }
  testImmediate(reg: number, value: number): void {
    this._registers(false, 0xf7, 0, reg);
    this.int32(value);
  }
  shiftLeft(reg: number, count: number): void {
    this._registers(false, 0xc1, 4, reg);
    this.byte(count);
  }
  shiftRight(reg: number, count: number): void {
    this._registers(false, 0xc1, 5, reg);
    this.byte(count);
  }
  /** LEA of 32 bits; the address is worked out in 64. */
  lea(reg: number, address: Address): void {
    this._memory(false, 0x8d, reg, address);
  }
  lea64(reg: number, address: Address): void {
    this._memory(true, 0x8d, reg, address);
  }
  /** LEA reg, [base + displacement], of 32 bits. */
  leaBase(reg: number, base: number, displacement: number): void {
    this.lea(reg, { base, index: Host.None, scale: 0, displacement });
  }
  load(reg: number, address: Address): void {
    this._memory(false, 0x8b, reg, address);
  }

  // The host's stack.
  pushFlags(): void {
    this.byte(0x9c);
  }
  popFlags(): void {
    this.byte(0x9d);
  }
  pop64(reg: number): void {
    this.rex(false, 0, -1, reg);
    this.byte(0x58 | (reg & 7));
  }
  /** MOV [RSP], reg, of 64 bits. */
  storeTop64(reg: number): void {
    this._memory(true, 0x89, reg, { base: Host.Rsp, index: Host.None, scale: 0, displacement: 0 });
  }

  // Jumps. Each returns the offset of its displacement, for `bind` or `bindShort`.
  jump(): number {
    this.byte(0xe9);
    this.int32(0);
    return this.position - 4;
  }
  jumpIf(condition: number): number {
    this.bytes(0x0f, 0x80 | condition);
    this.int32(0);
    return this.position - 4;
  }
  jumpShort(): number {
    this.bytes(0xeb, 0);
    return this.position - 1;
  }
  /** JECXZ; reads no flags and writes none. */
  jumpIfEcxZero(): number {
    this.bytes(0x67, 0xe3, 0);
    return this.position - 1;
  }
  /** LOOPNE (E0), LOOPE (E1), LOOP (E2) on ECX. */
  loop(opcode: number): number {
    this.bytes(0x67, opcode, 0);
    return this.position - 1;
  }
  jumpRegister(reg: number): void {
    this.rex(false, 0, -1, reg);
    this.bytes(0xff, 0xe0 | (reg & 7));
  }
  /** LEA reg, [RIP + displacement], of 64 bits. */
  leaRelative(reg: number): number {
    this.rex(true, reg, -1, -1);
    this.bytes(0x8d, ((reg & 7) << 3) | 5);
    this.int32(0);
    return this.position - 4;
  }

  /** Makes the rel32 at `at` lead to `target`. */
  bind(at: number, target = this.position): void {
    const end = this.position;
    this.position = at;
    this.int32(target - (at + 4));
    this.position = end;
  }

  /** Makes the rel8 at `at` lead here. @throws Error beyond 127 bytes, which is a mistake in an emitter */
  bindShort(at: number): void {
    const distance = this.position - (at + 1);
    if (distance > 127) throw new Error(`short jump over ${distance} bytes`);
    this.buffer[at] = distance;
  }
}

/** First of the four words of a segment's cache. */
export function segmentWord(segment: number): number {
  return Word.Segments + segment * 4;
}
