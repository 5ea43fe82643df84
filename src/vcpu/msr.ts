/**
 * Model-specific registers and the time stamp counter. (SDM 2, RDMSR, WRMSR, RDTSC; SDM 4, "Architectural MSRs")
 *
 * There are the TSC and the SYSENTER registers. EFER, the APIC base and everything else do not exist, as CPUID says, and raise
 * #GP(0); `Vcpu.unknownMsrs` counts who was asked for. Read before: `vcpu.ts`. Read after: `control.ts`.
 */
import { Cr4 } from '../x86/control.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

const enum Msr {
  TSC = 0x10,
  SYSENTER_CS = 0x174,
  SYSENTER_ESP = 0x175,
  SYSENTER_EIP = 0x176,
}

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
  if ((msr as Msr) === Msr.TSC) {
    readTsc(cpu);
    return;
  }
  const value = words[wordOf(cpu, msr)];
  words[Word.Eax] = value;
  words[Word.Edx] = 0;
}

/** WRMSR: EDX:EAX to the register that ECX numbers. #GP(0) when there is none. Privilege is the caller's check. */
export function wrmsr(cpu: Vcpu): void {
  const words = cpu.words;
  const msr = words[Word.Ecx] >>> 0;
  if ((msr as Msr) === Msr.TSC) {
    const cycles = Math.floor(cpu.hooks.tsc.cycles());
    const high = Math.floor(cycles / TWO_32);
    const low = (words[Word.Eax] >>> 0) - (cycles - high * TWO_32);
    words[Word.TscOffset] = low;
    words[Word.TscOffset + 1] = words[Word.Edx] - high - (low < 0 ? 1 : 0);
    return;
  }
  words[wordOf(cpu, msr)] = words[Word.Eax];
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
