/**
 * The operand codes of the instruction table: where an operand is encoded, what kind it is and how big. The letters are
 * those of the SDM's opcode appendix ("Key to abbreviations"): E, G, M, I, J, O, S, ... followed by the size. Where the
 * appendix leaves something to the reader the code says it: `Ibs` is a byte sign-extended to the operand size, `Rv/Mw`
 * a register of operand size or a word of memory, `Menv`, `Mstate` and `Mfx` the FPU's images.
 *
 * Read before: `instruction.ts`. Read after: `form.ts`, `decode.ts`.
 */
import { OperandKind, Reg, Segment } from './instruction.js';

/** Where the decoder finds an operand. */
export const enum OperandSource {
  /** The r/m field: register or memory (E, Q, W). */
  RegisterOrMemory,
  /** The r/m field, memory only (M). */
  MemoryOnly,
  /** The r/m field, register only (N, U, ST(i)). */
  RegisterOnly,
  /** The r/m field as a register whatever mod says (R of MOV to and from control and debug registers). */
  ModIgnored,
  /** The reg field (G, P, V, S, C, D). */
  RegField,
  /** The low three bits of the opcode (Z). */
  OpcodeBits,
  /** Named by the opcode itself; `OperandSpec.fixed` is the number. */
  Fixed,
  /** Immediate bytes, zero-extended or of full size. */
  Immediate,
  /** One immediate byte, sign-extended to the operand size. */
  SignedByte,
  /** The constant in `OperandSpec.fixed`, encoded by the opcode. */
  Constant,
  /** Displacement relative to the next instruction. */
  Relative,
  /** Offset and selector. */
  FarPointer,
  /** Memory at an offset of address size, without ModR/M (O). */
  Offset,
  /** DS:eSI, ES:eDI of the string instructions: known from the opcode, not listed in `Instruction.operands`. */
  Implicit,
}

/** Sizes that depend on the operand-size attribute; other sizes are byte counts. */
export const enum SizeRule {
  /** 2 or 4 bytes (v, z). */
  V = -1,
  /** Far pointer: selector and offset, 4 or 6 bytes (p). */
  P = -2,
  /** Two words or doublewords: BOUND (a). */
  A = -3,
  /** FPU environment, 14 or 28 bytes. */
  Environment = -4,
  /** FPU state, 94 or 108 bytes. */
  State = -5,
}

export interface OperandSpec {
  readonly source: OperandSource;
  /** Kind unless the operand turns out to be memory. */
  readonly kind: OperandKind;
  /** Bytes or a `SizeRule`. */
  readonly size: number;
  /** Bytes or a `SizeRule` when the operand is memory. */
  readonly memorySize: number;
  /** Register number or value of `Fixed` and `Constant` operands, else 0. */
  readonly fixed: number;
}

const spec = (source: OperandSource, kind: OperandKind, size: number, memorySize = size, fixed = 0): OperandSpec => ({
  source,
  kind,
  size,
  memorySize,
  fixed,
});

const general = (size: number, memorySize = size): OperandSpec =>
  spec(OperandSource.RegisterOrMemory, OperandKind.Register, size, memorySize);
const memory = (size: number): OperandSpec => spec(OperandSource.MemoryOnly, OperandKind.Memory, size);
const field = (kind: OperandKind, size: number): OperandSpec => spec(OperandSource.RegField, kind, size);
const mmx = (size: number): OperandSpec => spec(OperandSource.RegisterOrMemory, OperandKind.Mmx, size);
const xmm = (size: number): OperandSpec => spec(OperandSource.RegisterOrMemory, OperandKind.Xmm, size);
const xmmOnly = (size: number): OperandSpec => spec(OperandSource.RegisterOnly, OperandKind.Xmm, size);
const fixed = (kind: OperandKind, size: number, value: number): OperandSpec =>
  spec(OperandSource.Fixed, kind, size, size, value);
const segment = (value: Segment): OperandSpec => fixed(OperandKind.Segment, 2, value);
const implicit = (size: number): OperandSpec => spec(OperandSource.Implicit, OperandKind.Memory, size);

const specs = {
  // General registers and memory.
  Eb: general(1),
  Ew: general(2),
  Ed: general(4),
  Ev: general(SizeRule.V),
  'Rv/Mw': general(SizeRule.V, 2),
  'Rd/Mw': general(4, 2),
  Rd: spec(OperandSource.ModIgnored, OperandKind.Register, 4),
  Gb: field(OperandKind.Register, 1),
  Gw: field(OperandKind.Register, 2),
  Gd: field(OperandKind.Register, 4),
  Gv: field(OperandKind.Register, SizeRule.V),
  Zb: spec(OperandSource.OpcodeBits, OperandKind.Register, 1),
  Zv: spec(OperandSource.OpcodeBits, OperandKind.Register, SizeRule.V),
  AL: fixed(OperandKind.Register, 1, Reg.Eax),
  CL: fixed(OperandKind.Register, 1, Reg.Ecx),
  AX: fixed(OperandKind.Register, 2, Reg.Eax),
  DX: fixed(OperandKind.Register, 2, Reg.Edx),
  eAX: fixed(OperandKind.Register, SizeRule.V, Reg.Eax),

  // Memory only.
  M: memory(0),
  Mw: memory(2),
  Md: memory(4),
  Mq: memory(8),
  Mt: memory(10),
  Mdq: memory(16),
  Mps: memory(16),
  Mpd: memory(16),
  Ma: memory(SizeRule.A),
  Mp: memory(SizeRule.P),
  Ms: memory(6),
  Menv: memory(SizeRule.Environment),
  Mstate: memory(SizeRule.State),
  Mfx: memory(512),
  Ob: spec(OperandSource.Offset, OperandKind.Memory, 1),
  Ov: spec(OperandSource.Offset, OperandKind.Memory, SizeRule.V),
  Xb: implicit(1),
  Xv: implicit(SizeRule.V),
  Yb: implicit(1),
  Yv: implicit(SizeRule.V),

  // Immediates and branch targets.
  Ib: spec(OperandSource.Immediate, OperandKind.Immediate, 1),
  Ibs: spec(OperandSource.SignedByte, OperandKind.Immediate, SizeRule.V),
  Iw: spec(OperandSource.Immediate, OperandKind.Immediate, 2),
  Iz: spec(OperandSource.Immediate, OperandKind.Immediate, SizeRule.V),
  '1': spec(OperandSource.Constant, OperandKind.Immediate, 1, 1, 1),
  Jb: spec(OperandSource.Relative, OperandKind.Relative, 1),
  Jz: spec(OperandSource.Relative, OperandKind.Relative, SizeRule.V),
  Ap: spec(OperandSource.FarPointer, OperandKind.FarPointer, SizeRule.P),

  // Segment, control and debug registers.
  Sw: field(OperandKind.Segment, 2),
  ES: segment(Segment.Es),
  CS: segment(Segment.Cs),
  SS: segment(Segment.Ss),
  DS: segment(Segment.Ds),
  FS: segment(Segment.Fs),
  GS: segment(Segment.Gs),
  Cd: field(OperandKind.Control, 4),
  Dd: field(OperandKind.Debug, 4),

  // x87 stack.
  ST: fixed(OperandKind.St, 10, 0),
  STi: spec(OperandSource.RegisterOnly, OperandKind.St, 10),

  // MMX.
  Pd: field(OperandKind.Mmx, 4),
  Pq: field(OperandKind.Mmx, 8),
  Qd: mmx(4),
  Qq: mmx(8),
  Nq: spec(OperandSource.RegisterOnly, OperandKind.Mmx, 8),

  // XMM.
  Vd: field(OperandKind.Xmm, 4),
  Vss: field(OperandKind.Xmm, 4),
  Vsd: field(OperandKind.Xmm, 8),
  Vq: field(OperandKind.Xmm, 8),
  Vps: field(OperandKind.Xmm, 16),
  Vpd: field(OperandKind.Xmm, 16),
  Vdq: field(OperandKind.Xmm, 16),
  Wss: xmm(4),
  Wsd: xmm(8),
  Wq: xmm(8),
  Wps: xmm(16),
  Wpd: xmm(16),
  Wdq: xmm(16),
  Uq: xmmOnly(8),
  Ups: xmmOnly(16),
  Upd: xmmOnly(16),
  Udq: xmmOnly(16),
};

export type OperandCode = keyof typeof specs;

/** What each operand code means. */
export const operandSpecs: Readonly<Record<OperandCode, OperandSpec>> = specs;

/**
 * Resolves a size of the table.
 *
 * @param size bytes or a `SizeRule`
 * @param operandSize the operand-size attribute in bytes
 * @returns bytes
 */
export function sizeInBytes(size: number, operandSize: 2 | 4): number {
  switch (size as SizeRule) {
    case SizeRule.V:
      return operandSize;
    case SizeRule.P:
      return operandSize + 2;
    case SizeRule.A:
      return operandSize * 2;
    case SizeRule.Environment:
      return operandSize === 4 ? 28 : 14;
    case SizeRule.State:
      return operandSize === 4 ? 108 : 94;
    default:
      return size;
  }
}
