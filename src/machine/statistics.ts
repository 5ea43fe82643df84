/** The counters of the state block as one plain object: what `machine.stats()` and `--stats` show. */
import { calls } from '../rom/calls.js';
import { read64 } from '../vcpu/counters.js';
import { Word } from '../vcpu/layout.js';

export interface LineStatistics {
  readonly irq: number;
  /** Events recorded. raised = delivered + merged + discarded + pending, always. */
  readonly raised: number;
  /** Interrupts the CPU acknowledged. */
  readonly delivered: number;
  /** Events that found the line's request already pending. */
  readonly merged: number;
  /** Pending events that the guest itself swept away by initializing the 8259. */
  readonly discarded: number;
  /** 1 while a request waits in the IRR. */
  readonly pending: number;
}

export interface RomCallStatistics {
  readonly number: number;
  readonly name: string;
  readonly calls: number;
  /** How many of them reached the host: a timer armed, a sleep. */
  readonly exits: number;
}

export interface Statistics {
  /** Guest instructions retired. */
  readonly instructions: number;
  /** Times the run loop left guest code. */
  readonly exits: number;
  /** Times the vCPU slept in the host, and for how many nanoseconds in all. */
  readonly waits: number;
  readonly waitNs: number;
  /** Signals of the host timer. */
  readonly timerSignals: number;
  /** Host signals routed to an interrupt line. */
  readonly hostSignals: number;
  /** Lines on which anything was ever raised. */
  readonly lines: readonly LineStatistics[];
  /** ROM calls that were made at least once. */
  readonly romCalls: readonly RomCallStatistics[];
}

/** Reads the counters; while the machine runs the values are a moment apart from each other. */
export function readStatistics(words: Int32Array): Statistics {
  const irr = Atomics.load(words, Word.PicIrr);
  const lines: LineStatistics[] = [];
  for (let irq = 0; irq < 16; irq++) {
    const raised = read64(words, Word.Raised + 2 * irq);
    if (raised === 0) continue;
    lines.push({
      irq,
      raised,
      delivered: read64(words, Word.Delivered + 2 * irq),
      merged: read64(words, Word.Merged + 2 * irq),
      discarded: read64(words, Word.Discarded + 2 * irq),
      pending: (irr >>> irq) & 1,
    });
  }
  const romCalls = calls
    .map(({ number, name }) => ({
      number,
      name,
      calls: read64(words, Word.RomCalls + 2 * number),
      exits: read64(words, Word.RomExits + 2 * number),
    }))
    .filter((row) => row.calls > 0);
  return {
    instructions: read64(words, Word.Instructions),
    exits: read64(words, Word.Exits),
    waits: read64(words, Word.Waits),
    waitNs: read64(words, Word.WaitNs),
    timerSignals: read64(words, Word.TimerSignals),
    hostSignals: read64(words, Word.HostSignals),
    lines,
    romCalls,
  };
}
