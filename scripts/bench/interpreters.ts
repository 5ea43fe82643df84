/**
 * The interpreter's speed on loops of integer code, against v86's interpreter where that is installed, in turns so that a busy host hits
 * both. Read before: `image.ts`.
 */
import { buildImage, workloads } from './image.js';
import { runRomulus } from './romulus.js';
import { median, type Timing } from './timing.js';
import type { V86 } from './v86.js';

export interface LoopRow {
  readonly workload: string;
  /** Guest instructions of one run. */
  readonly instructions: number;
  /** Million guest instructions a second, median. */
  readonly romulus: number;
  readonly v86: number | undefined;
}

const mips = (timing: Timing, instructions: number): number => instructions / timing.seconds / 1e6;

/** @param v86 undefined when it is not installed */
export async function measureLoops(rounds: number, v86: V86 | undefined): Promise<LoopRow[]> {
  const rows: LoopRow[] = [];
  for (const workload of workloads) {
    const image = buildImage(workload);
    const ours: number[] = [];
    const theirs: number[] = [];
    // the first run of each warms the host's own compiler up
    const { instructions } = runRomulus(image);
    await v86?.run(image);
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) ours.push(mips(runRomulus(image), instructions));
      if (v86 !== undefined) theirs.push(mips(await v86.run(image), instructions));
      if (round % 2 === 1) ours.push(mips(runRomulus(image), instructions));
    }
    rows.push({
      workload: workload.name,
      instructions,
      romulus: median(ours),
      v86: theirs.length === 0 ? undefined : median(theirs),
    });
  }
  return rows;
}
