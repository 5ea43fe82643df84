/**
 * More vCPU threads than processors: each time the host takes one away in the middle of guest code, its window must be there afterwards, and must
 * be its own. Where the GS base does not survive a switch (native/gsBase.cc) each sets it again.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Machine } from '../../src/machine/machine.js';
import { loadNative } from '../../src/native.js';
import { guestFile } from '../helpers/board.js';
import { GuestConsole } from '../helpers/guestConsole.js';

const expected = readFileSync(new URL('../../../test/guest/golden/sha256.txt', import.meta.url), 'latin1');

describe('vCPU threads that share a processor', function () {
  this.timeout(120_000);

  it('compute what they should', async () => {
    const file = (name: string): { name: string; bytes: Uint8Array } => ({ name, bytes: guestFile(name) });
    const machines = Array.from({ length: Math.min(8, 2 * availableParallelism()) }, () => {
      const machine = new Machine({
        kernel: file('remus.elf'),
        initrd: file('torture.tar'),
        engine: 'translator',
        memoryBytes: 32 << 20,
      });
      return { machine, guest: new GuestConsole(machine) };
    });
    try {
      const outputs = await Promise.all(
        machines.map(async ({ machine, guest }) => {
          await machine.start();
          await guest.expect('remus# ');
          let output = '';
          for (let round = 0; round < 3; round++) {
            guest.type('workload work 300; sha256\n');
            output = await guest.expect('remus# ');
            assert.ok(output.replaceAll('\r', '').includes(expected), output);
          }
          guest.type('halt\n');
          await machine.ended;
          return output;
        }),
      );
      assert.equal(outputs.length, machines.length);
      const lost = machines.map(({ machine }) => machine.translatorStatistics()!.windowsLost);
      if (loadNative()!.gsWay() === 'unannounced') assert.ok(Math.max(...lost) > 0, 'no thread was ever switched away');
      else assert.deepEqual([...new Set(lost)], [0]);
    } finally {
      await Promise.all(machines.map(({ machine }) => machine.stop()));
    }
  });
});
