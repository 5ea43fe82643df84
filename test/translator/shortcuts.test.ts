/**
 * Instructions that native/shortcut.cc runs in the interpreter's place: each must leave what the interpreter leaves, and not have been left to
 * it. Read before: `stack.test.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, d, type Machine, type Pair } from './rig.js';

const HLT = 0xf4;
const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const TEXT = 0x200ff0;
/** mov reg, value */
const set = (register: number, value: number): number[] => [0xb8 | register, ...d(value)];
const [EAX, ECX, ESP, EDI] = [0, 1, 4, 7];
const REPNE_SCASB = [0xf2, 0xae];
/** pushf; pop ebx */
const FLAGS = [0x9c, 0x5b];
/** What the interpreter has run of a kind. */
const interpreted = ({ translated }: Pair, what: RegExp): number =>
  translated.translator
    .statistics()
    .interpreted.filter((row) => what.test(row.what))
    .reduce((sum, row) => sum + row.count, 0);

/** Identity below 4 MiB but for `absent`, and paging on. */
const paged =
  (absent?: number) =>
  ({ phys }: Machine): void => {
    phys.write32(DIRECTORY, TABLE | 7);
    for (let page = 0; page < 1024; page++)
      phys.write32(TABLE + 4 * page, page === (absent ?? -1) >>> 12 ? 0 : (page << 12) | 7);
  };
const PAGING = [...set(EAX, DIRECTORY), 0x0f, 0x22, 0xd8, ...set(EAX, 0x80010011 | 0), 0x0f, 0x22, 0xc0];

describe('translator: REPNE SCASB as strlen() has it', () => {
  const scan = (al: number, count: number, setup: readonly number[] = []): number[] => [
    ...set(EDI, TEXT),
    ...set(ECX, count),
    ...set(EAX, al),
    ...setup,
    ...REPNE_SCASB,
    ...FLAGS,
    HLT,
  ];
  const text =
    (length: number) =>
    ({ phys }: Machine): void => {
      phys.bytes.fill(0x41, TEXT, TEXT + length);
    };

  for (const length of [0, 1, 15, 16, 17, 5000, 70_000])
    it(`finds the end after ${length} bytes`, () => {
      both(scan(0, -1), { prepare: text(length) }, (pair) => {
        const { words } = pair.translated;
        assert.equal(~words[Word.Ecx], length + 1);
        assert.equal(words[Word.Edi], TEXT + length + 1);
        assert.equal(interpreted(pair, /./), 1, 'only HLT');
      });
    });

  for (const al of [0x40, 0x42, 0xc1])
    it(`gives up when the count is used up, with the flags of the last comparison (AL ${al.toString(16)})`, () => {
      both(scan(al, 70_000), { prepare: text(80_000) }, (pair) => {
        assert.equal(pair.translated.words[Word.Ecx], 0);
        assert.equal(interpreted(pair, /./), 1, 'only HLT');
      });
    });

  it('goes down for the interpreter', () => {
    // std
    both(scan(0, 70_000, [0xfd]), { prepare: text(1) });
  });

  it('stops where a page is absent, at the byte that is', () => {
    const program = [...PAGING, ...scan(0, -1)];
    const prepare = (machine: Machine): void => {
      text(0x3000)(machine);
      paged(0x202000)(machine);
    };
    both(program, { prepare }, ({ translated: { words } }) => {
      assert.equal(words[Word.Cr2], 0x202000);
      assert.equal(words[Word.Edi], 0x202000);
      assert.equal(~words[Word.Ecx], 0x202000 - TEXT);
    });
  });
});

describe('translator: MOV to a segment register from the stack', () => {
  for (const [name, modrm] of [
    ['FS', 0x64],
    ['GS', 0x6c],
  ] as const)
    for (const displacement of [-4, 0, 8])
      it(`loads ${name} at ESP${displacement < 0 ? '' : '+'}${displacement}`, () => {
        const at = 0x300000;
        // null, and then a segment with a base at 0x40 of the GDT, twice, so that null replaces what is not null
        const load = [0x8e, modrm, 0x24, displacement & 0xff];
        const program = [
          ...set(ESP, at),
          ...load,
          ...set(ESP, at + 0x100),
          ...load,
          ...set(ESP, at),
          ...load,
          ...set(ESP, at + 0x100),
          ...load,
          HLT,
        ];
        const prepare = ({ phys, words }: Machine): void => {
          phys.write32(words[Word.GdtrBase] + 0x40, 0x1234ffff);
          phys.write32(words[Word.GdtrBase] + 0x44, 0x00cf9356);
          phys.write32(at + 0x100 + displacement, 0xdead0040 | 0);
        };
        both(program, { prepare }, (pair) => {
          const word = Word.Segments + (name === 'FS' ? 4 : 5) * 4;
          assert.deepEqual([...pair.translated.words.subarray(word, word + 2)], [0x40, 0x561234]);
          assert.equal(interpreted(pair, /./), 1, 'only HLT');
        });
      });
});

describe('translator: FXSAVE and FXRSTOR', () => {
  const [SAVED, GIVEN] = [0x300000, 0x301000];
  /** mov eax, at; mov ebx, 8; then the opcode with [eax + ebx * 2 - 16] */
  const image = (extension: number, at: number): number[] => [
    ...[...set(EAX, at), ...set(3, 8)],
    ...[0x0f, 0xae, 0x44 | (extension << 3), 0x58, -16 & 0xff],
  ];
  const absolute = (extension: number, at: number): number[] => [0x0f, 0xae, 0x05 | (extension << 3), ...d(at)];
  const random = (machine: Machine): void => {
    for (let i = 0; i < 512; i++) machine.phys.bytes[GIVEN + i] = (i * 151 + 7) & 0xff;
    // FCW masks all exceptions, FSW has none pending, MXCSR has no bit that does not exist
    machine.phys.write32(GIVEN, 0x2800137f);
    machine.phys.write32(GIVEN + 24, 0x1f80);
  };

  /** FOP and the pointers aside, which the host's FPU does not keep: no instruction of it may run here. */
  it('move the state as the interpreter does', () => {
    const program = [...absolute(1, GIVEN), ...image(0, SAVED), HLT];
    both(program, { prepare: random }, (pair) => {
      const { phys } = pair.translated;
      assert.deepEqual(phys.bytes.slice(SAVED + 160, SAVED + 288), phys.bytes.slice(GIVEN + 160, GIVEN + 288));
      assert.equal(interpreted(pair, /FX/), 0);
    });
  });

  for (const [what, at, offset, value] of [
    ['an address that is not aligned', GIVEN + 8, 0, 0],
    ['an MXCSR with a bit that does not exist', GIVEN, 24, 0x11f80],
    ['an exception that is pending', GIVEN, 0, 0x00010040],
    ['an image across two pages', GIVEN + 0xf00, 0, 0x137f],
  ] as const)
    it(`leave ${what} to the interpreter`, () => {
      const prepare = (machine: Machine): void => {
        random(machine);
        if (at === GIVEN) machine.phys.write32(GIVEN + offset, value);
      };
      both([...image(1, at), ...image(0, SAVED), HLT], { prepare });
      both([...image(0, at), HLT], { prepare });
    });
});

describe('translator: mappings that come and go', () => {
  it('are what the page tables say each time', () => {
    // one page of the second 4 MiB after the other is mapped, written, unmapped and told of, with its neighbours mapped beside it
    const rounds = 200;
    const [HIGH_TABLE, HIGH] = [0x102000, 0x400000];
    const prepare = (machine: Machine): void => {
      paged()(machine);
      machine.phys.write32(DIRECTORY + 4, HIGH_TABLE | 3);
    };
    // mov ecx, rounds; l: mov edx, ecx; and edx, 3; mov eax, ecx; shl eax, 12; add eax, 0x200003
    const begin = [...set(ECX, rounds), 0x89, 0xca, 0x83, 0xe2, 3, 0x89, 0xc8, 0xc1, 0xe0, 12, 0x05, ...d(0x200003)];
    // mov [edx*4+HIGH_TABLE], eax; mov edi, edx; shl edi, 12; add edi, HIGH; invlpg [edi]; add [edi], ecx
    const use = [0x89, 0x04, 0x95, ...d(HIGH_TABLE), 0x89, 0xd7, 0xc1, 0xe7, 12, 0x81, 0xc7, ...d(HIGH)];
    const touch = [0x0f, 0x01, 0x3f, 0x01, 0x0f];
    // dec ecx; jnz l
    const body = [...begin.slice(5), ...use, ...touch, 0x49];
    const loop = [0x0f, 0x85, ...d(-(body.length + 6))];
    both([...PAGING, ...begin.slice(0, 5), ...body, ...loop, HLT], { prepare }, ({ translated: { phys } }) => {
      for (let round = 1; round <= rounds; round++) assert.equal(phys.read32(0x200000 + round * 0x1000), round);
    });
  });
});

describe('translator: data beside code in what a 4 MiB entry maps', () => {
  it('can be written, and is not code for it', () => {
    const prepare = ({ phys }: Machine): void => {
      phys.write32(DIRECTORY, 0x1e7);
      // inc ebx; ret
      for (const page of [0x200000, 0x203000]) phys.load(page, Uint8Array.of(0x43, 0xc3));
    };
    const pse = [...set(EAX, 0x10), 0x0f, 0x22, 0xe0];
    const call = (at: number): number[] => [...set(EAX, at), 0xff, 0xd0];
    // inc dword [at]
    const write = (at: number): number[] => [0xff, 0x05, ...d(at)];
    const round = [
      ...call(0x200000),
      ...write(0x201000),
      ...call(0x203000),
      ...write(0x202000),
      ...write(0x201000),
      ...write(0x20f000),
    ];
    both([...pse, ...PAGING, ...round, ...round, HLT], { prepare }, ({ translated }) => {
      const { phys, words, translator } = translated;
      assert.equal(words[Word.Ebx], 4);
      assert.deepEqual(
        [0x201000, 0x202000, 0x20f000].map((at) => phys.read32(at)),
        [4, 2, 2],
      );
      assert.equal(translator.statistics().pagesDropped, 0);
    });
  });
});
