/**
 * Shows how far long work has come: on a terminal one line that changes, elsewhere a line for each step. Separate because several
 * commands fetch and build. Read before: `../linux/progress.ts`.
 */
import ora from 'ora';
import { HostError } from '../errors.js';
import type { Task } from '../linux/progress.js';

const BAR_CELLS = 24;

export function bar(done: number): string {
  const full = Math.round(Math.min(1, done) * BAR_CELLS);
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
}

/**
 * Runs work that Ctrl-C ends in good order.
 *
 * @throws HostError `INTERRUPTED`; what `work` throws
 */
export async function withProgress<T>(work: (task: Task) => Promise<T>): Promise<T> {
  const { stderr } = process;
  const spinner = stderr.isTTY ? ora({ stream: stderr, discardStdin: false }) : undefined;
  const abort = new AbortController();
  const onInterrupt = (): void => abort.abort(new HostError('INTERRUPTED', 'interrupted; nothing is left half-done'));
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  let last = '';
  const progress = (what: string, done?: number): void => {
    if (spinner !== undefined) {
      spinner.text =
        done === undefined ? what : `${bar(done)} ${String(Math.round(100 * done)).padStart(3)} %  ${what}`;
      if (!spinner.isSpinning) spinner.start();
    } else if (what !== last) stderr.write(`romulus: ${what}\n`);
    last = what;
  };
  const warn = (text: string): void => {
    spinner?.stop();
    stderr.write(`romulus: ${text}\n`);
  };
  try {
    return await work({ progress, warn, signal: abort.signal });
  } finally {
    spinner?.stop();
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}
