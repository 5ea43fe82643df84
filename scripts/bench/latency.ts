/**
 * From the signal to the guest's handler, under the translator, against what the host's kernel takes for the same signal from thread to thread
 * of a C program: the difference is Romulus. Read before: `signal.c`, src/compare/runner.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compare } from '../../src/compare/runner.js';
import { parseVariants } from '../../src/compare/variants.js';
import { parseWorkloads } from '../../src/compare/workloads.js';
import { remus } from '../../src/machine/remus.js';

const SOURCE = fileURLToPath(new URL('../../../scripts/bench/signal.c', import.meta.url));
/** As long as the host's program takes for its signals. */
const WINDOW_MS = 1500;

export interface LatencyRow {
  readonly guest: 'computing' | 'asleep';
  readonly hostP50Ns: number;
  readonly hostP99Ns: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

function measureHost(): Map<string, readonly [number, number]> {
  const folder = mkdtempSync(join(tmpdir(), 'romulus-signal-'));
  try {
    const program = join(folder, 'signal');
    execFileSync('gcc', ['-O2', '-pthread', '-o', program, SOURCE]);
    const lines = execFileSync(program, { encoding: 'latin1' }).trim().split('\n');
    return new Map(
      lines.map((line) => {
        const [name, p50, p99] = line.split(' ');
        return [name, [Number(p50), Number(p99)]];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function measureLatency(rounds: number): Promise<LatencyRow[]> {
  const host = measureHost();
  const comparison = await compare({
    variants: parseVariants('virtual-mask'),
    workloads: parseWorkloads('latency,idle', true),
    rounds,
    windowMs: WINDOW_MS,
    rates: [],
    machine: { ...remus(), engine: 'translator' },
  });
  const [result] = comparison.variants;
  return (['computing', 'asleep'] as const).map((guest) => {
    const measured = guest === 'computing' ? result.latency : result.idle;
    const floor = host.get(guest);
    if (measured === undefined || floor === undefined) throw new Error(`nothing was measured with the guest ${guest}`);
    const { p50Ns, p99Ns } = measured.latency;
    return { guest, hostP50Ns: floor[0], hostP99Ns: floor[1], p50Ns, p99Ns };
  });
}
