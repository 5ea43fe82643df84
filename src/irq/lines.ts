/**
 * The sixteen interrupt lines between the devices and the 8259 pair. A device drives a level through its `Trigger`; here the rise of
 * an edge-triggered line becomes a recorded event, and a level-triggered line is a request for as long as it is high.
 *
 * Level requests have a word of their own: a device may take one back, and taking a bit out of the shared IRR could take the
 * event of a signal handler along with it.
 * Read before: `record.ts`. Read after: `i8259.ts`.
 */
import type { Trigger } from '../devices/trigger.js';
import { Attention, Word } from '../vcpu/layout.js';
import { IRQ_COUNT, record } from './record.js';

/** The master's input that the slave drives: no device can (the ISA bus wires its IRQ 2 pin to IRQ 9). */
export const CASCADE_IRQ = 2;

/** A device whose edges nobody needs to make happen in real time while the guest has the line masked. */
export interface LineSource {
  /** Told when the guest masks (false) or unmasks (true) the line. On true, edges that passed meanwhile must be recorded. */
  listen(listening: boolean): void;
  /** The guest looks at the request register: edges that have passed must be recorded now. */
  settle(): void;
  /** The guest resets the edge latch: edges that have passed unrecorded are gone. */
  forget(): void;
}

export class IrqLines {
  readonly words: Int32Array;
  /** Host CLOCK_MONOTONIC in ns (virtual machines: machine time). */
  readonly monotonicNs: () => number;
  /** How many devices hold each line high. */
  private readonly _holders = new Int32Array(IRQ_COUNT);
  private _levelTriggered = 0;

  constructor(words: Int32Array, monotonicNs: () => number) {
    this.words = words;
    this.monotonicNs = monotonicNs;
  }

  /**
   * The line `irq` as one device drives it. Devices can share a line: a level-triggered one is high while any of them holds it, and
   * on an edge-triggered one each device's own rise is an event, so that one that rests high (the PIT) hides none of another's
   * (the ROM's alarm).
   * @throws RangeError when there is no such line, or it is the cascade input.
   */
  trigger(irq: number): Trigger {
    if (!Number.isInteger(irq) || irq < 0 || irq >= IRQ_COUNT)
      throw new RangeError(`there is no irq ${irq}; the 8259 pair has 0 to 15`);
    if (irq === CASCADE_IRQ)
      throw new RangeError('irq 2 is the cascade input of the 8259 pair; use irq 9, which is where ISA wires it');
    let high = false;
    return {
      set: (level) => {
        if (level === high) return;
        high = level;
        this._drive(irq, level);
      },
    };
  }

  /** Lines that request by level instead of by edge, as bits: ELCR and LTIM, set by the controller. */
  set levelTriggered(lines: number) {
    this._levelTriggered = lines;
    this._publishLevels();
  }

  get levelTriggered(): number {
    return this._levelTriggered;
  }

  private _drive(irq: number, level: boolean): void {
    this._holders[irq] += level ? 1 : -1;
    if (this._levelTriggered & (1 << irq)) this._publishLevels();
    else if (level) record(this.words, irq, this.monotonicNs());
  }

  private _publishLevels(): void {
    let levels = 0;
    for (let irq = 0; irq < IRQ_COUNT; irq++) if (this._holders[irq] > 0) levels |= 1 << irq;
    levels &= this._levelTriggered;
    const risen = levels & ~this.words[Word.PicLevels];
    this.words[Word.PicLevels] = levels;
    if (risen) Atomics.or(this.words, Word.Attention, Attention.Interrupt);
  }
}
