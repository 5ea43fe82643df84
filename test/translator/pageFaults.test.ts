/**
 * Page faults of a guest that pages on demand, at CPL 3 and CPL 0, under both ways that they can take to its handler: everything the handler
 * sees and leaves behind must be what the interpreter makes of it.
 */
import assert from 'node:assert/strict';
import { Word } from '../../src/vcpu/layout.js';
import { CODE, d, IDT, type Machine, Pair } from './rig.js';

const DIRECTORY = 0x100000;
const TABLE = 0x101000;
const USER = CODE + 0x200;
const HANDLER = CODE + 0x400;
/** What the handler adds up: faults, error codes, saved EIPs, saved EFLAGS. */
const SUMS = 0x20000;
const TSS_ESP0 = 0x3004;
const PAGES = 64;
const INTERRUPT_GATE = 0xee00;
const TRAP_GATE = 0xef00;

/** Enters CPL 3 with paging on, after a fault at CPL 0. */
const KERNEL = [
  // mov eax, DIRECTORY; mov cr3, eax; mov eax, PG | WP | ET | PE; mov cr0, eax
  ...[0xb8, ...d(DIRECTORY), 0x0f, 0x22, 0xd8, 0xb8, ...d(0x80010011 | 0), 0x0f, 0x22, 0xc0],
  // mov [0x310000], eax, which is not present
  ...[0xa3, ...d(0x310000)],
  // push the frame; mov ax, 0x23 into ds, es, fs, gs; iret
  ...[0x6a, 0x23, 0x68, ...d(0x70000), 0x68, ...d(0x202), 0x6a, 0x1b, 0x68, ...d(USER)],
  ...[0xb8, ...d(0x23), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0xcf],
];

const PROGRAM = [
  // mov ecx, PAGES; mov ebx, 0x200000
  ...[0xb9, ...d(PAGES), 0xbb, ...d(0x200000)],
  // l: add [ebx], ecx; add ebx, 0x1000; dec ecx; jnz l
  ...[0x01, 0x0b, 0x81, 0xc3, ...d(0x1000), 0x49, 0x75, 0xf5],
  // mov eax, [0x300000]; stc; mov [0x60000], eax, a page of the kernel's; adc edx, 0; int 0x81
  ...[0xa1, ...d(0x300000), 0xf9, 0xa3, ...d(0x60000), 0x83, 0xd2, 0x00, 0xcd, 0x81],
];

const FAULT_HANDLER = [
  // push eax; push ebx; mov eax, cr2; shr eax, 12; or dword [TABLE + eax * 4], 7
  ...[0x50, 0x53, 0x0f, 0x20, 0xd0, 0xc1, 0xe8, 0x0c, 0x83, 0x0c, 0x85, ...d(TABLE), 0x07],
  // the page may be present without the right: mov eax, cr2; invlpg [eax]
  ...[0x0f, 0x20, 0xd0, 0x0f, 0x01, 0x38],
  // inc dword [SUMS]; mov ebx, [esp + 8], 12, 20; add [SUMS + 4], 8, 12, ebx
  ...[0xff, 0x05, ...d(SUMS), 0x8b, 0x5c, 0x24, 0x08, 0x01, 0x1d, ...d(SUMS + 4)],
  ...[0x8b, 0x5c, 0x24, 0x0c, 0x01, 0x1d, ...d(SUMS + 8), 0x8b, 0x5c, 0x24, 0x14, 0x01, 0x1d, ...d(SUMS + 12)],
  // pop ebx; pop eax; add esp, 4; iret
  ...[0x5b, 0x58, 0x83, 0xc4, 0x04, 0xcf],
];

interface Shape {
  readonly gate?: number;
  readonly esp0?: number;
}

function prepare({ phys }: Machine, { gate = INTERRUPT_GATE, esp0 = 0x7f000 }: Shape): void {
  phys.write32(DIRECTORY, TABLE | 7);
  for (let page = 0; page < 1024; page++) phys.write32(TABLE + 4 * page, (page << 12) | 7);
  for (let page = 0x200; page < 0x200 + PAGES; page++) phys.write32(TABLE + 4 * page, page << 12);
  for (const page of [0x300, 0x310]) phys.write32(TABLE + 4 * page, page << 12);
  phys.write32(TABLE + 4 * 0x60, 0x60003);
  phys.load(USER, Uint8Array.from(PROGRAM));
  phys.load(HANDLER, Uint8Array.from(FAULT_HANDLER));
  phys.write32(IDT + 14 * 8, (0x08 << 16) | (HANDLER & 0xffff));
  phys.write32(IDT + 14 * 8 + 4, (HANDLER & (0xffff << 16)) | gate);
  phys.write32(TSS_ESP0, esp0);
}

/** Runs it under both engines. @returns page faults that were reflected, and those that were not */
function run(reflectFaults: boolean, shape: Shape = {}, maxInstructions?: number): [number, number] {
  const pair = new Pair(KERNEL, {
    reflectFaults,
    maxInstructions,
    prepare: (machine) => prepare(machine, shape),
  });
  try {
    pair.finish();
    pair.assertSame();
    const { words, phys, translator } = pair.translated;
    assert.equal(words[Word.Ebp], 0x81);
    assert.equal(words[Word.Edx], 1);
    // the pages, the read, the page of the kernel's, and the one at CPL 0
    assert.equal(phys.read32(SUMS), PAGES + 3);
    assert.equal(phys.read32(SUMS + 4), PAGES * 6 + 4 + 7 + 2);
    const { reflections, exits } = translator.statistics();
    return [reflections, exits.fault];
  } finally {
    pair.dispose();
  }
}

describe('translator: page faults of the guest', () => {
  for (const [name, gate] of [
    ['an interrupt gate', INTERRUPT_GATE],
    ['a trap gate', TRAP_GATE],
  ] as const) {
    it(`go to a handler behind ${name} in native code, or through the engine, and look alike`, () => {
      const [reflected, left] = run(true, { gate });
      assert.deepEqual(run(false, { gate }), [0, PAGES + 3]);
      // the first one at CPL 3 finds no window for CPL 0 beside it, or the interpreter meets it
      assert.ok(reflected >= PAGES && left <= 3, `${reflected} reflected, ${left} not`);
    });
  }

  it('are reflected from one-instruction fragments as well', () => {
    const [reflected] = run(true, {}, 1);
    assert.ok(reflected >= PAGES, `${reflected} reflected`);
  });

  it('take the way through the engine where the frame is not within one page', () => {
    const [reflected, left] = run(true, { esp0: 0x7f008 });
    // that at CPL 0 stays on its stack
    assert.ok(reflected <= 1 && left >= PAGES, `${reflected} reflected, ${left} not`);
  });
});
