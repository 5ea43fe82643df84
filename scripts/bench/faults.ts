/**
 * Whether it is worth it to hand page faults to the guest's handler in native code (`--page-faults`): what a fault costs with and without,
 * by Remus' own `bench`, in turns. Read before: `systems.ts`, guest/programs/bench.c.
 */
import { secondTime } from './kernel.js';
import { faultWay } from './systems.js';
import { median } from './timing.js';

/** Rows of `bench` with a page fault in each operation. */
const ROWS = ['unshare', 'touch', 'fork', 'exec'];

/** Nanoseconds for one, medians. */
export interface FaultRow {
  readonly row: string;
  readonly reflect: number;
  readonly exit: number;
  /** Median of the rounds' own ratios, exit by reflect. */
  readonly ratio: number;
}

export async function measureFaults(rounds: number): Promise<readonly FaultRow[]> {
  const commands = [...ROWS, ...ROWS].map((row) => `bench ${row}`);
  const times = { reflect: [] as number[][], exit: [] as number[][] };
  for (let round = 0; round < rounds; round++) {
    for (const way of ['reflect', 'exit'] as const) {
      const output = await faultWay(way).remus(commands);
      times[way].push(ROWS.map((row) => secondTime(output, row)));
    }
  }
  return ROWS.map((row, index) => ({
    row,
    reflect: median(times.reflect.map((round) => round[index])),
    exit: median(times.exit.map((round) => round[index])),
    ratio: median(times.exit.map((round, at) => round[index] / times.reflect[at][index])),
  }));
}
