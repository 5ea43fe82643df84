/**
 * Instructions that cross the end of a page: two physical pages make one fragment, and either of them may vanish, change, or be another one.
 * Each program runs under both engines and must leave the same registers and memory. Read before: `rig.ts`,
 * `../../src/translator/fragment.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, d, type Machine, type PairOptions } from './rig.js';

const HLT = 0xf4;
const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const OTHER_DIRECTORY = 0x102000;
const OTHER_TABLE = 0x103000;
const PRESENT_ALL = 7;
const PRESENT_SYSTEM = 3;

/** Linear pages: the first ends with the start of an instruction, the second begins with its end. */
const FIRST = 0x13;
const SECOND = 0x14;
const END = SECOND << 12;
/** A physical page that may stand for the second one. */
const SPARE = 0x16;

const entry = (page: number): number => TABLE + 4 * page;

/** Maps the first 4 MiB to themselves, in two address spaces. */
function paged({ phys }: Machine): void {
  for (const [directory, table] of [
    [DIRECTORY, TABLE],
    [OTHER_DIRECTORY, OTHER_TABLE],
  ]) {
    phys.write32(directory, table | PRESENT_ALL);
    for (let page = 0; page < 1024; page++) phys.write32(table + 4 * page, (page << 12) | PRESENT_ALL);
  }
}

/** mov eax, DIRECTORY; mov cr3, eax; mov eax, 0x80010011 (PG, WP, ET, PE); mov cr0, eax */
const PAGING_ON = [0xb8, ...d(DIRECTORY), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0];
const loadCr3 = (directory: number): number[] => [0xb8, ...d(directory), 0x0f, 0x22, 0xd8];
/** mov dword [linear], value */
const store = (linear: number, value: number): number[] => [0xc7, 0x05, ...d(linear), ...d(value)];
const storeByte = (linear: number, value: number): number[] => [0xc6, 0x05, ...d(linear), value];
const invlpg = (linear: number): number[] => [0x0f, 0x01, 0x3d, ...d(linear)];
/** mov edi, linear; call edi */
const call = (linear: number): number[] => [0xbf, ...d(linear), 0xff, 0xd7];

/** add ebx, imm32; ret: two of its bytes lie in the first page. */
const CODE_AT = END - 3;
const add = (value: number): number[] => [0x81, 0xc3, ...d(value), 0xc3];
const callCode = call(CODE_AT);

/** Puts `add` into two physical pages that follow each other in linear memory only. */
function loadAdd({ phys }: Machine, value: number, second = SECOND): void {
  const bytes = Uint8Array.from(add(value));
  phys.load(CODE_AT, bytes.subarray(0, 3));
  phys.load(second << 12, bytes.subarray(3));
}

/** Runs under paging; asserts the sum in EBX, and how little the interpreter was wanted. */
function sums(
  program: readonly number[],
  sum: number,
  load: (machine: Machine) => void,
  options: PairOptions = {},
): void {
  const prepare = (machine: Machine): void => {
    paged(machine);
    load(machine);
  };
  both([...PAGING_ON, ...program, HLT], { ...options, prepare }, ({ translated }) => {
    assert.equal(translated.words[Word.Ebx], sum | 0);
  });
}

/** A loop: mov esi, rounds; l: body; dec esi; jnz l */
const loop = (rounds: number, body: readonly number[]): number[] => [
  ...[0xbe, ...d(rounds), ...body, 0x4e],
  ...[0x0f, 0x85, ...d(-(body.length + 7))],
];

describe('translator: instructions across a page end', () => {
  for (const maxInstructions of [undefined, 1]) {
    const kind = maxInstructions === undefined ? 'chained' : 'one-instruction';
    it(`runs them, in ${kind} fragments`, () => {
      const prepare = (machine: Machine): void => {
        paged(machine);
        loadAdd(machine, 0x10001);
      };
      both([...PAGING_ON, ...loop(1000, callCode), HLT], { prepare, maxInstructions }, ({ translated }) => {
        assert.equal(translated.words[Word.Ebx], 1000 * 0x10001);
        const { interpreted } = translated.translator.statistics();
        assert.ok(interpreted.reduce((total, { count }) => total + count, 0) < 20, JSON.stringify(interpreted));
      });
    });
  }

  it('goes to and fro in a loop that a crossing jump closes', () => {
    // inc ebx; dec ecx; jnz rel32, back to the first of them: the jump begins 2 bytes before the end
    const start = END - 4;
    sums([0xb9, ...d(1000), ...call(start)], 1000, ({ phys }) => {
      phys.load(start, Uint8Array.from([0x43, 0x49, 0x0f, 0x85, ...d(-8), 0xc3]));
    });
  });

  it('loops in one crossing instruction, and takes interrupts of the host there', () => {
    // mov ecx, 100000; loop to itself, its displacement in the next page
    sums([0xb9, ...d(100_000), ...call(END - 1)], 0, ({ phys }) => {
      phys.load(END - 1, Uint8Array.from([0xe2, -2, 0xc3]));
    });
  });

  it('runs a crossing string instruction', () => {
    // mov ecx, 100; mov esi, 0x20000; mov edi, 0x20001; rep movsb
    const setUp = [0xb9, ...d(100), 0xbe, ...d(0x20000), 0xb8, ...d(END - 1), 0xbf, ...d(0x20001), 0xff, 0xd0];
    sums(setUp, 0, ({ phys }) => {
      phys.write32(0x20000, 0x5a);
      phys.load(END - 1, Uint8Array.from([0xf3, 0xa4, 0xc3]));
    });
  });

  it('faults while the next page is absent, again and again, and runs when it comes', () => {
    // the handler counts in EDX, and at the third fault maps the page: inc edx; cmp edx, 3; jne +n; store, invlpg; add esp, 4; iret
    const map = [...store(entry(SECOND), (SECOND << 12) | PRESENT_ALL), ...invlpg(END)];
    const handler = [0x42, 0x83, 0xfa, 0x03, 0x75, map.length, ...map, 0x83, 0xc4, 0x04, 0xcf];
    const absent = [...store(entry(SECOND), 0), ...invlpg(END)];
    sums([...callCode, ...absent, ...callCode, 0x31, 0xd2, ...absent, ...callCode], 15, (machine) => {
      loadAdd(machine, 5);
      machine.phys.load(0x4000 + 14 * 16, Uint8Array.from([0xe9, ...d(0x9000 - (0x4000 + 14 * 16 + 5))]));
      machine.phys.load(0x9000, Uint8Array.from(handler));
    });
  });

  it('sees another next page after INVLPG, and after a load of CR3', () => {
    const mapSpare = store(entry(SECOND), (SPARE << 12) | PRESENT_ALL);
    const mapOwn = store(entry(SECOND), (SECOND << 12) | PRESENT_ALL);
    const body = [
      ...[...callCode, ...mapSpare, ...invlpg(END), ...callCode],
      ...[...mapOwn, ...loadCr3(DIRECTORY), ...callCode],
      ...[...mapSpare, ...loadCr3(DIRECTORY), ...callCode, ...mapOwn, ...invlpg(END)],
    ];
    sums(loop(50, body), 50 * (0x100 + 0x200 + 0x100 + 0x200), (machine) => {
      loadAdd(machine, 0x100);
      loadAdd(machine, 0x200, SPARE);
    });
  });

  it('sees another first page', () => {
    const other = SPARE + 1;
    const map = store(entry(FIRST), (other << 12) | PRESENT_ALL);
    // sub ebx, imm32 in the place of add
    sums([...callCode, ...callCode, ...map, ...invlpg(CODE_AT), ...callCode], 0x300, (machine) => {
      loadAdd(machine, 0x300);
      machine.phys.load((other << 12) | (CODE_AT & 0xfff), Uint8Array.of(0x81, 0xeb, 0x00));
    });
  });

  it('keeps two address spaces apart that share the first page only', () => {
    const body = [...callCode, ...loadCr3(OTHER_DIRECTORY), ...callCode, ...loadCr3(DIRECTORY)];
    sums(loop(100, body), 100 * 0x300, (machine) => {
      loadAdd(machine, 0x100);
      loadAdd(machine, 0x200, SPARE);
      machine.phys.write32(OTHER_TABLE + 4 * SECOND, (SPARE << 12) | PRESENT_ALL);
    });
  });

  it('sees stores into either page, and through another mapping of the second', () => {
    const alias = 0x30;
    const body = [
      ...[...callCode, ...storeByte(END, 2), ...callCode],
      ...[...storeByte(CODE_AT + 2, 1), ...callCode],
      ...[...storeByte(alias << 12, 0), ...storeByte(CODE_AT + 2, 0), ...callCode],
      // mov dword across the page end: as it was at first
      ...store(END - 2, 0x020100c3),
    ];
    const once = 0x20100 + 0x20200 + 0x20201;
    sums(body, once + 0x20000, (machine) => {
      loadAdd(machine, 0x20100);
      machine.phys.write32(entry(alias), (SECOND << 12) | PRESENT_ALL);
    });
    const rounds = 2000;
    const storm = [0xff, 0x05, ...d(END - 1), ...callCode];
    sums(loop(rounds, storm), (rounds * (rounds + 1)) / 2, (machine) => loadAdd(machine, 0));
  });

  it('keeps CPL 3 out of a next page that is for CPL 0 only', () => {
    // at CPL 0 it runs; then push ss, esp, eflags, cs, eip of CPL 3; iret
    const user = [0x6a, 0x23, 0x68, ...d(0x70000), 0x6a, 0x02, 0x6a, 0x1b, 0x68, ...d(CODE_AT), 0xcf];
    sums([...callCode, ...callCode, ...user], 14, (machine) => {
      loadAdd(machine, 7);
      machine.phys.write32(entry(SECOND), (SECOND << 12) | PRESENT_SYSTEM);
    });
  });

  it('goes around the end of the address space', () => {
    const top = OTHER_TABLE + 0x1000;
    sums(call(0xfffffffd | 0), 9, ({ phys }) => {
      phys.write32(DIRECTORY + 4 * 0x3ff, top | PRESENT_ALL);
      phys.write32(top + 4 * 0x3ff, (SPARE << 12) | PRESENT_ALL);
      const bytes = Uint8Array.from(add(9));
      phys.load((SPARE << 12) | 0xffd, bytes.subarray(0, 3));
      phys.load(0, bytes.subarray(3));
    });
  });
});
