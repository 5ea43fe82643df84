/**
 * LAR, LSL, VERR and VERW: questions about a selector that never fault (but for #PF on the tables). (SDM 2, one heading each)
 * Separate from `segments.ts` because nothing is loaded here. Read before: `descriptor.ts`.
 */
import { type Descriptor, isNull, readDescriptor, SystemType } from './descriptor.js';
import { Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

function visible(cpu: Vcpu, selector: number, validSystemTypes: readonly SystemType[]): Descriptor | undefined {
  const descriptor = isNull(selector) ? undefined : readDescriptor(cpu, selector);
  if (descriptor === undefined) return undefined;
  if (descriptor.isSystem && !validSystemTypes.includes(descriptor.type)) return undefined;
  if (!descriptor.isConforming && Math.max(cpu.words[Word.Cpl], selector & 3) > descriptor.dpl) return undefined;
  return descriptor;
}

const LSL_TYPES = [
  SystemType.Tss16,
  SystemType.Ldt,
  SystemType.BusyTss16,
  SystemType.Tss32,
  SystemType.BusyTss32,
] as const;
const LAR_TYPES = [...LSL_TYPES, SystemType.CallGate16, SystemType.TaskGate, SystemType.CallGate32] as const;

/**
 * LAR. The manual leaves bits 19..16 undefined; processors return the limit's.
 * @returns the second doubleword of the descriptor masked with 0x00FFFF00 (16-bit operand size: its low half), or undefined for ZF = 0
 */
export function lar(cpu: Vcpu, selector: number): number | undefined {
  const descriptor = visible(cpu, selector, LAR_TYPES);
  return descriptor === undefined ? undefined : descriptor.high & 0x00ffff00;
}

/** LSL. @returns the limit in bytes as int32, or undefined for ZF = 0 */
export function lsl(cpu: Vcpu, selector: number): number | undefined {
  return visible(cpu, selector, LSL_TYPES)?.limit;
}

/** VERR: may the segment be read at the current privilege? (the new ZF) */
export function verr(cpu: Vcpu, selector: number): boolean {
  return visible(cpu, selector, [])?.isReadable === true;
}

/** VERW: may the segment be written at the current privilege? (the new ZF) */
export function verw(cpu: Vcpu, selector: number): boolean {
  return visible(cpu, selector, [])?.isWritableData === true;
}
