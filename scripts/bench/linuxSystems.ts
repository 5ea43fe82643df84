/**
 * The systems that boot the guest of `linuxGuest.ts`, each a process of its own, and what one boot of each tells: when its first program ran,
 * what the operations cost, how much memory the process had. Read after: `linux.ts`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BASE_PARAMETERS, DEBIAN_PARAMETERS } from '../../src/linux/guest.js';
import { nativePrograms } from '../nativePrograms.js';
import { ProcessGroup } from './processGroup.js';
import { reported } from './systems.js';

const root = new URL('../../../', import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, root));

const MEMORY_MIB = 256;
const TIMEOUT_MS = 240_000;
/** Rounds of sha256 in `compute 100`, of 64 bytes each. (test/guest/bench/compute.c) */
const SHA256_BYTES = 400_000 * 64;
/** Mitigations cost the other systems dearly, and whoever wants speed switches them off; the rest is what `romulus linux` gives its kernels. */
const APPEND = [...BASE_PARAMETERS, ...DEBIAN_PARAMETERS, 'quiet', 'mitigations=off'].join(' ');
const NATIVE_TMPFS = '/dev/shm';
/** Debian: user-mode-linux. */
const UML = '/usr/bin/linux.uml';

/** Where the files of a boot are. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

/** What one run tells: rows in their unit, by name. */
export interface Run {
  readonly rows: ReadonlyMap<string, { readonly value: number; readonly unit: string }>;
  /** What sha256 computed. */
  readonly checksum: string | undefined;
  /** What the process said on stderr. */
  readonly errors: string;
}

export interface LinuxSystem {
  /** As --only has it. */
  readonly name: string;
  /** Head of its column; the name if undefined. */
  readonly title?: string;
  /** What must stand beside its figures. */
  readonly note?: string | undefined;
  run(): Promise<Run>;
}

/**
 * Boots and reads the console until the guest's last word.
 *
 * @param end how the command is ended then
 * @throws Error when it does not come
 */
function boot(command: string, parameters: readonly string[], end?: 'SIGTERM'): Promise<Run> {
  return new Promise((resolve, reject) => {
    const rows = new Map<string, { value: number; unit: string }>();
    const start = performance.now();
    const group = new ProcessGroup(command, parameters, TIMEOUT_MS);
    const { child } = group;
    let rest = '';
    let tail = '';
    let errors = '';
    let hashStart = 0;
    let checksum: string | undefined;
    let isDone = false;
    let hasFailed = false;
    const take = (line: string): void => {
      const now = performance.now();
      const [, name, value, unit] = /^(\w+) ([\d.]+) (ns|MB\/s)$/.exec(line) ?? [];
      if (name !== undefined) rows.set(name, { value: Number(value), unit });
      else if (line === 'bench: init') rows.set('to_init', { value: (now - start) / 1000, unit: 's' });
      else if (line === 'start sha256') hashStart = now;
      else if (line.startsWith('end sha256 ')) {
        checksum = line.slice('end sha256 '.length);
        rows.set('sha256', { value: SHA256_BYTES / (now - hashStart) / 1000, unit: 'MB/s' });
      } else if (line.startsWith('bench: failed')) hasFailed = true;
      else if (line === 'bench: end') {
        isDone = true;
        const { peakMib, presentMib } = group.memory();
        rows.set('peak_memory', { value: peakMib, unit: 'MiB' });
        rows.set('memory', { value: presentMib, unit: 'MiB' });
        group.end(end);
      }
    };
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      tail = (tail + text).slice(-1000);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      // Firmware and terminals put other things before the first word of a line.
      for (const line of lines) take(line.replace(/[\r\0]/g, '').replace(/^.*(?=bench: )/, ''));
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      tail = (tail + text).slice(-1000);
      errors += text;
    });
    child.on('error', reject);
    child.on('close', () => {
      if (isDone && !hasFailed) resolve({ rows, checksum, errors });
      else reject(new Error(`${command} ${parameters.join(' ')} did not run the guest to its end: ${tail}`));
    });
  });
}

/** Runs the guest's programs, or the same for x86-64, on the host. */
export function native(): LinuxSystem {
  const { name: title, folder, note } = nativePrograms();
  const script = `"$0linux" 100 sha256 && "$0oscalls" ${NATIVE_TMPFS} && echo bench: end && exec sleep 10`;
  return {
    ...{ name: 'native', title, note },
    async run() {
      const measured = await boot('sh', ['-c', script, folder]);
      return { ...measured, rows: new Map([...measured.rows].filter(([name]) => !name.endsWith('memory'))) };
    },
  };
}

/** What only the first boot tells, which translates everything. */
function firstRows(first: Run): Run['rows'] {
  const toInit = first.rows.get('to_init');
  const perSecond = reported(first, 'guest instructions a second');
  return new Map([
    ...(toInit === undefined ? [] : [['first_to_init', toInit] as const]),
    ['first_translation', { value: perSecond / 1e6, unit: 'million/s' }],
  ]);
}

/** @param folder for the translations that later boots find; the first boot, which finds none, has rows of its own */
export function romulus(name: string, { kernel, initrd }: Guest, folder: string): LinuxSystem {
  const parameters = [
    ...[path('bin/romulus.js'), 'run', '-m', `${MEMORY_MIB}M`, '--kernel', kernel, '--initrd', initrd],
    ...['--append', APPEND, '--translations', folder, '--stats'],
  ];
  let isFirst = true;
  return {
    name,
    async run() {
      const measured = await boot(process.execPath, parameters, 'SIGTERM');
      if (!isFirst) return measured;
      isFirst = false;
      const again = await boot(process.execPath, parameters, 'SIGTERM');
      return { ...again, rows: new Map([...firstRows(measured), ...again.rows]) };
    },
  };
}

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

/**
 * A kernel of its own, which is a program of the host; undefined where it is not installed.
 *
 * @param initrd with programs for x86-64
 * @param folder where it puts its files
 */
export function uml(initrd: string, folder: string): LinuxSystem | undefined {
  if (!existsSync(UML)) return undefined;
  return {
    name: 'UML',
    title: 'UML, 64-bit',
    note:
      'UML, 64-bit: User Mode Linux brings its own kernel and runs 64-bit programs only, so its own are the same sources built for x86-64. Its memory ' +
      'is that of all its processes, with the peaks of each added up.',
    run: () =>
      boot(UML, [
        ...[`mem=${MEMORY_MIB}M`, `initrd=${initrd}`, 'quiet'],
        // No console but the one, and that without a keyboard; others would be terminal windows.
        ...['con=null', 'con0=null,fd:1', `uml_dir=${folder}`],
      ]),
  };
}
