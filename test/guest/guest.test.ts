/**
 * The same program, native and in the guest: sources linked for Linux ran on the host's processor and printed `golden/`; linked for Remus
 * they run here as guest processes and must print the same, byte for byte. `npm run record:guest` records anew.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { HostFpu } from '../../src/machine/hostFpu.js';
import { loadNative } from '../../src/native.js';
import { ExitReason } from '../../src/vcpu/layout.js';
import { guestFile, VirtualMachine } from '../helpers/board.js';

const golden = new URL('../../../test/guest/golden/', import.meta.url);
const END = 'that was all';

/** Remus lets no process use floating point. */
const needsFpu = ['x87', 'sse'];

describe('the same program, native and in the guest', () => {
  const native = loadNative();
  const opened: HostFpu[] = [];
  const fpu = (words: Int32Array): HostFpu | undefined => {
    if (native === undefined) return undefined;
    opened.push(new HostFpu(native, words));
    return opened[0];
  };
  afterEach(() => opened.splice(0).forEach((one) => one.dispose()));

  for (const file of readdirSync(golden).sort()) {
    const name = basename(file, '.txt');
    const expected = readFileSync(new URL(file, golden), 'latin1');

    it(`${name} as a kernel`, function () {
      this.timeout(60_000);
      assert.ok(native !== undefined || !needsFpu.includes(name), 'build the addon: npm run build:native');
      const machine = new VirtualMachine({ kernel: guestFile(`bare/${name}.elf`), fpu });
      assert.equal(machine.finish(400_000_000).reason, ExitReason.Shutdown);
      assert.equal(machine.output, expected);
    });

    if (needsFpu.includes(name)) continue;
    it(`${name} as a process of Remus`, function () {
      this.timeout(60_000);
      const machine = new VirtualMachine({ initrd: guestFile('torture.tar') });
      machine.expect('remus# ');
      machine.type(`${name}; echo ${END}\n`);
      // the echo of what was typed, and then the text itself
      machine.expect(`${END}\r\n`);
      const from = machine.output.indexOf(`${END}\r\n`) + END.length + 2;
      machine.expect(END, 400_000_000);
      const printed = machine.output.slice(from, machine.output.indexOf(END, from));
      assert.equal(printed.replaceAll('\r\n', '\n'), expected);
    });
  }
});
