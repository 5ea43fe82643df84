/** Queues and transports under drivers that break the rules: nothing reaches outside RAM, nothing loops, the device asks for a reset. */
import assert from 'node:assert/strict';
import { VirtioBlock } from '../../../../src/devices/virtio/block.js';
import { VirtioConsole } from '../../../../src/devices/virtio/console.js';
import type { VirtioDevice } from '../../../../src/devices/virtio/device.js';
import { VirtioEntropy } from '../../../../src/devices/virtio/entropy.js';
import { randomNumbers } from '../fixtures.js';
import {
  ACKNOWLEDGE,
  bringUp,
  DRIVER,
  DRIVER_OK,
  EVENT_IDX,
  FEATURES_OK,
  kinds,
  NEEDS_RESET,
  plug,
  RAM_BYTES,
  type DriverQueue,
  type Kind,
  type Plugged,
} from './driver.js';

const BUFFER = 0x20000;

function entropy(kind: Kind, features?: number): Plugged & { queue: DriverQueue } {
  const plugged = plug(new VirtioEntropy((bytes) => bytes.fill(0x99)), kind);
  return { ...plugged, queue: bringUp(plugged, 8, features)[0] };
}

for (const kind of kinds) {
  describe(`devices/virtio/transport over ${kind}`, () => {
    it('gives FEATURES_OK only to a driver of virtio 1.x that accepts no more than is offered', () => {
      const { registers } = entropy(kind);
      for (const [low, high] of [
        [0, 0],
        [1, 1],
        [0, 3],
      ]) {
        registers.status = 0;
        registers.status = ACKNOWLEDGE | DRIVER;
        registers.accept(0, low);
        registers.accept(1, high);
        registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
        assert.equal(registers.status, ACKNOWLEDGE | DRIVER, `features ${high}:${low}`);
      }
      registers.status = ACKNOWLEDGE | DRIVER | DRIVER_OK;
      assert.notEqual(registers.status & NEEDS_RESET, 0, 'DRIVER_OK without FEATURES_OK');
    });

    it('leaves rings alone until DRIVER_OK', () => {
      const { registers, queue } = entropy(kind);
      queue.offer([], [[BUFFER, 16]]);
      registers.status = 0;
      registers.notify(0);
      registers.notify(77);
      assert.equal(queue.collect(), undefined);
    });

    it('comes to an end when the data of each request make another one available', () => {
      let fills = 0;
      const device = new VirtioEntropy((bytes) => {
        assert.ok(fills++ < 1000, 'the device serves for ever');
        // Flags, and an index that is one more each time.
        new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, fills + 1, true);
      });
      const plugged = plug(device, kind);
      const [queue] = bringUp(plugged, 8, 0);
      queue.offer([], [[queue.available, 4]]);
      plugged.registers.notify(0);
      assert.equal(fills, 8, 'as many as the queue has entries');
      assert.equal(plugged.registers.status & NEEDS_RESET, 0);
      plugged.registers.notify(0);
      assert.equal(fills, 16, 'the rest with the next notification');
    });

    it('asks for a notification after a full queue, too', () => {
      const { registers, queue, phys } = entropy(kind, EVENT_IDX);
      for (let i = 0; i < 8; i++) queue.offer([], [[BUFFER, 16]]);
      registers.notify(0);
      assert.equal(phys.read16(queue.used + 4 + 8 * 8), 8, 'avail_event');
    });

    it('refuses a queue whose size or place cannot be', () => {
      const good = [0x100000, 0x108000, 0x10a000] as const;
      const bad: [string, number, readonly [number, number, number], number][] = [
        ['no power of two', 6, good, 0],
        ['zero', 0, good, 0],
        ['too large', 16, good, 0],
        ['behind RAM', 8, [RAM_BYTES, good[1], good[2]], 0],
        ['across the end', 8, [good[0], good[1], RAM_BYTES - 8], 0],
        ['above 4 GiB', 8, good, 1],
        ['not aligned', 8, [0x100004, good[1], good[2]], 0],
        ['in the video hole', 8, [0xa0000, good[1], good[2]], 0],
      ];
      for (const [what, size, phys, high] of bad) {
        const { registers } = entropy(kind);
        registers.status = 0;
        registers.status = ACKNOWLEDGE | DRIVER;
        registers.accept(0, 0);
        registers.accept(1, 1);
        registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
        registers.setQueue(0, size, phys, high);
        assert.notEqual(registers.status & NEEDS_RESET, 0, what);
      }
    });
  });

  describe(`devices/virtio/queue over ${kind}`, () => {
    it('serves chains in order, and more of them than the ring has entries', () => {
      const { queue, registers, phys } = entropy(kind);
      for (let round = 0; round < 20_000; round++) {
        phys.write8(BUFFER, 0);
        const head = queue.offer([], [[BUFFER, 16]]);
        registers.notify(0);
        assert.deepEqual(queue.collect(), { head, writtenBytes: 16 });
        assert.equal(phys.read8(BUFFER), 0x99);
      }
    });

    it('does not interrupt a driver that does not want it', () => {
      const { queue, registers, line } = entropy(kind);
      queue.suppressInterrupts();
      queue.offer([], [[BUFFER, 16]]);
      registers.notify(0);
      assert.notEqual(queue.collect(), undefined);
      assert.equal(line.rises, 0);
    });

    it('interrupts when the index that the driver waits for is passed (EVENT_IDX)', () => {
      const { queue, registers, line, phys } = entropy(kind, EVENT_IDX);
      queue.usedEvent = 2;
      for (let count = 1; count <= 4; count++) {
        queue.offer([], [[BUFFER, 16]]);
        registers.notify(0);
        assert.equal(line.level, count === 3, `after chain ${count}`);
        if (line.level) registers.takeCauses();
      }
      assert.equal(phys.read16(queue.used + 4 + 8 * queue.size), 4, 'asks to be notified of the next chain');
    });

    it('stops at rings that break the rules', () => {
      const cases: Record<string, (queue: DriverQueue, plugged: Plugged) => void> = {
        'a loop': (queue) => {
          queue.describe(0, BUFFER, 16, 3, 1);
          queue.describe(1, BUFFER, 16, 3, 0);
          queue.publish(0);
        },
        'a head that is none': (queue) => queue.publish(8),
        'a next that is none': (queue) => {
          queue.describe(0, BUFFER, 16, 3, 9999);
          queue.publish(0);
        },
        'a buffer behind RAM': (queue) => void queue.offer([], [[RAM_BYTES - 8, 16]]),
        'a buffer across 4 GiB': (queue) => void queue.offer([], [[0xfffffff0, 0x20]]),
        'a huge buffer': (queue) => void queue.offer([], [[0, 0xffffffff]]),
        'a buffer in the video hole': (queue) => void queue.offer([], [[0x9fff0, 0x20]]),
        'an address above 4 GiB': (queue, { phys }) => {
          queue.describe(0, BUFFER, 16, 2);
          phys.write32(queue.descriptors + 4, 1);
          queue.publish(0);
        },
        'a buffer to read behind one to write': (queue) => {
          queue.describe(0, BUFFER, 16, 3, 1);
          queue.describe(1, BUFFER, 16, 0);
          queue.publish(0);
        },
        'an indirect table of no whole entries': (queue) => {
          queue.describe(0, BUFFER, 24, 4);
          queue.publish(0);
        },
        'an indirect table with a next': (queue) => {
          queue.describe(0, BUFFER, 16, 5, 1);
          queue.publish(0);
        },
        'an indirect table in itself': (queue, { phys }) => {
          queue.describe(0, BUFFER, 16, 4);
          phys.write32(BUFFER, BUFFER);
          phys.write32(BUFFER + 8, 16);
          phys.write32(BUFFER + 12, 4);
          queue.publish(0);
        },
        'an index that jumps': (queue, { phys }) => phys.write16(queue.available + 2, 1000),
      };
      for (const [what, spoil] of Object.entries(cases)) {
        const rig = entropy(kind);
        spoil(rig.queue, rig);
        rig.registers.notify(0);
        assert.notEqual(rig.registers.status & NEEDS_RESET, 0, what);
        rig.registers.notify(0);
        const [queue] = bringUp(rig, 8);
        queue.offer([], [[BUFFER, 16]]);
        rig.registers.notify(0);
        assert.equal(queue.collect()?.writtenBytes, 16, `works again after ${what} and a reset`);
      }
    });

    it('survives 50,000 random accesses to the registers', () => {
      const random = randomNumbers(kind === 'pci' ? 21 : 22);
      const { registers, phys } = entropy(kind);
      for (let step = 0; step < 50_000; step++) {
        switch (random(6)) {
          case 0:
            registers.status = random(256);
            break;
          case 1:
            registers.accept(random(4), random(2) ? random(2 ** 32) : 1);
            break;
          case 2:
            registers.setQueue(random(3), random(2) ? 8 : random(0x10000), [
              random(RAM_BYTES) & ~15,
              random(RAM_BYTES) & ~15,
              random(2) ? random(RAM_BYTES) & ~15 : random(2 ** 32),
            ]);
            break;
          case 3:
            registers.notify(random(0x10000) & (random(2) ? 1 : 0xffff));
            break;
          case 4:
            registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | (random(2) ? DRIVER_OK : 0);
            break;
          default:
            registers.takeCauses();
            phys.write16(random(RAM_BYTES), random(0x10000));
        }
        assert.ok(registers.status <= 0xff);
      }
    });

    it('survives 30,000 rings of nonsense with every device', () => {
      const random = randomNumbers(kind === 'pci' ? 11 : 12);
      const disk = {
        sizeBytes: 8192,
        isReadOnly: false,
        read: () => undefined,
        write: () => undefined,
        flush: () => undefined,
      };
      const port = {
        transmit: (bytes: Uint8Array) => random(bytes.length + 1),
        hasInput: () => random(2) === 0,
        receive: (target: Uint8Array) => random(target.length + 1),
        opened: () => undefined,
      };
      const console = new VirtioConsole([{ backend: port }, { name: 'a', backend: port }]);
      const devices: VirtioDevice[] = [
        new VirtioBlock('disk', disk, 'id', () => undefined),
        new VirtioEntropy(() => undefined),
        console,
      ];
      for (const device of devices) {
        const plugged = plug(device, kind);
        const { phys, registers } = plugged;
        let resets = 0;
        let queues = bringUp(plugged, 8, random(2) ? EVENT_IDX : 0);
        for (let step = 0; step < 10_000; step++) {
          const queue = queues[random(queues.length)];
          const spoilt = random(4);
          if (spoilt === 0) phys.write32(queue.descriptors + 4 * random(40), random(2 ** 32));
          else if (spoilt === 1) phys.write16(queue.descriptors + 12 + 16 * random(8), random(8));
          const place = (): [number, number] => [
            random(random(8) ? RAM_BYTES : 2 ** 32),
            random(random(8) ? 600 : 2 ** 32),
          ];
          queue.offer(Array.from({ length: random(3) }, place), Array.from({ length: 1 + random(2) }, place));
          registers.notify(queue.index);
          if (random(3) === 0) console.serve();
          if (registers.status & NEEDS_RESET) {
            resets++;
            queues = bringUp(plugged, 8, random(2) ? EVENT_IDX : 0);
          }
        }
        assert.ok(resets > 100, `${device.name} was reset ${resets} times`);
      }
    });
  });
}
