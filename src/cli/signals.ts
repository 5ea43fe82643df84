/**
 * Host signals that are meant for Romulus, not for its guest: the ways to end it, and job control, which has to find the terminal in
 * its usual mode. A signal that the user has routed to the guest with --signal is left alone.
 *
 * Read after: `run.ts`.
 */
import { constants } from 'node:os';
import type { Terminal } from './terminal.js';

const endings: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** The exit status by which shells tell that a signal ended a program. */
export const statusOfSignal = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/**
 * Listens until the returned function is called.
 *
 * @param routed signals that belong to the guest
 * @param onEnd called for the first signal that asks for the end; a second one ends the process at once
 * @returns stops listening
 */
export function watchSignals(
  terminal: Pick<Terminal, 'suspend' | 'reopen'>,
  routed: ReadonlySet<string>,
  onEnd: (signal: NodeJS.Signals) => void,
): () => void {
  const listeners: [NodeJS.Signals, () => void][] = [];
  const listen = (signal: NodeJS.Signals, listener: () => void): void => {
    if (routed.has(signal)) return;
    process.on(signal, listener);
    listeners.push([signal, listener]);
  };
  let asked = 0;
  for (const signal of endings)
    listen(signal, () => {
      if (asked++ > 0) {
        terminal.suspend();
        process.exit(statusOfSignal(signal));
      }
      onEnd(signal);
    });
  listen('SIGTSTP', () => {
    terminal.suspend();
    process.kill(process.pid, 'SIGSTOP');
  });
  listen('SIGCONT', () => terminal.reopen());
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
