/**
 * Decimal adjustment: DAA, DAS, AAA, AAS, AAM, AAD. (SDM 2, one heading per mnemonic)
 *
 * Flags that the manual leaves undefined become 0 (OF after DAA and DAS; OF, SF, ZF, PF after AAA and AAS follow AL).
 * Read before: `alu.ts`. Read after: `bit.ts`.
 */
import { Flag } from '../x86/form.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Lazy, af, cf } from '../vcpu/flags.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import type { Binder, Execute } from './step.js';

const AL = 0;
const AH = 1;
const AX = 0;

function setFlags(cpu: Vcpu, carry: boolean, auxiliary: boolean): void {
  cpu.lazyOp = Lazy.Explicit;
  cpu.lazyResult = (cpu.bytes[AL] << 24) >> 24;
  cpu.lazySource = (carry ? Flag.CF : 0) | (auxiliary ? Flag.AF : 0);
}

const daa: Execute = (cpu) => {
  const before = cpu.bytes[AL];
  const carryBefore = cf(cpu);
  const low = (before & 15) > 9 || af(cpu);
  const high = before > 0x99 || carryBefore;
  cpu.bytes[AL] = before + (low ? 6 : 0) + (high ? 0x60 : 0);
  setFlags(cpu, high, low);
};

const das: Execute = (cpu) => {
  const before = cpu.bytes[AL];
  const carryBefore = cf(cpu);
  const low = (before & 15) > 9 || af(cpu);
  const high = before > 0x99 || carryBefore;
  cpu.bytes[AL] = before - (low ? 6 : 0) - (high ? 0x60 : 0);
  setFlags(cpu, high || (low && before < 6), low);
};

const aaa: Execute = (cpu) => {
  const adjust = (cpu.bytes[AL] & 15) > 9 || af(cpu);
  if (adjust) cpu.halves[AX] += 0x106;
  cpu.bytes[AL] &= 15;
  setFlags(cpu, adjust, adjust);
};

const aas: Execute = (cpu) => {
  const adjust = (cpu.bytes[AL] & 15) > 9 || af(cpu);
  if (adjust) cpu.halves[AX] -= 0x106;
  cpu.bytes[AL] &= 15;
  setFlags(cpu, adjust, adjust);
};

const aam: Execute = (cpu, s) => {
  const base = s.imm & 0xff;
  if (base === 0) throw new GuestFault(Vector.DE, undefined);
  const value = cpu.bytes[AL];
  cpu.bytes[AH] = value / base;
  cpu.bytes[AL] = value % base;
  setFlags(cpu, false, false);
};

const aad: Execute = (cpu, s) => {
  cpu.halves[AX] = (cpu.bytes[AL] + cpu.bytes[AH] * (s.imm & 0xff)) & 0xff;
  setFlags(cpu, false, false);
};

export const bcdBinders = {
  DAA: () => daa,
  DAS: () => das,
  AAA: () => aaa,
  AAS: () => aas,
  AAM: () => aam,
  AAD: () => aad,
} satisfies Partial<Record<Mnemonic, Binder>>;
