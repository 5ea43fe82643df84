import assert from 'node:assert/strict';
import { VirtioConsole, type PortBackend } from '../../../../src/devices/virtio/console.js';
import { bringUp, kinds, NEEDS_RESET, plug, type DriverQueue, type Kind, type Plugged } from './driver.js';

const BUFFERS = 0x40000;
const MULTIPORT = 2;

/** The host's end of a port, with as much room as a test gives it. */
class Port implements PortBackend {
  readonly got: number[] = [];
  readonly input: number[] = [];
  readonly openings: boolean[] = [];
  room = Infinity;

  transmit(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.room);
    this.got.push(...bytes.subarray(0, count));
    this.room -= count;
    return count;
  }

  hasInput(): boolean {
    return this.input.length > 0;
  }

  receive(target: Uint8Array): number {
    const bytes = this.input.splice(0, target.length);
    target.set(bytes);
    return bytes.length;
  }

  opened(isOpen: boolean): void {
    this.openings.push(isOpen);
  }

  get text(): string {
    return Buffer.from(this.got).toString();
  }
}

interface Rig extends Plugged {
  readonly device: VirtioConsole;
  readonly console: Port;
  readonly agent: Port;
  readonly queues: DriverQueue[];
  /** Control messages that have come: id, event, value and what follows. */
  readonly messages: () => [number, number, number, string][];
  readonly control: (id: number, event: number, value: number) => void;
  /** Gives the device a buffer for input of a queue. */
  readonly offer: (queue: number, sizeBytes?: number) => void;
  readonly send: (queue: number, text: string) => void;
  readonly received: (queue: number) => string | undefined;
}

function rig(kind: Kind, features = MULTIPORT): Rig {
  const console = new Port();
  const agent = new Port();
  const device = new VirtioConsole([{ backend: console }, { name: 'org.agent', backend: agent }]);
  const plugged = plug(device, kind);
  const { phys, registers } = plugged;
  const queues = bringUp(plugged, 16, features);
  let place = BUFFERS;
  const places = new Map<string, number>();
  const offer = (queue: number, sizeBytes = 64): void => {
    const head = queues[queue].offer([], [[place, sizeBytes]]);
    places.set(`${queue} ${head}`, place);
    place += 0x1000;
    registers.notify(queue);
  };
  const bytesOf = (queue: number): Uint8Array | undefined => {
    const used = queues[queue].collect();
    if (used === undefined) return undefined;
    const at = places.get(`${queue} ${used.head}`)!;
    return phys.bytes.subarray(at, at + used.writtenBytes);
  };
  const sendBytes = (queue: number, bytes: Uint8Array): void => {
    phys.bytes.set(bytes, place);
    queues[queue].offer([[place, bytes.length]], []);
    place += 0x1000;
    registers.notify(queue);
  };
  return {
    ...plugged,
    device,
    console,
    agent,
    queues,
    offer,
    messages: () => {
      const list: [number, number, number, string][] = [];
      for (let bytes = bytesOf(2); bytes !== undefined; bytes = bytesOf(2)) {
        const view = Buffer.from(bytes);
        list.push([view.readUInt32LE(0), view.readUInt16LE(4), view.readUInt16LE(6), view.toString('latin1', 8)]);
      }
      return list;
    },
    control: (id, event, value) => {
      const message = Buffer.alloc(8);
      message.writeUInt32LE(id, 0);
      message.writeUInt16LE(event, 4);
      message.writeUInt16LE(value, 6);
      sendBytes(3, message);
    },
    send: (queue, text) => sendBytes(queue, Buffer.from(text)),
    received: (queue) => {
      const bytes = bytesOf(queue);
      return bytes && Buffer.from(bytes).toString();
    },
  };
}

for (const kind of kinds) {
  describe(`devices/virtio/console over ${kind}`, () => {
    it('tells how many ports there can be', () => {
      const { registers } = rig(kind);
      assert.equal(registers.config(4, 4), 2);
      assert.equal(registers.numQueues, 6);
    });

    it('introduces its ports: the console with its size, the other by name, both open on this side', () => {
      const { device, messages, control, offer } = rig(kind);
      device.resize(100, 40);
      for (let count = 0; count < 12; count++) offer(2);
      control(0, 0, 1);
      assert.deepEqual(messages(), [
        [0, 1, 0, ''],
        [1, 1, 0, ''],
      ]);
      control(0, 3, 1);
      control(1, 3, 1);
      assert.deepEqual(messages(), [
        [0, 4, 1, ''],
        [0, 5, 0, '\x64\0\x28\0'],
        [0, 6, 1, ''],
        [1, 7, 1, 'org.agent'],
        [1, 6, 1, ''],
      ]);
      device.resize(80, 25);
      device.resize(80, 25);
      assert.deepEqual(messages(), [[0, 5, 0, '\x50\0\x19\0']]);
    });

    it('keeps control messages until the driver takes them, and not without end', () => {
      const { control, offer, messages, registers } = rig(kind);
      control(0, 0, 1);
      offer(2);
      assert.deepEqual(messages(), [[0, 1, 0, '']]);
      for (let count = 0; count < 1000 && !(registers.status & NEEDS_RESET); count++) control(1, 3, 1);
      assert.notEqual(registers.status & NEEDS_RESET, 0);
    });

    it('carries bytes to the host, and holds the guest back when that has no room', () => {
      const { device, agent, send, queues } = rig(kind);
      send(5, 'hello');
      assert.equal(agent.text, 'hello');
      assert.notEqual(queues[5].collect(), undefined);
      agent.room = 2;
      send(5, ' there');
      send(5, '!');
      assert.equal(agent.text, 'hello t');
      assert.equal(queues[5].collect(), undefined, 'the buffers are still the device’s');
      agent.room = Infinity;
      device.serve();
      assert.equal(agent.text, 'hello there!');
      assert.notEqual(queues[5].collect(), undefined);
      assert.notEqual(queues[5].collect(), undefined);
    });

    it('carries bytes to the guest once that has opened its end, in the buffers it offers', () => {
      const { device, agent, offer, control, received, line, registers } = rig(kind);
      agent.input.push(...Buffer.from('input for the agent'));
      offer(4, 8);
      device.serve();
      assert.equal(received(4), undefined, 'not open yet');
      control(1, 6, 1);
      assert.deepEqual(agent.openings, [true]);
      assert.equal(received(4), 'input fo');
      registers.takeCauses();
      offer(4);
      assert.equal(received(4), 'r the agent');
      assert.equal(line.level, true);
      offer(4);
      assert.equal(received(4), undefined, 'no empty buffers come back');
      control(1, 6, 0);
      assert.deepEqual(agent.openings, [true, false]);
    });

    it('serves a driver of one port, which has it open from the start', () => {
      const { device, console, agent, registers, offer, received, send } = rig(kind, 0);
      assert.equal(device.isConsoleOpen, true);
      console.input.push(...Buffer.from('ls\n'));
      offer(0);
      assert.equal(received(0), 'ls\n');
      send(1, '$ ');
      assert.equal(console.text, '$ ');
      registers.status = 0;
      assert.equal(device.isConsoleOpen, false);
      assert.deepEqual(console.openings, [true, false]);
      assert.deepEqual(agent.openings, []);
    });
  });
}
