/**
 * `npm run bench:linux`: how fast Linux boots and what its operations cost, in Romulus, in QEMU's translator (TCG) and in v86 where those are
 * installed, all from one kernel and initramfs, in User Mode Linux, which brings its own, and on the host. Everything is measured in turns,
 * so that a busy host hits all alike, and medians are printed.
 * Options: --kernel FILE (default: Debian's, from the package that `romulus linux` has cached), --vmi (a column for the kernel of `romulus linux --vmi`, built on
 * first use), --vmi-kernel FILE (the same with a kernel of the user's own), --rounds N, --v86 FOLDER (a folder with v86 in its node_modules), --only NAME (a column; may be repeated), --json.
 * Read after: `linuxSystems.ts`, `linuxGuest.ts`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { progressLines } from '../../src/cli/progress.js';
import { Cache } from '../../src/linux/cache.js';
import { openArchive } from '../../src/linux/guest.js';
import { KERNEL_FILE } from '../../src/linux/kernelPackage.js';
import type { Task } from '../../src/linux/progress.js';
import { vmiKernel } from '../../src/linux/vmiKernel.js';
import { script, wholeNumber } from '../script.js';
import { debianKernel } from './debianKernel.js';
import { benchInitramfs } from './linuxGuest.js';
import { native, qemu, romulus, uml, v86, type LinuxSystem } from './linuxSystems.js';
import { table } from './table.js';
import { median } from './timing.js';

const values = script(
  'bench:linux',
  "Linux' boot and operations in Romulus, QEMU, v86 and User Mode Linux, and on the host",
)
  .option('--kernel <file>', "kernel (default: Debian's, from the package that romulus linux has cached)")
  .option('--vmi', 'a column for the kernel of romulus linux --vmi, which is built on first use')
  .option('--vmi-kernel <file>', "as --vmi, with a kernel of the user's own")
  .option('--rounds <n>', 'how often everything is measured', wholeNumber(1), 3)
  .option('--v86 <folder>', 'folder with v86 in its node_modules')
  .option('--only <names...>', 'columns')
  .option('--json', 'print the result as JSON')
  .parse()
  .opts<{
    kernel?: string;
    vmi?: boolean;
    vmiKernel?: string;
    rounds: number;
    v86?: string;
    only?: string[];
    json?: boolean;
  }>();
const { rounds } = values;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** What the first system has computed; all must compute the same, as nobody is fast who computes something else. */
let expected: string | undefined;

/** Medians of a column by row, and what went wrong in it. */
class Column {
  private readonly _values = new Map<string, { readonly unit: string; readonly values: number[] }>();
  error: string | undefined;

  constructor(readonly system: LinuxSystem) {}

  get title(): string {
    return this.system.title ?? this.system.name;
  }

  async measure(): Promise<void> {
    try {
      const { rows: measured, checksum } = await this.system.run();
      expected ??= checksum;
      if (checksum !== expected) throw new Error(`sha256 gave ${checksum}, and ${expected} in the first column`);
      for (const [name, { value, unit }] of measured) {
        const row = this._values.get(name) ?? { unit, values: [] };
        row.values.push(value);
        this._values.set(name, row);
      }
    } catch (error) {
      this.error = (error as Error).message;
    }
  }

  get rows(): ReadonlyMap<string, { readonly unit: string; readonly value: number }> {
    return new Map([...this._values].map(([name, { unit, values: all }]) => [name, { unit, value: median(all) }]));
  }
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function show(columns: readonly Column[]): void {
  const units = new Map<string, string>();
  for (const column of columns) for (const [name, { unit }] of column.rows) units.set(name, unit);
  const rows = [...units].map(([name, unit]) => [
    `${name}, ${unit}`,
    ...columns.map((column) => shown(column.rows.get(name)?.value)),
  ]);
  say(table(['inside Linux', ...columns.map(({ title }) => title)], rows));
  for (const { system, title, error } of columns) {
    if (error !== undefined) say(`\n${title}: ${error}`);
    if (system.note !== undefined) say(`\n${system.note}`);
  }
}

const cache = new Cache();
const task: Task = { progress: progressLines(note), warn: note, signal: new AbortController().signal };

/** Unpacked, as `romulus linux` boots it. */
async function ownVmiKernel(): Promise<string> {
  return join((await vmiKernel(cache, () => openArchive(cache, {}), {}, task)).folder, KERNEL_FILE);
}

const load = loadavg()[0];
const folder = mkdtempSync(join(tmpdir(), 'romulus-bench-'));
// Signals that end this script end it by `exit`, too (processGroup.ts).
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const initrd = join(folder, 'initramfs');
writeFileSync(initrd, benchInitramfs('bench'));
const initrd64 = join(folder, 'initramfs64');
writeFileSync(initrd64, benchInitramfs('bench64'));
const guest = { kernel: values.kernel ?? (await debianKernel(cache, folder, task)), initrd };
const vmi = values.vmiKernel ?? (values.vmi === true ? await ownVmiKernel() : undefined);
const systems = [
  native(),
  romulus('Romulus', guest, folder),
  vmi === undefined ? undefined : romulus('Romulus, VMI', { kernel: vmi, initrd }, folder),
  qemu(guest),
  values.v86 === undefined ? undefined : v86(guest, values.v86),
  uml(initrd64, folder),
].filter((system) => system !== undefined);
const wanted = systems.filter(({ name }) => values.only?.includes(name) ?? true);
if (wanted.length === 0) throw new Error(`--only: give one of ${systems.map(({ name }) => name).join(', ')}`);
const columns = wanted.map((system) => new Column(system));
for (let round = 1; round <= rounds; round++)
  for (const column of columns) {
    note(`round ${round} of ${rounds}: ${column.title}`);
    await column.measure();
  }
if (values.json === true) {
  const host = { cpu: cpus()[0].model.trim(), cpus: cpus().length, load, node: process.version };
  const all = columns.map(({ title, rows, error }) => ({
    system: title,
    error,
    rows: Object.fromEntries(rows),
  }));
  say(JSON.stringify({ host, rounds, guest: guest.kernel, columns: all }, undefined, 2));
} else {
  say(`${cpus()[0].model.trim()}, ${cpus().length} CPUs, load ${shown(load)} at the start; medians of ${rounds}\n`);
  show(columns);
}
