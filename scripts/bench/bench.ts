/**
 * `npm run bench`: the interpreter's speed on loops of integer code, against v86's interpreter where that is installed, in turns so that
 * a busy host hits both. Prints medians. Options: --rounds N, --json, --v86 FOLDER (a folder with v86 in its node_modules).
 * Read before: `image.ts`.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { buildImage, workloads } from './image.js';
import { runRomulus } from './romulus.js';
import { median, type Timing } from './timing.js';
import { loadV86 } from './v86.js';

interface Row {
  readonly workload: string;
  /** Guest instructions of one run. */
  readonly instructions: number;
  /** Million guest instructions a second, median. */
  readonly romulus: number;
  readonly v86: number | undefined;
}

const mips = (timing: Timing, instructions: number): number => instructions / timing.seconds / 1e6;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean' }, v86: { type: 'string' } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}: give a whole number above 0`);
const v86 = await loadV86(values.v86);

const rows: Row[] = [];
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

if (values.json === true) {
  const host = { cpu: cpus()[0].model.trim(), node: process.version, v86: v86?.version };
  process.stdout.write(`${JSON.stringify({ host, rounds, rows }, undefined, 2)}\n`);
} else {
  const cell = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(1)).padStart(10);
  process.stdout.write(`million guest instructions a second, interpreters only, medians of ${rounds}\n`);
  process.stdout.write(`${'loop'.padEnd(18)}${'Romulus'.padStart(10)}${'v86'.padStart(10)}${'ratio'.padStart(10)}\n`);
  for (const row of rows) {
    const ratio = row.v86 === undefined ? undefined : row.romulus / row.v86;
    process.stdout.write(`${row.workload.padEnd(18)}${cell(row.romulus)}${cell(row.v86)}${cell(ratio)}\n`);
  }
  if (v86 === undefined) process.stdout.write('v86 is not installed: npm install --no-save v86\n');
}
