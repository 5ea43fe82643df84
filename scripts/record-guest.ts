/**
 * Records what the programs of `test/guest/programs` print on the host's own processor: `npm run record:guest`. It needs gcc with -m32 and a
 * kernel that runs 32-bit programs. Read before: `../test/guest/Makefile`. Read after: `../test/guest/guest.test.ts`.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runsI386 } from '../test/helpers/i386Programs.js';

const folder = 'test/guest';

// Neither an emulator nor 64-bit code would do: what is recorded is what a processor does with i386 instructions.
if (!runsI386()) {
  process.stderr.write('record:guest: this host cannot run i386 programs; record on one that can\n');
  process.exit(1);
}

execFileSync('make', ['--silent', '-C', folder, 'linux'], { stdio: 'inherit' });
for (const source of readdirSync(join(folder, 'programs')).sort()) {
  if (!source.endsWith('.c')) continue;
  const name = basename(source, '.c');
  const run = (): string => execFileSync(join('dist/guest-work/torture/linux', name), { encoding: 'latin1' });
  const text = run();
  if (run() !== text) throw new Error(`${name} printed something else the second time`);
  writeFileSync(join(folder, 'golden', `${name}.txt`), text, 'latin1');
  process.stdout.write(`${name}: ${text.split('\n').length - 1} lines\n`);
}
