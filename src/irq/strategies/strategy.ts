/**
 * How the guest's interrupt flag reaches the host: the question this project was founded on, as an object. A strategy decides what a
 * change of IF costs and where an event waits while IF is clear. Everything behind that is the same for all of them: the 8259 pair, the
 * run loop, the rule that nothing is lost and nothing is delivered while masked.
 *
 * Read before: docs/interrupts.md. Read after: `virtualMask.ts`, `hostMask.ts`, `trapAndEmulate.ts`.
 */
import type { Strategy } from '../../vcpu/layout.js';
import type { Vcpu } from '../../vcpu/vcpu.js';

/** The host's signal mask of the vCPU thread. */
export interface SignalMask {
  /** Blocks the signals that carry events; nothing when they are blocked. A system call. */
  close(): void;
  /** Unblocks them: what was pending has been recorded in the virtual PIC when it returns. A system call. */
  open(): void;
  /** Sleeps until `Word.Attention` is not 0, with the mask open only meanwhile, and leaves it closed. As `Sleeper.wait`. */
  wait(): boolean;
}

/** What a strategy that leaves the mask alone sleeps with. */
export interface Sleeper {
  /** Sleeps until `Word.Attention` is not 0. Returns false when nothing can ever set it. */
  wait(): boolean;
}

/** The parts of a machine that a strategy may change. */
export interface StrategyParts {
  readonly cpu: Vcpu;
  /** Undefined where the host has none to offer (no addon). */
  readonly mask: SignalMask | undefined;
  /** Makes sensitive instructions trap. */
  readonly trapSensitive: () => void;
}

export interface InterruptStrategy {
  readonly number: Strategy;
  /**
   * Called once, before the guest's first instruction is decoded.
   * @throws HostError when the host lacks what the strategy needs
   */
  install(parts: StrategyParts): void;
  /** Called before guest code runs: makes the host agree with IF where they may differ. */
  enter(): void;
  /** The guest is in HLT with IF set: sleeps. As `Sleeper.wait`. */
  wait(sleeper: Sleeper): boolean;
}
