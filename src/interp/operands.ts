/**
 * Operand access for step handlers: effective addresses, memory loads and stores with their segment checks, registers by size.
 *
 * Separate because every family uses it and its few lines decide the interpreter's speed: each function is small enough for V8 to
 * inline. Read before: `step.ts`, `../vcpu/segments.ts`. Read after: `alu.ts`.
 */
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import type { Step } from './step.js';

/** Offset of the memory operand within its segment (SDM 1, "Specifying an Offset"); 16-bit addressing wraps at 64 KiB. */
export function effective(cpu: Vcpu, step: Step): number {
  const words = cpu.words;
  return (words[step.base] + (words[step.index] << step.scale) + step.displacement) & step.addressMask;
}

export function load32(cpu: Vcpu, step: Step): number {
  return cpu.mmu.read32(linearRead(cpu, step.segment, effective(cpu, step), 4));
}

export function load16(cpu: Vcpu, step: Step): number {
  return cpu.mmu.read16(linearRead(cpu, step.segment, effective(cpu, step), 2));
}

export function load8(cpu: Vcpu, step: Step): number {
  return cpu.mmu.read8(linearRead(cpu, step.segment, effective(cpu, step), 1));
}

/** Loads the memory operand, zero-extended (32 bits as int32). */
export function load(cpu: Vcpu, step: Step, sizeBytes: number): number {
  return loadAt(cpu, linearRead(cpu, step.segment, effective(cpu, step), sizeBytes), sizeBytes);
}

export function store32(cpu: Vcpu, step: Step, value: number): void {
  cpu.mmu.write32(linearWrite(cpu, step.segment, effective(cpu, step), 4), value);
}

export function store16(cpu: Vcpu, step: Step, value: number): void {
  cpu.mmu.write16(linearWrite(cpu, step.segment, effective(cpu, step), 2), value);
}

export function store8(cpu: Vcpu, step: Step, value: number): void {
  cpu.mmu.write8(linearWrite(cpu, step.segment, effective(cpu, step), 1), value);
}

export function store(cpu: Vcpu, step: Step, sizeBytes: number, value: number): void {
  storeAt(cpu, linearWrite(cpu, step.segment, effective(cpu, step), sizeBytes), sizeBytes, value);
}

/**
 * Linear address of a memory operand that is read and then written. All checks of the write come first, so that a page fault
 * reports the write (the CPU asks for the page with write intent) and nothing is lost when it comes.
 */
export function linearModify(cpu: Vcpu, step: Step, sizeBytes: number): number {
  const linear = linearWrite(cpu, step.segment, effective(cpu, step), sizeBytes);
  cpu.mmu.probeWrite(linear, sizeBytes);
  return linear;
}

/** Reads at a linear address whose segment checks are done; 8 and 16 bits zero-extended. */
export function loadAt(cpu: Vcpu, linear: number, sizeBytes: number): number {
  if (sizeBytes === 4) return cpu.mmu.read32(linear);
  return sizeBytes === 2 ? cpu.mmu.read16(linear) : cpu.mmu.read8(linear);
}

export function storeAt(cpu: Vcpu, linear: number, sizeBytes: number, value: number): void {
  if (sizeBytes === 4) cpu.mmu.write32(linear, value);
  else if (sizeBytes === 2) cpu.mmu.write16(linear, value);
  else cpu.mmu.write8(linear, value);
}

/** Reads a register by its index in the view of its size (`registerIndex`); 8 and 16 bits zero-extended. */
export function getRegister(cpu: Vcpu, index: number, sizeBytes: number): number {
  if (sizeBytes === 4) return cpu.words[index];
  return sizeBytes === 2 ? cpu.halves[index] : cpu.bytes[index];
}

export function setRegister(cpu: Vcpu, index: number, sizeBytes: number, value: number): void {
  if (sizeBytes === 4) cpu.words[index] = value;
  else if (sizeBytes === 2) cpu.halves[index] = value;
  else cpu.bytes[index] = value;
}
