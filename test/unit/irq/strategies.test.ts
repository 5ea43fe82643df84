/** No strategy loses an event, or delivers one while IF is clear: against a model, step by step, and with real threads and signals. */
import assert from 'node:assert/strict';
import { ExitReason, Machine } from '../../../src/index.js';
import { Strategy } from '../../../src/vcpu/layout.js';
import { strategyNames } from '../../../src/options.js';
import { makeStrategy, strategyName } from '../../../src/irq/strategies/index.js';
import { HostMask } from '../../../src/irq/strategies/hostMask.js';
import { remus } from '../../../src/machine/remus.js';
import { flatKernel } from '../../helpers/flatKernel.js';
import { VirtualMachine } from '../../helpers/board.js';
import { checkAgainstModel } from './strategiesModel.js';
import { stressWithThreads } from './strategiesThreads.js';

/** `npm run test:strategies` asks for more of the second. */
const MODEL_STEPS = 1_000_000;
const THREAD_STEPS = Number(process.env.ROMULUS_STRATEGY_STEPS ?? 100_000);

describe('irq/strategies', () => {
  it('have the names that the options list, and numbers', () => {
    assert.deepEqual(
      strategyNames.map((name) => makeStrategy(name).number),
      [Strategy.VirtualMask, Strategy.HostMask, Strategy.TrapAndEmulate],
    );
    assert.deepEqual([Strategy.VirtualMask, Strategy.HostMask, Strategy.TrapAndEmulate].map(strategyName), [
      ...strategyNames,
    ]);
  });

  it('host-mask says what it lacks where there is no signal mask', () => {
    const board = new VirtualMachine().board;
    assert.throws(() => new HostMask().install({ cpu: board.cpu, mask: undefined, trapSensitive: () => undefined }), {
      code: 'NO_ADDON',
      message: /needs the native addon.*virtual-mask/,
    });
  });

  for (const interrupts of strategyNames) {
    for (const maskSignals of ['realtime', 'standard'] as const) {
      if (maskSignals === 'standard' && interrupts !== 'host-mask') continue;
      const name = maskSignals === 'standard' ? `${interrupts} with standard signals` : interrupts;

      it(`${name}: takes what a model takes, when the model takes it`, function () {
        this.timeout(120_000);
        const taken = checkAgainstModel(interrupts, maskSignals, MODEL_STEPS, 1);
        assert.ok(taken > MODEL_STEPS / 20, `${taken} interrupts in ${MODEL_STEPS} steps`);
      });

      it(`${name}: loses nothing that threads and signals raise`, async function () {
        this.timeout(120_000);
        await stressWithThreads(interrupts, maskSignals, THREAD_STEPS);
      });
    }
  }

  for (const interrupts of strategyNames) {
    it(`${interrupts}: an NMI reaches a guest that has interrupts off`, async () => {
      // cli; jmp $, and no gate for the NMI in the empty memory where the IDT is: so it ends the machine
      const kernel = { name: 'off', bytes: flatKernel([0xfa, 0xeb, 0xfe]) };
      const machine = new Machine({ kernel, interrupts, native: true, memoryBytes: 8 << 20 });
      await machine.start();
      await new Promise((resolve) => setTimeout(resolve, 20));
      machine.raise(5);
      const line = machine.stats().lines.find(({ irq }) => irq === 5)!;
      assert.deepEqual([line.raised, line.delivered], [1, 0]);
      // Where the event waits is what the strategies differ in.
      assert.deepEqual([line.pending, line.inHost], interrupts === 'host-mask' ? [0, 1] : [1, 0]);
      machine.nmi();
      const { reason } = await machine.ended;
      assert.equal(reason, ExitReason.TripleFault);
      assert.throws(() => machine.nmi(), { code: 'NOT_RUNNING' });
    });
  }

  it('trap-and-emulate counts each step, and boots Remus', () => {
    const machine = new VirtualMachine({ interrupts: 'trap-and-emulate', append: 'quiet run="echo hello"' });
    machine.expect('hello');
    const { traps, flagSwitches } = machine.statistics().interrupts;
    assert.ok(traps.count > 200, `${traps.count} traps`);
    assert.ok(flagSwitches > 30, `${flagSwitches} changes of IF`);
    assert.equal(traps.decodes, traps.count);
    assert.ok(traps.count - traps.emulations <= 2, 'what ends in a guest fault does not come to its end');
    // From the first GDT on: two words of a descriptor, two page-table entries for each word and for the code.
    assert.ok(traps.segmentReads > 1.8 * traps.count && traps.segmentReads <= 2 * traps.count);
    assert.ok(traps.tableReads > 5 * traps.count);
    assert.ok(traps.fetchedBytes >= traps.count);
  });

  it('trap-and-emulate traps by a fault on the host where translated code runs', async () => {
    const machine = new Machine({
      ...remus(),
      memoryBytes: 32 << 20,
      engine: 'translator',
      interrupts: 'trap-and-emulate',
      append: 'quiet run="echo hello; halt"',
    });
    await machine.start();
    const { reason, message } = await machine.ended;
    assert.equal(reason, ExitReason.Shutdown, message);
    const { traps } = machine.stats().interrupts;
    assert.ok(traps.signals > 200 && traps.signals <= traps.count, `${traps.signals} of ${traps.count} by a signal`);
    assert.equal(traps.decodes, traps.count);
    const { exits, interpreted } = machine.translatorStatistics()!;
    assert.equal(exits.trap, traps.signals);
    // what runs under its name is what trapped
    assert.ok(interpreted.some(({ what, count }) => what === 'VMCALL' && count > 200));
  });

  it('virtual-mask changes nothing of the host and is told of no change of IF', () => {
    const machine = new VirtualMachine({ interrupts: 'virtual-mask', append: 'quiet run="echo hello"' });
    machine.expect('hello');
    const { maskCalls, flagSwitches, traps } = machine.statistics().interrupts;
    assert.deepEqual([maskCalls, flagSwitches, traps.count], [0, 0, 0]);
  });

  it('host-mask makes one call of the mask per change of IF at most', () => {
    const machine = new VirtualMachine({ interrupts: 'host-mask', append: 'quiet run="sleep 30; echo hello"' });
    machine.expect('hello');
    const { maskCalls, flagSwitches } = machine.statistics().interrupts;
    assert.ok(maskCalls > 30, `${maskCalls} calls`);
    assert.ok(maskCalls <= flagSwitches + 1, `${maskCalls} calls, ${flagSwitches} changes of IF`);
  });
});
