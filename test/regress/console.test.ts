/** Guests that print without end, and readers that have gone. */
import assert from 'node:assert/strict';
import { ByteRing } from '../../src/machine/byteRing.js';
import { Console } from '../../src/machine/console.js';

function rig(): { input: ByteRing; output: ByteRing; console: Console; rung: () => number } {
  const input = new ByteRing(ByteRing.allocate(16));
  const output = new ByteRing(ByteRing.allocate(64));
  let rings = 0;
  const console = new Console(input, output, () => rings++);
  return { input, output, console, rung: () => rings };
}

describe('regress: console', () => {
  it('a guest that prints as fast as it is read leaves the event loop to others', async () => {
    const { output, console } = rig();
    let chunks = 0;
    let isStopped = false;
    console.on('data', () => {
      assert.ok(++chunks < 10_000, 'the event loop is starved');
      if (!isStopped) output.write(Buffer.alloc(32, 'x'));
    });
    output.write(Buffer.from('x'));
    console.outputReady();
    // As many turns of the event loop as it takes for some chunks: with a starved loop the first one would never come.
    while (chunks < 100) await new Promise((resolve) => setTimeout(resolve, 0));
    isStopped = true;
  });

  it('a destroyed console drops what the guest prints and tells a guest that waits for room', () => {
    const { output, console, rung } = rig();
    console.resume();
    console.destroy();
    output.write(Buffer.alloc(100, 'x'));
    console.outputReady();
    assert.equal(output.size, 0);
    assert.equal(rung(), 1);
    assert.ok(output.push(0x78));
    assert.ok(output.takeReaderWaits(), 'the next byte rings again');
  });

  it('everything that was printed before the end is read after it', async () => {
    const { output, console } = rig();
    output.write(Buffer.from('last words'));
    console.close();
    let text = '';
    for await (const chunk of console) text += String(chunk);
    assert.equal(text, 'last words');
  });
});
