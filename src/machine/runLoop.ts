/**
 * The loop of a vCPU: attend, deliver, run. It is the only place where a recorded event becomes a guest interrupt.
 *
 *     ┌─► attend:  take the attention word; run due deadlines, serve device rings, pause, stop
 *     │   deliver: NMI, or the PIC's highest request if the virtual IF allows and no shadow holds it
 *     │   run:     guest instructions until attention is not 0, HLT, or the slice is used up
 *     │   wait:    in HLT, sleep in the host until attention is not 0
 *     └───┘
 *
 * An event that arrives while IF is clear leaves its bit in the PIC's IRR and costs one turn of this loop; the instruction or ROM
 * call that sets IF again sees `pic.requested` and sets the attention word itself.
 */
import { add64 } from '../vcpu/counters.js';
import { Attention, ExitReason, Word } from '../vcpu/layout.js';
import { deliverInterrupt, deliverNmi } from '../vcpu/deliver.js';
import type { Board } from './board.js';

export class RunLoop {
  constructor(private readonly _board: Board) {}

  /** Runs until the machine ends, or for about `limit` instructions (tests). Returns the instructions retired. */
  run(limit = Infinity): number {
    const { cpu, host, engine, ending, strategy } = this._board;
    const words = cpu.words;
    let retired = 0;
    while (retired < limit) {
      if (words[Word.Attention] !== 0) this._attend();
      if (words[Word.ExitReason] !== ExitReason.None) break;
      this._deliver();
      if (words[Word.Halted]) {
        if (words[Word.InterruptFlag] === 0 && words[Word.Nmi] === 0) {
          ending.end(ExitReason.DeadHalt);
        } else if (!strategy.wait(host)) {
          break;
        }
        continue;
      }
      strategy.enter();
      const count = engine.run(Math.min(host.sliceInstructions, limit - retired));
      retired += count;
      add64(words, Word.Exits, 1);
      host.ran(count);
    }
    return retired;
  }

  private _attend(): void {
    const { cpu, deadlines, host, ending, sampler } = this._board;
    let attention = Atomics.exchange(cpu.words, Word.Attention, 0);
    while (attention & Attention.Pause && !(attention & Attention.Stop) && this._board.paused()) {
      // Asleep, events go on being recorded; what they ask for is attended to after resume().
      host.wait();
      attention |= Atomics.exchange(cpu.words, Word.Attention, 0);
    }
    if (attention & Attention.Stop) ending.end(ExitReason.Stopped);
    if (attention & Attention.Sample) sampler?.sample();
    if (attention & Attention.Timer) deadlines.runDue();
    if (attention & Attention.Device) this._board.serveRings();
  }

  private _deliver(): void {
    const { cpu, host, latencies, pic } = this._board;
    const words = cpu.words;
    // a second NMI waits for the IRET of the first, which sets the attention word again
    const nmi = words[Word.Nmi] !== 0 && words[Word.NmiBlocked] === 0;
    if (nmi && Atomics.exchange(words, Word.Nmi, 0) !== 0) deliverNmi(cpu);
    if (words[Word.InterruptFlag] === 0 || !pic.requested) return;
    // The engines execute the instruction after STI or MOV SS before they look at the attention word, so no shadow is pending here.
    deliverInterrupt(cpu, pic.acknowledge());
    if (latencies === undefined) return;
    const { deliveredIrq, recordedNs } = pic.accounts;
    if (recordedNs !== 0) latencies.add(deliveredIrq, host.monotonicNs() - recordedNs);
  }
}
