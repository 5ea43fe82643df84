/**
 * More address spaces than windows: one that is given up keeps what its next address space has in common with it, and nothing else. Read
 * before: `windows.test.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, d, type Machine } from './rig.js';

const HLT = 0xf4;
const SPACES = 40;
const ROUNDS = 3;
/** Directory and page table of space n, and its five frames. */
const directory = (space: number): number => 0x200000 + space * 0x2000;
const frame = (space: number, page: number): number => 0x260000 + (space * 5 + page) * 0x1000;
const COMMON = 0x180000;
const DATA = 0x400000;
const PAGES = 8;

/** The first 4 MiB are everybody's. Behind: one frame that all share, some of its own at places that differ, code of its own, nothing. */
function prepare({ phys }: Machine): void {
  for (let space = 0; space < SPACES; space++) {
    const table = directory(space) + 0x1000;
    phys.write32(directory(space), 0x1e7);
    phys.write32(directory(space) + 4, table | 7);
    phys.write32(table, COMMON | 7);
    for (let page = 0; page < 4; page++)
      phys.write32(table + 4 * (1 + ((page + space) % 5)), frame(space, page) | (space % 3 === 0 ? 5 : 7));
    phys.write32(table + 4 * (PAGES - 1), frame(space, 4) | 7);
    // add edi, space; ret
    phys.load(frame(space, 4), Uint8Array.of(0x81, 0xc7, ...d(space), 0xc3));
    for (let page = 0; page < 4; page++) phys.write32(frame(space, page) + 0x10, space * 0x101 + page);
  }
  // the page fault's handler: add esp, 4; add dword [esp], 2; iret
  phys.load(0x4000 + 14 * 16, Uint8Array.of(0x83, 0xc4, 4, 0x83, 0x04, 0x24, 2, 0xcf));
}

/** Every instruction that may fault is 2 bytes long. */
const VISIT = [
  // add ebp, [eax]; xor [eax], esi; add eax, 0x1000; dec ecx; jnz
  ...[0x03, 0x28, 0x31, 0x30, 0x05, ...d(0x1000), 0x49, 0x75, 0xf4],
];

const program = [
  // CR4.PSE; CR3; CR0: PG, WP, PE
  ...[0xb8, ...d(0x10), 0x0f, 0x22, 0xe0, 0xb8, ...d(directory(0)), 0x0f, 0x22, 0xd8],
  ...[0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0],
  // xor edi, edi; xor ebp, ebp; mov esi, ROUNDS * SPACES
  ...[0x31, 0xff, 0x31, 0xed, 0xbe, ...d(ROUNDS * SPACES)],
];
const body = [
  // mov eax, esi; xor edx, edx; mov ebx, SPACES; div ebx; imul edx, edx, 0x2000; add edx, directory(0); mov cr3, edx
  ...[0x89, 0xf0, 0x31, 0xd2, 0xbb, ...d(SPACES), 0xf7, 0xf3, 0x69, 0xd2, ...d(0x2000)],
  ...[0x81, 0xc2, ...d(directory(0)), 0x0f, 0x22, 0xda],
  // mov eax, DATA + 0x10; mov ecx, PAGES - 1; visit; mov eax, DATA + (PAGES - 1 << 12); call eax; dec esi
  ...[0xb8, ...d(DATA + 0x10), 0xb9, ...d(PAGES - 1), ...VISIT],
  ...[0xb8, ...d(DATA + ((PAGES - 1) << 12)), 0xff, 0xd0, 0x4e],
];

describe('translator: more address spaces than windows', () => {
  it('keeps them apart', () => {
    const loop = [0x0f, 0x85, ...d(-(body.length + 6))];
    both([...program, ...body, ...loop, HLT], { prepare }, ({ translated: { words, translator } }) => {
      assert.equal(words[Word.Edi], (ROUNDS * SPACES * (SPACES - 1)) / 2);
      assert.ok(translator.statistics().windowEvictions >= SPACES);
    });
  });
});
