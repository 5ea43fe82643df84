/** Recognition of kernel kinds, refusal of everything else, and the state a kernel is entered in. */
import assert from 'node:assert/strict';
import { loadKernel, planBoot } from '../../../src/boot/index.js';
import { Mmu } from '../../../src/memory/mmu.js';
import { PhysMemory } from '../../../src/memory/phys.js';
import { SegmentWord, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { Vcpu } from '../../../src/vcpu/vcpu.js';
import { bzImage, CODE, elfFile, multibootElf } from '../../helpers/kernels.js';

const MIB = 0x100000;

function machine(): { phys: PhysMemory; cpu: Vcpu } {
  const phys = new PhysMemory(new SharedArrayBuffer(16 * MIB));
  const state = new SharedArrayBuffer(STATE_BYTES);
  const cpu = new Vcpu(state, new Mmu(phys, new Int32Array(state)));
  return { phys, cpu };
}

const kindOf = (kernel: Uint8Array): string => planBoot({ kernel, kernelName: 'k' }, 64 * MIB).kind;

describe('boot', () => {
  it('recognises each kind of kernel', () => {
    assert.equal(kindOf(multibootElf()), 'multiboot');
    assert.equal(kindOf(bzImage()), 'bzImage');
    assert.equal(kindOf(elfFile()), 'elf');
  });

  const bootSector = new Uint8Array(512);
  bootSector.set([0x55, 0xaa], 510);
  const multiboot2 = new Uint8Array(64);
  new DataView(multiboot2.buffer).setUint32(16, 0xe85250d6, true);
  const unknown: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /the file is empty; .* is needed/],
    ['a text', Buffer.from('#!/bin/sh\necho hello\n'), /of no known kind; .* is needed/],
    ['a gzip file', Uint8Array.of(0x1f, 0x8b, 8), /unpack it with gunzip/],
    ['a boot sector', bootSector, /boot sector or disk image/],
    ['a Multiboot 2 kernel', multiboot2, /Multiboot 1 header/],
  ];
  for (const [what, kernel, message] of unknown)
    it(`refuses ${what}`, () => {
      assert.throws(() => kindOf(kernel), { name: 'ConfigError', code: 'KERNEL_NOT_RECOGNISED', message });
    });

  it('loads a multiboot kernel and leaves the CPU before its first instruction', () => {
    const { phys, cpu } = machine();
    phys.bytes.fill(0xcc, MIB, MIB + 0x2000);
    const kernel = multibootElf(3, { sizeBytes: 0x1800 });
    assert.equal(loadKernel({ phys, cpu }, { kernel, kernelName: 'k' }), 'multiboot');
    const { words } = cpu;
    assert.equal(words[Word.Eip], 0x10000c);
    assert.equal(words[Word.Eax] >>> 0, 0x2badb002);
    assert.equal(words[Word.Cr0] & 0x80000001, 1, 'protected mode, paging off');
    assert.equal(words[Word.InterruptFlag], 0);
    assert.deepEqual([...phys.bytes.subarray(0x10000c, 0x10000c + CODE.length)], [...CODE]);
    assert.equal(phys.bytes[MIB + 0x17ff], 0, 'bss is zeroed to its last byte');
    assert.equal(phys.bytes[MIB + 0x1800], 0xcc, 'and not beyond');
    assert.equal(phys.read32(words[Word.Ebx] + 8), 15 * 1024, 'EBX points at the information');
    assert.equal(phys.read16(0x413), 639, 'the BIOS data area tells low memory');
  });

  it('enters Linux with the selectors of its protocol', () => {
    const { phys, cpu } = machine();
    loadKernel({ phys, cpu }, { kernel: bzImage({ prefAddress: MIB }), kernelName: 'k', append: 'quiet' });
    const selector = (segment: number): number =>
      cpu.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
    assert.deepEqual([0, 1, 2, 3, 4, 5].map(selector), [0x18, 0x10, 0x18, 0x18, 0x18, 0x18]);
    const gdt = cpu.words[Word.GdtrBase];
    assert.equal(phys.read32(gdt + 0x14), 0x00cf9b00);
    const params = cpu.words[Word.Esi];
    assert.equal(phys.read32(params + 0x202), 0x53726448);
    assert.equal(phys.read32(phys.read32(params + 0x228)), 0x65697571, 'command line');
  });

  it('changes nothing when the image is refused', () => {
    const { phys, cpu } = machine();
    const before = cpu.words.slice();
    const images = [
      { kernel: elfFile({ segments: [{}, { phys: 0xa0000 }] }), kernelName: 'k' },
      { kernel: multibootElf(), kernelName: 'k', initrd: new Uint8Array(16 * MIB) },
      { kernel: multibootElf(), kernelName: 'k', append: 'a\0b' },
    ];
    for (const image of images) assert.throws(() => loadKernel({ phys, cpu }, image), { name: 'ConfigError' });
    assert.deepEqual(cpu.words, before);
    assert(phys.bytes.every((byte) => byte === 0));
  });
});
