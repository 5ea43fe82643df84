/**
 * How a machine ends: the first reason wins (lguest's rule). Anything on the vCPU thread may call `end`; the run loop sees the exit
 * reason in the state block at its next turn and stops. Nothing deep inside has to return an error for that.
 */
import { Attention, ExitReason, Word } from '../vcpu/layout.js';
import type { Ended } from './messages.js';

/**
 * Exit status per reason, for guests that gave none of their own. isa-debug-exit can only give odd ones, so these are even.
 * 70 is EX_SOFTWARE of sysexits.h.
 */
const STATUS: Record<ExitReason, number> = {
  [ExitReason.None]: 0,
  [ExitReason.Shutdown]: 0,
  [ExitReason.Reboot]: 4,
  [ExitReason.TripleFault]: 70,
  [ExitReason.DeadHalt]: 70,
  [ExitReason.Killed]: 70,
  [ExitReason.Stopped]: 0,
  [ExitReason.Panicked]: 70,
};

const MESSAGE: Record<ExitReason, string> = {
  [ExitReason.None]: 'still running',
  [ExitReason.Shutdown]: 'the guest powered off',
  [ExitReason.Reboot]: 'the guest asked for a reset',
  [ExitReason.TripleFault]: 'triple fault: an exception could not be delivered, nor the double fault that followed',
  [ExitReason.DeadHalt]:
    'the guest halted with interrupts disabled: nothing can wake it; it was told to halt, or knew no way to power off (ACPI, the VMI ROM)',
  [ExitReason.Killed]: 'the guest was killed',
  [ExitReason.Stopped]: 'stopped by the host',
  [ExitReason.Panicked]: 'the guest kernel panicked; its console says why',
};

export class Ending {
  private _message: string | undefined;
  private _status: number | undefined;

  constructor(private readonly _words: Int32Array) {}

  /**
   * Ends the machine; later calls change nothing.
   *
   * @param status exit status where the guest chose one, 0 to 255
   */
  end(reason: ExitReason, message?: string, status?: number): void {
    if (this._words[Word.ExitReason] !== ExitReason.None) return;
    this._words[Word.ExitReason] = reason;
    this._message = message;
    this._status = status;
    Atomics.or(this._words, Word.Attention, Attention.Stop);
  }

  /** The account of the ending; `report` is called only for endings that somebody will want to look into. */
  describe(report: () => string): Ended {
    const reason = this._words[Word.ExitReason] as ExitReason;
    const abnormal =
      reason === ExitReason.TripleFault || reason === ExitReason.DeadHalt || reason === ExitReason.Killed;
    // Whoever ends a guest that does not rest may be looking for the loop it is in.
    const busy = reason === ExitReason.Stopped && this._words[Word.Halted] === 0;
    return {
      reason,
      status: this._status ?? STATUS[reason],
      message: this._message ?? MESSAGE[reason],
      report: abnormal || busy ? report() : undefined,
    };
  }
}
