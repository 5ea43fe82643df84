/** The counters of a machine as a person reads them, for --stats and Ctrl-A s. */
import type { Statistics } from '../machine/statistics.js';

const group = (value: number): string => value.toLocaleString('en-US');

/** Lays rows out as columns: the first left-aligned, the others right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '),
    )
    .join('\n');
}

/** The statistics as text of several lines, without a final newline. */
export function formatStatistics(statistics: Statistics): string {
  const { instructions, exits, waits, waitNs, timerSignals, hostSignals, lines, romCalls } = statistics;
  const parts = [
    table([
      ['instructions', group(instructions)],
      ['exits from guest code', group(exits)],
      ['sleeps', group(waits)],
      ['time asleep, ms', group(Math.round(waitNs / 1e6))],
      ['timer signals', group(timerSignals)],
      ['routed host signals', group(hostSignals)],
    ]),
  ];
  if (lines.length > 0)
    parts.push(
      table([
        ['irq', 'raised', 'delivered', 'merged', 'discarded', 'pending'],
        ...lines.map((line) => [
          String(line.irq),
          group(line.raised),
          group(line.delivered),
          group(line.merged),
          group(line.discarded),
          group(line.pending),
        ]),
      ]),
    );
  if (romCalls.length > 0)
    parts.push(
      table([
        ['ROM call', 'calls', 'exits'],
        ...romCalls.map((row) => [`${row.number} ${row.name}`, group(row.calls), group(row.exits)]),
      ]),
    );
  return parts.join('\n\n');
}
