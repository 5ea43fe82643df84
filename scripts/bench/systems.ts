/**
 * The systems that the programs of test/guest/bench are timed on, each a process of its own: the host's Linux, Romulus under either engine,
 * and QEMU's translator (TCG). What a system prints is handed on line by line with the time it came, by one and the same clock.
 * Read after: `compute.ts`, `kernel.ts`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativePrograms } from '../nativePrograms.js';

const root = new URL('../../../', import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, root));

const KERNEL = path('dist/guest-work/bench/bare.elf');
const REMUS = path('dist/guest/remus.elf');
const INITRD = path('dist/guest-work/bench/initrd.tar');
const ROMULUS = path('bin/romulus.js');
const QEMU = 'qemu-system-i386';
const MEMORY_MIB = 64;
const TIMEOUT_MS = 60_000;

export interface Line {
  readonly text: string;
  /** When its last byte came. */
  readonly atMs: number;
}

export interface Output {
  readonly lines: readonly Line[];
  readonly errors: string;
}

/** A number of --stats, which has commas between the thousands. */
export function reported({ errors }: Pick<Output, 'errors'>, name: string): number {
  const found = new RegExp(`^ *${name} +([\\d,]+)`, 'm').exec(errors);
  if (found === null) throw new Error(`--stats said nothing of '${name}': ${errors}`);
  return Number(found[1].replaceAll(',', ''));
}

export interface GuestSystem {
  readonly name: string;
  /** Runs commands of Remus' shell and ends. */
  remus(commands: readonly string[]): Promise<Output>;
  /** Runs `compute` as a kernel of its own. */
  bare(parameters: string): Promise<Output>;
}

function run(command: string, parameters: readonly string[]): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
    const lines: Line[] = [];
    let rest = '';
    let errors = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const atMs = performance.now();
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts.map((part) => ({ text: part.trimEnd(), atMs })));
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve({ lines, errors });
      else reject(new Error(`${command} ${parameters.join(' ')} ended with ${signal ?? status}: ${errors.trim()}`));
    });
  });
}

const script = (commands: readonly string[]): string => `quiet run="${commands.join('; ')}"`;

/** Runs `compute` as a process of the host. */
export const native = (parameters: string): Promise<Output> =>
  run(`${nativePrograms().folder}linux`, parameters.split(' '));

/** For the translations of these benches, which find those of their earlier rounds as users find those of their earlier boots. */
const translations = mkdtempSync(join(tmpdir(), 'romulus-bench-'));
process.on('exit', () => rmSync(translations, { recursive: true, force: true }));

function romulus(engine: 'translator' | 'interpreter', ...options: string[]): GuestSystem {
  const common = ['-m', `${MEMORY_MIB}M`, '--engine', engine, '--stats', '--translations', translations, ...options];
  const boot = (...parameters: string[]): Promise<Output> =>
    run(process.execPath, [ROMULUS, 'run', ...common, ...parameters]);
  return {
    name: engine,
    remus: (commands) => boot('--initrd', INITRD, '--append', script(commands)),
    bare: (parameters) => boot('--kernel', KERNEL, '--append', parameters),
  };
}

/** The translator as at its first boot of a kernel. */
export const coldTranslator = (): GuestSystem => romulus('translator', '--translations', 'off');

/** The translator with one of the ways that page faults can take to the guest's handler. */
export const faultWay = (way: 'reflect' | 'exit'): GuestSystem => romulus('translator', '--page-faults', way);

const boot = (...parameters: string[]): Promise<Output> =>
  run(QEMU, ['-accel', 'tcg', '-m', `${MEMORY_MIB}M`, '-nographic', '-no-reboot', '-net', 'none', ...parameters]);

const qemu: GuestSystem = {
  name: 'QEMU TCG',
  remus: (commands) => boot('-kernel', REMUS, '-initrd', INITRD, '-append', script(commands)),
  bare: (parameters) => boot('-kernel', KERNEL, '-append', parameters),
};

export interface Systems {
  readonly translator: GuestSystem;
  readonly interpreter: GuestSystem;
  /** Undefined when it is not installed. */
  readonly qemu: GuestSystem | undefined;
  readonly qemuVersion: string | undefined;
}

export function findSystems(): Systems {
  const asked = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  const qemuVersion = /version (\S+)/.exec(asked.stdout ?? '')?.[1];
  return {
    translator: romulus('translator'),
    interpreter: romulus('interpreter'),
    qemu: qemuVersion === undefined ? undefined : qemu,
    qemuVersion,
  };
}
