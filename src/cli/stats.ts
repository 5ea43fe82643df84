/** The counters of a machine as a person reads them, for --stats and Ctrl-A s. */
import type { Statistics } from '../machine/statistics.js';
import type { TranslatorStatistics } from '../translator/stats.js';

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
  const { instructions, exits, waits, waitNs, timerSignals, hostSignals, interrupts, lines, romCalls } = statistics;
  const { traps } = interrupts;
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
  parts.push(
    table([
      ['interrupt strategy', interrupts.name],
      ['host system calls', group(interrupts.hostCalls)],
      ['of these, changes of the signal mask', group(interrupts.maskCalls)],
      ...(interrupts.flagSwitches > 0 ? [['changes of IF', group(interrupts.flagSwitches)]] : []),
      ...(interrupts.forwarded > 0 ? [['signals sent on to the vCPU', group(interrupts.forwarded)]] : []),
      ...(traps.count > 0
        ? [
            ['traps', group(traps.count)],
            ['of these, by a fault on the host', group(traps.signals)],
            ['descriptor words read', group(traps.segmentReads)],
            ['page-table entries read', group(traps.tableReads)],
            ['bytes fetched', group(traps.fetchedBytes)],
            ['instructions decoded', group(traps.decodes)],
            ['instructions emulated', group(traps.emulations)],
          ]
        : []),
    ]),
  );
  if (lines.length > 0)
    parts.push(
      table([
        ['irq', 'raised', 'delivered', 'merged', 'discarded', 'pending', 'in host'],
        ...lines.map((line) => [
          String(line.irq),
          group(line.raised),
          group(line.delivered),
          group(line.merged),
          group(line.discarded),
          group(line.pending),
          group(line.inHost),
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

/** Instructions shown of those that the interpreter ran for the translator. */
const MOST_INTERPRETED = 24;

/** What the translator has done, as text of several lines, without a final newline. */
export function formatTranslator(statistics: TranslatorStatistics): string {
  const { exits, interpreted } = statistics;
  const shown = interpreted.slice(0, MOST_INTERPRETED);
  const parts = [
    table([
      ['translator (its instructions are not in the count above)', ''],
      ['fragments', group(statistics.fragments)],
      ['  of them kept from before', group(statistics.fragmentsKept)],
      ['guest instructions translated', group(statistics.instructions)],
      ['bytes of host code', group(statistics.hostBytes)],
      ['milliseconds translating', group(Math.round(statistics.translationMs))],
      [
        '  guest instructions a second',
        group(Math.round((statistics.instructions * 1000) / Math.max(1, statistics.translationMs))),
      ],
      ['  microseconds at most for a fragment', group(Math.round(statistics.longestPauseMs * 1000))],
      ['times entered', group(statistics.enters)],
      ...Object.entries(exits).map(([reason, count]) => [`  left: ${reason}`, group(count)]),
      ['instructions run in the addon', group(statistics.shortcuts)],
      ['page faults handed on in the addon', group(statistics.reflections)],
      ['faults that mapped pages', group(statistics.windowFaults)],
      ['faults after a switch of host threads', group(statistics.windowsLost)],
      ['changes of window', group(statistics.windowSwitches)],
      ['windows checked after a flush', group(statistics.windowChecks)],
      ['windows given up', group(statistics.windowEvictions)],
      ['times all windows were cleared', group(statistics.windowsCleared)],
      ['pages of code dropped', group(statistics.pagesDropped)],
      ['times the code buffer was full', group(statistics.buffersFilled)],
      ['times there were too many fragments', group(statistics.limitsReached)],
    ]),
  ];
  if (shown.length > 0)
    parts.push(table([['run by the interpreter', 'times'], ...shown.map((row) => [row.what, group(row.count)])]));
  return parts.join('\n\n');
}
