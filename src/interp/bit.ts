/**
 * Bits: BT, BTS, BTR, BTC, BSF, BSR, BSWAP. (SDM 2, one heading per mnemonic)
 *
 * A bit offset in a register reaches beyond a memory operand: it selects another word around it (SDM 1, "Bit String").
 * Undefined flags keep their values, and BSF/BSR of 0 keep the destination, as processors do.
 * Read before: `operands.ts`. Read after: `move.ts`.
 */
import { Flag } from '../x86/form.js';
import { OperandKind } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { setArithmeticFlags } from '../vcpu/flags.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { effective, getRegister, load, loadAt, setRegister, storeAt } from './operands.js';
import type { Binder, Execute, Step } from './step.js';

/** What becomes of the bit: new value of the word from the old one and the mask. BT leaves it. */
type BitChange = ((word: number, mask: number) => number) | undefined;

function takeBit(cpu: Vcpu, word: number, bit: number): void {
  setArithmeticFlags(cpu, (word >>> bit) & 1, Flag.CF);
}

/** Signed bit offset of the second operand; an immediate is taken modulo the operand size. */
function bitOffset(cpu: Vcpu, step: Step, byRegister: boolean): number {
  if (!byRegister) return step.imm & (step.size * 8 - 1);
  return (getRegister(cpu, step.src, step.size) << step.shift) >> step.shift;
}

function bitTest(change: BitChange): Binder {
  const register: Execute = (cpu, s) => {
    const byRegister = s.instruction.operands[1].kind === OperandKind.Register;
    const bit = bitOffset(cpu, s, byRegister) & (s.size * 8 - 1);
    const word = getRegister(cpu, s.dst, s.size);
    takeBit(cpu, word, bit);
    if (change !== undefined) setRegister(cpu, s.dst, s.size, change(word, 1 << bit));
  };
  const memory: Execute = (cpu, s) => {
    const byRegister = s.instruction.operands[1].kind === OperandKind.Register;
    const offset = bitOffset(cpu, s, byRegister);
    const words = s.size === 4 ? offset >> 5 : offset >> 4;
    const at = (effective(cpu, s) + words * s.size) & s.addressMask;
    const bit = offset & (s.size * 8 - 1);
    if (change === undefined) {
      takeBit(cpu, loadAt(cpu, linearRead(cpu, s.segment, at, s.size), s.size), bit);
      return;
    }
    const linear = linearWrite(cpu, s.segment, at, s.size);
    cpu.mmu.probeWrite(linear, s.size);
    const word = loadAt(cpu, linear, s.size);
    takeBit(cpu, word, bit);
    storeAt(cpu, linear, s.size, change(word, 1 << bit));
  };
  return (instruction) => (instruction.memory === undefined ? register : memory);
}

function bitScan(find: (value: number) => number): Binder {
  const execute: Execute = (cpu, s) => {
    const value = s.instruction.memory === undefined ? getRegister(cpu, s.src, s.size) : load(cpu, s, s.size);
    setArithmeticFlags(cpu, value === 0 ? Flag.ZF : 0, Flag.ZF);
    if (value !== 0) setRegister(cpu, s.dst, s.size, find(value));
  };
  return () => execute;
}

/** BSWAP of a 16-bit register is undefined; processors clear it. */
const bswap: Execute = (cpu, s) => {
  if (s.size === 2) {
    cpu.halves[s.dst] = 0;
    return;
  }
  const value = cpu.words[s.dst];
  cpu.words[s.dst] = (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
};

export const bitBinders = {
  BT: bitTest(undefined),
  BTS: bitTest((word, mask) => word | mask),
  BTR: bitTest((word, mask) => word & ~mask),
  BTC: bitTest((word, mask) => word ^ mask),
  BSF: bitScan((value) => 31 - Math.clz32(value & -value)),
  BSR: bitScan((value) => 31 - Math.clz32(value)),
  BSWAP: () => bswap,
} satisfies Partial<Record<Mnemonic, Binder>>;
