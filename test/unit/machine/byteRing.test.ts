import assert from 'node:assert/strict';
import { ByteRing } from '../../../src/machine/byteRing.js';

const pair = (capacity: number): { writer: ByteRing; reader: ByteRing } => {
  const buffer = ByteRing.allocate(capacity);
  return { writer: new ByteRing(buffer), reader: new ByteRing(buffer) };
};

describe('machine/byteRing', () => {
  it('gives bytes back in order, across the end of the buffer', () => {
    const { writer, reader } = pair(8);
    for (let round = 0; round < 5; round++) {
      const bytes = Uint8Array.from({ length: 6 }, (_, i) => round * 16 + i);
      assert.equal(writer.write(bytes), 6);
      assert.deepEqual([...reader.read()], [...bytes]);
    }
    assert.equal(reader.shift(), -1);
  });

  it('takes no more than it holds and then asks for a doorbell once', () => {
    const { writer, reader } = pair(4);
    assert.equal(writer.write(Uint8Array.of(1, 2, 3, 4, 5, 6)), 4);
    assert.equal(reader.takeWriterWaits(), true);
    assert.equal(reader.takeWriterWaits(), false);
    assert.deepEqual([...reader.read(3)], [1, 2, 3]);
    assert.equal(writer.write(Uint8Array.of(5)), 1);
    assert.deepEqual([...reader.read()], [4, 5]);
  });

  it('rings the reader once per time it went to sleep', () => {
    const { writer, reader } = pair(4);
    assert.equal(writer.takeReaderWaits(), true, 'a new ring has a waiting reader');
    writer.push(1);
    assert.equal(writer.takeReaderWaits(), false);
    assert.equal(reader.awaitBytes(), true, 'there are bytes: no sleep');
    reader.read();
    assert.equal(reader.awaitBytes(), false);
    assert.equal(writer.takeReaderWaits(), true);
  });

  it('works on when its free-running counters wrap', () => {
    const buffer = ByteRing.allocate(4);
    new Int32Array(buffer).set([0x7fffffff, 0x7fffffff]);
    const ring = new ByteRing(buffer);
    assert.equal(ring.write(Uint8Array.of(1, 2, 3)), 3);
    assert.equal(ring.size, 3);
    assert.deepEqual([...ring.read()], [1, 2, 3]);
  });
});
