/** The sampling profiler: samples of a guest in virtual time, names, folded stacks, the flame graph. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareProfile, writeProfile } from '../../../src/cli/profile.js';
import { flameGraph } from '../../../src/profile/flameGraph.js';
import { fold, formatFolded } from '../../../src/profile/folded.js';
import type { Profile } from '../../../src/profile/sampler.js';
import { readSymbols, Symbols } from '../../../src/profile/symbols.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Word } from '../../../src/vcpu/layout.js';
import { guestFile, VirtualMachine } from '../../helpers/board.js';
import { elfFile } from '../../helpers/kernels.js';

const SYMBOLS = new Symbols([
  { linear: 0x1000, sizeBytes: 0x10, name: 'start' },
  { linear: 0x2000, sizeBytes: 0, name: 'loop' },
  { linear: 0x2000, sizeBytes: 0x20, name: 'loop_body' },
]);

describe('profile/symbols', () => {
  it('finds the function of an address, by its size where that is known', () => {
    assert.equal(SYMBOLS.find(0xfff), undefined);
    assert.equal(SYMBOLS.find(0x1000), 'start');
    assert.equal(SYMBOLS.find(0x100f), 'start');
    assert.equal(SYMBOLS.find(0x1010), undefined);
    assert.equal(SYMBOLS.find(0x201f), 'loop_body');
    assert.equal(SYMBOLS.count, 2);
  });

  it("reads an ELF file's symbol table", () => {
    const symbols = readSymbols(guestFile('remus.elf'), 'remus.elf');
    assert.ok(symbols.count > 50);
    const main = /^\w+/.exec(symbols.find(0xc0101000) ?? '');
    assert.ok(main !== null, 'the kernel is linked at 0xC0100000');
  });

  it('reads a System.map', () => {
    const map = 'c0100000 T startup_32\nc0100040 t helper\nc0300000 D data\nc0100080 W weak\nnonsense\n';
    const symbols = readSymbols(Buffer.from(map), 'System.map');
    assert.equal(symbols.count, 3);
    assert.equal(symbols.find(0xc0100050), 'helper');
    assert.equal(symbols.find(0xc0300000), undefined);
  });

  it('says so when there are no names', () => {
    assert.throws(() => readSymbols(elfFile(), 'bare.elf'), {
      code: 'NO_SYMBOLS',
      message: /'bare.elf'.*stripped.*--symbols/,
    });
    assert.throws(() => readSymbols(Buffer.from('hello'), 'x'), { code: 'NO_SYMBOLS', message: /neither ELF nor/ });
  });
});

describe('profile/sampler', () => {
  it('finds the guest where it is, also with interrupts off', () => {
    const machine = new VirtualMachine({ append: 'quiet run="bench cli"', profileHz: 10_000 });
    machine.expect('CLI + STI');
    const { rateHz, samples } = machine.board.sampler!.profile();
    assert.equal(rateHz, 10_000);
    const total = samples.reduce((sum, { count }) => sum + count, 0);
    assert.equal(total, machine.statistics().samples);
    assert.ok(total > 300, `${total} samples`);
    const stacks = fold({ rateHz, samples }, readSymbols(guestFile('remus.elf'), 'remus.elf'));
    assert.equal(stacks[0].frames.at(-1), 'measure', formatFolded(stacks));
  });

  it('follows frame pointers as far as they can be believed', () => {
    const { board } = new VirtualMachine({ profileHz: 100 });
    const { cpu, phys, sampler } = board;
    cpu.words[Word.Cr0] &= 0x7fffffff;
    cpu.refresh();
    cpu.mmu.flushAll();
    cpu.setSegment(Segment.Cs, 8, 0, -1, 0xc09b);
    // Two frames whose return addresses stand behind CALL rel32 and CALL eax, and a third that does not.
    phys.load(0x300000, Uint8Array.of(0xe8, 0, 0, 0, 0, 0x90, 0x90, 0xff, 0xd0, 0x90));
    const frames = [0x500010, 0x300005, 0x500020, 0x300009, 0x500030, 0x300001];
    [0x500000, 0x500010, 0x500020].forEach((frame, index) => {
      phys.write32(frame, frames[2 * index]);
      phys.write32(frame + 4, frames[2 * index + 1]);
    });
    cpu.words[Word.Esp] = 0x4fff00;
    cpu.words[Word.Ebp] = 0x500000;
    cpu.words[Word.Eip] = 0x300000;
    sampler!.sample();
    sampler!.sample();
    // EBP as any other register: one place.
    cpu.words[Word.Ebp] = 7;
    sampler!.sample();
    cpu.words[Word.Halted] = 1;
    sampler!.sample();
    assert.deepEqual(sampler!.profile().samples, [
      { kind: 'kernel', stack: [0x300009, 0x300005, 0x300000], count: 2 },
      { kind: 'kernel', stack: [0x300000], count: 1 },
      { kind: 'idle', stack: [], count: 1 },
    ]);
  });
});

const PROFILE: Profile = {
  rateHz: 1000,
  samples: [
    { kind: 'kernel', stack: [0x1010, 0x2004], count: 5 },
    { kind: 'kernel', stack: [0x1010, 0x2008], count: 3 },
    { kind: 'rom', stack: [0xc80200], count: 2 },
    { kind: 'user', stack: [0x8048123], count: 4 },
    { kind: 'idle', stack: [], count: 6 },
  ],
};

describe('profile/folded', () => {
  it('adds up stacks of the same names, the heaviest first', () => {
    assert.equal(
      formatFolded(fold(PROFILE, SYMBOLS)),
      ['kernel;start;loop_body 8', 'idle 6', 'user;page 0x08048000 4', 'kernel;VMI ROM 2', ''].join('\n'),
    );
  });

  it('keeps addresses where there are no names', () => {
    assert.match(formatFolded(fold(PROFILE, undefined)), /^kernel;0x00001010;0x00002004 5$/m);
  });
});

describe('profile/flameGraph', () => {
  it('draws each frame once, with its share, and needs no other file', () => {
    const html = flameGraph(fold(PROFILE, SYMBOLS), 'Profile of <kernel>', 'Note.');
    assert.match(html, /<title>Profile of &lt;kernel&gt;<\/title>/);
    assert.equal(html.match(/class="f"/g)!.length, 8, 'all, kernel, start, loop_body, VMI ROM, user, page, idle');
    assert.match(html, /data-x="0" data-w="20" data-d="0"/);
    assert.match(html, /title="loop_body: 8 samples, 40.00 %"/);
    assert.doesNotMatch(html, /https?:|src=|<link/);
  });

  it('says so when there are no samples', () => {
    assert.match(flameGraph([], 't', 'n'), /There are no samples/);
  });
});

describe('cli/profile', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'romulus-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes folded stacks and a flame graph side by side', () => {
    const map = join(folder, 'System.map');
    writeFileSync(map, '00001000 T start\n00002000 T loop\n');
    const files = prepareProfile(join(folder, 'out.folded'), 'kernel', map);
    assert.match(writeProfile(PROFILE, files, 'kernel'), /^20 samples in .*out.folded, flame graph in .*out.html$/);
    assert.match(readFileSync(join(folder, 'out.folded'), 'utf8'), /^kernel;start;loop 8$/m);
    assert.match(readFileSync(join(folder, 'out.html'), 'utf8'), /Profile of kernel/);
  });

  it('goes on without names, and refuses what it cannot write or read', () => {
    const stripped = join(folder, 'stripped');
    writeFileSync(stripped, elfFile());
    assert.match(prepareProfile(join(folder, 'a'), stripped, undefined).warning!, /names no functions/);
    assert.throws(() => prepareProfile(join(folder, 'none', 'a'), stripped, undefined), { code: 'FILE_UNWRITABLE' });
    assert.throws(() => prepareProfile(join(folder, 'a'), stripped, join(folder, 'none')), { code: 'NO_FILE' });
  });
});
