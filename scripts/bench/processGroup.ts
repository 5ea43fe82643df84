/**
 * A command with all the processes that it starts: in a process group of its own, of which nothing is left when the command has ended, when
 * its time is up or when the script that started it ends. User Mode Linux needs it, which is a process for each of the guest's and more.
 * Read after: `linuxSystems.ts`.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';

const running = new Set<number>();

function kill(group: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

process.on('exit', () => running.forEach((group) => kill(group)));
// Groups of their own do not get what the terminal sends to this one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => process.exit(128 + constants.signals[signal]));

/** A number of /proc/pid/FILE; 0 where it does not stand there or the process is gone. */
function number(pid: number, file: string, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
    return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Memory of a group in MiB. */
export interface Memory {
  /**
   * Most that was resident, the processes' peaks added up: of windows, which show guest RAM again at other addresses, and of processes that share
   * pages each counts.
   */
  readonly peakMib: number;
  /** What is there now, each page counted once however often and by however many processes it is mapped. */
  readonly presentMib: number;
}

export class ProcessGroup {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;

  constructor(command: string, parameters: readonly string[], timeoutMs: number) {
    this.child = spawn(command, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      detached: true,
    });
    const { pid } = this.child;
    if (pid === undefined) return;
    running.add(pid);
    this.child.on('exit', () => {
      running.delete(pid);
      kill(pid);
    });
  }

  /** Ends all of it. @param signal one that asks leaves it the rest of its time to end as it likes */
  end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): void {
    if (this.child.pid !== undefined && running.has(this.child.pid)) kill(this.child.pid, signal);
  }

  /**
   * Counts the first process and those that it traces, which are the processes of User Mode Linux' guest; what UML has besides shares the first
   * one's memory. (proc(5): /proc/pid/status, "VmHWM", "TracerPid"; /proc/pid/smaps, "Pss")
   */
  memory(): Memory {
    const leader = this.child.pid;
    const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const counted = all.map(Number).filter((pid) => pid === leader || number(pid, 'status', 'TracerPid') === leader);
    const mib = (file: string, name: string): number =>
      counted.reduce((kib, pid) => kib + number(pid, file, name), 0) / 1024;
    return { peakMib: mib('status', 'VmHWM'), presentMib: mib('smaps_rollup', 'Pss') };
  }
}
