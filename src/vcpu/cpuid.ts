/**
 * What the processor says of itself. (SDM 2, CPUID)
 *
 * A processor of family 6 with exactly the features that are there. The vendor string is our own: software that sees a known vendor goes
 * on to ask for that vendor's model-specific registers (performance counters, microcode), which do not exist here.
 * Read before: `vcpu.ts`. Read after: `control.ts`.
 */
import { Word } from './layout.js';
import { CPU_SIGNATURE, type Vcpu } from './vcpu.js';

/** Whether x87, MMX, FXSAVE, SSE and SSE2 are executed, and so announced and their CR4 bits allowed. */
export function hasFpu(cpu: Vcpu): boolean {
  return cpu.hooks.fpu !== undefined;
}

/** Feature bits in EDX of leaf 1 (SDM 2, table 3-11). */
const enum Feature {
  FPU = 1 << 0,
  DE = 1 << 2,
  PSE = 1 << 3,
  TSC = 1 << 4,
  MSR = 1 << 5,
  CX8 = 1 << 8,
  SEP = 1 << 11,
  PGE = 1 << 13,
  CMOV = 1 << 15,
  CLFSH = 1 << 19,
  MMX = 1 << 23,
  FXSR = 1 << 24,
  SSE = 1 << 25,
  SSE2 = 1 << 26,
}

/** Feature bits in ECX of leaf 1 (SDM 2, table 3-10). */
const enum ExtendedFeature {
  SSE3 = 1 << 0,
  SSSE3 = 1 << 9,
}

/** EBX of leaf 1 with CLFSH: the line that CLFLUSH flushes, 64 bytes, in units of 8, in bits 15..8. */
const CLFLUSH_LINE = 8 << 8;

const INTEGER_FEATURES =
  Feature.DE | Feature.PSE | Feature.TSC | Feature.MSR | Feature.CX8 | Feature.SEP | Feature.PGE | Feature.CMOV;
const FPU_FEATURES = Feature.FPU | Feature.CLFSH | Feature.MMX | Feature.FXSR | Feature.SSE | Feature.SSE2;

/** Twelve bytes in EBX, EDX, ECX of leaf 0. */
export const CPU_VENDOR = 'Romulus vCPU';
/** Up to 47 bytes and a NUL in leaves 0x80000002 to 0x80000004. */
export const CPU_BRAND = 'Romulus vCPU';

const HIGHEST_BASIC = 1;
const HIGHEST_EXTENDED = 0x80000004;

/** Four bytes of text as a little-endian word, NUL-padded. */
function textWord(text: string, at: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= (at + i < text.length ? text.charCodeAt(at + i) & 0xff : 0) << (i * 8);
  return word;
}

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];

function identification(cpu: Vcpu): Registers {
  const fpu = cpu.hooks.fpu;
  if (fpu === undefined) return [CPU_SIGNATURE, 0, 0, INTEGER_FEATURES];
  const extended = (fpu.sse3 ? ExtendedFeature.SSE3 : 0) | (fpu.ssse3 ? ExtendedFeature.SSSE3 : 0);
  return [CPU_SIGNATURE, CLFLUSH_LINE, extended, INTEGER_FEATURES | FPU_FEATURES];
}

function leafRegisters(cpu: Vcpu, leaf: number): Registers {
  switch (leaf) {
    case 0:
      return [HIGHEST_BASIC, textWord(CPU_VENDOR, 0), textWord(CPU_VENDOR, 8), textWord(CPU_VENDOR, 4)];
    case 0x80000000:
      return [HIGHEST_EXTENDED, 0, 0, 0];
    case 0x80000001:
      return [0, 0, 0, 0];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = (leaf - 0x80000002) * 16;
      return [
        textWord(CPU_BRAND, at),
        textWord(CPU_BRAND, at + 4),
        textWord(CPU_BRAND, at + 8),
        textWord(CPU_BRAND, at + 12),
      ];
    }
    default:
      // leaf 1, and any leaf beyond the highest: those give what the highest basic leaf gives
      return identification(cpu);
  }
}

/**
 * CPUID: sets EAX, EBX, ECX and EDX.
 * @param leaf as in EAX, signed or unsigned @param _subleaf as in ECX; no leaf here has subleaves
 */
export function cpuid(cpu: Vcpu, leaf: number, _subleaf: number): void {
  const [eax, ebx, ecx, edx] = leafRegisters(cpu, leaf >>> 0);
  const words = cpu.words;
  words[Word.Eax] = eax;
  words[Word.Ebx] = ebx;
  words[Word.Ecx] = ecx;
  words[Word.Edx] = edx;
}
