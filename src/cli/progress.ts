/**
 * Shows how far long work has come: on a terminal one line that changes, elsewhere a line for each step and each
 * tenth of it. Separate because several commands fetch and build. Read before: `../linux/progress.ts`.
 */
import ora from 'ora';
import { HostError } from '../errors.js';
import type { Task } from '../linux/progress.js';

const BAR_CELLS = 24;
/** Where lines stay, a step of many parts prints so many. */
const LINES_PER_STEP = 10;

export function bar(done: number): string {
  const full = Math.round(Math.min(1, done) * BAR_CELLS);
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
}

/**
 * Progress for a log: a line where a step begins, and where another tenth of it is done.
 *
 * @param write prints a line
 */
export function progressLines(write: (line: string) => void): Task['progress'] {
  let step = '';
  let part = 0;
  return (what, done = 0, detail = undefined) => {
    const isNew = what !== step;
    const reached = Math.floor(done * LINES_PER_STEP);
    if (!isNew && (detail === undefined || reached <= part)) return;
    step = what;
    part = reached;
    write(isNew ? what : `${what}, ${(100 * reached) / LINES_PER_STEP} %`);
  };
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
  const progress: Task['progress'] =
    spinner === undefined
      ? progressLines((line) => stderr.write(`romulus: ${line}\n`))
      : (what, done, detail) => {
          const text = detail === undefined ? what : `${what}: ${detail}`;
          spinner.text =
            done === undefined ? text : `${bar(done)} ${String(Math.round(100 * done)).padStart(3)} %  ${text}`;
          if (!spinner.isSpinning) spinner.start();
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
