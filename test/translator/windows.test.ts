/**
 * Pages that a kernel changes while the window of its program is not in use: at the program's next turn it sees what the page tables say then.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, CODE, d, IDT, type Machine } from './rig.js';

const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const USER = CODE + 0x200;
const SWAP = CODE + 0x400;
const PROTECT = CODE + 0x500;
const FIRST = 0x200;
const USER_GATE = 0xee00;

/** Turns paging on, enters CPL 3 at USER with DS and ES for it. */
const KERNEL = [
  // mov eax, DIRECTORY; mov cr3, eax; mov eax, PG | WP | ET | PE; mov cr0, eax
  ...[0xb8, ...d(DIRECTORY), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0],
  ...[0x6a, 0x23, 0x68, ...d(0x70000), 0x68, ...d(0x202), 0x6a, 0x1b, 0x68, ...d(USER)],
  ...[0xb8, ...d(0x23), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0xcf],
];

/** Adds up a word of each page, has the frames swapped, and so on four times; then writes to a page that has become read-only. */
const program = (pages: number): number[] => [
  // mov esi, 4; again: mov ecx, FIRST
  ...[0xbe, ...d(4), 0xb9, ...d(FIRST)],
  // sum: mov eax, ecx; shl eax, 12; add edx, [eax]; inc dword [eax + 4]; inc ecx; cmp ecx, FIRST + pages; jnz sum
  ...[0x89, 0xc8, 0xc1, 0xe0, 0x0c, 0x03, 0x10, 0xff, 0x40, 0x04, 0x41, 0x81, 0xf9, ...d(FIRST + pages), 0x75, 0xed],
  // int 0x82; dec esi; jnz again
  ...[0xcd, 0x82, 0x4e, 0x75, 0xe3],
  // int 0x83; mov edi, [FIRST page]; mov [FIRST page], edi
  ...[0xcd, 0x83, 0x8b, 0x3d, ...d(FIRST << 12), 0x89, 0x3d, ...d(FIRST << 12)],
];

/** Swaps the frames of neighbouring groups of pages, with INVLPG for each. */
const swap = (pages: number): number[] => [
  // mov eax, FIRST; l: xor dword [TABLE + eax * 4], pages << 12; mov ebx, eax; shl ebx, 12; invlpg [ebx]
  ...[
    0xb8,
    ...d(FIRST),
    0x81,
    0x34,
    0x85,
    ...d(TABLE),
    ...d(pages << 12),
    0x89,
    0xc3,
    0xc1,
    0xe3,
    0x0c,
    0x0f,
    0x01,
    0x3b,
  ],
  // inc eax; cmp eax, FIRST + pages; jnz l; iret
  ...[0x40, 0x3d, ...d(FIRST + pages), 0x75, 0xe5, 0xcf],
];

/** and dword [PTE of the first page], ~2; invlpg; iret */
const PROTECT_FIRST = [0x83, 0x25, ...d(TABLE + 4 * FIRST), 0xfd, 0x0f, 0x01, 0x3d, ...d(FIRST << 12), 0xcf];

function prepare({ phys }: Machine, pages: number): void {
  phys.write32(DIRECTORY, TABLE | 7);
  for (let page = 0; page < 1024; page++) phys.write32(TABLE + 4 * page, (page << 12) | 7);
  for (let page = FIRST; page < FIRST + 2 * pages; page++) phys.write32(page << 12, page);
  for (const [vector, handler, code] of [
    [0x82, SWAP, swap(pages)],
    [0x83, PROTECT, PROTECT_FIRST],
  ] as const) {
    phys.load(handler, Uint8Array.from(code));
    phys.write32(IDT + vector * 8, (0x08 << 16) | (handler & 0xffff));
    phys.write32(IDT + vector * 8 + 4, (handler & (0xffff << 16)) | USER_GATE);
  }
  phys.load(USER, Uint8Array.from(program(pages)));
}

describe('translator: windows that are not in use', () => {
  for (const pages of [1, 64, 256])
    it(`see that ${pages} pages have changed, and one its rights`, () => {
      both(KERNEL, { prepare: (machine) => prepare(machine, pages) }, ({ translated }) => {
        const { words, phys } = translated;
        const sum = (first: number): number => pages * first + (pages * (pages - 1)) / 2;
        assert.equal(words[Word.Edx], 2 * (sum(FIRST) + sum(FIRST + pages)));
        assert.equal(phys.read32(((FIRST + 2 * pages - 1) << 12) + 4), 2);
        assert.deepEqual([words[Word.Edi], words[Word.Ebp], words[Word.Cr2]], [FIRST, 14, FIRST << 12]);
      });
    });
});

describe('translator: pages touched in order', () => {
  const PAGES = 128;
  const BASE = 0x200;
  /** The frame of a page: no two neighbours have neighbouring frames. */
  const frameOf = (page: number): number => BASE + ((page * 37) % PAGES);
  const pagingOn = KERNEL.slice(0, 16);
  /** mov ecx, BASE; l: mov eax, ecx; shl eax, 12; inc dword [eax]; add edx, [eax]; inc ecx; cmp ecx, BASE + PAGES; jnz l; hlt */
  const visit = [
    ...[0xb9, ...d(BASE), 0x89, 0xc8, 0xc1, 0xe0, 12, 0xff, 0x00, 0x03, 0x10, 0x41],
    ...[0x81, 0xf9, ...d(BASE + PAGES), 0x75, 0xec, 0xf4],
  ];
  const prepare =
    (rights: (page: number) => number) =>
    ({ phys }: Machine): void => {
      phys.write32(DIRECTORY, TABLE | 7);
      for (let page = 0; page < 1024; page++) phys.write32(TABLE + 4 * page, (page << 12) | 7);
      for (let page = 0; page < PAGES; page++) {
        phys.write32(TABLE + 4 * (BASE + page), (frameOf(page) << 12) | rights(page));
        phys.write32(frameOf(page) << 12, page * 3);
      }
    };
  const faultsOf = (rights: (page: number) => number): number => {
    let faults = 0;
    both([...pagingOn, ...visit], { prepare: prepare(rights) }, ({ translated }) => {
      faults = translated.translator.statistics().windowFaults;
      assert.equal(translated.words[Word.Edx], (3 * PAGES * (PAGES - 1)) / 2 + PAGES);
    });
    return faults;
  };

  it('bring those behind along, whatever frames they have', () => {
    assert.ok(faultsOf(() => 0x67) < 24);
  });

  it('but none that have not been accessed or written', () => {
    // the engines are compared with all of memory, and so with the Accessed and Dirty bits
    assert.ok(faultsOf(() => 0x07) >= PAGES);
    faultsOf((page) => (page % 5 === 0 ? 0x27 : 0x67));
  });
});
