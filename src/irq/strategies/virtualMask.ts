/**
 * Strategy virtual-mask: IF is a word of the vCPU and nothing else. Signals are always accepted; their handlers record them in the
 * virtual PIC, and the next change of IF to 1 finds them there. The host is never asked, so this object has nothing to do.
 * Read before: `strategy.ts`. Read after: `hostMask.ts`.
 */
import { Strategy } from '../../vcpu/layout.js';
import type { InterruptStrategy, Sleeper } from './strategy.js';

export class VirtualMask implements InterruptStrategy {
  readonly number = Strategy.VirtualMask;

  install(): void {
    // `Vcpu.flagSwitch` stays undefined: CLI is one store.
  }

  enter(): void {
    // The host has no part in IF.
  }

  wait(sleeper: Sleeper): boolean {
    return sleeper.wait();
  }
}
