/**
 * What a 4 MiB entry maps comes into a window as a whole and leaves it as a whole; pages with translated code and pages that are no memory are
 * exceptions in it. Read before: `windows.test.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, CODE, d, type Machine } from './rig.js';

const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const OTHER_TABLE = 0x102000;
/** A second view of all memory, by one entry. */
const LARGE = 0x400000;
const LARGE_ENTRY = 0x1e7;
const DATA = 0x200000;
const OTHER_DATA = 0x201000;
const HLT = 0xf4;

/** mov eax, value; mov cr<n>, eax */
const control = (register: number, value: number): number[] => [0xb8, ...d(value), 0x0f, 0x22, 0xc0 | (register << 3)];
/** CR4.PSE; CR3; CR0: PG, WP, ET, PE */
const PAGING = [...control(4, 0x10), ...control(3, DIRECTORY), ...control(0, 0x80010011 | 0)];
/** mov dword [at], value */
const store = (at: number, value: number): number[] => [0xc7, 0x05, ...d(at), ...d(value)];
const invlpg = (linear: number): number[] => [0x0f, 0x01, 0x3d, ...d(linear)];
/** mov reg, [at] */
const load = (register: number, at: number): number[] => [0x8b, (register << 3) | 5, ...d(at)];
/** mov eax, target; call eax */
const call = (target: number): number[] => [0xb8, ...d(target), 0xff, 0xd0];
/** The directory entry of LARGE becomes a page table in which DATA is another frame. */
const SPLIT = store(DIRECTORY + 4, OTHER_TABLE | 0x67);

/** Identity below 4 MiB; `OTHER_TABLE` maps LARGE the same way but for DATA. */
function prepare({ phys }: Machine): void {
  phys.write32(DIRECTORY, TABLE | 7);
  phys.write32(DIRECTORY + 4, LARGE_ENTRY);
  for (let page = 0; page < 1024; page++) {
    phys.write32(TABLE + 4 * page, (page << 12) | 7);
    phys.write32(OTHER_TABLE + 4 * page, (page << 12) | 7);
  }
  phys.write32(OTHER_TABLE + 4 * (DATA >>> 12), OTHER_DATA | 7);
  // mov ebx, 1; ret   and   mov ebx, 2; ret
  phys.load(DATA, Uint8Array.from([0xbb, ...d(1), 0xc3]));
  phys.load(OTHER_DATA, Uint8Array.from([0xbb, ...d(2), 0xc3]));
}

describe('translator: regions of 4 MiB', () => {
  const before = 0x1bb;
  const after = 0x2bb;

  for (const [what, linear] of [
    ['the page itself', LARGE + DATA],
    ['a neighbour that was never touched', LARGE + 0x300000],
    ['the first page', LARGE],
  ] as const)
    it(`leave as a whole with INVLPG of ${what}`, () => {
      const program = [...load(6, LARGE + DATA), ...SPLIT, ...invlpg(linear), ...load(7, LARGE + DATA)];
      both([...PAGING, ...program, HLT], { prepare }, ({ translated: { words } }) => {
        assert.deepEqual([words[Word.Esi], words[Word.Edi]], [before, after]);
      });
    });

  it('leave with the translations of their code', () => {
    // mov esi, ebx
    const program = [...call(LARGE + DATA), 0x89, 0xde, ...SPLIT, ...invlpg(LARGE), ...call(LARGE + DATA)];
    both([...PAGING, ...program, HLT], { prepare }, ({ translated: { words } }) => {
      assert.deepEqual([words[Word.Esi], words[Word.Ebx]], [1, 2]);
    });
  });

  it('come with one fault', () => {
    // mov ecx, 0x200; mov edi, LARGE + DATA; l: inc dword [edi]; add edi, 0x1000; loop l
    const touch = [0xb9, ...d(0x1f0), 0xbf, ...d(LARGE + DATA), 0xff, 0x07, 0x81, 0xc7, ...d(0x1000), 0xe2, 0xf6];
    let faults = 0;
    both([...PAGING, HLT], { prepare }, ({ translated: { translator } }) => {
      faults = translator.statistics().windowFaults;
    });
    both([...PAGING, ...touch, HLT], { prepare }, ({ translated: { translator } }) => {
      assert.equal(translator.statistics().windowFaults, faults + 1);
    });
  });

  for (const isMapped of [false, true])
    it(`see stores into code, ${isMapped ? 'mapped' : 'translated'} first`, () => {
      const program = [
        ...(isMapped ? store(LARGE + OTHER_DATA, 0x1bb) : []),
        ...call(DATA),
        ...store(LARGE + DATA + 1, 5),
        ...store(LARGE + DATA + 0x800, 7),
        ...call(DATA),
        ...store(LARGE + DATA + 1, 9),
        ...call(LARGE + DATA),
      ];
      both([...PAGING, ...program, HLT], { prepare }, ({ translated: { words } }) => {
        assert.equal(words[Word.Ebx], 9);
      });
    });

  it('give way to pages where the guest forgets to flush, and come back', () => {
    const program = [
      ...load(6, LARGE + DATA),
      ...SPLIT,
      ...invlpg(LARGE),
      ...store(LARGE + DATA + 0x10, 3),
      ...store(DIRECTORY + 4, LARGE_ENTRY),
      ...invlpg(LARGE + DATA),
      ...store(LARGE + DATA + 0x20, 4),
      ...store(LARGE + 0x3ff000, 5),
    ];
    both([...PAGING, ...program, HLT], { prepare }, ({ translated: { phys } }) => {
      assert.deepEqual(
        [OTHER_DATA + 0x10, DATA + 0x20, 0x3ff000].map((at) => phys.read32(at)),
        [3, 4, 5],
      );
    });
  });

  it('set Dirty before they may be written', () => {
    // a read maps all of it for reading, a write to another page all of it for writing
    const program = [...store(DIRECTORY + 4, 0x187), ...load(6, LARGE + DATA), ...store(LARGE + OTHER_DATA, 6)];
    both([...PAGING, ...program, HLT], { prepare }, ({ translated: { phys } }) => {
      assert.equal(phys.read32(DIRECTORY + 4), 0x1e7);
      assert.equal(phys.read32(OTHER_DATA), 6);
    });
  });

  it('end where memory ends', () => {
    // the entry behind maps what is no memory: it reads as ones
    const program = [...store(DIRECTORY + 8, 0x4001e7), ...store(LARGE + DATA, 6), ...load(6, 2 * LARGE + CODE)];
    both([...PAGING, ...program, HLT], { prepare }, ({ translated: { words } }) => {
      assert.equal(words[Word.Esi], -1);
    });
  });
});
