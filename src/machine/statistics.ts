/** The counters of the state block as one plain object: what `machine.stats()` and `--stats` show. */
import { calls } from '../rom/calls.js';
import { read64 } from '../vcpu/counters.js';
import { strategyName, type StrategyName } from '../irq/strategies/index.js';
import { Word } from '../vcpu/layout.js';

export interface LineStatistics {
  readonly irq: number;
  /** Events raised. raised = delivered + merged + discarded + pending + inHost, always. */
  readonly raised: number;
  /** Interrupts the CPU acknowledged. */
  readonly delivered: number;
  /** Events that found the line's request already pending. */
  readonly merged: number;
  /** Pending events that the guest itself swept away by initializing the 8259. */
  readonly discarded: number;
  /** 1 while a request waits in the IRR. */
  readonly pending: number;
  /** Events sent as host signals that the host has not delivered yet (host-mask, while the guest masks). They are part of `raised`. */
  readonly inHost: number;
}

/** What the interrupt strategy has cost, counted. */
export interface StrategyStatistics {
  readonly name: StrategyName;
  /** System calls that the addon made on the vCPU thread: signal mask, timer, sleep. */
  readonly hostCalls: number;
  /** Those of them that changed the signal mask. */
  readonly maskCalls: number;
  /** Changes of the guest's IF that the strategy was told of; virtual-mask is told of none. */
  readonly flagSwitches: number;
  /** Process-directed signals that another thread took and sent on to the vCPU thread. */
  readonly forwarded: number;
  /** Sensitive instructions that trapped, and the steps of their emulation. */
  readonly traps: TrapStatistics;
}

export interface TrapStatistics {
  readonly count: number;
  /** How many of them were a SIGSEGV: those of translated code. */
  readonly signals: number;
  /** Words of descriptor tables read to find the code segment. */
  readonly segmentReads: number;
  /** Page-table entries read. */
  readonly tableReads: number;
  readonly fetchedBytes: number;
  readonly decodes: number;
  /** Emulations that came to their end; the others ended in a guest fault. */
  readonly emulations: number;
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
  readonly interrupts: StrategyStatistics;
  /** Samples that the profiler has taken. */
  readonly samples: number;
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
    const inHost = Atomics.load(words, Word.InHost + irq);
    const raised = read64(words, Word.Raised + 2 * irq) + inHost;
    if (raised === 0) continue;
    lines.push({
      irq,
      raised,
      delivered: read64(words, Word.Delivered + 2 * irq),
      merged: read64(words, Word.Merged + 2 * irq),
      discarded: read64(words, Word.Discarded + 2 * irq),
      pending: (irr >>> irq) & 1,
      inHost,
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
    interrupts: {
      name: strategyName(words[Word.Strategy]),
      hostCalls: read64(words, Word.HostCalls),
      maskCalls: read64(words, Word.MaskCalls),
      flagSwitches: read64(words, Word.FlagSwitches),
      forwarded: read64(words, Word.Forwarded),
      traps: {
        count: read64(words, Word.Traps),
        signals: read64(words, Word.TrapSignals),
        segmentReads: read64(words, Word.TrapSegmentReads),
        tableReads: read64(words, Word.TrapTableReads),
        fetchedBytes: read64(words, Word.TrapFetchBytes),
        decodes: read64(words, Word.TrapDecodes),
        emulations: read64(words, Word.TrapEmulations),
      },
    },
    samples: read64(words, Word.Samples),
    lines,
    romCalls,
  };
}
