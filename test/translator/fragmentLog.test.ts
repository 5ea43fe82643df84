/** What --perf-map and --dump-fragments write, and when they are refused. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostDisassembler, listFragment } from '../../src/machine/fragmentLog.js';
import type { MadeFragment } from '../../src/translator/engine.js';
import { Word } from '../../src/vcpu/layout.js';
import { both, CODE, d } from './rig.js';

const HLT = 0xf4;
const program = fileURLToPath(new URL('../../../bin/romulus.js', import.meta.url));

const romulus = (...words: string[]): { status: number | null; stderr: string; pid: number } =>
  spawnSync(process.execPath, [program, 'run', ...words], {
    encoding: 'utf8',
    input: 'halt\n',
    timeout: 20_000,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  });

/** Runs a loop, with listings of its fragments. */
async function listings(withDisassembler: boolean): Promise<string[]> {
  const disassemble = withDisassembler ? await hostDisassembler() : undefined;
  const list: string[] = [];
  const onFragment = (made: MadeFragment): void => void list.push(listFragment(made, 0x10000000, disassemble));
  // mov ecx, 3; l: add eax, ecx; dec ecx; jnz l; hlt
  both([0xb9, ...d(3), 0x01, 0xc8, 0x49, 0x75, 0xfb, HLT], { onFragment }, ({ translated }) =>
    assert.equal(translated.words[Word.Eax], 6),
  );
  return list;
}

describe('translator: what it shows of its fragments', () => {
  it('lists guest and host instructions side by side, each fragment once', async () => {
    const list = await listings(true);
    const starts = list.map((text) => /^fragment (\w+) cpl 0: \d+ instructions, \d+ bytes at 10000/.exec(text)?.[1]);
    assert.equal(new Set(starts).size, list.length);
    assert.equal(starts[0], CODE.toString(16).padStart(8, '0'));
    assert.match(list[0], /^00010000 {2}b9 03 00 00 00 +mov ecx, 0x3 +10000\w+ {2}mov ecx,3$/m);
    assert.match(list[0], /^00010005 {2}01 c8 +add eax, ecx +10000\w+ {2}add eax,ecx$/m);
    assert.match(list[0], /^00010008 {2}75 fb +jne 0x10005 +10000\w+ {2}j\w+ /m);
  });

  it('shows host code as bytes where there is no disassembler', async () => {
    const [first] = await listings(false);
    assert.match(first, /^00010000 {2}b9 03 00 00 00 +mov ecx, 0x3 +10000\w+ {2}b9 03 00 00 00 /m);
    assert.match(first, /^00010005 {2}01 c8 +add eax, ecx +10000\w+ {2}01 c8$/m);
  });

  it('executes a code buffer that perf names, and keeps to W^X', () => {
    const maps = (): string[] => readFileSync('/proc/self/maps', 'latin1').split('\n');
    const named = (): string[] => maps().filter((line) => line.includes('/dev/zero'));
    const before = named().length;
    // mov eax, 7; hlt
    both([0xb8, ...d(7), HLT], { isForPerf: true, codeBytes: 1 << 20 }, ({ translated }) => {
      assert.equal(translated.words[Word.Eax], 7);
      assert.deepEqual(
        named()
          .map((line) => line.split(' ')[1])
          .sort(),
        ['r-xs', 'rw-s'],
      );
      assert.ok(!maps().some((line) => / rwx[sp] .*romulus/.test(line)));
    });
    assert.equal(named().length, before);
  });

  it('writes both files as the guest runs, with symbols of the kernel', () => {
    const folder = mkdtempSync(join(tmpdir(), 'romulus-fragments-'));
    const dump = join(folder, 'fragments.txt');
    try {
      const { status, stderr, pid } = romulus('--engine', 'translator', '--perf-map', '--dump-fragments', dump);
      const map = `/tmp/perf-${pid}.map`;
      assert.equal(status, 0, stderr);
      const lines = readFileSync(map, 'utf8').trimEnd().split('\n');
      rmSync(map);
      for (const line of lines) assert.match(line, /^[0-9a-f]+ [0-9a-f]+ romulus:0x[0-9a-f]{8}(\+\S+)?$/);
      assert.ok(lines.some((line) => /\+\w+$/.test(line)));
      const listed = readFileSync(dump, 'utf8').match(/^fragment /gm) ?? [];
      assert.equal(listed.length, lines.length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is refused where the interpreter runs the guest', () => {
    for (const words of [['--perf-map'], ['--dump-fragments', '/nowhere/x']]) {
      const { status, stderr } = romulus('--engine', 'interpreter', ...words);
      assert.equal(status, 2);
      assert.match(stderr, new RegExp(`^romulus: ${words[0]} shows what the translator makes, .*--engine translator`));
    }
    const { status, stderr, pid } = romulus('--no-native', '--perf-map');
    assert.equal(status, 1);
    assert.match(stderr, /the interpreter runs the guest: the translator needs the native addon/);
    assert.ok(!existsSync(`/tmp/perf-${pid}.map`));
  });

  it('names the file that it cannot write', () => {
    const { status, stderr } = romulus('--engine', 'translator', '--dump-fragments', '/nowhere/x');
    assert.equal(status, 1);
    assert.match(stderr, /cannot write to '\/nowhere\/x' for --dump-fragments: ENOENT/);
    assert.ok(!existsSync('/nowhere/x'));
  });
});
