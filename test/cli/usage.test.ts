/** The program as a user meets it: help, wrong usage, files that cannot be booted. One process per case. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { elfFile, multibootElf } from '../helpers/kernels.js';

const program = fileURLToPath(new URL('../../../bin/romulus.js', import.meta.url));

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function romulus(...words: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: 'utf8',
    input: '',
    timeout: 15000,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  });
  return { status, stdout, stderr };
}

/** One line on stderr, nothing on stdout. */
function fails(words: readonly string[], status: number, message: RegExp): void {
  const outcome = romulus(...words);
  assert.match(outcome.stderr, message);
  assert.match(outcome.stderr, /^romulus: [^\n]+\n$/, 'one line');
  assert.equal(outcome.stdout, '');
  assert.equal(outcome.status, status);
}

describe('romulus, the command', () => {
  let folder = '';
  const file = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-cli-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('prints help with examples for the program and each command', () => {
    for (const words of [
      ['--help'],
      ['run', '--help'],
      ['run', '-h'],
      ['linux', '--help'],
      ['doctor', '--help'],
      ['rom', '--help'],
    ]) {
      const { status, stdout, stderr } = romulus(...words);
      assert.deepEqual([status, stderr], [0, ''], words.join(' '));
      assert.match(stdout, /^Usage: romulus/, words.join(' '));
      assert.match(stdout, /\nExamples:\n {2}romulus /, words.join(' '));
    }
  });

  it('lists options, keys and exit statuses of run', () => {
    const { stdout } = romulus('run', '--help');
    for (const option of [
      '--kernel <file>',
      '--initrd',
      '--append',
      '-m, --memory <size>',
      '--signal <name=irqN>',
      '--no-rom',
    ])
      assert(stdout.includes(option), option);
    for (const fact of ['--stats', '--debugcon', '--timeout', 'Ctrl-A x', 'Exit status:', '124', '-nographic'])
      assert(stdout.includes(fact), fact);
  });

  it('prints its version', () => {
    assert.match(romulus('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('prints help and fails without a command', () => {
    const { status, stdout, stderr } = romulus();
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^Usage: romulus/);
  });

  it('refuses wrong usage with status 2', () => {
    fails(['nosuch'], 2, /unknown command 'nosuch'; see 'romulus --help'/);
    fails(['-kernel', 'x'], 2, /'-kernel' needs a command before it, as in 'romulus run -kernel'/);
    fails(
      ['run', '--kernell', 'x'],
      2,
      /unknown option '--kernell' \(Did you mean --kernel\?\); see 'romulus run --help'/,
    );
    fails(['run', '-hda', 'x'], 2, /QEMU's option '-hda' is not supported: disks are virtio ones/);
    fails(['run', 'vmlinuz'], 2, /too many arguments/);
    fails(['run', '--kernel'], 2, /argument missing/);
    fails(['doctor', '--xml'], 2, /unknown option '--xml'/);
  });

  it('refuses bad values with status 2', () => {
    fails(['run', '-m', '1T'], 2, /memory size '1T' is not possible; give a whole number with K, M or G/);
    fails(['run', '--signal', 'KILL=irq5'], 2, /SIGKILL cannot become a guest interrupt: no process can catch it/);
    fails(['run', '--signal', 'USR1=irq99'], 2, /irq 99 cannot be raised; give 0 to 15/);
    fails(['run', '--timeout', 'soon'], 2, /timeout 'soon' is not possible; give seconds/);
  });

  it('refuses what makes no sense for a Linux guest with status 2, and keys that are not there with status 1', () => {
    fails(['linux', '--clean', '-m', '64M'], 2, /nothing is removed: .*; see 'romulus linux --help'/);
    fails(['linux', '--vmi', '--kernel', 'x'], 2, /--vmi and --kernel both name a kernel/);
    fails(['linux', '--mirror', 'bogus'], 2, /mirror 'bogus' is not understood/);
    fails(['linux', '--no-native', '--', 'true'], 2, /with --no-native the guest has no FPU/);
    const keys = ['--mirror', 'http://127.0.0.1:1', '--keyring', join(folder, 'none')];
    fails(['linux', '--kernel', 'x', '--initrd', 'y', ...keys], 1, /the keyring '.*none' is not there/);
  });

  it('refuses files that cannot be booted with status 1', () => {
    fails(['run', '--kernel', join(folder, 'none')], 1, /cannot read kernel '.*none': there is no such file/);
    fails(['run', '--kernel', folder], 1, /cannot read kernel '.*': it is a folder/);
    fails(['run', '--kernel', file('text', Buffer.from('hello'))], 1, /kernel 'text' is not a kernel: /);
    fails(['run', '--kernel', file('k64', elfFile({ elfClass: 2 }))], 1, /kernel 'k64' is a 64-bit ELF file/);
    fails(['run', '--kernel', file('cut', elfFile().subarray(0, 60))], 1, /kernel 'cut' is truncated: /);
    const good = file('good', multibootElf());
    fails(
      ['run', '--kernel', good, '--initrd', join(folder, 'none')],
      1,
      /cannot read initrd '.*none': there is no such file/,
    );
    const huge = file('huge', new Uint8Array(8 << 20));
    fails(
      ['run', '--kernel', good, '-m', '8M', '--initrd', huge],
      1,
      /initrd of 8388608 bytes does not fit .* at least 10M/,
    );
    const path = join(folder, 'none', 'log');
    fails(['run', '--kernel', good, '--debugcon', path], 1, /cannot write to '.*log' for --debugcon/);
  });

  it('runs firmware from the reset vector', () => {
    const image = new Uint8Array(0x10000);
    // at F000:0000: mov al, 'B'; out 0xe9, al; mov al, 0x21; out 0xf4, al; hlt
    image.set([0xb0, 0x42, 0xe6, 0xe9, 0xb0, 0x21, 0xe6, 0xf4, 0xf4]);
    image.set([0xea, 0, 0, 0, 0xf0], 0xfff0);
    const path = file('bios.bin', image);
    const { status, stdout } = romulus('run', '-bios', path, '-debugcon', 'stdio', '--timeout', '10');
    assert.deepEqual([status, stdout], [2 * 0x21 + 1, 'B']);
    fails(['run', '--bios', path, '--kernel', path], 2, /'bios' and 'kernel' exclude each other/);
    fails(['run', '--bios', file('short', new Uint8Array(3))], 1, /BIOS 'short' has 3 bytes/);
    fails(['run', '--bios', join(folder, 'none')], 1, /cannot read BIOS '.*none': there is no such file/);
  });

  it('traces to a file', () => {
    const path = join(folder, 'trace');
    const kernel = file('halt', multibootElf());
    assert.equal(romulus('run', '--kernel', kernel, '-d', 'in_asm,exec', '-D', path, '--timeout', '10').status, 70);
    assert.match(readFileSync(path, 'utf8'), /^-+\nIN:\n0x0010000c: {2}f4 .* hlt\nTrace 0010000c: hlt\n/);
    fails(['run', '-D', path], 2, /-D needs -d/);
    fails(['run', '-d', 'mmu'], 2, /cannot trace 'mmu'; give some of in_asm,exec,cpu,int/);
    fails(['run', '--kernel', kernel, '-d', 'int', '-D', join(folder, 'none', 'x')], 1, /cannot write the trace to/);
  });

  it('disassembles', () => {
    const { status, stdout, stderr } = romulus('disasm', file('k.bin', Uint8Array.of(0x90, 0xf4)), '--base', '0x1000');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^k\.bin:\n00001000 {2}90 +nop\n00001001 {2}f4 +hlt\n$/);
    fails(['disasm', join(folder, 'none')], 1, /cannot read '.*none': there is no such file/);
    fails(['disasm', 'x', '--base', 'zz'], 2, /address 'zz' is not understood; .*see 'romulus disasm --help'/);
    fails(['disasm'], 2, /missing required argument 'file'/);
  });

  it('explains the ROM, or writes it', () => {
    const { status, stdout, stderr } = romulus('rom');
    assert.deepEqual([status, stderr], [0, '']);
    for (const part of [/^Header\n/, /cVmi/, /GPL v2/, /EnableInterrupts/, /Disassembly\n/, /vmcall/i])
      assert.match(stdout, part);
    const path = join(folder, 'vmi.rom');
    assert.equal(romulus('rom', '--output', path).status, 0);
    assert.deepEqual([...readFileSync(path).subarray(0, 2)], [0x55, 0xaa]);
    fails(['rom', '--output', join(folder, 'none', 'rom')], 1, /cannot write the ROM to/);
  });

  it('ends quietly when nobody reads what it prints, and says so when that cannot be written', () => {
    const shell = (text: string): Outcome =>
      spawnSync('bash', ['-c', text, 'bash', process.execPath, program], { encoding: 'utf8', timeout: 15000 });
    for (const words of ['--help', 'run --help', 'rom', 'doctor']) {
      const { stderr } = shell(`"$1" "$2" ${words} | true`);
      assert.equal(stderr, '', words);
    }
    const full = shell('"$1" "$2" --help >/dev/full');
    assert.match(full.stderr, /^romulus: cannot write to standard output: ENOSPC.*\n$/);
    assert.equal(full.status, 1);
  });

  it('does not wait for somebody to read a named pipe', () => {
    const pipe = join(folder, 'pipe');
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    const kernel = file('halt', multibootElf());
    const options = [
      ['--serial', `file:${pipe}`],
      ['--debugcon', pipe],
      ['--profile', pipe],
      ['-d', 'int', '-D', pipe],
    ];
    for (const words of options)
      fails(['run', '--kernel', kernel, ...words], 1, /'.*pipe'.*: it is a pipe that nobody reads/);
  });

  it('boots what comes through a pipe, and does not wait for one that nobody writes, nor read a device', () => {
    const shell = (text: string): Outcome =>
      spawnSync('bash', ['-c', text, 'bash', process.execPath, program], { encoding: 'utf8', timeout: 15000 });
    const kernel = file('halt', multibootElf());
    assert.match(
      shell(`"$1" "$2" run --kernel <(cat '${kernel}') </dev/null`).stderr,
      /halted with interrupts disabled/,
    );
    assert.match(shell('"$1" "$2" run --kernel <(true)').stderr, /the file is empty/);
    const pipe = join(folder, 'unwritten');
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    fails(['run', '--kernel', pipe, '--timeout', '0.2'], 124, /stopped after 0.2 s/);
    fails(['run', '--kernel', kernel, '--initrd', '/dev/zero'], 1, /'\/dev\/zero': it is neither a file nor a pipe/);
  });

  it('does not write over what it reads, nor empty a file before it has something to write', () => {
    const image = file('image', new Uint8Array(4096).fill(1));
    fails(
      ['run', '--drive', `file=${image}`, '--serial', `file:${image}`],
      2,
      /--serial would write over '.*', which --drive names/,
    );
    fails(['run', '--kernel', image, '--profile', image], 2, /--profile would write over/);
    fails(
      ['run', '--debugcon', image, '-d', 'int', '-D', image],
      2,
      /--trace-file would write over .* --debugcon names/,
    );
    fails(['run', '--profile-rate', '10'], 2, /belong to --profile FILE/);
    const kept = file('kept.folded', Buffer.from('kept'));
    romulus('run', '--kernel', join(folder, 'none'), '--profile', kept);
    assert.equal(readFileSync(kept, 'utf8'), 'kept');
    assert.ok(readFileSync(image).every((byte) => byte === 1));
  });

  it('says why a guest cannot go on, and what could not be written', () => {
    const kernel = file('halt', multibootElf());
    const full = '/dev/full';
    fails(['run', '--kernel', kernel, '--dump-fragments', full], 1, /the guest cannot go on: .*'\/dev\/full'.*ENOSPC/);
    const words = ['run', '--append', 'quiet run=halt', '--profile', full];
    fails(words, 1, /cannot write to '\/dev\/full' for --profile: ENOSPC/);
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', '"$1" "$2" run --append run=halt >/dev/full', '', process.execPath, program],
      {
        encoding: 'utf8',
        timeout: 15000,
      },
    );
    assert.deepEqual([status, stderr.split('\n').length], [1, 2], stderr);
    assert.match(stderr, /standard input or output failed: ENOSPC/);
  });

  it('prints what the host offers', () => {
    const text = romulus('doctor');
    assert.deepEqual([text.status, text.stderr], [0, '']);
    assert.match(text.stdout, /Node/);
    const json = JSON.parse(romulus('doctor', '--json').stdout) as { findings: unknown[] };
    assert(json.findings.length > 0);
  });
});
