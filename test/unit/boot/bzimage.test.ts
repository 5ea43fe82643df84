/** Linux' bzImage: header fields by protocol version, where things go, and the registers of the 32-bit boot protocol. */
import assert from 'node:assert/strict';
import { bzImagePayload, bzImageRelease, isBzImage, planBzImage } from '../../../src/boot/bzimage.js';
import { type BootImage, type BootPlan } from '../../../src/boot/plan.js';
import { bzImage, type BzImageFields, CODE } from '../../helpers/kernels.js';

const MIB = 0x100000;

function planOf(fields: BzImageFields = {}, rest: Partial<BootImage> = {}, ramBytes = 64 * MIB): BootPlan {
  return planBzImage({ kernel: bzImage(fields), kernelName: 'vmlinuz', ...rest }, ramBytes);
}

const piece = (plan: BootPlan, what: string): DataView => {
  const found = plan.pieces.find((candidate) => candidate.what === what);
  assert(found !== undefined, `the plan has a ${what}`);
  return new DataView(found.bytes.buffer, found.bytes.byteOffset, found.bytes.length);
};
const physOf = (plan: BootPlan, what: string): number | undefined =>
  plan.pieces.find((candidate) => candidate.what === what)?.phys;

describe('boot/bzimage', () => {
  it('knows a bzImage by boot flag and HdrS', () => {
    assert.equal(isBzImage(bzImage()), true);
    assert.equal(isBzImage(bzImage().subarray(0, 0x207)), false);
    const spoiled = bzImage();
    spoiled[0x202] = 0;
    assert.equal(isBzImage(spoiled), false);
  });

  it('finds the release and the compressed kernel in it', () => {
    assert.equal(bzImageRelease(bzImage({ release: '6.1.0-50-686 (a@b) #1' })), '6.1.0-50-686');
    assert.equal(bzImageRelease(bzImage()), undefined);
    assert.deepEqual(bzImagePayload(bzImage()), CODE);
    assert.equal(bzImagePayload(bzImage({ version: 0x0207 })).length, 0);
  });

  it('loads a fixed kernel at 1 MiB and keeps its run-time memory free', () => {
    const plan = planOf({ prefAddress: 16 * MIB, initSize: 8 * MIB });
    const image = plan.pieces.find(({ what }) => what === 'compressed image')!;
    assert.deepEqual([image.phys, image.phys + image.sizeBytes], [MIB, 24 * MIB]);
    assert.equal(image.bytes[0], CODE[0]);
    assert.equal(plan.entry.eip, MIB);
  });

  it('loads a relocatable kernel where it prefers, or as low as it can where that does not fit', () => {
    const fields = { relocatable: true, prefAddress: 16 * MIB, alignment: 2 * MIB, initSize: 8 * MIB };
    assert.equal(planOf(fields).entry.eip, 16 * MIB);
    assert.equal(planOf(fields, {}, 16 * MIB).entry.eip, 2 * MIB);
    assert.equal(planOf({ ...fields, version: 0x0209 }).entry.eip, 2 * MIB, 'no pref_address before 2.10');
  });

  it('takes 4 setup sectors where the header says 0', () => {
    assert.equal(piece(planOf({ setupSectors: 0 }), 'compressed image').getUint8(0), CODE[0]);
  });

  it('enters with boot_params in ESI and the protocol selectors', () => {
    const plan = planOf();
    const { eax, ebx, esi, gdt } = plan.entry;
    assert.deepEqual([eax, ebx, esi], [0, 0, physOf(plan, 'boot_params')]);
    assert.deepEqual([gdt?.limit, gdt?.phys], [31, physOf(plan, 'boot GDT')]);
    const table = piece(plan, 'boot GDT');
    assert.deepEqual([table.getUint32(0x14, true), table.getUint32(0x1c, true)], [0x00cf9b00, 0x00cf9300]);
  });

  it('fills boot_params', () => {
    const initrd = new Uint8Array(5000);
    const plan = planOf({}, { append: 'console=ttyS0', initrd });
    const params = piece(plan, 'boot_params');
    assert.equal(params.byteLength, 4096);
    assert.equal(params.getUint32(0x202, true), 0x53726448, 'the setup header is copied');
    assert.equal(params.getUint32(0x260, true), 0x400000, 'up to its end');
    assert.equal(params.getUint8(0x1ef), 0, 'the sentinel is clear');
    assert.equal(params.getUint8(0x210), 0xff);
    assert.equal(params.getUint32(0x214, true), MIB);
    assert.equal(params.getUint32(0x218, true), 64 * MIB - 8192);
    assert.equal(params.getUint32(0x21c, true), 5000);
    assert.equal(params.getUint32(0x228, true), physOf(plan, 'kernel command line'));
    const line = plan.pieces.find(({ what }) => what === 'kernel command line')!;
    assert.equal(Buffer.from(line.bytes).toString(), 'console=ttyS0\0');
    assert.equal(params.getUint32(0x1e0, true), 63 * 1024);
    assert.equal(params.getUint16(0x002, true), 0xfc00, 'capped at 64 MiB');
    assert.equal(params.getUint8(0x1e8), 4);
    assert.deepEqual(
      [params.getUint32(0x2d0, true), params.getUint32(0x2d8, true), params.getUint32(0x2e0, true)],
      [0, 0x9fc00, 1],
    );
    assert.equal(params.getUint32(0x2d0 + 60, true), MIB);
    assert.equal(params.getUint32(0x2d0 + 68, true), 63 * MIB);
  });

  it('keeps the initrd below what the kernel can reach', () => {
    const initrd = new Uint8Array(1);
    assert.equal(physOf(planOf({ initrdAddrMax: 32 * MIB - 1 }, { initrd }), 'initrd'), 32 * MIB - 4096);
    const old = planOf({ version: 0x0202, initrdAddrMax: 32 * MIB - 1 }, { initrd }, 1024 * MIB);
    assert.equal(physOf(old, 'initrd'), 0x38000000 - 4096, 'before 2.03 the limit is fixed');
  });

  const wrong: [string, () => unknown, string][] = [
    ['a protocol before 2.02', () => planOf({ version: 0x0201 }), 'KERNEL_TOO_OLD'],
    ['a zImage', () => planOf({ loadFlags: 0 }), 'KERNEL_NOT_BZIMAGE'],
    ['a 64-bit kernel', () => planOf({ xloadFlags: 1 }), 'KERNEL_64_BIT'],
    ['a file that ends in its setup code', () => planOf({ code: new Uint8Array(0) }), 'KERNEL_TRUNCATED'],
    ['a file that ends in its code', () => planOf({ sysSize: 1 }), 'KERNEL_TRUNCATED'],
    ['a kernel for processors with PAE', () => planOf({ release: '6.1.0-50-686-pae (a@b) #1' }), 'KERNEL_NEEDS_PAE'],
    ['an alignment that is no power of two', () => planOf({ relocatable: true, alignment: 3 }), 'KERNEL_DAMAGED'],
    ['an alignment of 0', () => planOf({ relocatable: true, alignment: 0 }), 'KERNEL_DAMAGED'],
    ['more run-time memory than there is', () => planOf({ initSize: 64 * MIB }), 'KERNEL_OUTSIDE_RAM'],
    [
      'a command line that is too long',
      () => planOf({ cmdlineSize: 10 }, { append: '12345678901' }),
      'APPEND_TOO_LONG',
    ],
    ['255 bytes before 2.06', () => planOf({ version: 0x0205 }, { append: 'x'.repeat(256) }), 'APPEND_TOO_LONG'],
    ['an initrd that does not fit', () => planOf({}, { initrd: new Uint8Array(50 * MIB) }), 'INITRD_TOO_BIG'],
  ];
  for (const [what, make, code] of wrong)
    it(`refuses ${what}`, () => assert.throws(make, { name: 'ConfigError', code }));

  it('takes a command line of exactly the longest length', () => {
    assert.equal(piece(planOf({ cmdlineSize: 10 }, { append: '1234567890' }), 'kernel command line').byteLength, 11);
  });
});
