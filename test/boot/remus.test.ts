/**
 * Remus, scripted on its console, in virtual time: with the ROM and on bare instructions. What it says here it also says on QEMU
 * (scripts/remus-on-qemu), which is the check that the guest does not merely agree with our own mistakes.
 */
import assert from 'node:assert/strict';
import { ExitReason } from '../../src/vcpu/layout.js';
import { readStatistics } from '../../src/machine/statistics.js';
import { VirtualMachine } from '../helpers/board.js';

for (const rom of [true, false]) {
  describe(`Remus ${rom ? 'through the ROM' : 'on bare instructions'}`, () => {
    const boot = (): VirtualMachine => {
      const machine = new VirtualMachine({ rom });
      machine.expect('remus# ');
      return machine;
    };

    it('finds the ROM exactly when there is one', () => {
      const { output } = boot();
      if (rom) assert.match(output, /VMI ROM 3\.0 at 0xc8000: Romulus VMI ROM, (\d+) of \1 sites patched/);
      else assert.match(output, /No VMI ROM/);
    });

    it('keeps what is typed before it listens', () => {
      const machine = new VirtualMachine({ rom });
      machine.type('echo typed early, and more than a FIFO holds\nhalt\n');
      machine.finish();
      assert.match(machine.output, /remus# typed early, and more than a FIFO holds\r\n/);
    });

    it('runs programs from its initrd', () => {
      const machine = boot();
      machine.type('echo one two; ls; ps\n');
      machine.expect('one two');
      machine.expect('  ps\r\n');
      machine.expect('remus# ');
    });

    it('contains every exception that ring 3 can provoke', function () {
      this.timeout(60_000);
      const machine = boot();
      machine.type('fault\n');
      machine.expect('contained\r\n');
      machine.expect('all ', 200_000_000);
      machine.expect('remus# ');
      const cases = machine.output.match(/^.*vector +\d+ +error 0x[0-9a-f]+ .*$/gm)!;
      assert.ok(cases.length >= 40, `${cases.length} cases`);
      for (const line of cases) assert.match(line, /contained\s*$/);
      assert.doesNotMatch(machine.output, /NOT contained/i);
    });

    it('schedules by the clock: a busy process does not keep others from running', () => {
      const machine = boot();
      machine.type('spin & echo still here\n');
      machine.expect('still here');
      machine.type('ps\n');
      machine.expect('spin');
    });

    it('counts every timer interrupt it was given', () => {
      const machine = boot();
      machine.type('sleep 1; irqstat\n');
      machine.expect('timer');
      machine.run(1_000_000);
      const timer = readStatistics(machine.board.cpu.words).lines.find(({ irq }) => irq === 0)!;
      assert.equal(timer.raised, timer.delivered + timer.merged + timer.discarded + timer.pending);
      assert.ok(timer.delivered > 0);
    });

    it('powers off with status 0 and asks for a reset by reboot', () => {
      const off = boot();
      off.type('halt\n');
      assert.deepEqual([off.finish().reason, off.finish().status], [ExitReason.Shutdown, 0]);
      const again = boot();
      again.type('reboot\n');
      assert.equal(again.finish().reason, ExitReason.Reboot);
    });

    it('runs the same way twice in virtual time', () => {
      const [first, second] = [boot(), boot()];
      for (const machine of [first, second]) {
        machine.type('ps; irqstat\n');
        machine.expect('remus# ');
      }
      assert.equal(first.output, second.output);
      assert.deepEqual(readStatistics(first.board.cpu.words), readStatistics(second.board.cpu.words));
    });
  });
}

describe('Remus through the ROM', () => {
  it('leaves guest code for interrupts, sleep and time only: no ROM call of the fast paths exits', () => {
    const machine = new VirtualMachine();
    machine.expect('remus# ');
    machine.type('ps; fault; halt\n');
    machine.finish(400_000_000);
    const calls = readStatistics(machine.board.cpu.words).romCalls;
    const busy = calls.filter(({ name }) => ['EnableInterrupts', 'DisableInterrupts', 'IRET', 'SetPxE'].includes(name));
    assert.equal(busy.length, 4);
    for (const { name, calls: made, exits } of busy)
      assert.ok(made > 100 && exits === 0, `${name}: ${made} calls, ${exits} exits`);
  });
});
