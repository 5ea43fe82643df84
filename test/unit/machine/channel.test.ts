import assert from 'node:assert/strict';
import { once } from 'node:events';
import { ByteRing } from '../../../src/machine/byteRing.js';
import { GuestChannel } from '../../../src/machine/channel.js';

const setImmediatePromise = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function make(): { channel: GuestChannel; input: ByteRing; output: ByteRing; rings: () => number } {
  let rings = 0;
  const channel = new GuestChannel('org.romulus.test', () => rings++);
  return {
    channel,
    input: new ByteRing(channel.setup.input),
    output: new ByteRing(channel.setup.output),
    rings: () => rings,
  };
}

describe('machine/channel', () => {
  it('refuses names that cannot be a file below /dev/virtio-ports', () => {
    for (const name of ['', '../x', 'a b', 'x'.repeat(64)])
      assert.throws(() => new GuestChannel(name, () => undefined), { code: 'BAD_CHANNEL' });
  });

  it('rings the guest for what is written, and keeps a copy of what does not fit', () => {
    const { channel, input, rings } = make();
    assert.equal(channel.write(Buffer.from('hello')), true);
    assert.equal(rings(), 1, 'a new ring has a waiting reader');
    assert.equal(Buffer.from(input.read()).toString(), 'hello');
    const much = new Uint8Array(100_000).fill(7);
    assert.equal(channel.write(much), false);
    much.fill(0);
    assert.equal(channel.write(Uint8Array.of(9)), false, 'what comes later waits behind it');
    const got: number[] = [];
    let drains = 0;
    channel.on('drain', () => drains++);
    for (let turn = 0; turn < 3; turn++) {
      got.push(...input.read());
      channel.inputDrained();
    }
    assert.equal(drains, 1);
    assert.equal(got.length, 100_001);
    assert.ok(got.every((byte, index) => byte === (index < 100_000 ? 7 : 9)));
  });

  it('keeps what the guest sends until somebody listens, and stops while paused', async () => {
    const { channel, output } = make();
    output.write(Buffer.from('early'));
    channel.outputReady();
    const [first] = (await once(channel, 'data')) as [Buffer];
    assert.equal(first.toString(), 'early');
    const got: string[] = [];
    channel.on('data', (bytes) => got.push(bytes.toString()));
    channel.pause();
    output.write(Buffer.from('late'));
    channel.outputReady();
    await setImmediatePromise();
    assert.deepEqual(got, []);
    channel.resume();
    await setImmediatePromise();
    assert.deepEqual(got, ['late']);
  });

  it('tells open and close once each, last bytes before the close', () => {
    const { channel, output } = make();
    const seen: string[] = [];
    channel.on('open', () => seen.push('open'));
    channel.on('close', () => seen.push('close'));
    channel.on('data', (bytes) => seen.push(bytes.toString()));
    channel.guestOpened(true);
    channel.guestOpened(true);
    output.write(Buffer.from('bye'));
    channel.finish();
    channel.finish();
    assert.equal(channel.isOpen, false);
    assert.deepEqual(seen, ['open', 'bye', 'close']);
    assert.equal(channel.write(Uint8Array.of(1)), true, 'nobody is there any more');
  });
});
