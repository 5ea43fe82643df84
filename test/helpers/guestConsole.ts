/**
 * The console of a machine that runs on its own thread, for scripts: what to type, and what to wait for. Read before:
 * `../../src/machine/machine.ts`. Its counterpart on one thread, in virtual time, is `board.ts`.
 */
import type { Machine } from '../../src/machine/machine.js';

/** Longer than anything takes on a busy host. */
const PATIENCE_MS = 120_000;

export class GuestConsole {
  /** What the guest has printed behind what was expected last. No more is kept: a soak prints for hours. */
  private _ahead = '';
  private _heard: () => void = () => undefined;

  constructor(private readonly _machine: Machine) {
    _machine.console.on('data', (chunk: Buffer) => {
      this._ahead += chunk.toString('latin1').replaceAll('\r', '');
      this._heard();
    });
  }

  type(text: string): void {
    this._machine.console.write(text);
  }

  /**
   * Waits until the guest has printed `text`, behind what was expected last.
   * @returns what came before it
   * @throws Error with the last words when that takes too long
   */
  async expect(text: string): Promise<string> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = this._ahead.indexOf(text);
      if (at >= 0) {
        const before = this._ahead.slice(0, at);
        this._ahead = this._ahead.slice(at + text.length);
        return before;
      }
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`the guest never printed '${text}'; its last words: ${this._ahead.slice(-300)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this._heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
