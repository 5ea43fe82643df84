/**
 * Interrupt calls: the virtual interrupt flag, IRET, SYSEXIT and Halt. These are three quarters of all ROM calls a kernel makes, and
 * the reason why the flag is a word of its own (`Word.InterruptFlag`): turning interrupts off is one store.
 *
 * Delivery is not done here. A call that turns interrupts on while the interrupt controller asserts its request raises
 * `Attention.Interrupt` (`flags.ts`), and the run loop delivers between two instructions: the stub's VMCALL and its RET.
 * (VMI spec, "Interrupt and I/O subsystem")
 */
import { disableInterrupts as turnOff, enableInterrupts as turnOn } from '../vcpu/flags.js';
import { Word } from '../vcpu/layout.js';
import { interruptReturn, sysexit } from '../vcpu/transfer.js';
import type { RomContext } from './context.js';

/** Position of IF in EFLAGS, which is also where the two mask calls keep it (SDM 1, "EFLAGS register"). */
const IF_SHIFT = 9;

/** @vmi EnableInterrupts: sets the virtual IF and delivers what was recorded while it was clear. */
export function enableInterrupts(rom: RomContext): void {
  turnOn(rom.cpu);
}

/** @vmi DisableInterrupts: clears the virtual IF: one store. */
export function disableInterrupts(rom: RomContext): void {
  turnOff(rom.cpu);
}

/** @vmi GetInterruptMask: returns the virtual IF in bit 9, all other bits clear. */
export function getInterruptMask(rom: RomContext): void {
  rom.words[Word.Eax] = rom.words[Word.InterruptFlag] << IF_SHIFT;
}

/** @vmi SetInterruptMask: sets the virtual IF from bit 9, as EnableInterrupts or DisableInterrupts would. */
export function setInterruptMask(rom: RomContext): void {
  if (((rom.words[Word.Eax] >>> IF_SHIFT) & 1) !== 0) turnOn(rom.cpu);
  else turnOff(rom.cpu);
}

/**
 * @vmi IRET: the IRET instruction on the frame at [ESP]. A fault is reported with EIP at the ROM's IRET entry, so a kernel that repairs
 *   faulting returns compares EIP with that entry.
 */
export function iret(rom: RomContext): void {
  interruptReturn(rom.cpu, 4);
}

/** @vmi SYSEXIT: the SYSEXIT instruction with interrupts turned on in the same step. */
export function sysexitEnabled(rom: RomContext): void {
  sysexit(rom.cpu);
  turnOn(rom.cpu);
}

/**
 * @vmi Halt: turns interrupts on and waits until one has been taken, without a gap between the two. The wait costs no host CPU. With
 *   something pending already it is no exit to the host.
 */
export function halt(rom: RomContext): void {
  // Halted first: a strategy that has the host hold events back lets them in with the wait, and not before it.
  rom.words[Word.Halted] = 1;
  turnOn(rom.cpu);
  if (!rom.cpu.hooks.pic.requested) rom.countExits(1);
}
