/**
 * Records what the programs of `test/guest/programs` print on the host's own processor: `npm run record:guest`. It needs gcc with -m32 and a
 * kernel that runs 32-bit programs. Read before: `../test/guest/Makefile`. Read after: `../test/guest/guest.test.ts`.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = 'test/guest';

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
