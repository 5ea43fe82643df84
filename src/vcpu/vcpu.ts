/**
 * One virtual CPU: typed views of its state block, the derived values that engines want at hand, and the hooks through which it
 * reaches the rest of the machine. It has no behaviour beyond that: what instructions do stands in `segments.ts`, `transfer.ts`,
 * `deliver.ts`, `task.ts`, `control.ts` and in `../interp/`.
 */
import type { Mmu } from '../memory/mmu.js';

/** The CPU's side of the interrupt controller. */
export interface InterruptSource {
  /** True while the controller asserts INTR (IRR and not IMR, above the priority in service). */
  readonly requested: boolean;
  /** INTA: moves the highest request to ISR and returns its vector. */
  acknowledge(): number;
}

/** The port space as IN and OUT see it. Values are unsigned; unclaimed ports read as all ones. */
export interface Ports {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, size: 1 | 2 | 4, value: number): void;
}

/** Handler of ROM calls: what the ROM's call-out instruction reaches. */
export interface RomGate {
  /** Runs the call whose stub begins at ROM offset `offset`. Arguments and results are in the vCPU. */
  call(offset: number): void;
}

/** Source of the time stamp counter, in cycles since the machine's start. */
export interface CycleSource {
  cycles(): number;
}

export interface Hooks {
  readonly ports: Ports;
  readonly pic: InterruptSource;
  readonly rom: RomGate;
  readonly tsc: CycleSource;
}

export class Vcpu {
  /** The state block as words (`Word` indices), bytes and halfwords. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  /** Linear memory at the current privilege. */
  readonly mmu: Mmu;
  hooks!: Hooks;

  // Lazy arithmetic flags (flags.ts).
  lazyOp = 0;
  lazyResult = 0;
  lazySource = 0;

  // TODO(vcpu): derived values, reset
  constructor(block: ArrayBufferLike, mmu: Mmu) {
    this.words = new Int32Array(block);
    this.bytes = new Uint8Array(block);
    this.halves = new Uint16Array(block);
    this.mmu = mmu;
  }
}
