/**
 * Processor calls: identification, model-specific registers, control and debug registers, time stamp counter, the end of the
 * machine. Each does what the instruction of the same name does at CPL 0, faults included. (VMI spec, "Processor state calls")
 */
import * as control from '../vcpu/control.js';
import { Word } from '../vcpu/layout.js';
import { breach, unsigned } from './context.js';
import type { RomContext } from './context.js';

/** @vmi CPUID: the CPUID instruction. */
export function cpuid(rom: RomContext): void {
  control.cpuid(rom.cpu, rom.words[Word.Eax], rom.words[Word.Ecx]);
}

/** @vmi WRMSR: the WRMSR instruction. */
export function wrmsr(rom: RomContext): void {
  control.wrmsr(rom.cpu);
}

/** @vmi RDMSR: the RDMSR instruction. */
export function rdmsr(rom: RomContext): void {
  control.rdmsr(rom.cpu);
}

/** @vmi SetCR0: MOV to CR0. Paging, protection and write protection can be turned off again, as on hardware. */
export function setCr0(rom: RomContext): void {
  control.writeControl(rom.cpu, 0, rom.words[Word.Eax]);
}

/** @vmi SetCR2: MOV to CR2. */
export function setCr2(rom: RomContext): void {
  control.writeControl(rom.cpu, 2, rom.words[Word.Eax]);
}

/** @vmi SetCR3: MOV to CR3: drops all translations but global ones. */
export function setCr3(rom: RomContext): void {
  control.writeControl(rom.cpu, 3, rom.words[Word.Eax]);
}

/** @vmi SetCR4: MOV to CR4. */
export function setCr4(rom: RomContext): void {
  control.writeControl(rom.cpu, 4, rom.words[Word.Eax]);
}

/** @vmi GetCR0: MOV from CR0. */
export function getCr0(rom: RomContext): void {
  rom.words[Word.Eax] = control.readControl(rom.cpu, 0);
}

/** @vmi GetCR2: MOV from CR2. */
export function getCr2(rom: RomContext): void {
  rom.words[Word.Eax] = control.readControl(rom.cpu, 2);
}

/** @vmi GetCR3: MOV from CR3. */
export function getCr3(rom: RomContext): void {
  rom.words[Word.Eax] = control.readControl(rom.cpu, 3);
}

/** @vmi GetCR4: MOV from CR4. */
export function getCr4(rom: RomContext): void {
  rom.words[Word.Eax] = control.readControl(rom.cpu, 4);
}

function checkDebugRegister(rom: RomContext, call: string, register: number): void {
  if (register > 7) breach(rom, call, `there is no debug register ${register}; numbers are 0 to 7`);
}

/** @vmi SetDR: MOV to the debug register that EAX numbers. */
export function setDr(rom: RomContext): void {
  const register = unsigned(rom, Word.Eax);
  checkDebugRegister(rom, 'SetDR', register);
  control.writeDebug(rom.cpu, register, rom.words[Word.Edx]);
}

/** @vmi GetDR: MOV from the debug register that EAX numbers. */
export function getDr(rom: RomContext): void {
  const register = unsigned(rom, Word.Eax);
  checkDebugRegister(rom, 'GetDR', register);
  rom.words[Word.Eax] = control.readDebug(rom.cpu, register);
}

/** @vmi RDTSC: the RDTSC instruction. */
export function rdtsc(rom: RomContext): void {
  control.rdtsc(rom.cpu);
}

/** @vmi CLTS: the CLTS instruction. */
export function clts(rom: RomContext): void {
  control.clts(rom.cpu);
}

/** @vmi Reboot: ends the machine as after a reset. */
export function reboot(rom: RomContext): void {
  const how = unsigned(rom, Word.Eax);
  if (how > 1) breach(rom, 'Reboot', `${how} is no way to reboot; 0 is soft, 1 is hard`);
  rom.countExits(1);
  rom.services.reboot(how === 1);
}

/** @vmi Shutdown: ends the machine as after a power-off. */
export function shutdown(rom: RomContext): void {
  rom.countExits(1);
  rom.services.shutdown();
}
