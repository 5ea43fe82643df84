/** The counters as text. */
import assert from 'node:assert/strict';
import { formatStatistics, table } from '../../../src/cli/stats.js';
import type { StrategyStatistics } from '../../../src/index.js';

describe('cli/stats', () => {
  it('aligns columns', () => {
    assert.equal(
      table([
        ['a', 'b'],
        ['long', '1000'],
      ]),
      'a        b\nlong  1000',
    );
    assert.equal(table([]), '');
  });

  it('shows counters, lines and ROM calls, and leaves out what never happened', () => {
    const interrupts: StrategyStatistics = {
      name: 'host-mask',
      hostCalls: 1500,
      maskCalls: 1400,
      flagSwitches: 1400,
      forwarded: 0,
      traps: { count: 0, signals: 0, segmentReads: 0, tableReads: 0, fetchedBytes: 0, decodes: 0, emulations: 0 },
    };
    const base = {
      interrupts,
      samples: 0,
      instructions: 1234567,
      exits: 8,
      waits: 3,
      waitNs: 2_600_000,
      timerSignals: 5,
      hostSignals: 0,
    };
    const full = formatStatistics({
      ...base,
      lines: [{ irq: 5, raised: 7, delivered: 2, merged: 1, discarded: 0, pending: 1, inHost: 3 }],
      romCalls: [{ number: 35, name: 'SetAlarm', calls: 1000, exits: 10 }],
    });
    assert.match(full, /^instructions +1,234,567$/m);
    assert.match(full, /^time asleep, ms +3$/m);
    assert.match(full, /^5 +7 +2 +1 +0 +1 +3$/m);
    assert.match(full, /^35 SetAlarm +1,000 +10$/m);
    assert.match(full, /^of these, changes of the signal mask +1,400$/m);
    const bare = formatStatistics({ ...base, lines: [], romCalls: [] });
    assert.doesNotMatch(bare, /irq|ROM call|traps|sent on/);
    const traps = {
      count: 9,
      signals: 3,
      segmentReads: 18,
      tableReads: 54,
      fetchedBytes: 11,
      decodes: 9,
      emulations: 8,
    };
    assert.match(
      formatStatistics({ ...base, interrupts: { ...interrupts, traps }, lines: [], romCalls: [] }),
      /^page-table entries read +54$/m,
    );
  });
});
