/** Multiboot 1: the header's search and demands, both ways of loading, and the information a kernel is given. */
import assert from 'node:assert/strict';
import { findMultibootHeader, planMultiboot } from '../../../src/boot/multiboot.js';
import { type BootImage, type BootPlan } from '../../../src/boot/plan.js';
import { CODE, elfFile, multibootElf, multibootHeader } from '../../helpers/kernels.js';

const MIB = 0x100000;
const KLUDGE = 1 << 16;

function planOf(kernel: Uint8Array, rest: Partial<BootImage> = {}): BootPlan {
  const header = findMultibootHeader(kernel);
  assert(header !== undefined, 'has a multiboot header');
  return planMultiboot({ kernel, kernelName: 'k.elf', ...rest }, header, 16 * MIB);
}

/** The bytes a plan would leave at `phys`, as a view. */
function at(plan: BootPlan, phys: number): DataView {
  const piece = plan.pieces.find(
    (candidate) => phys >= candidate.phys && phys < candidate.phys + candidate.bytes.length,
  );
  assert(piece !== undefined, `something lies at ${phys}`);
  return new DataView(
    piece.bytes.buffer,
    piece.bytes.byteOffset + phys - piece.phys,
    piece.bytes.length - (phys - piece.phys),
  );
}

function text(plan: BootPlan, phys: number): string {
  const view = at(plan, phys);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString();
}

const raw = (offset: number, flags: number, addresses: readonly number[], length = 64): Uint8Array => {
  const file = new Uint8Array(length);
  file.set(multibootHeader(flags, addresses), offset);
  return file;
};

describe('boot/multiboot', () => {
  it('finds the header on any word of the first 8 KiB, and nowhere else', () => {
    const place = (offset: number): unknown => {
      const file = new Uint8Array(16384);
      file.set(multibootHeader(0), offset);
      return findMultibootHeader(file)?.offset;
    };
    assert.equal(place(0), 0);
    assert.equal(place(8180), 8180);
    assert.equal(place(8184), undefined);
    assert.equal(place(2), undefined);
  });

  it('ignores a header with a wrong checksum and goes on looking', () => {
    const file = new Uint8Array(64);
    file.set(multibootHeader(1), 0);
    file[8] ^= 1;
    assert.equal(findMultibootHeader(file), undefined);
    file.set(multibootHeader(1), 32);
    assert.equal(findMultibootHeader(file)?.offset, 32);
  });

  it('looks at files of any length', () => {
    for (let length = 0; length < 16; length++) assert.equal(findMultibootHeader(new Uint8Array(length)), undefined);
    assert.equal(findMultibootHeader(multibootHeader(KLUDGE)), undefined, 'address fields behind the end');
  });

  it('loads an ELF kernel and enters it with the loader magic', () => {
    const plan = planOf(multibootElf());
    assert.deepEqual([plan.kind, plan.entry.eip, plan.entry.eax], ['multiboot', 0x10000c, 0x2badb002]);
    assert.equal(at(plan, 0x100000).getUint32(0, true), 0x1badb002);
  });

  it('hands over memory, command line, map and name', () => {
    const plan = planOf(multibootElf(), { append: 'quiet test' });
    const info = at(plan, plan.entry.ebx);
    const word = (offset: number): number => info.getUint32(offset, true);
    assert.equal(word(0), 0b10_0100_0101);
    assert.equal(word(4), 639);
    assert.equal(word(8), 15 * 1024);
    assert.equal(text(plan, word(16)), 'k.elf quiet test');
    assert.equal(text(plan, word(64)), 'Romulus');
    const map: number[][] = [];
    for (let entry = word(48); entry < word(48) + word(44);) {
      const view = at(plan, entry);
      assert.equal(view.getUint32(8, true), 0, 'high half of the base');
      map.push([view.getUint32(4, true), view.getUint32(12, true), view.getUint32(20, true)]);
      entry += view.getUint32(0, true) + 4;
    }
    assert.deepEqual(map[0], [0, 0x9fc00, 1]);
    assert.deepEqual(map.at(-1), [MIB, 15 * MIB, 1]);
  });

  it('hands over the initrd as a page-aligned module behind the kernel', () => {
    const initrd = Uint8Array.of(9, 8, 7);
    const plan = planOf(multibootElf(3, { sizeBytes: 0x4321 }), { initrd, initrdName: 'root.tar' });
    const info = at(plan, plan.entry.ebx);
    assert.equal(info.getUint32(0, true) & 8, 8);
    assert.equal(info.getUint32(20, true), 1);
    const module = at(plan, info.getUint32(24, true));
    assert.deepEqual([module.getUint32(0, true), module.getUint32(4, true)], [0x105000, 0x105003]);
    assert.equal(text(plan, module.getUint32(8, true)), 'root.tar');
    assert.equal(at(plan, 0x105000).getUint8(2), 7);
  });

  it('loads a raw binary by its address fields', () => {
    const file = raw(8, KLUDGE, [0x200008, 0x200000, 0x200030, 0x201000, 0x200028]);
    file.set(CODE, 0x28);
    const plan = planOf(file);
    const piece = plan.pieces.find(({ what }) => what === 'image')!;
    assert.deepEqual([piece.phys, piece.bytes.length, piece.sizeBytes], [0x200000, 0x30, 0x1000]);
    assert.equal(plan.entry.eip, 0x200028);
    assert.equal(piece.bytes[0x28], CODE[0]);
  });

  it('loads the whole rest of the file and no bss where the fields are 0', () => {
    const plan = planOf(raw(16, KLUDGE, [0x200000, 0x200000, 0, 0, 0x200020]));
    const piece = plan.pieces.find(({ what }) => what === 'image')!;
    assert.deepEqual([piece.phys, piece.bytes.length, piece.sizeBytes], [0x200000, 48, 48]);
  });

  const wrong: [string, Uint8Array, string][] = [
    ['a demand for a video mode', multibootElf(7), 'KERNEL_UNMET_DEMAND'],
    ['a demand of later versions', multibootElf(1 << 5), 'KERNEL_UNMET_DEMAND'],
    ['a raw binary without address fields', raw(0, 0, []), 'KERNEL_NOT_EXECUTABLE'],
    ['load_addr above header_addr', raw(0, KLUDGE, [0x200000, 0x200004, 0, 0, 0x200004]), 'KERNEL_DAMAGED'],
    ['a start before the file', raw(0, KLUDGE, [0x200010, 0x200000, 0, 0, 0x200000]), 'KERNEL_DAMAGED'],
    ['load_end_addr below load_addr', raw(0, KLUDGE, [0x200000, 0x200000, 0x1fffff, 0, 0x200000]), 'KERNEL_DAMAGED'],
    ['load_end_addr behind the file', raw(0, KLUDGE, [0x200000, 0x200000, 0x200041, 0, 0x200000]), 'KERNEL_TRUNCATED'],
    ['bss_end_addr inside the image', raw(0, KLUDGE, [0x200000, 0x200000, 0, 0x20003f, 0x200000]), 'KERNEL_DAMAGED'],
    ['an entry outside', raw(0, KLUDGE, [0x200000, 0x200000, 0, 0, 0x200040]), 'KERNEL_DAMAGED'],
    ['an image in the ROM area', raw(0, KLUDGE, [0xc8000, 0xc8000, 0, 0, 0xc8020]), 'KERNEL_OUTSIDE_RAM'],
    ['a 64-bit ELF', elfFile({ elfClass: 2, segments: [{ bytes: multibootHeader(0) }] }), 'KERNEL_64_BIT'],
  ];
  for (const [what, file, code] of wrong)
    it(`refuses ${what}`, () => assert.throws(() => planOf(file), { name: 'ConfigError', code }));

  it('hands over several modules, in order, none over another', () => {
    const modules = [
      { bytes: Uint8Array.of(2, 2), name: 'two' },
      { bytes: Uint8Array.of(3), name: 'three' },
    ];
    const plan = planOf(multibootElf(), { initrd: Uint8Array.of(1), initrdName: 'one', modules });
    const info = at(plan, plan.entry.ebx);
    assert.equal(info.getUint32(20, true), 3);
    const list = at(plan, info.getUint32(24, true));
    const found = [0, 1, 2].map((index) => {
      const [start, end, name] = [0, 4, 8].map((offset) => list.getUint32(16 * index + offset, true));
      return {
        first: at(plan, start).getUint8(0),
        sizeBytes: end - start,
        name: text(plan, name),
        aligned: start % 4096,
      };
    });
    assert.deepEqual(found, [
      { first: 1, sizeBytes: 1, name: 'one', aligned: 0 },
      { first: 2, sizeBytes: 2, name: 'two', aligned: 0 },
      { first: 3, sizeBytes: 1, name: 'three', aligned: 0 },
    ]);
  });
});
