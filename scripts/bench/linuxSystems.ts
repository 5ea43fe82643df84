/**
 * The systems that boot the guest of `linuxGuest.ts`, each a process of its own, and what one boot of each tells: when its first program ran,
 * what the operations cost, how much memory the process had. Read after: `linux.ts`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BASE_PARAMETERS, DEBIAN_PARAMETERS } from '../../src/linux/guest.js';

const root = new URL('../../../', import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, root));

const MEMORY_MIB = 256;
const TIMEOUT_MS = 240_000;
/** Rounds of sha256 in `compute 100`, of 64 bytes each. (test/guest/bench/compute.c) */
const SHA256_BYTES = 400_000 * 64;
/** Mitigations cost the other systems dearly, and whoever wants speed switches them off; the rest is what `romulus linux` gives its kernels. */
const APPEND = [...BASE_PARAMETERS, ...DEBIAN_PARAMETERS, 'quiet', 'mitigations=off'].join(' ');
const NATIVE_TMPFS = '/dev/shm';

/** Where the files of a boot are. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

/** What one run tells: rows in their unit, by name. */
export interface Run {
  readonly rows: ReadonlyMap<string, { readonly value: number; readonly unit: string }>;
}

export interface LinuxSystem {
  readonly name: string;
  run(): Promise<Run>;
}

/** Peak resident memory of a process that still lives, in MiB. (proc(5), /proc/pid/status) */
function peakMib(pid: number): number {
  const [, kib] = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kib) / 1024;
}

/**
 * Memory that a process has now, in MiB, each page counted once however often the process maps it: windows show guest RAM again at other
 * addresses, which `peakMib` counts again. (proc(5), /proc/pid/smaps, "Pss")
 */
function presentMib(pid: number): number {
  const [, kib] = /^Pss:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')) ?? [];
  return Number(kib) / 1024;
}

/**
 * Boots and reads the console until the guest's last word.
 *
 * @throws Error when it does not come
 */
function boot(command: string, parameters: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const rows = new Map<string, { value: number; unit: string }>();
    const start = performance.now();
    const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
    let rest = '';
    let tail = '';
    let hashStart = 0;
    let isDone = false;
    const take = (line: string): void => {
      const now = performance.now();
      const [, name, value, unit] = /^(\w+) ([\d.]+) (ns|MB\/s)$/.exec(line) ?? [];
      if (name !== undefined) rows.set(name, { value: Number(value), unit });
      else if (line === 'bench: init') rows.set('to_init', { value: (now - start) / 1000, unit: 's' });
      else if (line === 'start sha256') hashStart = now;
      else if (line.startsWith('end sha256'))
        rows.set('sha256', { value: SHA256_BYTES / (now - hashStart) / 1000, unit: 'MB/s' });
      else if (line === 'bench: end') {
        isDone = true;
        if (child.pid !== undefined) {
          rows.set('peak_memory', { value: peakMib(child.pid), unit: 'MiB' });
          rows.set('memory', { value: presentMib(child.pid), unit: 'MiB' });
        }
        child.kill('SIGKILL');
      }
    };
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      tail = (tail + text).slice(-1000);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      // Firmware and terminals put other things before the first word of a line.
      for (const line of lines) take(line.replace(/[\r\0]/g, '').replace(/^.*(?=bench: )/, ''));
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => (tail = (tail + text).slice(-1000)));
    child.on('error', reject);
    child.on('close', () => {
      if (isDone) resolve({ rows });
      else reject(new Error(`${command} ${parameters.join(' ')} did not run the guest to its end: ${tail}`));
    });
  });
}

/** Runs the guest's programs on the host. */
export const native: LinuxSystem = {
  name: 'native',
  async run() {
    const bench = path('dist/guest-work/bench/');
    const script = `"$0/linux" 100 sha256 && "$0/oscalls" ${NATIVE_TMPFS} && echo bench: end && exec sleep 10`;
    const { rows } = await boot('sh', ['-c', script, bench]);
    return { rows: new Map([...rows].filter(([name]) => !name.endsWith('memory'))) };
  },
};

export const romulus = (name: string, { kernel, initrd }: Guest, extra: readonly string[] = []): LinuxSystem => ({
  name,
  run: () =>
    boot(process.execPath, [
      ...[path('bin/romulus.js'), 'run', '-m', `${MEMORY_MIB}M`, '--kernel', kernel, '--initrd', initrd],
      ...['--append', APPEND, ...extra],
    ]),
});

/** Undefined where it is not installed. */
export function qemu({ kernel, initrd }: Guest): LinuxSystem | undefined {
  const command = 'qemu-system-i386';
  if (spawnSync(command, ['--version']).status !== 0) return undefined;
  return {
    name: 'QEMU TCG',
    run: () =>
      boot(command, [
        ...['-accel', 'tcg', '-m', `${MEMORY_MIB}M`, '-nographic', '-no-reboot', '-net', 'none'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', APPEND],
      ]),
  };
}

/** @param folder with v86 in its node_modules */
export const v86 = ({ kernel, initrd }: Guest, folder: string): LinuxSystem => ({
  name: 'v86',
  run: () =>
    boot(process.execPath, [path('dist/scripts/bench/v86Linux.js'), folder, kernel, initrd, APPEND, `${MEMORY_MIB}`]),
});
