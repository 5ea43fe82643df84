import assert from 'node:assert/strict';
import { calls } from '../../../src/rom/calls.js';
import { buildImage, checksum, Header, ROM_BYTES } from '../../../src/rom/image.js';
import { INIT_SLOT, RELOC_SLOT, SLOT_COUNT, slotOffset } from '../../../src/rom/slots.js';
import { TestMachine } from './machine.js';

const VMCALL = [0x0f, 0x01, 0xc1];

function text(image: Uint8Array, offset: number): string {
  return Buffer.from(image.subarray(offset, image.indexOf(0, offset))).toString('latin1');
}

/** The kernel's probe, restated: Linux 2.6.32, probe_vmi_rom() and check_vmi_rom(). Gives the first ROM it would take. */
function probe(read8: (phys: number) => number): { base: number; manufacturer: string; product: string } | undefined {
  const read16 = (phys: number): number => read8(phys) | (read8(phys + 1) << 8);
  const read32 = (phys: number): number => (read16(phys) | (read16(phys + 2) << 16)) >>> 0;
  const string = (phys: number): string => {
    let result = '';
    for (let at = phys; read8(at) !== 0; at++) result += String.fromCharCode(read8(at));
    return result;
  };
  for (let base = 0xc0000; base < 0xe0000; base += 2048) {
    if (read16(base) !== 0xaa55 || read32(base + 8) !== 0x696d5663) continue;
    if (read8(base + 0x0d) !== 3 || read16(base + 0x18) === 0) continue;
    const licence = read16(base + 0x16);
    if (licence === 0 || !['GPL', 'GPL v2'].includes(string(base + licence))) continue;
    const pnp = base + read16(base + 0x1a);
    return { base, manufacturer: string(base + read16(pnp + 0x0e)), product: string(base + read16(pnp + 0x10)) };
  }
  return undefined;
}

describe('rom/image', () => {
  const image = buildImage();
  const view = new DataView(image.buffer);

  it('is found by the probe of the kernel', () => {
    const { phys } = new TestMachine();
    assert.deepEqual(
      probe((at) => phys.read8(at)),
      { base: 0xc8000, manufacturer: 'Romulus', product: 'VMI ROM' },
    );
  });

  it('is the same each time', () => {
    assert.deepEqual(buildImage(), image);
  });

  it('has the length it tells and sums to 0, as BIOSes and resource scans ask', () => {
    assert.equal(image.length, ROM_BYTES);
    assert.equal(image[0x02] * 512, ROM_BYTES);
    assert.equal(checksum(image), 0);
  });

  it('has a far return at the entry for the BIOS', () => {
    assert.equal(image[0x03], 0xcb);
  });

  it('speaks API 3.0 and keeps no linear addresses for itself', () => {
    assert.deepEqual([image[0x0c], image[0x0d], image[0x0e]], [0, 3, 74]);
    assert.equal(view.getUint32(0x10, true), 0);
  });

  it('carries the licence that Linux accepts', () => {
    assert.equal(text(image, view.getUint16(0x16, true)), 'GPL v2');
  });

  it('has a PCI data structure for the VMI device', () => {
    const pci = view.getUint16(0x18, true);
    assert.equal(pci % 4, 0);
    assert.equal(Buffer.from(image.subarray(pci, pci + 4)).toString('latin1'), 'PCIR');
    assert.equal(view.getUint16(pci + 4, true), 0x15ad);
    assert.equal(view.getUint16(pci + 6, true), 0x0801);
    assert.equal(view.getUint16(pci + 0x0a, true), 0x18);
    assert.equal(view.getUint16(pci + 0x10, true) * 512, ROM_BYTES);
    assert.deepEqual([image[pci + 0x14], image[pci + 0x15]], [0, 0x80]);
  });

  it('has a PnP header that sums to 0', () => {
    const pnp = view.getUint16(0x1a, true);
    assert.equal(pnp % 16, 0);
    assert.equal(Buffer.from(image.subarray(pnp, pnp + 4)).toString('latin1'), '$PnP');
    assert.equal(checksum(image.subarray(pnp, pnp + image[pnp + 5] * 16)), 0);
  });

  it('reaches the stubs of vmi_init and get_reloc by near jumps within 8 bytes', () => {
    for (const [entry, slot] of [
      [Header.Init, INIT_SLOT],
      [Header.Reloc, RELOC_SLOT],
    ]) {
      assert.equal(image[entry], 0xe9);
      assert.equal(entry + 5 + view.getInt32(entry + 1, true), slotOffset(slot));
      assert.deepEqual([...image.subarray(slotOffset(slot), slotOffset(slot) + 4)], [...VMCALL, 0xc3]);
    }
  });

  it('has a stub of the right shape in each slot', () => {
    const codes = { callOut: [...VMCALL, 0xc3], jump: [...VMCALL, 0], noOp: [0xc3, 0], absent: [0x0f, 0x0b] };
    for (const call of calls) {
      const code = codes[call.shape];
      const offset = slotOffset(call.number);
      assert.deepEqual([...image.subarray(offset, offset + code.length)], code, call.name);
    }
  });

  it('has room for a call counter of every slot', () => {
    assert.ok(calls.length <= INIT_SLOT);
    assert.ok(RELOC_SLOT < SLOT_COUNT);
  });
});

describe('rom/calls', () => {
  it('numbers the calls 0 to 73 without a gap', () => {
    assert.deepEqual(
      calls.map((call) => call.number),
      Array.from({ length: 74 }, (_, number) => number),
    );
  });

  it('has distinct names', () => {
    assert.equal(new Set(calls.map((call) => call.name)).size, calls.length);
  });

  it('has a handler where the stub calls out, and a reason where it does not', () => {
    for (const call of calls) {
      const works = call.shape === 'callOut' || call.shape === 'jump';
      assert.equal(call.handler !== undefined, works, call.name);
      assert.equal(call.note === '', works, call.name);
    }
  });
});
