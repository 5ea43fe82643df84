/** The counters of the state block as one plain object: what `machine.stats()` and `--stats` show. */
import { calls } from '../rom/calls.js';
import { Word } from '../vcpu/layout.js';
import { counter } from './counters.js';

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
    const raised = counter(words, Word.Raised + 2 * irq);
    if (raised === 0) continue;
    lines.push({
      irq,
      raised,
      delivered: counter(words, Word.Delivered + 2 * irq),
      merged: counter(words, Word.Merged + 2 * irq),
      discarded: counter(words, Word.Discarded + 2 * irq),
      pending: (irr >>> irq) & 1,
    });
  }
  const romCalls = calls
    .map(({ number, name }) => ({
      number,
      name,
      calls: counter(words, Word.RomCalls + 2 * number),
      exits: counter(words, Word.RomExits + 2 * number),
    }))
    .filter((row) => row.calls > 0);
  return {
    instructions: counter(words, Word.Instructions),
    exits: counter(words, Word.Exits),
    waits: counter(words, Word.Waits),
    waitNs: counter(words, Word.WaitNs),
    timerSignals: counter(words, Word.TimerSignals),
    hostSignals: counter(words, Word.HostSignals),
    lines,
    romCalls,
  };
}
