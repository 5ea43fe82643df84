/**
 * A machine with Remus and a way to talk to it: gives the guest one workload and reads its counts from the console. Read before:
 * guest/programs/workload.c. Read after: `runner.ts`.
 */
import { readFileSync } from 'node:fs';
import { HostError } from '../errors.js';
import { Machine, type MachineOptions } from '../machine/machine.js';
import type { CpuTime } from './result.js';

const PROMPT = 'remus# ';
/** Nothing here takes longer, on any host. */
const PATIENCE_MS = 30_000;
/** Clock ticks of /proc a second: fixed at 100 for every program. (proc_pid_stat(5), USER_HZ) */
const TICKS_HZ = 100;

/** Counts by name, as the guest printed them. */
export type GuestCounts = Readonly<Record<string, number>>;

export class GuestSession {
  readonly machine: Machine;
  private _text = '';
  private _seen = 0;
  private _heard: () => void = () => undefined;

  constructor(options: MachineOptions) {
    this.machine = new Machine(options);
    this.machine.console.on('data', (chunk: Buffer) => {
      this._text += chunk.toString('latin1');
      this._heard();
    });
  }

  /** Starts the machine and waits for the prompt. @returns milliseconds it took */
  async boot(): Promise<number> {
    const start = performance.now();
    await this.machine.start();
    await this._expect(PROMPT);
    return performance.now() - start;
  }

  /**
   * Runs `workload NAME MS`.
   *
   * @param onBegin called when the guest has begun
   */
  async run(name: string, windowMs: number, onBegin?: () => void): Promise<GuestCounts> {
    this.machine.console.write(`workload ${name} ${windowMs}\n`);
    await this._expect('\nbegin');
    onBegin?.();
    await this._expect('\nend ');
    const from = this._seen;
    await this._expect(PROMPT);
    const words = this._text.slice(from, this._seen).split(/\s+/);
    return Object.fromEntries(
      words.filter((word) => word.includes('=')).map((word) => [word.split('=')[0], Number(word.split('=')[1])]),
    );
  }

  /** CPU time that the vCPU thread has had. */
  cpu(): CpuTime | undefined {
    try {
      const stat = readFileSync(`/proc/self/task/${this.machine.threadId}/stat`, 'latin1');
      // The name stands in parentheses and may contain anything; utime and stime are fields 14 and 15.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { userMs: (Number(fields[11]) * 1000) / TICKS_HZ, systemMs: (Number(fields[12]) * 1000) / TICKS_HZ };
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.machine.stop();
  }

  private async _expect(part: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = this._text.indexOf(part, this._seen);
      if (at >= 0) {
        this._seen = at + part.length;
        return;
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0)
        throw new HostError(
          'GUEST_SILENT',
          `the guest did not print '${part.trim()}' within ${PATIENCE_MS / 1000} s; its last words were: ${this._text.slice(-200)}`,
        );
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
