/**
 * Strategy trap-and-emulate: the flag is a word of the vCPU as in virtual-mask, but the guest's kernel cannot reach it: each sensitive
 * instruction, and each VMCALL of the ROM, traps and is emulated (`../../interp/trapPath.ts`). Signals are always accepted.
 * Read before: `strategy.ts`. Read after: `../../machine/board.ts`, which installs strategies.
 */
import { add64 } from '../../vcpu/counters.js';
import { Strategy, Word } from '../../vcpu/layout.js';
import type { FlagSwitch } from '../../vcpu/vcpu.js';
import type { InterruptStrategy, Sleeper, StrategyParts } from './strategy.js';

export class TrapAndEmulate implements InterruptStrategy, FlagSwitch {
  readonly number = Strategy.TrapAndEmulate;
  private _words!: Int32Array;

  install({ cpu, trapSensitive }: StrategyParts): void {
    this._words = cpu.words;
    // Only counted: the flag itself is the vCPU's.
    cpu.flagSwitch = this;
    trapSensitive();
  }

  opened(): void {
    add64(this._words, Word.FlagSwitches, 1);
  }

  closed(): void {
    add64(this._words, Word.FlagSwitches, 1);
  }

  enter(): void {
    // The host has no part in IF.
  }

  wait(sleeper: Sleeper): boolean {
    return sleeper.wait();
  }
}
