/**
 * `npm run bench`: how fast guests run, against the same programs run natively and against QEMU's translator and v86's interpreter where
 * those are installed. Everything is measured in turns, so that a busy host hits all alike, and medians are printed.
 * Options: --rounds N, --json, --v86 FOLDER (a folder with v86 in its node_modules), --only compute|kernel|loops|faults|latency.
 * Read before: nothing. Read after: `compute.ts`, `kernel.ts`, `faults.ts`, `latency.ts`, `interpreters.ts`.
 */
import { cpus, loadavg } from 'node:os';
import { Option } from 'commander';
import { nativePrograms } from '../nativePrograms.js';
import { script, wholeNumber } from '../script.js';
import { measureCompute, type ComputeRow } from './compute.js';
import { measureLoops, type LoopRow } from './interpreters.js';
import { measureFaults, type FaultRow } from './faults.js';
import { measureKernel, type KernelCosts } from './kernel.js';
import { measureLatency, type LatencyRow } from './latency.js';
import { findSystems } from './systems.js';
import { table } from './table.js';
import { loadV86 } from './v86.js';

const PARTS = ['compute', 'kernel', 'loops', 'faults', 'latency'];
/** Instructions a second that were asked for. */
const TRANSLATION_WANTED = 500_000;

const values = script('bench', 'how fast guests run, beside native programs, QEMU and v86')
  .option('--rounds <n>', 'how often everything is measured', wholeNumber(1), 3)
  .option('--json', 'print the result as JSON')
  .option('--v86 <folder>', 'folder with v86 in its node_modules')
  .addOption(new Option('--only <part>', 'measure one part').choices(PARTS))
  .parse()
  .opts<{ rounds: number; json?: boolean; v86?: string; only?: string }>();
const { rounds, only } = values;
const wants = (part: string): boolean => only === undefined || only === part;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const shown = (value: number | undefined, digits: number): string =>
  value === undefined
    ? '-'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const verdict = (met: boolean): string => (met ? 'met' : 'missed');

function showCompute(rows: readonly ComputeRow[]): void {
  const native = nativePrograms();
  const share = (row: ComputeRow, ms: number | undefined, digits: number): string =>
    shown(ms === undefined ? undefined : row.native / ms, digits);
  say('\nSpeed as a share of native (native time by time; higher is faster)\n');
  say(
    table(
      ['work', `${native.name}, ms`, 'translator', 'wanted', '', 'QEMU TCG', 'interpreter'],
      rows.map((row) => [
        row.work,
        shown(row.native, 1),
        share(row, row.translator, 2),
        shown(row.wanted, 1),
        verdict(row.native / row.translator >= row.wanted),
        share(row, row.qemu, 3),
        share(row, row.interpreter, 4),
      ]),
    ),
  );
  if (native.note !== undefined) say(`\n${native.note}`);
}

function showKernel({ rows, coldRate, keptRate }: KernelCosts): void {
  say('\nOperations of a kernel, by `bench` in Remus, in nanoseconds (lower is faster)\n');
  say(
    table(
      ['operation', 'translator', 'wanted', '', 'QEMU TCG', 'interpreter'],
      rows.map((row) => [
        row.row,
        shown(row.translator, 1),
        shown(row.wanted, 0),
        row.wanted === undefined ? '' : verdict(row.translator <= row.wanted),
        shown(row.qemu, 1),
        shown(row.interpreter, 1),
      ]),
    ),
  );
  say('\nTranslation while Remus boots, in guest instructions a second (higher is faster)\n');
  const rates: readonly (readonly [string, number])[] = [
    ['first boot', coldRate],
    ['with the translations of an earlier boot', keptRate],
  ];
  say(
    table(
      ['', 'translator', 'wanted', ''],
      rates.map(([name, rate]) => [
        ...[name, shown(rate, 0), shown(TRANSLATION_WANTED, 0)],
        verdict(rate >= TRANSLATION_WANTED),
      ]),
    ),
  );
}

function showLatency(rows: readonly LatencyRow[]): void {
  const microseconds = (ns: number): string => shown(ns / 1000, 1);
  say("\nFrom a signal to the guest's handler, in microseconds (lower is faster)\n");
  say(
    table(
      ['guest', 'p50', 'p99', 'the host alone, p50', 'p99'],
      rows.map((row) => [row.guest, ...[row.p50Ns, row.p99Ns, row.hostP50Ns, row.hostP99Ns].map(microseconds)]),
    ),
  );
}

function showLoops(rows: readonly LoopRow[]): void {
  say('\nInterpreters alone, in million guest instructions a second (higher is faster)\n');
  say(
    table(
      ['loop', 'Romulus', 'v86', 'ratio'],
      rows.map((row) => [
        row.workload,
        shown(row.romulus, 1),
        shown(row.v86, 1),
        shown(row.v86 === undefined ? undefined : row.romulus / row.v86, 1),
      ]),
    ),
  );
}

function showFaults(rows: readonly FaultRow[]): void {
  say('\nPage faults handed to the guest in native code or through TypeScript, in nanoseconds (lower is faster)\n');
  say(
    table(
      ['operation', 'reflect', 'exit', 'exit / reflect'],
      rows.map((row) => [row.row, shown(row.reflect, 0), shown(row.exit, 0), shown(row.ratio, 2)]),
    ),
  );
}

const systems = findSystems();
const v86 = wants('loops') ? await loadV86(values.v86) : undefined;
const load = loadavg()[0];
const compute = wants('compute') ? await measureCompute(rounds, systems) : undefined;
const kernel = wants('kernel') ? await measureKernel(rounds, systems) : undefined;
const faults = wants('faults') ? await measureFaults(rounds) : undefined;
const latency = wants('latency') ? await measureLatency(rounds) : undefined;
const loops = wants('loops') ? await measureLoops(rounds, v86) : undefined;

const host = {
  cpu: cpus()[0].model.trim(),
  cpus: cpus().length,
  load,
  node: process.version,
  native: nativePrograms().name,
  qemu: systems.qemuVersion,
  v86: v86?.version,
};
if (values.json === true) {
  say(JSON.stringify({ host, rounds, compute, kernel, faults, loops, latency }, undefined, 2));
} else {
  say(`${host.cpu}, ${host.cpus} CPUs, load ${shown(load, 1)} at the start, Node ${host.node}; medians of ${rounds}`);
  if (compute !== undefined) showCompute(compute);
  if (kernel !== undefined) showKernel(kernel);
  if (faults !== undefined) showFaults(faults);
  if (latency !== undefined) showLatency(latency);
  if (loops !== undefined) showLoops(loops);
  if (systems.qemu === undefined) say('\nQEMU is not installed: apt-get install qemu-system-x86');
  if (loops !== undefined && v86 === undefined) say('\nv86 is not installed: npm install --no-save v86');
}
