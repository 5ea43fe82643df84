import assert from 'node:assert/strict';
import { AccountsPort } from '../../../src/devices/accounts.js';
import { PortBus } from '../../../src/devices/bus.js';
import { EventAccounts } from '../../../src/irq/accounts.js';
import { record } from '../../../src/irq/record.js';
import { STATE_BYTES } from '../../../src/vcpu/layout.js';

describe('AccountsPort', () => {
  function setUp(): {
    words: Int32Array;
    accounts: EventAccounts;
    read: (irq: number, field: number) => number;
    bus: PortBus;
  } {
    const words = new Int32Array(new ArrayBuffer(STATE_BYTES));
    const accounts = new EventAccounts(words);
    const bus = new PortBus();
    bus.attach('event accounts', 0x6a0, 8, new AccountsPort(accounts));
    const read = (irq: number, field: number): number => {
      bus.write(0x6a0, 4, (irq << 8) | field);
      return bus.read(0x6a4, 4);
    };
    return { words, accounts, read, bus };
  }

  it('shows its signature', () => {
    const { read, bus } = setUp();
    assert.equal(read(0, 0), 0x54434341);
    bus.write(0x6a0, 4, 0x305);
    assert.equal(bus.read(0x6a0, 4), 0x305);
  });

  it('shows what became of the events of a line', () => {
    const { words, accounts, read } = setUp();
    record(words, 5, 1000);
    record(words, 5, 1001);
    accounts.deliver(5, 1300);
    record(words, 5, 2000);
    accounts.deliver(5, 2100);
    record(words, 5, 3000);
    accounts.discard(5);
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7].map((field) => read(5, field)),
      [4, 1, 2, 100, 300, 300, 1],
    );
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7].map((field) => read(6, field)),
      [0, 0, 0, 0, 0, 0, 0],
    );
  });

  it('reads all ones for what does not exist', () => {
    const { read, bus } = setUp();
    assert.equal(read(16, 1), 0xffff_ffff);
    assert.equal(read(0, 8), 0xffff_ffff);
    assert.equal(bus.read(0x6a2, 4), 0xffff_ffff);
    assert.equal(bus.read(0x6a4, 2), 0xffff);
    assert.equal(bus.read(0x6a4, 1), 0xff);
  });
});
