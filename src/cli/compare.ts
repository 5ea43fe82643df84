/**
 * `romulus compare`: shows the progress, prints the tables and writes the files. Read before: `compareOptions.ts`.
 * Read after: `../compare/runner.ts`.
 */
import ora from 'ora';
import { compare } from '../compare/runner.js';
import { comparisonReport } from '../compare/html.js';
import { formatComparison } from '../compare/text.js';
import { parseWorkloads } from '../compare/workloads.js';
import { HostError } from '../errors.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import type { CompareOptions } from './compareOptions.js';
import { remus } from '../machine/remus.js';

const MEMORY_BYTES = 32 << 20;
const BAR_CELLS = 24;

/**
 * Runs the comparison on the packaged guest.
 *
 * @throws ConfigError for wrong values; HostError without the addon, or when a file cannot be written
 */
export async function runCompare(options: CompareOptions): Promise<void> {
  const chosen = parseWorkloads(options.workloads, options.rom);
  const html = options.html;
  const jsonFile = options.json === true ? undefined : options.json;
  if (html !== undefined) checkOutput(html, '--html');
  if (jsonFile !== undefined) checkOutput(jsonFile, '--json');

  const spinner = ora({ stream: process.stderr, discardStdin: false });
  const abort = new AbortController();
  const onInterrupt = (): void => abort.abort(new HostError('INTERRUPTED', 'the comparison was interrupted'));
  process.once('SIGINT', onInterrupt);
  spinner.start();
  try {
    const comparison = await compare({
      variants: options.strategies,
      workloads: chosen,
      rounds: options.rounds,
      windowMs: options.window,
      rates: options.rates,
      machine: { ...remus(), append: 'quiet', memoryBytes: MEMORY_BYTES, rom: options.rom, engine: options.engine },
      onProgress: (done, what) =>
        (spinner.text = `${bar(done)} ${String(Math.round(100 * done)).padStart(3)} %  ${what}`),
      signal: abort.signal,
    });
    spinner.stop();
    const json = JSON.stringify(comparison, null, 2);
    // First what cannot fail: minutes of measurement are not lost with a full disk.
    process.stdout.write(`${options.json === true ? json : formatComparison(comparison)}\n`);
    if (html !== undefined) writeOutput(html, comparisonReport(comparison), '--html');
    if (jsonFile !== undefined) writeOutput(jsonFile, `${json}\n`, '--json');
    const files = [html, jsonFile].filter((name) => name !== undefined);
    process.stderr.write(
      `romulus: took ${comparison.tookSeconds.toFixed(0)} s${files.length ? `; wrote ${files.join(' and ')}` : ''}\n`,
    );
  } finally {
    spinner.stop();
    process.off('SIGINT', onInterrupt);
  }
}

function bar(done: number): string {
  const full = Math.round(done * BAR_CELLS);
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
}
