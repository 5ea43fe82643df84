/**
 * Strategy host-mask: IF is the host's signal mask of the vCPU thread. Each change of IF is a sigprocmask(2); events are signals to
 * that thread, and while IF is clear they are pending in the host kernel, which merges standard signals and queues real-time ones.
 *
 * A halted guest waits as sigsuspend(2) does: the mask opens with the sleep and closes with its end, so that Halt of a guest with
 * interrupts off costs one system call, and the interrupt gate that is entered next, none. Therefore the mask may be closed with IF
 * set for a moment, between the wait and the guest's next instruction; `enter` puts that right where no gate has.
 *
 * The profiler's timer and the attention word (pause, stop, console) are not events of the guest and are not masked.
 * Read before: `strategy.ts`, native/mask.cc. Read after: `trapAndEmulate.ts`.
 */
import { HostError } from '../../errors.js';
import { add64 } from '../../vcpu/counters.js';
import { Strategy, Word } from '../../vcpu/layout.js';
import type { FlagSwitch } from '../../vcpu/vcpu.js';
import type { InterruptStrategy, SignalMask, StrategyParts } from './strategy.js';

export class HostMask implements InterruptStrategy, FlagSwitch {
  readonly number = Strategy.HostMask;
  private _words!: Int32Array;
  private _mask!: SignalMask;

  install({ cpu, mask }: StrategyParts): void {
    if (mask === undefined)
      throw new HostError(
        'NO_ADDON',
        "interrupt strategy 'host-mask' changes the host's signal mask, which needs the native addon; run `romulus doctor` to " +
          "see why it is not there, or use 'virtual-mask'",
      );
    this._words = cpu.words;
    this._mask = mask;
    cpu.flagSwitch = this;
    this.enter();
  }

  opened(): void {
    add64(this._words, Word.FlagSwitches, 1);
    // In HLT the wait opens the mask.
    if (this._words[Word.Halted] === 0) this._mask.open();
  }

  closed(): void {
    add64(this._words, Word.FlagSwitches, 1);
    if (this._words[Word.HostMasked] === 0) this._mask.close();
  }

  enter(): void {
    const masked = this._words[Word.HostMasked] !== 0;
    if (this._words[Word.InterruptFlag] === 0) {
      if (!masked) this._mask.close();
    } else if (masked) {
      this._mask.open();
    }
  }

  wait(): boolean {
    return this._mask.wait();
  }
}
