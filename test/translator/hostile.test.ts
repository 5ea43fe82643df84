/** Programs that try to break the translator: each must end as it does under the interpreter, and leave nothing behind. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Attention, Word } from '../../src/vcpu/layout.js';
import { both, CODE, d, type Machine, native, Pair } from './rig.js';

const HLT = 0xf4;
const DIRECTORY = 0x100000;
const TABLE = 0x101000;

/** Maps the first 4 MiB to themselves, with 4 KiB pages that anybody may write, and turns paging on when the program starts. */
function paged(machine: Machine): void {
  machine.phys.write32(DIRECTORY, TABLE | 7);
  for (let page = 0; page < 1024; page++) machine.phys.write32(TABLE + 4 * page, (page << 12) | 7);
}

/** mov eax, DIRECTORY; mov cr3, eax; mov eax, 0x80010011 (PG, WP, ET, PE); mov cr0, eax */
const PAGING_ON = [0xb8, ...d(DIRECTORY), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0];
const RELOAD_CR3 = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];

/** Mappings of the addon's memories, and GiB of address space that is only reserved. */
function held(): { memories: number; reservedGib: number } {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  const sizes = maps
    .filter((line) => line.includes(' ---p '))
    .map((line) => {
      const [start, end] = line
        .split(' ')[0]
        .split('-')
        .map((text) => parseInt(text, 16));
      return end - start;
    });
  const reserved = sizes.reduce((sum, size) => sum + size, 0);
  return {
    memories: maps.filter((line) => line.includes('romulus')).length,
    reservedGib: Math.round(reserved / 2 ** 30),
  };
}

describe('translator: programs that try to break it', () => {
  it('runs a plain loop', () => {
    // mov ecx, 1000; l: add eax, ecx; mov [ecx*4+0x20000], eax; dec ecx; jnz l; hlt
    both(
      [0xb9, ...d(1000), 0x01, 0xc8, 0x89, 0x04, 0x8d, ...d(0x20000), 0x49, 0x75, 0xf4, HLT],
      {},
      ({ translated }) => {
        assert.equal(translated.words[Word.Eax], 500500);
        assert.ok(translated.translator.statistics().instructions >= 5);
      },
    );
  });

  it('follows code that writes itself in a storm', () => {
    // mov ecx, 3000; l: inc dword [imm of the next]; add eax, imm32; dec ecx; jnz l; hlt
    const immediate = CODE + 5 + 6 + 1;
    both(
      [0xb9, ...d(3000), 0xff, 0x05, ...d(immediate), 0x05, ...d(0), 0x49, 0x75, 0xf2, HLT],
      {},
      ({ translated }) => {
        assert.equal(translated.words[Word.Eax], (3000 * 3001) / 2);
      },
    );
  });

  it('follows code that writes the very next instruction', () => {
    // mov byte [next], 0x40 (inc eax); next: inc ecx -> inc eax; hlt
    both([0xc6, 0x05, ...d(CODE + 7), 0x40, 0x41, HLT], {}, ({ translated }) => {
      assert.equal(translated.words[Word.Eax], 1);
      assert.equal(translated.words[Word.Ecx], 0);
    });
  });

  it('jumps into the middle of an instruction', () => {
    // mov eax, imm32; test ecx, ecx; jz into the immediate, whose bytes are nop; inc ecx; hlt
    const program = [0xb8, 0x90, 0x41, HLT, 0x90, 0x85, 0xc9, 0x74, 0xf8, HLT];
    both(program, {}, ({ translated }) => assert.equal(translated.words[Word.Ecx], 1));
  });

  it('faults at an instruction that is too long, inside a page and across its end', () => {
    const long = [...Array<number>(15).fill(0x66), 0x90];
    both(long, {}, ({ translated }) => assert.equal(translated.words[Word.Ebp], 13));
    const crossing = [0xb9, ...d(0x13ff8), 0xff, 0xe1];
    const prepare = ({ phys }: Machine): void => phys.load(0x13ff8, Uint8Array.from(long));
    both(crossing, { prepare }, ({ translated }) => assert.equal(translated.words[Word.Ebp], 13));
  });

  it('meets the end of a page whose next page is absent', () => {
    // jmp 0x13ffe, where the first two bytes of mov eax, imm32 stand
    const program = [...PAGING_ON, 0xb9, ...d(0x13ffe), 0xff, 0xe1];
    both(
      program,
      {
        prepare: (machine) => {
          paged(machine);
          machine.phys.write32(TABLE + 4 * 0x14, 0);
          machine.phys.load(0x13ffe, Uint8Array.from([0xb8, 0x01]));
        },
      },
      ({ translated }) => {
        assert.equal(translated.words[Word.Ebp], 14);
        assert.equal(translated.words[Word.Cr2], 0x14000);
      },
    );
  });

  it('reads and writes across page ends, into ROM and holes, and around the end of memory', () => {
    const program = [
      ...[0xb8, ...d(0x12345678), 0xa3, ...d(0x20ffe), 0x8b, 0x0d, ...d(0x20ffd)],
      // into the video hole and past RAM: dropped; read back as ones
      ...[0xa3, ...d(0xa0000), 0x8b, 0x15, ...d(0xa0000), 0x8b, 0x1d, ...d(0x7ffffffc)],
      // push and pop with ESP at 2, so that the access wraps
      ...[0x89, 0xe7, 0xbc, ...d(2), 0x50, 0x5e, 0x89, 0xfc],
      HLT,
    ];
    both(program, { prepare: ({ phys }) => phys.addReadOnly(0xc8000, 0x1000) });
  });

  it('sees page tables that change under it, with INVLPG and with CR3', () => {
    const program = [
      ...PAGING_ON,
      // mov dword [0x30000], 1; then page 0x30 -> frame 0x31, invlpg, write 2; then -> frame 0x32, CR3, write 3
      ...[0xc7, 0x05, ...d(0x30000), ...d(1)],
      ...[0xc7, 0x05, ...d(TABLE + 4 * 0x30), ...d(0x31007), 0x0f, 0x01, 0x3d, ...d(0x30000)],
      ...[0xc7, 0x05, ...d(0x30000), ...d(2)],
      ...[0xc7, 0x05, ...d(TABLE + 4 * 0x30), ...d(0x32007), ...RELOAD_CR3],
      ...[0xc7, 0x05, ...d(0x30000), ...d(3)],
      HLT,
    ];
    both(program, { prepare: paged }, ({ translated }) => {
      assert.deepEqual(
        [0x30000, 0x31000, 0x32000].map((phys) => translated.phys.read32(phys)),
        [1, 2, 3],
      );
    });
  });

  it('runs other code at the same address once that is mapped elsewhere', () => {
    const program = [
      ...PAGING_ON,
      ...[0xbb, ...d(0x40000), 0xff, 0xd3],
      ...[0xc7, 0x05, ...d(TABLE + 4 * 0x40), ...d(0x41007), 0x0f, 0x01, 0x3d, ...d(0x40000), 0xff, 0xd3],
      ...[0xc7, 0x05, ...d(TABLE + 4 * 0x40), ...d(0x42007), ...RELOAD_CR3, 0xff, 0xd3],
      HLT,
    ];
    const code = (machine: Machine): void => {
      paged(machine);
      // inc ecx, inc edx, inc esi; ret
      [0x41, 0x42, 0x46].forEach((opcode, index) =>
        machine.phys.load(0x40000 + 0x1000 * index, Uint8Array.from([opcode, 0xc3])),
      );
    };
    both(program, { prepare: code }, ({ translated: { words } }) => {
      assert.deepEqual([words[Word.Ecx], words[Word.Edx], words[Word.Esi]], [1, 1, 1]);
    });
  });

  it('writes code through another linear address of its page', () => {
    const program = [
      ...PAGING_ON,
      ...[0xbb, ...d(0x40000), 0xff, 0xd3],
      // page 0x50 is frame 0x40 too: inc ecx becomes inc edx
      ...[0xc6, 0x05, ...d(0x50000), 0x42, 0xff, 0xd3, HLT],
    ];
    const alias = (machine: Machine): void => {
      paged(machine);
      machine.phys.write32(TABLE + 4 * 0x50, 0x40007);
      machine.phys.load(0x40000, Uint8Array.from([0x41, 0xc3]));
    };
    both(program, { prepare: alias }, ({ translated: { words } }) => {
      assert.deepEqual([words[Word.Ecx], words[Word.Edx]], [1, 1]);
    });
  });

  it('sets Accessed by reads and Dirty by writes only, and respects WP', () => {
    const program = [...PAGING_ON, 0xa1, ...d(0x30000), 0xa3, ...d(0x33000), 0xa3, ...d(0x36000), HLT];
    const readOnly = (machine: Machine): void => {
      paged(machine);
      machine.phys.write32(TABLE + 4 * 0x36, 0x36005);
    };
    both(program, { prepare: readOnly }, ({ translated }) => {
      assert.equal(translated.phys.read32(TABLE + 4 * 0x30), 0x30027);
      assert.equal(translated.phys.read32(TABLE + 4 * 0x33), 0x33067);
      assert.equal(translated.words[Word.Ebp], 14);
      assert.equal(translated.words[Word.Cr2], 0x36000);
    });
  });

  it('delivers divide errors and unmasked x87 and SSE exceptions', () => {
    // xor ecx, ecx; div ecx
    both([0x31, 0xc9, 0xf7, 0xf1, HLT], {}, ({ translated }) => assert.equal(translated.words[Word.Ebp], 0));
    // CR0.NE; fninit; fldcw with ZM clear; fld1; fldz; fdivp; fwait
    const x87 = [0x0f, 0x20, 0xc0, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xc0, 0xdb, 0xe3];
    const divide = [0x68, ...d(0x37b), 0xd9, 0x2c, 0x24, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b, HLT];
    both([...x87, ...divide], {}, ({ translated }) => assert.equal(translated.words[Word.Ebp], 16));
    // CR4.OSFXSR and OSXMMEXCPT; ldmxcsr with ZM clear; divss 1/0
    const sse = [0x0f, 0x20, 0xe0, 0x0d, ...d(0x600), 0x0f, 0x22, 0xe0, 0x68, ...d(0x1d80), 0x0f, 0xae, 0x14, 0x24];
    const divss = [0x0f, 0x57, 0xc9, 0x68, ...d(0x3f800000), 0xf3, 0x0f, 0x10, 0x04, 0x24, 0xf3, 0x0f, 0x5e, 0xc1, HLT];
    both([...sse, ...divss], {}, ({ translated }) => assert.equal(translated.words[Word.Ebp], 19));
  });

  it('goes to CPL 3 and back by INT and IRET, and faults there', () => {
    // push the frame of an IRET to CPL 3; there: mov ax, ds-like loads, int 0x80 with a handler that counts and returns
    const user = CODE + 0x200;
    const program = [
      ...PAGING_ON,
      ...[0x6a, 0x23, 0x68, ...d(0x70000), 0x68, ...d(0x202), 0x6a, 0x1b, 0x68, ...d(user)],
      ...[0xb8, ...d(0x23), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0xcf],
    ];
    const prepare = (machine: Machine): void => {
      paged(machine);
      // mov ecx, 100; l: int 0x80; dec ecx; jnz l; mov [0x60000], ecx: a page for the kernel only
      const code = [0xb9, ...d(100), 0xcd, 0x80, 0x49, 0x75, 0xfb, 0x89, 0x0d, ...d(0x60000), HLT];
      machine.phys.load(user, Uint8Array.from(code));
      machine.phys.load(0x4000 + 0x80 * 16, Uint8Array.from([0x42, 0x1e, 0x1f, 0xcf]));
      machine.phys.write32(TABLE + 4 * 0x60, 0x60003);
    };
    both(program, { prepare }, ({ translated }) => {
      assert.equal(translated.words[Word.Edx], 100);
      assert.equal(translated.words[Word.Ebp], 14);
      assert.equal(translated.words[Word.Cr2], 0x60000);
    });
  });

  it('leaves a one-instruction loop for an event, and soon', () => {
    const pair = new Pair([0xeb, 0xfe]);
    try {
      const addon = native();
      const start = addon.monotonicNs();
      addon.timerArm(start + 20e6);
      pair.translated.run(1_000_000);
      const elapsedMs = (addon.monotonicNs() - start) / 1e6;
      assert.notEqual(pair.translated.words[Word.Attention] & Attention.Timer, 0);
      assert.equal(pair.translated.words[Word.Eip], CODE);
      assert.ok(elapsedMs >= 19 && elapsedMs < 2000, `${elapsedMs} ms`);
    } finally {
      pair.dispose();
    }
  });

  it('goes on when the host allows no more mappings', () => {
    // frames in an order of which no two fit into one mapping; touch every other page from 0x110000 to 0x3f0000, three times over
    const directory = 0x100000;
    const prepare = ({ phys }: Machine): void => {
      phys.write32(directory, (directory + 0x1000) | 7);
      for (let page = 0; page < 1024; page++) {
        const frame = page < 0x110 || page > 0x3f0 ? page : 0x500 - page;
        phys.write32(directory + 0x1000 + 4 * page, (frame << 12) | 7);
      }
    };
    const program = [
      ...[0xb8, ...d(directory), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0],
      0xb8,
      3,
      0,
      0,
      0,
      0xbb,
      ...d(0x110000),
      0x89,
      0x1b,
      0x81,
      0xc3,
      ...d(0x20000),
      0x81,
      0xfb,
      ...d(0x3f0000),
    ];
    both([...program, 0x72, 0xf0, 0x48, 0x75, 0xe8, HLT], { maxMappings: 30, prepare }, ({ translated }) => {
      assert.ok(translated.translator.statistics().windowsCleared > 0);
    });
  });

  it('goes on when the code buffer is full', () => {
    // a chain of 2000 pieces `inc eax; jmp next`, run three times
    const pieces = Array.from({ length: 2000 }, () => [0x40, 0xeb, 0x00]).flat();
    const back = -(pieces.length + 7);
    const program = [0xb9, ...d(3), ...pieces, 0x49, 0x0f, 0x85, ...d(back), HLT];
    both(program, { codeBytes: 1 << 14 }, ({ translated }) => {
      assert.equal(translated.words[Word.Eax], 6000);
      assert.ok(translated.translator.statistics().buffersFilled > 0);
    });
  });

  it('runs everything in one-instruction fragments as well', () => {
    // mov ecx, 100; l: add eax, ecx; push eax; pop edx; dec ecx; jnz l
    both([0xb9, ...d(100), 0x01, 0xc8, 0x50, 0x5a, 0x49, 0x75, 0xf9, HLT], { maxInstructions: 1 }, ({ translated }) => {
      assert.equal(translated.words[Word.Edx], 5050);
    });
  });

  it('leaves no mapping and no translator behind', () => {
    both([HLT]);
    const before = held();
    for (let turn = 0; turn < 5; turn++) both([...PAGING_ON, 0xa3, ...d(0x30000), HLT], { prepare: paged });
    assert.equal(native().liveTranslators(), 0);
    assert.deepEqual(held(), before);
  });
});
