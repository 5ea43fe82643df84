/**
 * What the processor says of itself. (SDM 2, CPUID)
 *
 * An Atom of Intel's first generation with exactly the features that are there, and a hypervisor around it. Why that one, and not a
 * vendor of our own: docs/decisions/0011. Read before: `vcpu.ts`. Read after: `msr.ts`.
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
  /** Leaf 0x40000000 names the hypervisor. Intel and AMD keep the bit 0 in hardware. */
  Hypervisor = 1 << 31,
}

/** Feature bits in EBX of leaf 7 (SDM 2, table 3-8). */
const enum StructuredFeature {
  TscAdjust = 1 << 1,
}

/** EDX of leaf 0x80000007: the TSC runs at one rate in all states of the processor. (SDM 3B, "Invariant TSC") */
const INVARIANT_TSC = 1 << 8;

/** EBX of leaf 1: one logical processor; with CLFSH, the line that CLFLUSH flushes, 64 bytes, in units of 8, in bits 15..8. */
const ONE_PROCESSOR = 1 << 16;
const CLFLUSH_LINE = 8 << 8;

const INTEGER_FEATURES =
  Feature.DE | Feature.PSE | Feature.TSC | Feature.MSR | Feature.CX8 | Feature.SEP | Feature.PGE | Feature.CMOV;
const FPU_FEATURES = Feature.FPU | Feature.CLFSH | Feature.MMX | Feature.FXSR | Feature.SSE | Feature.SSE2;

/** Twelve bytes in EBX, EDX, ECX of leaf 0. */
export const CPU_VENDOR = 'GenuineIntel';
/** Twelve bytes in EBX, ECX, EDX of leaf 0x40000000. */
export const HYPERVISOR_VENDOR = 'RomulusVMROM';
/** Up to 47 bytes and a NUL in leaves 0x80000002 to 0x80000004. */
export const CPU_BRAND = 'Romulus vCPU';

const HIGHEST_BASIC = 0x16;
const HIGHEST_HYPERVISOR = 0x40000010;
const HIGHEST_EXTENDED = 0x80000008;

/** Leaf 2: AL is always 1, and descriptor 0xFF sends the reader to leaf 4. (SDM 2, table 3-12) */
const CACHES_IN_LEAF_4 = 0xff01;

const enum CacheType {
  None = 0,
  Data = 1,
  Instruction = 2,
  Unified = 3,
}

interface Cache {
  readonly type: CacheType;
  readonly level: number;
  readonly ways: number;
  readonly sizeBytes: number;
}

/** Subleaves of leaf 4: what programs size their blocks by. Of the order of a host's share; nothing here behaves like a cache. */
const CACHES: readonly Cache[] = [
  { type: CacheType.Data, level: 1, ways: 8, sizeBytes: 32 << 10 },
  { type: CacheType.Instruction, level: 1, ways: 8, sizeBytes: 32 << 10 },
  { type: CacheType.Unified, level: 2, ways: 8, sizeBytes: 512 << 10 },
];
const CACHE_LINE_BYTES = 64;
/** Leaf 4 EAX: the level of this cache needs no initialization by software. */
const SELF_INITIALIZING = 1 << 8;

/** Leaf 0x80000006 ECX: the second-level cache in KiB in bits 31..16, 8 ways (code 6) in 15..12, bytes of a line in 7..0. */
const SECOND_LEVEL_CACHE = (512 << 16) | (6 << 12) | CACHE_LINE_BYTES;
/** Leaf 0x80000008 EAX: bits of a linear and of a physical address. */
const ADDRESS_BITS = (32 << 8) | 32;
/** Leaf 0x16 ECX: bus rate in MHz; there is no bus, and software divides by it. */
const BUS_MHZ = 100;

/** Four bytes of text as a little-endian word, NUL-padded. */
function textWord(text: string, at: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= (at + i < text.length ? text.charCodeAt(at + i) & 0xff : 0) << (i * 8);
  return word;
}

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NOTHING: Registers = [0, 0, 0, 0];

function identification(cpu: Vcpu): Registers {
  const fpu = cpu.hooks.fpu;
  if (fpu === undefined) return [CPU_SIGNATURE, ONE_PROCESSOR, ExtendedFeature.Hypervisor, INTEGER_FEATURES];
  const sse = (fpu.sse3 ? ExtendedFeature.SSE3 : 0) | (fpu.ssse3 ? ExtendedFeature.SSSE3 : 0);
  return [
    CPU_SIGNATURE,
    ONE_PROCESSOR | CLFLUSH_LINE,
    ExtendedFeature.Hypervisor | sse,
    INTEGER_FEATURES | FPU_FEATURES,
  ];
}

/** Leaf 4: one subleaf a cache, then one of type "none". (SDM 2, CPUID, "Deterministic Cache Parameters") */
function cacheParameters(subleaf: number): Registers {
  const cache = CACHES[subleaf];
  if (cache === undefined) return NOTHING;
  const sets = cache.sizeBytes / cache.ways / CACHE_LINE_BYTES;
  return [
    cache.type | (cache.level << 5) | SELF_INITIALIZING,
    ((cache.ways - 1) << 22) | (CACHE_LINE_BYTES - 1),
    sets - 1,
    0,
  ];
}

function leafRegisters(cpu: Vcpu, leaf: number, subleaf: number): Registers {
  const { cyclesHz } = cpu.hooks.tsc;
  switch (leaf) {
    case 0:
      return [HIGHEST_BASIC, textWord(CPU_VENDOR, 0), textWord(CPU_VENDOR, 8), textWord(CPU_VENDOR, 4)];
    case 1:
      return identification(cpu);
    case 2:
      return [CACHES_IN_LEAF_4, 0, 0, 0];
    case 4:
      return cacheParameters(subleaf);
    case 7:
      return subleaf === 0 ? [0, StructuredFeature.TscAdjust, 0, 0] : NOTHING;
    case 0x15:
      // The crystal has the rate of the TSC itself: a ratio of 1 to 1.
      return [1, 1, cyclesHz, 0];
    case 0x16:
      return [cyclesHz / 1e6, cyclesHz / 1e6, BUS_MHZ, 0];
    case 0x40000000:
      return [
        HIGHEST_HYPERVISOR,
        textWord(HYPERVISOR_VENDOR, 0),
        textWord(HYPERVISOR_VENDOR, 4),
        textWord(HYPERVISOR_VENDOR, 8),
      ];
    case 0x40000010:
      // Rates of the TSC and of the local APIC's timer in kHz, as several hypervisors tell them; there is no APIC.
      return [cyclesHz / 1e3, 0, 0, 0];
    case 0x80000000:
      return [HIGHEST_EXTENDED, 0, 0, 0];
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
    case 0x80000006:
      return [0, 0, SECOND_LEVEL_CACHE, 0];
    case 0x80000007:
      return [0, 0, 0, INVARIANT_TSC];
    case 0x80000008:
      return [ADDRESS_BITS, 0, 0, 0];
    default:
      // Reserved leaves, those of features that are not there, and the hypervisor's and the extended range beyond their ends are 0.
      // Deviation: so is a leaf beyond the highest basic one, where a processor repeats its highest.
      return NOTHING;
  }
}

/**
 * CPUID: sets EAX, EBX, ECX and EDX.
 * @param leaf as in EAX, signed or unsigned @param subleaf as in ECX
 */
export function cpuid(cpu: Vcpu, leaf: number, subleaf: number): void {
  const [eax, ebx, ecx, edx] = leafRegisters(cpu, leaf >>> 0, subleaf >>> 0);
  const words = cpu.words;
  words[Word.Eax] = eax;
  words[Word.Ebx] = ebx;
  words[Word.Ecx] = ecx;
  words[Word.Edx] = edx;
}
