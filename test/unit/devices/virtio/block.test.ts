import assert from 'node:assert/strict';
import { BlockError, VirtioBlock, type BlockBackend } from '../../../../src/devices/virtio/block.js';
import { bringUp, DRIVER_OK, INDIRECT, kinds, NEEDS_RESET, plug, type DriverQueue, type Plugged } from './driver.js';

const HEADER = 0x10000;
const DATA = 0x20000;
const STATUS = 0x11000;

class MemoryDisk implements BlockBackend {
  readonly bytes: Uint8Array;
  flushes = 0;
  failing: string | undefined;

  constructor(
    readonly sizeBytes: number,
    readonly isReadOnly = false,
  ) {
    this.bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 7 + (i >> 9)) & 0xff);
  }

  read(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    this._check();
    for (const buffer of buffers) {
      buffer.set(this.bytes.subarray(offsetBytes, offsetBytes + buffer.length));
      offsetBytes += buffer.length;
    }
  }

  write(offsetBytes: number, buffers: readonly Uint8Array[]): void {
    this._check();
    for (const buffer of buffers) {
      this.bytes.set(buffer, offsetBytes);
      offsetBytes += buffer.length;
    }
  }

  flush(): void {
    this._check();
    this.flushes++;
  }

  private _check(): void {
    if (this.failing !== undefined) throw new BlockError(this.failing);
  }
}

interface Rig extends Plugged {
  readonly disk: MemoryDisk;
  readonly queue: DriverQueue;
  readonly errors: string[];
  /** Sends a request; returns its status byte and the length that came back. */
  readonly request: (
    type: number,
    sector: number,
    parts: readonly [number, number][],
    isWrite?: boolean,
  ) => [number, number];
}

function rig(kind: 'pci' | 'mmio', disk = new MemoryDisk(64 << 10), features?: number): Rig {
  const errors: string[] = [];
  const device = new VirtioBlock('disk', disk, 'SERIAL-1', (message) => errors.push(message));
  const plugged = plug(device, kind);
  const [queue] = bringUp(plugged, 16, features);
  const { phys, registers } = plugged;
  const request: Rig['request'] = (type, sector, parts, isWrite = false) => {
    phys.write32(HEADER, type);
    phys.write32(HEADER + 4, 0);
    phys.write32(HEADER + 8, sector);
    phys.write32(HEADER + 12, Math.floor(sector / 2 ** 32));
    phys.write8(STATUS, 0xaa);
    const head = queue.offer([[HEADER, 16], ...(isWrite ? parts : [])], [...(isWrite ? [] : parts), [STATUS, 1]]);
    registers.notify(0);
    const used = queue.collect();
    assert.equal(used?.head, head);
    return [phys.read8(STATUS), used.writtenBytes];
  };
  return { ...plugged, disk, queue, errors, request };
}

for (const kind of kinds) {
  describe(`devices/virtio/block over ${kind}`, () => {
    it('tells its capacity and limits', () => {
      const { registers } = rig(kind);
      assert.equal(registers.config(0, 4), 128, 'sectors');
      assert.equal(registers.config(4, 4), 0);
      assert.equal(registers.config(12, 4), 254, 'segments');
      assert.equal(registers.config(20, 4), 512, 'block size');
      assert.equal(registers.numQueues, 1);
    });

    it('reads sectors into several buffers and raises the interrupt', () => {
      const { request, phys, disk, line, registers } = rig(kind);
      assert.deepEqual(
        request(0, 3, [
          [DATA, 512],
          [DATA + 0x1000, 1024],
        ]),
        [0, 1537],
      );
      assert.deepEqual(phys.bytes.subarray(DATA, DATA + 512), disk.bytes.subarray(3 * 512, 4 * 512));
      assert.deepEqual(phys.bytes.subarray(DATA + 0x1000, DATA + 0x1400), disk.bytes.subarray(4 * 512, 6 * 512));
      assert.equal(line.level, true);
      assert.equal(registers.takeCauses(), 1);
      assert.equal(line.level, false);
    });

    it('writes sectors, and flushes when asked', () => {
      const { request, phys, disk } = rig(kind);
      phys.bytes.fill(0x5a, DATA, DATA + 1024);
      assert.deepEqual(request(1, 10, [[DATA, 1024]], true), [0, 1]);
      assert.ok(disk.bytes.subarray(5120, 6144).every((byte) => byte === 0x5a));
      assert.equal(disk.flushes, 0);
      assert.deepEqual(request(4, 0, [], true), [0, 1]);
      assert.equal(disk.flushes, 1);
    });

    it('flushes each write of a driver that did not accept FLUSH', () => {
      const { request, disk } = rig(kind, new MemoryDisk(4096), 0);
      assert.equal(request(1, 0, [[DATA, 512]], true)[0], 0);
      assert.equal(disk.flushes, 1);
    });

    it('gives its serial number', () => {
      const { request, phys } = rig(kind);
      assert.deepEqual(request(8, 0, [[DATA, 20]]), [0, 21]);
      assert.equal(Buffer.from(phys.bytes.subarray(DATA, DATA + 20)).toString('latin1'), 'SERIAL-1'.padEnd(20, '\0'));
    });

    it('answers with an error what lies behind the end, is no whole sector or not writable', () => {
      const { request } = rig(kind);
      assert.equal(request(0, 127, [[DATA, 512]])[0], 0);
      assert.equal(request(0, 127, [[DATA, 1024]])[0], 1);
      assert.equal(request(0, 2 ** 40, [[DATA, 512]])[0], 1);
      assert.equal(request(0, 2 ** 63, [[DATA, 512]])[0], 1);
      assert.equal(request(0, 0, [[DATA, 100]])[0], 1);
      assert.equal(request(99, 0, [[DATA, 512]])[0], 2, 'no such request');
      const readOnly = rig(kind, new MemoryDisk(4096, true));
      assert.notEqual(readOnly.registers.features(0) & (1 << 5), 0, 'VIRTIO_BLK_F_RO');
      assert.equal(readOnly.request(1, 0, [[DATA, 512]], true)[0], 1);
    });

    it('turns a failing host into an I/O error, a line for the user and no old data', () => {
      const { request, disk, errors, phys } = rig(kind);
      disk.failing = 'the host has no space left';
      phys.bytes.fill(7, DATA, DATA + 512);
      assert.equal(request(0, 0, [[DATA, 512]])[0], 1);
      assert.ok(phys.bytes.subarray(DATA, DATA + 512).every((byte) => byte === 0));
      assert.deepEqual(errors, ['disk: the host has no space left']);
    });

    it('takes a request that an indirect table describes, header and data in one buffer', () => {
      const { queue, phys, registers, disk } = rig(kind, new MemoryDisk(8192), INDIRECT | (1 << 9));
      const table = 0x30000;
      phys.write32(HEADER, 1);
      phys.write32(HEADER + 8, 2);
      phys.write32(HEADER + 12, 0);
      phys.bytes.fill(0x77, HEADER + 16, HEADER + 16 + 512);
      for (const [slot, at, length, flags] of [
        [0, HEADER, 528, 1],
        [1, STATUS, 1, 2],
      ]) {
        phys.write32(table + 16 * slot, at);
        phys.write32(table + 16 * slot + 8, length);
        phys.write16(table + 16 * slot + 12, flags);
        phys.write16(table + 16 * slot + 14, 1);
      }
      queue.describe(5, table, 32, 4);
      queue.publish(5);
      registers.notify(0);
      assert.deepEqual(queue.collect(), { head: 5, writtenBytes: 1 });
      assert.ok(disk.bytes.subarray(1024, 1536).every((byte) => byte === 0x77));
    });

    it('needs a reset after a request without a status byte, and works again after one', () => {
      const one = rig(kind);
      one.queue.offer([[HEADER, 16]], []);
      one.registers.notify(0);
      assert.notEqual(one.registers.status & NEEDS_RESET, 0);
      assert.equal(one.registers.takeCauses(), 2, 'a configuration interrupt');
      const [queue] = bringUp(one);
      assert.equal(one.registers.status & (NEEDS_RESET | DRIVER_OK), DRIVER_OK);
      one.phys.write32(HEADER, 0);
      one.phys.write32(HEADER + 8, 0);
      queue.offer(
        [[HEADER, 16]],
        [
          [DATA, 512],
          [STATUS, 1],
        ],
      );
      one.registers.notify(0);
      assert.equal(queue.collect()?.writtenBytes, 513);
    });
  });
}
