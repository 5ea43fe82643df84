/**
 * Model-specific registers and the time stamp counter. (SDM 2, RDMSR, WRMSR, RDTSC; SDM 4, "Architectural MSRs")
 *
 * There are the TSC and its adjustment, the SYSENTER registers, and the three that every processor of Intel's has and that kernels
 * read without asking CPUID. EFER, the APIC base and everything else do not exist, as CPUID says, and raise #GP(0);
 * `Vcpu.unknownMsrs` counts who was asked for. Read before: `vcpu.ts`. Read after: `control.ts`.
 */
import { Cr4 } from '../x86/control.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

const enum Msr {
  TSC = 0x10,
  PLATFORM_ID = 0x17,
  TSC_ADJUST = 0x3b,
  BIOS_SIGN_ID = 0x8b,
  SYSENTER_CS = 0x174,
  SYSENTER_ESP = 0x175,
  SYSENTER_EIP = 0x176,
  MISC_ENABLE = 0x1a0,
}

/** IA32_MISC_ENABLE: fast string operations. What the register could switch is not there, so writes change nothing. */
const FAST_STRINGS = 1 << 0;
/** Microcode revision, in the high half of IA32_BIOS_SIGN_ID; there is none to load. */
const MICROCODE_REVISION = 1;

const TWO_32 = 0x100000000;

function unknown(cpu: Vcpu, msr: number): never {
  cpu.unknownMsrs.set(msr, (cpu.unknownMsrs.get(msr) ?? 0) + 1);
  throw new GuestFault(Vector.GP, 0);
}

function wordOf(cpu: Vcpu, msr: number): Word {
  switch (msr as Msr) {
    case Msr.SYSENTER_CS:
      return Word.SysenterCs;
    case Msr.SYSENTER_ESP:
      return Word.SysenterEsp;
    case Msr.SYSENTER_EIP:
      return Word.SysenterEip;
    default:
      return unknown(cpu, msr);
  }
}

/** RDMSR: the register that ECX numbers to EDX:EAX. #GP(0) when there is none. Privilege is the caller's check. */
export function rdmsr(cpu: Vcpu): void {
  const words = cpu.words;
  const msr = words[Word.Ecx] >>> 0;
  const answer = (low: number, high: number): void => {
    words[Word.Eax] = low;
    words[Word.Edx] = high;
  };
  switch (msr as Msr) {
    case Msr.TSC:
      return readTsc(cpu);
    case Msr.TSC_ADJUST:
      return answer(words[Word.TscOffset], words[Word.TscOffset + 1]);
    case Msr.PLATFORM_ID:
      return answer(0, 0);
    case Msr.BIOS_SIGN_ID:
      return answer(0, MICROCODE_REVISION);
    case Msr.MISC_ENABLE:
      return answer(FAST_STRINGS, 0);
    default:
      return answer(words[wordOf(cpu, msr)], 0);
  }
}

/** WRMSR: EDX:EAX to the register that ECX numbers. #GP(0) when there is none. Privilege is the caller's check. */
export function wrmsr(cpu: Vcpu): void {
  const words = cpu.words;
  const msr = words[Word.Ecx] >>> 0;
  switch (msr as Msr) {
    case Msr.TSC: {
      const cycles = Math.floor(cpu.hooks.tsc.cycles());
      const high = Math.floor(cycles / TWO_32);
      const low = (words[Word.Eax] >>> 0) - (cycles - high * TWO_32);
      words[Word.TscOffset] = low;
      words[Word.TscOffset + 1] = words[Word.Edx] - high - (low < 0 ? 1 : 0);
      break;
    }
    case Msr.TSC_ADJUST:
      // The sum of what software has added to the TSC: how far it is from the clock. (SDM 3B, "Time-Stamp Counter Adjustment")
      words[Word.TscOffset] = words[Word.Eax];
      words[Word.TscOffset + 1] = words[Word.Edx];
      break;
    case Msr.BIOS_SIGN_ID:
    case Msr.MISC_ENABLE:
      break;
    default:
      words[wordOf(cpu, msr)] = words[Word.Eax];
  }
}

/** RDTSC: the time stamp counter to EDX:EAX; #GP(0) outside CPL 0 when CR4.TSD is set. */
export function rdtsc(cpu: Vcpu): void {
  const words = cpu.words;
  if ((words[Word.Cr4] & Cr4.TSD) !== 0 && words[Word.Cpl] !== 0) throw new GuestFault(Vector.GP, 0);
  readTsc(cpu);
}

function readTsc(cpu: Vcpu): void {
  const words = cpu.words;
  const cycles = Math.floor(cpu.hooks.tsc.cycles());
  const high = Math.floor(cycles / TWO_32);
  const low = cycles - high * TWO_32 + (words[Word.TscOffset] >>> 0);
  words[Word.Eax] = low;
  words[Word.Edx] = high + words[Word.TscOffset + 1] + (low >= TWO_32 ? 1 : 0);
}
