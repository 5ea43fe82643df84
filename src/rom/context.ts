/**
 * What a ROM call handler may touch: the vCPU, the services of the machine, and what the guest has told the ROM so far. It stands
 * apart from `rom.ts` so that the handlers (`cpu.ts`, `segment.ts`, `mmu.ts`, `interrupt.ts`, `time.ts`, `io.ts`) do not import
 * the class that imports them. Read before: `calls.ts`. Read after: any handler file.
 */
import { GuestKilled } from '../errors.js';
import type { Clock } from '../time/clock.js';
import type { Deadlines } from '../time/deadlines.js';
import { peek32 } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { Word } from '../vcpu/layout.js';
import type { Alarms } from './time.js';
import type { PageTypes } from './pageTypes.js';

/** What the ROM asks of the machine around the vCPU. */
export interface RomServices {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Records one event on the interrupt line of the alarm, `ALARM_IRQ`. */
  raiseAlarm(): void;
  /** Ends the machine as after a power-off. */
  shutdown(): void;
  /** Ends the machine as after a reset: `hard` like the reset line, otherwise like INIT. */
  reboot(hard: boolean): void;
}

/** One linear mapping the guest has announced (SetLinearMapping). */
export interface LinearMapping {
  readonly linear: number;
  readonly pages: number;
  readonly firstPfn: number;
}

export interface RomContext {
  readonly cpu: Vcpu;
  /** The state block of `cpu`. */
  readonly words: Int32Array;
  readonly services: RomServices;
  readonly pageTypes: PageTypes;
  readonly alarms: Alarms;
  /** By slot: 0 = the direct map, 1 and 2 = windows for page tables in high memory, 3 = free. */
  readonly linearMappings: (LinearMapping | undefined)[];
  /** Adds to the exits to the host that the running call has caused (`Word.RomExits`). */
  countExits(exits: number): void;
}

/** One call's body. Arguments and results are in the registers of the vCPU, EIP is behind the stub's VMCALL. */
export type Handler = (rom: RomContext) => void;

/** A general register as an unsigned number: a linear address, a page number, half of a 64-bit value. */
export function unsigned(rom: RomContext, register: Word): number {
  return rom.words[register] >>> 0;
}

/**
 * An argument passed on the stack (VMI calling convention: the fourth and later words; the caller pops them).
 * @param index 0 for the word above the return address.
 * @returns the word as int32.
 * @throws GuestFault #SS or #PF as a read by the guest would.
 */
export function stackArgument(rom: RomContext, index: number): number {
  return peek32(rom.cpu, 4 + 4 * index);
}

/**
 * Ends the machine because the guest broke the ROM's contract.
 * @param call name of the call; @param what what was wrong and what would have been right.
 */
export function breach(rom: RomContext, call: string, what: string): never {
  const eip = rom.words[Word.Eip] >>> 0;
  throw new GuestKilled(`ROM call ${call}: ${what} (EIP 0x${eip.toString(16)})`);
}

/** A number as the messages print it. */
export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
