/** The counters as text. */
import assert from 'node:assert/strict';
import { formatStatistics, table } from '../../../src/cli/stats.js';

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
    const base = { instructions: 1234567, exits: 8, waits: 3, waitNs: 2_600_000, timerSignals: 5, hostSignals: 0 };
    const full = formatStatistics({
      ...base,
      lines: [{ irq: 5, raised: 4, delivered: 2, merged: 1, discarded: 0, pending: 1 }],
      romCalls: [{ number: 35, name: 'SetAlarm', calls: 1000, exits: 10 }],
    });
    assert.match(full, /^instructions +1,234,567$/m);
    assert.match(full, /^time asleep, ms +3$/m);
    assert.match(full, /^5 +4 +2 +1 +0 +1$/m);
    assert.match(full, /^35 SetAlarm +1,000 +10$/m);
    const bare = formatStatistics({ ...base, lines: [], romCalls: [] });
    assert.doesNotMatch(bare, /irq|ROM call/);
  });
});
