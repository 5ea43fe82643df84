/** All devices on one bus, wired as on a board, under a guest that writes nonsense. */
import assert from 'node:assert/strict';
import { AccountsPort } from '../../../src/devices/accounts.js';
import { PortBus } from '../../../src/devices/bus.js';
import { DebugConsole, DebugExit, PostPort, ResetControl, SystemControlA } from '../../../src/devices/debugPorts.js';
import { I8042 } from '../../../src/devices/i8042.js';
import { I8254 } from '../../../src/devices/i8254.js';
import { Mc146818 } from '../../../src/devices/mc146818.js';
import { Uart16550 } from '../../../src/devices/uart16550.js';
import { I8259Pair } from '../../../src/irq/i8259.js';
import { IrqLines } from '../../../src/irq/lines.js';
import { STATE_BYTES } from '../../../src/vcpu/layout.js';
import { machineTime, randomNumbers } from './fixtures.js';

const SIZES = [1, 2, 4] as const;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

describe('the whole bus', () => {
  it('survives 200,000 random accesses, answers within the size, and accounts for every event', () => {
    const { clock, deadlines } = machineTime();
    const words = new Int32Array(new ArrayBuffer(STATE_BYTES));
    const lines = new IrqLines(words, () => clock.now());
    const pic = new I8259Pair(words, lines);
    const pit = new I8254(lines.trigger(0), deadlines);
    pic.attachSource(0, pit);
    const random = randomNumbers(7);
    const backend = { transmit: () => random(4) !== 0, receivable: () => undefined };
    const uart = new Uart16550(lines.trigger(4), backend, deadlines);
    const counts = { resets: 0, output: 0, exits: 0 };
    const keyboard = new I8042(lines.trigger(1), () => counts.resets++);
    const bus = new PortBus();
    bus.attach('master 8259', 0x20, 2, pic.masterPorts);
    bus.attach('8254', 0x40, 4, pit);
    bus.attach('8042 data', 0x60, 1, keyboard.dataPort);
    bus.attach('speaker', 0x61, 1, pit.speakerPort);
    bus.attach('8042 command', 0x64, 1, keyboard.commandPort);
    bus.attach('clock', 0x70, 2, new Mc146818(lines.trigger(8), deadlines, 1 << 27));
    bus.attach('POST', 0x80, 1, new PostPort());
    bus.attach('port 92', 0x92, 1, new SystemControlA(() => counts.resets++));
    bus.attach('slave 8259', 0xa0, 2, pic.slavePorts);
    bus.attach('debug console', 0xe9, 1, new DebugConsole(() => counts.output++));
    bus.attach('debug exit', 0xf4, 4, new DebugExit(() => counts.exits++));
    bus.attach('COM1', 0x3f8, 8, uart);
    bus.attach('ELCR', 0x4d0, 2, pic.elcrPorts);
    bus.attach('accounts', 0x6a0, 8, new AccountsPort(pic.accounts));
    bus.attach('reset control', 0xcf9, 1, new ResetControl(() => counts.resets++));

    const ranges = bus.ranges();
    let taken = 0;
    for (let step = 0; step < 200_000; step++) {
      const range = ranges[random(ranges.length)];
      const port = random(50) === 0 ? random(0x10000) : range.base + random(range.count);
      const size = SIZES[random(3)];
      if (random(2)) {
        bus.write(port, size, random(2 ** 32));
      } else {
        const value = bus.read(port, size);
        if (!(Number.isInteger(value) && value >= 0 && value <= ALL_ONES[size])) {
          assert.fail(`port 0x${port.toString(16)}, ${size} bytes: ${value}`);
        }
      }
      clock.advance(random(3) === 0 ? random(200_000) : random(500));
      if (random(8) === 0) uart.receive(Uint8Array.of(random(256), random(256)));
      if (random(64) === 0) uart.receiveBreak();
      if (random(16) === 0) uart.writable();
      if (random(4) === 0 && pic.requested) {
        const vector = pic.acknowledge();
        if (!(vector >= 0 && vector <= 0xff)) assert.fail(`vector ${vector}`);
        taken++;
      }
    }

    assert.ok(taken > 1000, `only ${taken} interrupts`);
    assert.ok(counts.resets > 100 && counts.exits > 100 && counts.output > 100);
    const { accounts } = pic;
    for (let irq = 0; irq < 16; irq++) {
      const sum = accounts.delivered(irq) + accounts.merged(irq) + accounts.discarded(irq) + accounts.pending(irq);
      assert.equal(accounts.raised(irq), sum, `irq ${irq}`);
    }
  });
});
