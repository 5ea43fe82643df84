/** The devices as the vCPU thread makes them, over real rings and files, with a driver in the guest's place. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteRing } from '../../../src/machine/byteRing.js';
import { GuestChannel } from '../../../src/machine/channel.js';
import { closeDrive, openDrive } from '../../../src/machine/disk/openDrive.js';
import { makeVirtioDevices, type VirtioSetup } from '../../../src/machine/virtioDevices.js';
import { bringUp, plug } from '../devices/virtio/driver.js';

const BUFFER = 0x40000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('machine/virtioDevices', () => {
  it('joins a named channel with its port, both ways', async () => {
    let rings = 0;
    const channel = new GuestChannel('org.romulus.test', () => rings++);
    const ring = (): ByteRing => new ByteRing(ByteRing.allocate(64));
    const { plugs, console: port } = makeVirtioDevices(
      [{ kind: 'console', transport: 'mmio', hasConsole: false }],
      {
        consoleInput: ring(),
        consoleOutput: ring(),
        channels: [channel.setup],
        onOutput: () => channel.outputReady(),
        onInputDrained: () => channel.inputDrained(),
        onOpened: (_name, isOpen) => channel.guestOpened(isOpen),
      },
      (message) => assert.fail(message),
    );
    const plugged = plug(plugs[0].device, 'mmio');
    const queues = bringUp(plugged, 16, 2);
    const { phys, registers } = plugged;

    // PORT_OPEN of port 1, by a control message.
    phys.bytes.set([1, 0, 0, 0, 6, 0, 1, 0], BUFFER);
    queues[3].offer([[BUFFER, 8]], []);
    registers.notify(3);
    assert.equal(channel.isOpen, true);

    const much = Uint8Array.from({ length: 100_000 }, (_, i) => i * 3);
    assert.equal(channel.write(much), false, 'more than the ring holds');
    let drains = 0;
    channel.on('drain', () => drains++);
    const got: number[] = [];
    port!.serve();
    while (got.length < much.length) {
      queues[4].offer([], [[BUFFER, 4096]]);
      registers.notify(4);
      const used = queues[4].collect();
      assert.ok(used !== undefined && used.writtenBytes > 0, `stuck after ${got.length} bytes`);
      got.push(...phys.bytes.subarray(BUFFER, BUFFER + used.writtenBytes));
    }
    assert.deepEqual(Uint8Array.from(got), much);
    assert.equal(drains, 1);

    let received = 0;
    channel.on('data', (bytes) => (received += bytes.length));
    for (let count = 0; count < 40; count++) {
      queues[5].offer([[BUFFER, 4096]], []);
      registers.notify(5);
      await turn();
      if (rings > 0) port!.serve();
      assert.notEqual(queues[5].collect(), undefined);
    }
    await turn();
    assert.equal(received, 40 * 4096);

    registers.status = 0;
    assert.equal(channel.isOpen, false, 'a reset closes the ports');
  });

  it('warns once of an image that fails, and goes on', () => {
    const folder = mkdtempSync(join(tmpdir(), 'romulus-virtio-'));
    const file = join(folder, 'disk.img');
    writeFileSync(file, Buffer.alloc(8192));
    const drive = openDrive({ file }, undefined);
    try {
      const setup: VirtioSetup = { kind: 'block', transport: 'pci', drive, serial: 'd0' };
      const warnings: string[] = [];
      const ring = (): ByteRing => new ByteRing(ByteRing.allocate(64));
      const devices = makeVirtioDevices(
        [setup, { kind: 'entropy', transport: 'pci' }],
        {
          consoleInput: ring(),
          consoleOutput: ring(),
          channels: [],
          onOutput: () => undefined,
          onInputDrained: () => undefined,
          onOpened: () => undefined,
        },
        (message) => warnings.push(message),
      );
      const plugged = plug(devices.plugs[0].device, 'pci');
      const [queue] = bringUp(plugged);
      truncateSync(file, 0);
      for (let count = 0; count < 3; count++) {
        queue.offer([[BUFFER, 16]], [[BUFFER + 4096, 513]]);
        plugged.registers.notify(0);
        assert.equal(queue.collect()?.writtenBytes, 513);
        assert.equal(plugged.phys.read8(BUFFER + 4096 + 512), 1, 'an I/O error');
      }
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], /^d0: cannot read .*the file is shorter now$/);
      devices.close();
    } finally {
      closeDrive(drive);
      rmSync(folder, { recursive: true });
    }
  });
});
