/**
 * Assembles the guest programs of `test/isa/programs` into `test/isa/programs.json`, so that tests need no assembler. It needs gcc
 * with -m32, ld and objcopy; run it as `npm run record:isa` after changing a program. Read before: `../test/isa/programs/environment.inc`.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const folder = 'test/isa/programs';

/** One image as lines of hexadecimal, short enough for a reader's screen and a diff. */
function hexLines(image: Buffer): string[] {
  // the programs are mostly tables of zeros at first: 64 bytes a line
  return image.toString('hex').match(/.{1,128}/g) ?? [];
}

function assemble(source: string, scratch: string): string[] {
  const object = join(scratch, 'program.o');
  const elf = join(scratch, 'program.elf');
  const image = join(scratch, 'program.bin');
  execFileSync('gcc', ['-m32', '-c', '-x', 'assembler', '-I', folder, '-o', object, source], { stdio: 'inherit' });
  execFileSync('ld', ['-m', 'elf_i386', '-T', join(folder, 'program.lds'), '-o', elf, object], { stdio: 'inherit' });
  execFileSync('objcopy', ['-O', 'binary', elf, image], { stdio: 'inherit' });
  return hexLines(readFileSync(image));
}

const scratch = mkdtempSync(join(tmpdir(), 'romulus-isa-'));
try {
  const programs: Record<string, string[]> = {};
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.S')) programs[basename(file, '.S')] = assemble(join(folder, file), scratch);
  }
  writeFileSync('test/isa/programs.json', `${JSON.stringify(programs, undefined, 1)}\n`);
  process.stdout.write(`${Object.keys(programs).length} programs assembled\n`);
} finally {
  rmSync(scratch, { recursive: true });
}
