import assert from 'node:assert/strict';
import { Word } from '../../../src/vcpu/layout.js';
import { Vector } from '../../../src/x86/vectors.js';
import { assertFault, TestMachine } from './machine.js';

const PE = 0x1;
const TS = 0x8;
const ET = 0x10;

describe('rom/cpu', () => {
  it('CPUID tells the highest leaf and a vendor of twelve letters, and sets the hypervisor bit', () => {
    const machine = new TestMachine();
    machine.call('CPUID', { eax: 0, ecx: 0 });
    const { words, cpu } = machine;
    assert.ok(machine.eax >= 1);
    const vendor = Buffer.from(Int32Array.of(words[Word.Ebx], words[Word.Edx], words[Word.Ecx]).buffer);
    assert.match(vendor.toString('latin1'), /^[\x20-\x7e]{12}$/);
    machine.call('CPUID', { eax: 1, ecx: 0 });
    assert.equal(cpu.words[Word.Ecx] >>> 31, 1);
  });

  it('SetCRn and GetCRn move control registers', () => {
    const machine = new TestMachine();
    machine.call('SetCR0', { eax: PE | ET | TS });
    machine.call('GetCR0');
    assert.equal(machine.eax, PE | ET | TS);
    machine.call('SetCR2', { eax: 0x12345 });
    machine.call('GetCR2', { eax: 0 });
    assert.equal(machine.eax, 0x12345);
    machine.call('SetCR3', { eax: 0x7000 });
    machine.call('GetCR3', { eax: 0 });
    assert.equal(machine.eax, 0x7000);
    machine.call('SetCR4', { eax: 0x90 });
    machine.call('GetCR4', { eax: 0 });
    assert.equal(machine.eax, 0x90);
  });

  it('raises #GP for reserved bits and for PG without PE', () => {
    const machine = new TestMachine();
    assertFault(() => machine.call('SetCR4', { eax: 0x8000_0000 | 0 }), Vector.GP, 0);
    assertFault(() => machine.call('SetCR4', { eax: 0x20 }), Vector.GP, 0);
    assertFault(() => machine.call('SetCR0', { eax: 0x8000_0010 | 0 }), Vector.GP, 0);
    assert.equal(machine.words[Word.Cr4], 0);
  });

  it('CLTS clears CR0.TS', () => {
    const machine = new TestMachine();
    machine.call('SetCR0', { eax: PE | ET | TS });
    machine.call('CLTS');
    assert.equal(machine.words[Word.Cr0] & TS, 0);
  });

  it('SetDR and GetDR move debug registers; numbers above 7 are a breach', () => {
    const machine = new TestMachine();
    machine.call('SetDR', { eax: 3, edx: 0x4000 });
    machine.call('GetDR', { eax: 3 });
    assert.equal(machine.eax, 0x4000);
    assert.throws(() => machine.call('SetDR', { eax: 8, edx: 0 }), {
      name: 'GuestKilled',
      message: /no debug register 8/,
    });
    assert.throws(() => machine.call('GetDR', { eax: -1 }), { name: 'GuestKilled' });
  });

  it('WRMSR and RDMSR move model-specific registers; unknown ones raise #GP', () => {
    const machine = new TestMachine();
    machine.call('WRMSR', { ecx: 0x175, eax: 0xc0009000 | 0, edx: 0 });
    machine.call('RDMSR', { ecx: 0x175, eax: 0, edx: -1 });
    assert.equal(machine.long, 0xc0009000n);
    assertFault(() => machine.call('RDMSR', { ecx: 0x1234_5678 }), Vector.GP, 0);
  });

  it('RDTSC runs at the rate of the cycle counters', () => {
    const machine = new TestMachine(2e9);
    machine.clock.advance(5e9);
    machine.call('RDTSC');
    assert.equal(machine.long, 10_000_000_000n);
  });

  it('Reboot and Shutdown end the machine and are exits', () => {
    const machine = new TestMachine();
    machine.call('Reboot', { eax: 0 });
    machine.call('Reboot', { eax: 1 });
    machine.call('Shutdown');
    assert.deepEqual(machine.ended, ['soft reboot', 'hard reboot', 'shutdown']);
    assert.deepEqual([machine.exits('Reboot'), machine.exits('Shutdown')], [2, 1]);
    assert.throws(() => machine.call('Reboot', { eax: 2 }), { name: 'GuestKilled' });
  });
});
