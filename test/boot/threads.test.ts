/**
 * Remus on a machine as users have it, on its own thread and in real time, under each engine: what `remus.test.ts` shows in virtual time, where
 * only the interpreter runs. Read before: `remus.test.ts`, `../helpers/guestConsole.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { Machine } from '../../src/machine/machine.js';
import { ExitReason } from '../../src/vcpu/layout.js';
import { guestFile } from '../helpers/board.js';
import { GuestConsole } from '../helpers/guestConsole.js';

const golden = new URL('../../../test/guest/golden/', import.meta.url);
/** Remus lets no process use floating point. */
const INTEGER_PROGRAMS = readdirSync(golden)
  .map((file) => file.replace('.txt', ''))
  .filter((name) => name !== 'x87' && name !== 'sse')
  .sort();

for (const engine of ['interpreter', 'translator'] as const) {
  for (const rom of [true, false]) {
    describe(`Remus on a thread, ${rom ? 'through the ROM' : 'on bare instructions'}, under the ${engine}`, function () {
      this.timeout(180_000);
      let machine: Machine | undefined;
      let guest: GuestConsole;

      /** @returns the machine, and what it printed up to the prompt */
      const boot = async (initrd: string): Promise<{ running: Machine; greeting: string }> => {
        const file = (name: string): { name: string; bytes: Uint8Array } => ({ name, bytes: guestFile(name) });
        const running = (machine = new Machine({ kernel: file('remus.elf'), initrd: file(initrd), engine, rom }));
        guest = new GuestConsole(running);
        await running.start();
        return { running, greeting: await guest.expect('remus# ') };
      };

      afterEach(() => machine?.stop());

      it('boots, runs programs, keeps its processes apart and powers off', async () => {
        const { running, greeting } = await boot('initrd.tar');
        assert.equal(running.engine?.name, engine);
        assert.match(greeting, rom ? /(\d+) of \1 sites patched/ : /No VMI ROM/);
        guest.type('echo one two; ls; ps\n');
        assert.match(await guest.expect('remus# '), /\none two\n[^]* ps\n/);
        guest.type('fault\n');
        const faults = await guest.expect('remus# ');
        const cases = faults.match(/^.*vector +\d+ +error 0x[0-9a-f]+ .*$/gm) ?? [];
        assert.ok(cases.length >= 40, `${cases.length} cases`);
        for (const line of cases) assert.match(line, /contained\s*$/);
        guest.type('spin & echo still here\n');
        assert.match(await guest.expect('remus# '), /\nstill here\n/);
        guest.type('sleep 1; ps\n');
        assert.match(await guest.expect('remus# '), /spin/);
        const timer = running.stats().lines.find(({ irq }) => irq === 0);
        assert.ok(timer !== undefined && timer.delivered > 0);
        guest.type('halt\n');
        const { reason, status } = await running.ended;
        assert.deepEqual([reason, status], [ExitReason.Shutdown, 0]);
        const { raised, delivered, merged, discarded, pending } = running.stats().lines.find(({ irq }) => irq === 0)!;
        assert.equal(raised, delivered + merged + discarded + pending);
      });

      it('runs programs as the host does', async () => {
        await boot('torture.tar');
        for (const name of INTEGER_PROGRAMS) {
          guest.type(`${name}\n`);
          // the echo of what was typed comes first
          const printed = (await guest.expect('remus# ')).replace(`${name}\n`, '');
          assert.equal(printed, readFileSync(new URL(`${name}.txt`, golden), 'latin1'), name);
        }
      });
    });
  }
}
