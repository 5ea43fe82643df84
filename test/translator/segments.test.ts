/**
 * FS and GS as operating systems use them: with a base of their own, null between two tasks, seldom with a limit. The same code must meet all
 * of that without being translated anew. Read before: `rig.ts`, `../../src/translator/emit/emitter.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, d, GDT, type Machine } from './rig.js';

const HLT = 0xf4;
/** Selectors: data from DATA on to 4 GiB; the same with a limit of 64 KiB; the same, only to be read. */
const WHOLE = 0x30;
const LIMITED = 0x38;
const READ_ONLY = 0x40;
const DATA = 0x20000;

function prepare({ phys }: Machine): void {
  const descriptors: readonly (readonly [number, number, number])[] = [
    [WHOLE, 0xffff, 0x00cf9302],
    [LIMITED, 0xffff, 0x00409302],
    [READ_ONLY, 0xffff, 0x00cf9102],
  ];
  for (const [selector, low, high] of descriptors) {
    phys.write32(GDT + selector, low);
    phys.write32(GDT + selector + 4, high);
  }
  phys.write32(DATA + 0x10, 0x11111111);
  phys.write32(DATA + 0x20, 0x22222222);
}

/** mov esi, selector; mov fs, esi (or gs) */
const loadFs = (selector: number): number[] => [0xbe, ...d(selector), 0x8e, 0xe6];
const loadGs = (selector: number): number[] => [0xbe, ...d(selector), 0x8e, 0xee];

/** Calls of code that lies at `at`, or nowhere. */
const LIBRARY = 0x12000;
const callLibrary = [0xbf, ...d(LIBRARY), 0xff, 0xd7];

const withLibrary = (code: readonly number[]) => (machine: Machine) => {
  prepare(machine);
  machine.phys.load(LIBRARY, Uint8Array.from(code));
};

describe('translator: FS and GS', () => {
  it('adds the base to every form of address, around 4 GiB', () => {
    both(
      [
        ...loadGs(WHOLE),
        // mov eax, gs:[10]; mov ebx, -10; mov ecx, gs:[ebx+20]; mov edx, 4; add eax, gs:[ebx+edx*8]; add ecx, gs:[edx*4+10]
        ...[0x65, 0xa1, ...d(0x10), 0xbb, ...d(-0x10), 0x65, 0x8b, 0x4b, 0x20],
        ...[0xba, ...d(4), 0x65, 0x03, 0x04, 0xd3, 0x65, 0x03, 0x0c, 0x95, ...d(0x10)],
        // push dword gs:[20]; mov gs:[ebx-20000], edx: linear address -10 is no memory
        ...[0x65, 0xff, 0x35, ...d(0x20), 0x65, 0x89, 0x93, ...d(-0x20000)],
        // mov esp moved through: mov esp, 0x7000; mov edi, gs:[esp-6fe0]
        ...[0xbc, ...d(0x7000), 0x65, 0x8b, 0xbc, 0x24, ...d(-0x6fe0)],
        HLT,
      ],
      { prepare },
      ({ translated: { words } }) => {
        assert.equal(words[Word.Eax] >>> 0, 0x22222222);
        assert.equal(words[Word.Ecx] >>> 0, 0x33333333);
        assert.equal(words[Word.Edi] >>> 0, 0x22222222);
      },
    );
  });

  it('gives #GP where the segment is null, from code that was translated before', () => {
    // mov eax, fs:[10]; ret
    both(
      [...loadFs(WHOLE), ...callLibrary, ...loadFs(0), ...callLibrary, HLT],
      { prepare: withLibrary([0x64, 0xa1, ...d(0x10), 0xc3]) },
      ({ translated: { words } }) => {
        assert.equal(words[Word.Eax], 0x11111111);
        assert.equal(words[Word.Ebp], 13);
      },
    );
  });

  it('keeps to limits and to the right to write', () => {
    // mov eax, gs:[ecx]; ret
    const load = [0x65, 0x8b, 0x01, 0xc3];
    const inside = [0xb9, ...d(0x10)];
    const outside = [0xb9, ...d(0x10000)];
    both(
      [...outside, ...loadGs(WHOLE), ...callLibrary, ...loadGs(LIMITED), ...inside, ...callLibrary, HLT],
      { prepare: withLibrary(load) },
      ({ translated: { words } }) => assert.equal(words[Word.Eax], 0x11111111),
    );
    both(
      [...outside, ...loadGs(WHOLE), ...callLibrary, ...loadGs(LIMITED), ...callLibrary, HLT],
      { prepare: withLibrary(load) },
      ({ translated: { words } }) => assert.equal(words[Word.Ebp], 13),
    );
    // mov gs:[ecx], eax; ret
    both(
      [...inside, ...loadGs(WHOLE), ...callLibrary, ...loadGs(READ_ONLY), ...callLibrary, HLT],
      { prepare: withLibrary([0x65, 0x89, 0x01, 0xc3]) },
      ({ translated: { words } }) => assert.equal(words[Word.Ebp], 13),
    );
  });

  it('does not translate anew when the segment changes', () => {
    // mov ecx, 500; l: fs = WHOLE; call; fs = 0; dec ecx; jnz l; hlt
    const body = [...loadFs(WHOLE), ...callLibrary, ...loadFs(0), 0x49];
    both(
      [0xb9, ...d(500), ...body, 0x75, -body.length - 2, HLT],
      { prepare: withLibrary([0x64, 0x03, 0x05, ...d(0x10), 0xc3]) },
      ({ translated }) => {
        assert.equal(translated.words[Word.Eax], (0x11111111 * 500) | 0);
        assert.ok(translated.translator.statistics().fragments < 50);
      },
    );
  });

  it('loads again in place what it has loaded before, and null', () => {
    // mov ecx, 100; l: mov fs, WHOLE; add eax, fs:[10]; mov fs, 0; dec ecx; jnz l
    const body = [...loadFs(WHOLE), 0x64, 0x03, 0x05, ...d(0x10), ...loadFs(0), 0x49];
    const program = [0x31, 0xc0, 0xb9, ...d(100), ...body, 0x75, -(body.length + 2) & 0xff, HLT];
    both(program, { prepare }, ({ translated: { words, translator } }) => {
      assert.equal(words[Word.Eax] >>> 0, (100 * 0x11111111) % 2 ** 32);
      assert.equal(translator.statistics().shortcuts, 1);
    });
  });

  for (const [what, offset, value] of [
    ['base', 0, 0x0010ffff],
    ['limit', 0, 0xfffe],
    ['rights', 4, 0x00cf9102],
    ['presence', 4, 0x00cf1302],
  ] as const)
    it(`looks at the descriptor again: another ${what}`, () => {
      const change = [0xc7, 0x05, ...d(GDT + WHOLE + offset), ...d(value)];
      // mov eax, fs:[10]
      const read = [0x64, 0xa1, ...d(0x10)];
      const load = (machine: Machine): void => {
        prepare(machine);
        machine.phys.write32(DATA + 0x10 + 0x10, 0x33333333);
      };
      both([...loadFs(WHOLE), ...loadFs(0), ...change, ...loadFs(WHOLE), ...read, HLT], { prepare: load });
      both([...loadFs(WHOLE), ...loadFs(0), ...loadFs(WHOLE), ...read, ...change, ...loadFs(WHOLE), ...read, HLT], {
        prepare: load,
      });
    });

  it('leaves nothing to be read through null', () => {
    // the fault's handler puts the vector into ebp
    both([...loadFs(WHOLE), ...loadFs(0), 0x64, 0xa1, ...d(0x10), HLT], { prepare }, ({ translated: { words } }) => {
      assert.equal(words[Word.Ebp], 13);
    });
  });
});
