/** Where pieces may lie, and that nothing ever overlaps. */
import assert from 'node:assert/strict';
import { memoryMap, RangeType } from '../../../src/boot/e820.js';
import { BootPlan, commandLineBytes } from '../../../src/boot/plan.js';

const MIB = 0x100000;
const plan = (ramBytes = 16 * MIB): BootPlan => new BootPlan('elf', ramBytes, 'k');
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

describe('boot/plan', () => {
  it('places kernel parts in low and high RAM', () => {
    const made = plan();
    made.placeKernel('a', 0x7c00, new Uint8Array(512));
    made.placeKernel('b', MIB, new Uint8Array(1), 15 * MIB);
    assert.deepEqual(
      made.pieces.slice(1).map(({ phys, sizeBytes }) => [phys, sizeBytes]),
      [
        [0x7c00, 512],
        [MIB, 15 * MIB],
      ],
    );
  });

  const outside: [string, number, number, RegExp][] = [
    ['the interrupt table', 0, 16, /link it to a physical address from 0x100000/],
    ['the EBDA', 0x9fbff, 2, /link it to/],
    ['the video hole', 0xa0000, 4096, /link it to/],
    ['the ROM area', 0xc8000, 4096, /link it to/],
    ['the bytes just below 1 MiB', 0xfffff, 2, /link it to/],
    ['the end of memory', 16 * MIB - 1, 2, /at least 17M of memory/],
    ['far above', 0x40000000, 4096, /at least 1025M of memory/],
    ['above what any machine has', 0xc0100000, 4096, /link it to a physical address/],
  ];
  for (const [what, phys, sizeBytes, remedy] of outside)
    it(`refuses a kernel that touches ${what}`, () => {
      assert.throws(() => plan().placeKernel('x', phys, new Uint8Array(0), sizeBytes), code('KERNEL_OUTSIDE_RAM'));
      assert.throws(() => plan().placeKernel('x', phys, new Uint8Array(0), sizeBytes), remedy);
    });

  it('refuses parts that overlap', () => {
    const made = plan();
    made.placeKernel('a', MIB, new Uint8Array(16), 4096);
    assert.throws(() => made.placeKernel('b', MIB + 4095, new Uint8Array(1)), code('KERNEL_OVERLAPS'));
    made.placeKernel('c', MIB + 4096, new Uint8Array(1));
  });

  it('puts handed-over data around what is there', () => {
    const made = plan();
    made.placeKernel('a', 0x9010, new Uint8Array(0x100));
    assert.equal(made.placeLow('x', new Uint8Array(16)), 0x9000);
    assert.equal(made.placeLow('y', new Uint8Array(1)), 0x9110);
    assert.equal(made.placeLow('z', new Uint8Array(1)), 0x9120);
    assert.throws(() => made.placeLow('w', new Uint8Array(0xa0000)), code('HANDOVER_TOO_BIG'));
  });

  it('puts the initrd behind the kernel or at the top, on a page', () => {
    const low = plan();
    low.placeKernel('a', MIB, new Uint8Array(5000));
    assert.equal(low.placeInitrdAfterKernel(new Uint8Array(100)), MIB + 0x2000);
    const high = plan();
    assert.equal(high.placeInitrdBelow(0x38000000, new Uint8Array(100)), 16 * MIB - 4096);
    assert.equal(plan().placeInitrdBelow(8 * MIB, new Uint8Array(4097)), 8 * MIB - 8192);
  });

  it('refuses an initrd that does not fit and says how much memory would do', () => {
    const made = plan();
    made.placeKernel('a', MIB, new Uint8Array(1), 10 * MIB);
    const initrd = new Uint8Array(6 * MIB);
    assert.throws(() => made.placeInitrdAfterKernel(initrd), code('INITRD_TOO_BIG'));
    assert.throws(() => made.placeInitrdAfterKernel(initrd), /6291456 bytes.*at least 17M of memory/);
    assert.throws(() => made.placeInitrdBelow(0x38000000, initrd), /at least 17M of memory/);
    assert.throws(() => made.placeInitrdBelow(12 * MIB, initrd), /use a smaller one$/);
  });

  it('ends command lines with NUL and refuses one inside', () => {
    assert.deepEqual([...commandLineBytes('aé')], [0x61, 0xc3, 0xa9, 0]);
    assert.throws(() => commandLineBytes('a\0b'), code('APPEND_HAS_NUL'));
  });
});

describe('boot/e820', () => {
  it('tells RAM up to the end of memory and leaves the hole out', () => {
    const map = memoryMap(16 * MIB);
    const ram = map
      .filter(({ type }) => type === RangeType.Memory)
      .map(({ phys, sizeBytes }) => [phys, phys + sizeBytes]);
    assert.deepEqual(ram, [
      [0, 0x9fc00],
      [MIB, 16 * MIB],
    ]);
    for (let index = 1; index < map.length; index++)
      assert(map[index].phys >= map[index - 1].phys + map[index - 1].sizeBytes, 'ascending, without overlap');
  });
});
