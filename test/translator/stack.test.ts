/**
 * Pushes and pops in a row, which move the host's stack pointer once: wherever one of them faults, is for the interpreter, or looks at ESP, the
 * guest must see ESP as it is between two instructions. Read before: `rig.ts`, `../../src/translator/emit/stack.ts`.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { both, CODE, d, type Machine } from './rig.js';

const HLT = 0xf4;
const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const PRESENT_ALL = 7;
const ABSENT = 0x50;

function paged({ phys }: Machine): void {
  phys.write32(DIRECTORY, TABLE | PRESENT_ALL);
  for (let page = 0; page < 1024; page++) {
    phys.write32(TABLE + 4 * page, page === ABSENT ? 0 : (page << 12) | PRESENT_ALL);
  }
}

/** mov eax, DIRECTORY; mov cr3, eax; mov eax, 0x80010011 (PG, WP, ET, PE); mov cr0, eax */
const PAGING_ON = [0xb8, ...d(DIRECTORY), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0];

const USER_CODE = 0x18000;

/** Runs code at CPL 3 with this ESP; its page fault halts at CPL 0, with the frame in memory to compare. */
function user(code: readonly number[], esp: number, check?: (words: Int32Array) => void): void {
  // push ss, esp, eflags, cs, eip of CPL 3; iret
  const enter = [0x6a, 0x23, 0x68, ...d(esp), 0x6a, 0x02, 0x6a, 0x1b, 0x68, ...d(USER_CODE), 0xcf];
  const prepare = (machine: Machine): void => {
    paged(machine);
    machine.phys.load(USER_CODE, Uint8Array.from(code));
  };
  both([...PAGING_ON, ...enter], { prepare }, ({ translated }) => check?.(translated.words));
}

const PUSHES = [0x50, 0x51, 0x52, 0x53, 0x56];
const POPS = [0x58, 0x59, 0x5a, 0x5b, 0x5e];

describe('translator: pushes and pops in a row', () => {
  it('fault in the middle', () => {
    const above = (ABSENT + 1) << 12;
    const faults = (words: Int32Array): void => assert.equal(words[Word.Ebp], 14);
    user(PUSHES, above + 8, faults);
    user(POPS, (ABSENT << 12) - 8, faults);
    // pop; pop; ret n / sub esp, 8; cmp eax, eax; push [esp+4] / pop [esp]
    user([0x58, 0x59, 0xc2, 0x08, 0x00], (ABSENT << 12) - 8, faults);
    user([0x51, 0x83, 0xec, 0x08, 0x39, 0xc0, 0xff, 0x74, 0x24, 0x04], above + 8, faults);
    user([0x58, 0x8f, 0x04, 0x24], (ABSENT << 12) - 8, faults);
    // push; push; mov ss:[absent], ebx / call
    user([0x50, 0x51, 0x36, 0x89, 0x1d, ...d(ABSENT << 12)], 0x70000, faults);
    user([0x50, 0x51, 0xe8, ...d(0)], above + 8, faults);
  });

  it('are all or nothing in PUSHA and POPA, which name the first address that faults', () => {
    // mov esp; pusha, popa, and their 16-bit forms, across the ends of a page that is not there
    for (const { code, isPush, bytes } of [
      { code: [0x60], isPush: true, bytes: 4 },
      { code: [0x61], isPush: false, bytes: 4 },
      { code: [0x66, 0x60], isPush: true, bytes: 2 },
      { code: [0x66, 0x61], isPush: false, bytes: 2 },
    ])
      for (let elements = 1; elements < 8; elements++)
        for (const odd of [0, 1]) {
          const esp = isPush ? ((ABSENT + 1) << 12) + bytes * elements + odd : (ABSENT << 12) - bytes * elements - odd;
          user(code, esp, (words) => assert.equal(words[Word.Ebp], 14));
        }
  });

  it('use ESP in between', () => {
    both(
      [
        // mov ebx, esp; push esp; push eax; push [esp+4]; push esp; pop edi; pop [esp+4]; mov ecx, esp; push 7; add [esp], ebx
        ...[0x89, 0xe3, 0x54, 0x50, 0xff, 0x74, 0x24, 0x04, 0x54, 0x5f, 0x8f, 0x44, 0x24, 0x04, 0x89, 0xe1],
        ...[0x6a, 0x07, 0x01, 0x1c, 0x24],
        // push 5; push 6; lea edx, [esp+4]; lea esi, [esp+ecx*2-8]; push cx; inc esp; inc esp; pop esi; pop ebp
        ...[0x6a, 0x05, 0x6a, 0x06, 0x8d, 0x54, 0x24, 0x04, 0x8d, 0x74, 0x4c, 0xf8, 0x66, 0x51, 0x44, 0x44, 0x5e, 0x5d],
        // push 0x12340000; pop sp's twin: push 0x8000; mov ebp, esp; push ebp; pop esp; pusha; popa; pushf; pop eax
        ...[0x68, ...d(0x8000), 0x89, 0xe5, 0x55, 0x5c, 0x60, 0x61, 0x9c, 0x58],
        // push ebp; enter 8, 0; push 1; leave; push 2; xchg [esp], eax
        ...[0x55, 0xc8, 0x08, 0x00, 0x00, 0x6a, 0x01, 0xc9, 0x6a, 0x02, 0x87, 0x04, 0x24],
        HLT,
      ],
      {},
    );
  });

  it('add to ESP with and without flags', () => {
    both(
      [
        // push; sub esp, 12; cmp; mov [esp+8], ebx; add esp, 4; pop ecx (flags of add are seen); jnz; sub esp, 0; jz
        ...[0x50, 0x83, 0xec, 0x0c, 0x39, 0xd8, 0x89, 0x5c, 0x24, 0x08, 0x83, 0xc4, 0x04, 0x59, 0x75, 0x01, HLT],
        ...[
          0x50,
          0x83,
          0xec,
          0x00,
          0x9c,
          0x5a,
          0x81,
          0xec,
          ...d(0x10000),
          0x31,
          0xc0,
          0x50,
          0x81,
          0xc4,
          ...d(0x10004),
          0x9c,
        ],
        // sub sp, 2, which is another instruction; push; sub esp, eax
        ...[0x66, 0x83, 0xec, 0x02, 0x50, 0x29, 0xc4, HLT],
      ],
      {},
    );
  });

  it('go on in the interpreter where the stack lies in a page with code, or around the end of memory', () => {
    const loop = [...PUSHES, 0x58, 0x59, 0x5a, 0x83, 0xc4, 0x08];
    // mov esp, this page; mov edi, 20; l: pushes and pops; dec edi; jnz l
    const rounds = (esp: number): number[] => [
      0xbc,
      ...d(esp),
      0xbf,
      ...d(20),
      ...loop,
      0x4f,
      0x75,
      -(loop.length + 3),
      HLT,
    ];
    both(rounds(CODE + 0x800), {});
    both(rounds(8), {});
    both(rounds(0), {});
  });

  it('pass conditional jumps and calls with what is pending', () => {
    both(
      [
        // mov edi, 300; l: push; push; test edi, 1; jz a; pop eax; push edi; a: call f; add esp, 8; dec edi; jnz l; hlt; f: push; pop; ret
        ...[0xbf, ...d(300), 0x50, 0x57, 0xf7, 0xc7, ...d(1), 0x74, 0x02, 0x58, 0x57],
        ...[0xe8, ...d(7), 0x83, 0xc4, 0x08, 0x4f, 0x75, 0xe7, HLT, 0x53, 0x5a, 0xc3],
      ],
      {},
      ({ translated }) => assert.equal(translated.words[Word.Edi], 0),
    );
  });
});
