import assert from 'node:assert/strict';
import { Direct, PhysMemory } from '../../../src/memory/phys.js';

const RAM = 0x100000;
const memory = (): PhysMemory => new PhysMemory(new SharedArrayBuffer(RAM));

describe('PhysMemory', () => {
  it('refuses RAM sizes that are no whole number of pages, too small or too large', () => {
    assert.throws(() => new PhysMemory(new ArrayBuffer(RAM + 1)), /multiple of 4096/);
    assert.throws(() => new PhysMemory(new ArrayBuffer(0)), /1 MiB/);
  });

  it('reads back what was written, little-endian, across page ends too', () => {
    const phys = memory();
    phys.write32(0xffe, 0x81828384);
    assert.equal(phys.read32(0xffe), 0x81828384 | 0);
    assert.deepEqual([...phys.bytes.subarray(0xffe, 0x1002)], [0x84, 0x83, 0x82, 0x81]);
    phys.write16(0x1fff, 0xabcd);
    assert.equal(phys.read16(0x1fff), 0xabcd);
    assert.equal(phys.read8(0x2000), 0xab);
  });

  it('answers with all ones outside RAM and in the video hole, drops writes there, and counts both', () => {
    const phys = memory();
    phys.write32(0xa0000, 0x12345678);
    phys.write8(0xfffffff0, 1);
    assert.equal(phys.droppedWrites, 5);
    assert.equal(phys.read32(0xa0000), -1);
    assert.equal(phys.read16(RAM), 0xffff);
    assert.equal(phys.openReads, 6);
    assert.equal(phys.bytes[0xa0000], 0);
  });

  it('splits an access that begins in RAM and ends in the hole', () => {
    const phys = memory();
    phys.write8(0x9ffff, 0x11);
    assert.equal(phys.read16(0x9ffff), 0xff11);
  });

  it('keeps the guest from writing read-only memory, which the host may load', () => {
    const phys = memory();
    phys.addReadOnly(0xc0200, 0x400);
    phys.load(0xc0200, Uint8Array.of(1, 2, 3, 4));
    phys.write32(0xc0200, 0);
    assert.equal(phys.read32(0xc0200), 0x04030201);
    assert.equal(phys.droppedWrites, 4);
    phys.write8(0xc01ff, 9);
    assert.equal(phys.read8(0xc01ff), 9, 'the rest of the page stays writable');
    assert.throws(() => phys.addReadOnly(RAM, 0x1000), RangeError);
  });

  it('gives accesses to a device window by offset and size', () => {
    const phys = memory();
    const log: string[] = [];
    phys.addMmio(0xfee00000, 0x1000, {
      read: (offset, size) => {
        log.push(`r${offset}/${size}`);
        return 0xfffffff0 + offset;
      },
      write: (offset, size, value) => log.push(`w${offset}/${size}=${value.toString(16)}`),
    });
    assert.equal(phys.read32(0xfee00004), 0xfffffff4 | 0);
    assert.equal(phys.read8(0xfee00003), 0xf3);
    phys.write16(0xfee00010, 0x12345);
    phys.write32(0xfee00014, -1);
    assert.deepEqual(log, ['r4/4', 'r3/1', 'w16/2=2345', 'w20/4=ffffffff']);
    assert.throws(() => phys.addMmio(0xfee00800, 4, { read: () => 0, write: () => undefined }), /overlaps/);
  });

  it('tells listeners of the first write to a page marked as code, by CPU or host, once per mark', () => {
    const phys = memory();
    const written: number[] = [];
    phys.onCodeWritten((page) => written.push(page));
    assert.equal(phys.markCode(5), true);
    assert.equal(phys.direct[5] & Direct.Write, 0);
    phys.write32(0x5010, 1);
    phys.write32(0x5014, 2);
    assert.deepEqual(written, [5]);
    assert.equal(phys.read32(0x5010), 1);
    phys.markCode(5);
    phys.markCode(6);
    phys.load(0x5ff0, new Uint8Array(0x20));
    assert.deepEqual(written, [5, 5, 6]);
    assert.equal(phys.markCode(0xa0), false, 'no code can be kept where there is no memory');
  });

  it('refuses to load outside RAM', () => {
    assert.throws(() => memory().load(RAM - 2, new Uint8Array(4)), /must lie in RAM/);
    assert.throws(() => memory().load(0x9fff0, new Uint8Array(0x20)), /must lie in RAM/);
  });
});
