import assert from 'node:assert/strict';
import { EventAccounts, LATENCY_SAMPLES } from '../../../src/irq/accounts.js';
import { record } from '../../../src/irq/record.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';

describe('EventAccounts', () => {
  function setUp(): { words: Int32Array; accounts: EventAccounts } {
    const words = new Int32Array(new ArrayBuffer(STATE_BYTES));
    return { words, accounts: new EventAccounts(words) };
  }

  it('takes a delivered event out of the IRR and measures how long it waited', () => {
    const { words, accounts } = setUp();
    record(words, 3, 1000);
    assert.equal(accounts.pending(3), 1);
    accounts.deliver(3, 1400);
    assert.equal(words[Word.PicIrr], 0);
    assert.equal(accounts.pending(3), 0);
    assert.equal(accounts.delivered(3), 1);
    assert.deepEqual(accounts.latency(3), { lastNs: 400, highestNs: 400, medianNs: 400 });
    assert.deepEqual(accounts.latency(4), { lastNs: 0, highestNs: 0, medianNs: 0 });
  });

  it('keeps last, highest and the median of the last 1024', () => {
    const { words, accounts } = setUp();
    const deliver = (waitedNs: number): void => {
      record(words, 0, 1_000_000);
      accounts.deliver(0, 1_000_000 + waitedNs);
    };
    deliver(900_000);
    for (let i = 1; i <= LATENCY_SAMPLES; i++) deliver(i);
    const latency = accounts.latency(0);
    assert.equal(latency.lastNs, LATENCY_SAMPLES);
    assert.equal(latency.highestNs, 900_000);
    assert.equal(latency.medianNs, LATENCY_SAMPLES / 2 + 1);
  });

  it('takes no sample of an event whose stamp has not come yet', () => {
    const { words, accounts } = setUp();
    words[Word.PicIrr] = 1;
    accounts.deliver(0, 5000);
    assert.equal(accounts.delivered(0), 1);
    assert.equal(accounts.latency(0).lastNs, 0);
  });

  it('counts what is discarded only when there was something', () => {
    const { words, accounts } = setUp();
    record(words, 7, 0);
    accounts.discard(7);
    accounts.discard(7);
    assert.equal(accounts.discarded(7), 1);
    assert.equal(accounts.pending(7), 0);
  });
});
