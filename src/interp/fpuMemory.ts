/**
 * Memory operands wider than a general register: between guest memory and words of the state block. Page faults come before anything
 * is written; 16-byte alignment is checked here. Read before: `operands.ts`. Read after: `fpu.ts`, `simd.ts`.
 */
import { GuestFault, Vector } from '../x86/vectors.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { effective } from './operands.js';
import type { Step } from './step.js';

/**
 * Reads at a linear address whose segment checks are done.
 * @param sizeBytes 2 (zero-extended to a word), 4, 8, 10 (zero-extended to three words) or 16
 * @param word first word to fill
 */
export function loadWords(cpu: Vcpu, linear: number, sizeBytes: number, word: number): void {
  const { words, mmu } = cpu;
  switch (sizeBytes) {
    case 2:
      words[word] = mmu.read16(linear);
      break;
    case 4:
      words[word] = mmu.read32(linear);
      break;
    case 8:
      mmu.requireAligned(linear, 8);
      words[word] = mmu.read32(linear);
      words[word + 1] = mmu.read32((linear + 4) | 0);
      break;
    case 10:
      mmu.requireAligned(linear, 8);
      words[word] = mmu.read32(linear);
      words[word + 1] = mmu.read32((linear + 4) | 0);
      words[word + 2] = mmu.read16((linear + 8) | 0);
      break;
    default:
      mmu.requireAligned(linear, 16);
      words[word] = mmu.read32(linear);
      words[word + 1] = mmu.read32((linear + 4) | 0);
      words[word + 2] = mmu.read32((linear + 8) | 0);
      words[word + 3] = mmu.read32((linear + 12) | 0);
  }
}

/** Writes at a linear address that `probeWrite` has passed; sizes as in `loadWords`. */
export function storeWords(cpu: Vcpu, linear: number, sizeBytes: number, word: number): void {
  const { words, mmu } = cpu;
  switch (sizeBytes) {
    case 2:
      mmu.write16(linear, words[word] & 0xffff);
      break;
    case 4:
      mmu.write32(linear, words[word]);
      break;
    case 8:
      mmu.requireAligned(linear, 8);
      mmu.write32(linear, words[word]);
      mmu.write32((linear + 4) | 0, words[word + 1]);
      break;
    case 10:
      mmu.requireAligned(linear, 8);
      mmu.write32(linear, words[word]);
      mmu.write32((linear + 4) | 0, words[word + 1]);
      mmu.write16((linear + 8) | 0, words[word + 2] & 0xffff);
      break;
    default:
      mmu.write32(linear, words[word]);
      mmu.write32((linear + 4) | 0, words[word + 1]);
      mmu.write32((linear + 8) | 0, words[word + 2]);
      mmu.write32((linear + 12) | 0, words[word + 3]);
  }
}

/** #GP(0) unless aligned to 16 bytes (SDM 2, "Exceptions type 2 and 4 of legacy SSE"; FXSAVE). */
export function checkAligned(linear: number): void {
  if ((linear & 15) !== 0) throw new GuestFault(Vector.GP, 0);
}

/** Reads the step's memory operand into the words at `word`; `aligned` asks for 16-byte alignment. */
export function loadOperand(cpu: Vcpu, step: Step, sizeBytes: number, aligned: boolean, word: number): void {
  const linear = linearRead(cpu, step.segment, effective(cpu, step), sizeBytes);
  if (aligned) checkAligned(linear);
  loadWords(cpu, linear, sizeBytes, word);
}

/** Writes the step's memory operand from the words at `word`. */
export function storeOperand(cpu: Vcpu, step: Step, sizeBytes: number, aligned: boolean, word: number): void {
  const linear = linearWrite(cpu, step.segment, effective(cpu, step), sizeBytes);
  if (aligned) checkAligned(linear);
  cpu.mmu.probeWrite(linear, sizeBytes);
  storeWords(cpu, linear, sizeBytes, word);
}
