/** A comparison as tables for the terminal. Read before: `result.ts`. */
import type { Comparison, CpuTime, EventCounts, ToggleResult, VariantResult } from './result.js';
import type { LatencySummary } from '../irq/latency.js';

/** What stands where something was not measured. */
const NONE = '-';

export const group = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Nanoseconds with a unit that keeps three figures. */
export function formatNs(ns: number): string {
  if (ns === 0) return '0';
  if (ns < 1000) return `${ns.toFixed(ns < 100 ? 1 : 0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(ns < 1e5 ? 1 : 0)} µs`;
  if (ns < 1e9) return `${(ns / 1e6).toFixed(ns < 1e8 ? 1 : 0)} ms`;
  return `${(ns / 1e9).toFixed(2)} s`;
}

/** One table: a heading, and rows of a label and one cell per variant. */
export interface TextTable {
  readonly title: string;
  readonly rows: readonly { readonly label: string; readonly cells: readonly string[] }[];
}

type Cell = (variant: VariantResult) => string | undefined;

/** All that a comparison found, in tables with the variants as columns. Tables and rows without a value are left out. */
export function tables({ variants }: Comparison): readonly TextTable[] {
  const row = (label: string, cell: Cell): { label: string; cells: string[] } => ({
    label,
    cells: variants.map((variant) => cell(variant) ?? NONE),
  });
  const latencyRows = (
    pick: (variant: VariantResult) => LatencySummary | undefined,
  ): { label: string; cells: string[] }[] =>
    (
      [
        ['min', 'minNs'],
        ['p50', 'p50Ns'],
        ['p90', 'p90Ns'],
        ['p99', 'p99Ns'],
        ['p99.9', 'p999Ns'],
        ['max', 'maxNs'],
      ] as const
    ).map(([label, key]) =>
      row(label, (variant) => {
        const latency = pick(variant);
        return latency && formatNs(latency[key]);
      }),
    );
  const toggleRows = (
    what: string,
    pick: (variant: VariantResult) => ToggleResult | undefined,
  ): { label: string; cells: string[] }[] => [
    row(`${what}, one pair`, (variant) => span(pick(variant)?.pairNs)),
    row(`${what}, host system calls per 1,000 operations`, (variant) => pick(variant)?.hostCallsPer1000.toFixed(2)),
    row(`${what}, traps`, (variant) => optional(pick(variant)?.traps)),
    row(`${what}, of these by a fault on the host`, (variant) => optional(pick(variant)?.trapSignals)),
  ];
  const rates = variants[0]?.storms.map(({ askedHz }) => askedHz) ?? [];
  const found: TextTable[] = [
    {
      title: 'Disable and enable interrupts',
      rows: [...toggleRows('ROM calls', ({ toggle }) => toggle), ...toggleRows('CLI, STI', ({ cli }) => cli)],
    },
    {
      title: 'Injection latency, guest computing, 1,000 events a second',
      rows: latencyRows(({ latency }) => latency?.latency),
    },
    { title: 'Injection latency, guest asleep', rows: latencyRows(({ idle }) => idle?.latency) },
    ...rates.map((rateHz, index) => stormTable(rateHz, index, variants, row)),
    {
      title: 'Other workloads',
      rows: [
        row('timer tick under load: rounds of work a second', ({ tick }) => tick && group(tick.workHz.median)),
        row('timer ticks a second', ({ tick }) => tick && group(tick.ticksHz.median)),
        row('switch to another process', ({ switchNs }) => span(switchNs)),
        row('boot to the prompt', ({ bootMs }) => bootMs && `${bootMs.median.toFixed(0)} ms`),
        row('CPU time of the vCPU in all: user, system', ({ cpu }) => formatCpu(cpu)),
      ],
    },
  ];
  return found
    .map(({ title, rows }) => ({ title, rows: rows.filter(({ cells }) => cells.some((cell) => cell !== NONE)) }))
    .filter(({ rows }) => rows.length > 0);
}

function stormTable(
  rateHz: number,
  index: number,
  variants: readonly VariantResult[],
  row: (label: string, cell: Cell) => { label: string; cells: string[] },
): TextTable {
  const storm = (variant: VariantResult): VariantResult['storms'][number] | undefined => variant.storms[index];
  const events =
    (key: keyof EventCounts): Cell =>
    (variant) =>
      optional(storm(variant)?.events[key]);
  const isShort = variants.some((variant) => (storm(variant)?.reachedHz.median ?? Infinity) < rateHz * 0.95);
  return {
    title: `Storm of ${group(rateHz)} events a second`,
    rows: [
      ...(isShort ? [row('reached a second', (variant) => optional(storm(variant)?.reachedHz.median))] : []),
      row('raised', events('raised')),
      row('delivered', events('delivered')),
      row('merged', events('merged')),
      row('lost', events('lost')),
      row('guest work, of that without a storm', (variant) => {
        const quiet = variant.tick?.workHz.median;
        const work = storm(variant)?.workHz.median;
        return quiet && work ? `${((100 * work) / quiet).toFixed(0)} %` : undefined;
      }),
      row('latency p50', (variant) => maybeNs(storm(variant)?.latency?.p50Ns)),
      row('latency p99', (variant) => maybeNs(storm(variant)?.latency?.p99Ns)),
      row('CPU time: user, system', (variant) => formatCpu(storm(variant)?.cpu)),
    ],
  };
}

const optional = (value: number | undefined): string | undefined => (value === undefined ? undefined : group(value));
const maybeNs = (value: number | undefined): string | undefined => (value === undefined ? undefined : formatNs(value));
const span = (of: { median: number; min: number; max: number } | undefined): string | undefined =>
  of && formatNs(of.median);
const formatCpu = (cpu: CpuTime | undefined): string | undefined =>
  cpu && `${group(cpu.userMs)}, ${group(cpu.systemMs)} ms`;

/** The tables and notes as text without a final newline. */
export function formatComparison(comparison: Comparison): string {
  const { host, settings, variants } = comparison;
  const all = tables(comparison);
  const labelWidth = Math.max(...all.flatMap(({ rows }) => rows.map(({ label }) => label.length)));
  const widths = variants.map((variant, column) =>
    Math.max(variant.name.length, ...all.flatMap(({ rows }) => rows.map(({ cells }) => cells[column].length))),
  );
  const line = (label: string, cells: readonly string[]): string =>
    [label.padEnd(labelWidth), ...cells.map((cell, column) => cell.padStart(widths[column]))].join('  ');
  const parts = all.map(({ title, rows }) =>
    [title, ...rows.map(({ label, cells }) => line(`  ${label}`.padEnd(labelWidth), cells))].join('\n'),
  );
  return [
    `${host.cpu}, ${host.cores} cores, ${host.kernel}, Node ${host.node}`,
    `${settings.engine}, ${settings.rounds} rounds of ${settings.windowMs} ms each, medians; load ${host.loadBefore.toFixed(1)} before, ${host.loadAfter.toFixed(1)} after`,
    '',
    line(
      '',
      variants.map(({ name }) => name),
    ),
    parts.join('\n\n'),
    ...(comparison.notes.length ? ['', ...comparison.notes.map((note) => `note: ${note}`)] : []),
  ].join('\n');
}
