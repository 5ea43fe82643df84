/** Firmware images: where they lie, that they are read-only, and how the processor comes out of reset. */
import assert from 'node:assert/strict';
import { type BiosTarget, loadBios } from '../../../src/boot/bios.js';
import { Mmu } from '../../../src/memory/mmu.js';
import { PhysMemory } from '../../../src/memory/phys.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { Vcpu } from '../../../src/vcpu/vcpu.js';
import { engines } from '../../helpers/engines.js';

function target(rom?: BiosTarget['rom']): BiosTarget {
  const state = new SharedArrayBuffer(STATE_BYTES);
  const phys = new PhysMemory(new SharedArrayBuffer(0x200000));
  const cpu = new Vcpu(state, new Mmu(phys, new Int32Array(state)));
  cpu.hooks = {
    ports: { read: () => 0xff, write: () => undefined },
    pic: { requested: false, acknowledge: () => 0 },
    rom: { call: () => undefined },
    tsc: { cyclesHz: 1e9, cycles: () => 0 },
  };
  return { phys, cpu, rom };
}

/** 64 KiB whose reset vector jumps to F000:0000, where `code` stands. */
function image(code: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(0x10000);
  bytes.set(code);
  bytes.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0);
  return bytes;
}

describe('boot/bios', () => {
  it('ends at 1 MiB and is there again below 4 GiB', () => {
    const { phys, cpu } = target();
    const bytes = Uint8Array.from({ length: 0x20000 }, (_, index) => index * 7);
    loadBios({ phys, cpu, rom: undefined }, bytes, 'b');
    for (const offset of [0, 1, 0xfff, 0x1fff0, 0x1ffff]) {
      assert.equal(phys.read8(0xe0000 + offset), bytes[offset]);
      assert.equal(phys.read8(0xfffe0000 + offset), bytes[offset]);
    }
    assert.equal(phys.read32(0xfffffffc) >>> 0, phys.read32(0xffffc) >>> 0);
    assert.equal(phys.read16(0xfffe0fff), phys.read16(0xe0fff), 'across a page');
  });

  it('cannot be written by the guest', () => {
    const { phys, cpu } = target();
    loadBios({ phys, cpu, rom: undefined }, image([0x90]), 'b');
    phys.write32(0xf0000, -1);
    phys.write32(0xffff0000, -1);
    assert.equal(phys.read8(0xf0000), 0x90);
    assert.equal(phys.read8(0xffff0000), 0x90);
  });

  for (const kind of engines) {
    it(`starts at the reset vector in real mode, ${kind.name}`, () => {
      const { phys, cpu } = target();
      // mov ax, cs; mov bx, 0x1234; hlt
      loadBios({ phys, cpu, rom: undefined }, image([0x8c, 0xc8, 0xbb, 0x34, 0x12, 0xf4]), 'b');
      assert.equal(cpu.words[Word.Eip], 0xfff0);
      kind.make(cpu, phys).run(100);
      assert.equal(cpu.words[Word.Halted], 1);
      assert.equal(cpu.words[Word.Eax], 0xf000);
      assert.equal(cpu.words[Word.Ebx], 0x1234);
      assert.equal(cpu.words[Word.Eip], 6);
    });
  }

  it('refuses a bad size, and to cover the VMI ROM, with nothing changed', () => {
    const rom = { base: 0xc8000, sizeBytes: 0x1000 };
    const { phys, cpu } = target(rom);
    const load = (sizeBytes: number) => () => loadBios({ phys, cpu, rom }, new Uint8Array(sizeBytes).fill(1), 'fw');
    assert.throws(load(15), { code: 'BIOS_SIZE', message: /'fw' has 15 bytes/ });
    assert.throws(load(0x40001), { code: 'BIOS_SIZE' });
    assert.throws(load(0x40000), { code: 'BIOS_OVER_ROM', message: /begins at 0xc0000.*--no-rom/ });
    assert.equal(phys.read8(0xfffff), 0);
    load(0x37000)();
    assert.equal(phys.read8(0xfffff), 1);
  });
});
