/**
 * `npm run robustness -- --count N`: N random byte strings at random privilege, in every mode, over random descriptors and page tables.
 * A host crash, a hang, an access outside guest memory or a broken state ends it with the seed of the round; `--seed S --count 1000`
 * runs that round again. Read before: `machine.ts`.
 */
import { HostFpu } from '../../src/machine/hostFpu.js';
import { loadNative } from '../../src/native.js';
import { STATE_BYTES } from '../../src/vcpu/layout.js';
import { script, wholeNumber } from '../script.js';
import { plainState, RandomMachine } from './machine.js';

const ROUND_STRINGS = 1000;
/** A string that takes more of the processor than this hangs, on any host. */
const HANG_MS = 5000;
const REPORT_MS = 30_000;

const { count, seed: firstSeed } = script('robustness', 'random byte strings as code, in every mode')
  .option('--count <n>', 'byte strings', wholeNumber(1), 1_000_000)
  .option('--seed <n>', 'where the random numbers begin', wholeNumber(0), 1)
  .parse()
  .opts<{ count: number; seed: number }>();

const native = loadNative();
const block = native?.memoryMap(native.memoryCreate(STATE_BYTES, 'romulus-robustness'));
const state = block ?? plainState();
const fpu = native && new HostFpu(native, new Int32Array(state));

const totals = { strings: 0, instructions: 0, exceptions: 0, ends: 0, slowestMs: 0 };
const start = performance.now();
let reported = start;

/** Milliseconds of processor time: other programs of a busy host do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** @throws Error naming seed and place */
function runRound(seed: number, strings: number): void {
  new Int32Array(state).fill(0);
  const machine = new RandomMachine(seed, state, fpu);
  for (let index = 0; index < strings; index++) {
    const before = cpuMs();
    try {
      const outcome = machine.run();
      totals.strings++;
      totals.instructions += outcome.retired;
      totals.exceptions += outcome.exceptions;
      if (outcome.ended) totals.ends++;
    } catch (error) {
      throw new Error(`string ${index} of the round with --seed ${seed}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    const tookMs = cpuMs() - before;
    totals.slowestMs = Math.max(totals.slowestMs, tookMs);
    if (tookMs > HANG_MS)
      throw new Error(`string ${index} of the round with --seed ${seed} took ${tookMs.toFixed(0)} ms`);
  }
}

const summary = (): string =>
  `${totals.strings} strings, ${totals.instructions} instructions, ${totals.exceptions} exceptions and interrupts, ` +
  `${totals.ends} triple faults, ${((performance.now() - start) / 1000).toFixed(0)} s, ` +
  `slowest ${totals.slowestMs.toFixed(1)} ms, ${fpu ? 'with' : 'without'} the host's FPU\n`;

for (let done = 0; done < count; done += ROUND_STRINGS) {
  runRound(firstSeed + done / ROUND_STRINGS, Math.min(ROUND_STRINGS, count - done));
  if (performance.now() - reported < REPORT_MS) continue;
  reported = performance.now();
  process.stdout.write(summary());
}
process.stdout.write(summary());
fpu?.dispose();
