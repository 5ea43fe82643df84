import assert from 'node:assert/strict';
import { record } from '../../../src/irq/record.js';
import { increment, read64 } from '../../../src/vcpu/counters.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';

describe('record', () => {
  const stateBlock = (): Int32Array => new Int32Array(new SharedArrayBuffer(STATE_BYTES));

  it('latches the line, counts, stamps the time and asks for attention', () => {
    const words = stateBlock();
    record(words, 5, 12_345_678_901);
    assert.equal(words[Word.PicIrr], 1 << 5);
    assert.equal(words[Word.Attention], Attention.Interrupt);
    assert.equal(read64(words, Word.Raised + 10), 1);
    assert.equal(read64(words, Word.Merged + 10), 0);
    assert.equal(read64(words, Word.RecordedAt + 10), 12_345_678_901);
  });

  it('merges with an event that still waits and keeps the time of the first', () => {
    const words = stateBlock();
    record(words, 15, 100);
    record(words, 15, 200);
    record(words, 14, 300);
    assert.equal(words[Word.PicIrr], 0xc000);
    assert.equal(read64(words, Word.Raised + 30), 2);
    assert.equal(read64(words, Word.Merged + 30), 1);
    assert.equal(read64(words, Word.RecordedAt + 30), 100);
  });

  it('keeps other attention bits', () => {
    const words = stateBlock();
    words[Word.Attention] = Attention.Stop;
    record(words, 0, 0);
    assert.equal(words[Word.Attention], Attention.Stop | Attention.Interrupt);
  });
});

describe('increment', () => {
  it('carries into the high word', () => {
    const words = new Int32Array([-1, 6]);
    increment(words, 0);
    assert.deepEqual([...words], [0, 7]);
    assert.equal(read64(words, 0), 7 * 2 ** 32);
    increment(words, 0);
    assert.equal(read64(words, 0), 7 * 2 ** 32 + 1);
  });
});
