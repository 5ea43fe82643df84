import assert from 'node:assert/strict';
import { IrqLines } from '../../../src/irq/lines.js';
import { read64 } from '../../../src/vcpu/counters.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';

describe('IrqLines', () => {
  function setUp(): { words: Int32Array; lines: IrqLines } {
    const words = new Int32Array(new ArrayBuffer(STATE_BYTES));
    return { words, lines: new IrqLines(words, () => 77) };
  }

  it('records the rise of an edge-triggered line and nothing else', () => {
    const { words, lines } = setUp();
    const line = lines.trigger(4);
    line.set(false);
    assert.equal(words[Word.PicIrr], 0);
    line.set(true);
    line.set(true);
    line.set(false);
    assert.equal(words[Word.PicIrr], 1 << 4);
    assert.equal(read64(words, Word.Raised + 8), 1);
    assert.equal(read64(words, Word.RecordedAt + 8), 77);
  });

  it('requests by level for as long as a level-triggered line is high', () => {
    const { words, lines } = setUp();
    lines.levelTriggered = 1 << 11;
    const line = lines.trigger(11);
    line.set(true);
    assert.equal(words[Word.PicLevels], 1 << 11);
    assert.equal(words[Word.PicIrr], 0);
    assert.equal(words[Word.Attention], Attention.Interrupt);
    line.set(false);
    assert.equal(words[Word.PicLevels], 0);
  });

  it('records each device that raises a shared edge-triggered line, also while another rests high', () => {
    const { words, lines } = setUp();
    lines.trigger(0).set(true);
    const other = lines.trigger(0);
    other.set(true);
    other.set(false);
    other.set(true);
    assert.equal(read64(words, Word.Raised), 3);
    assert.equal(read64(words, Word.Merged), 2);
  });

  it('keeps a shared level-triggered line high until the last device lets go', () => {
    const { words, lines } = setUp();
    lines.levelTriggered = 1 << 11;
    const [one, other] = [lines.trigger(11), lines.trigger(11)];
    one.set(true);
    other.set(true);
    one.set(false);
    assert.equal(words[Word.PicLevels], 1 << 11);
    other.set(false);
    assert.equal(words[Word.PicLevels], 0);
  });

  it('makes a high line a request when it becomes level-triggered', () => {
    const { words, lines } = setUp();
    lines.trigger(10).set(true);
    lines.levelTriggered = 1 << 10;
    assert.equal(words[Word.PicLevels], 1 << 10);
    lines.levelTriggered = 0;
    assert.equal(words[Word.PicLevels], 0);
  });

  it('has no line 16 and gives nobody the cascade input', () => {
    const { lines } = setUp();
    assert.throws(() => lines.trigger(16), /no irq 16/);
    assert.throws(() => lines.trigger(-1), RangeError);
    assert.throws(() => lines.trigger(1.5), RangeError);
    assert.throws(() => lines.trigger(2), /cascade input .* use irq 9/);
  });
});
