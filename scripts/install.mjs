/**
 * npm's install step: builds the addon. A host without compiler or cmake goes on without it (the program then runs on plain
 * buffers, and `romulus doctor` says so); where they are, a failing build fails the install. Plain JavaScript because it runs
 * before any TypeScript is compiled.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';

/** What the build runs; the compiler may be named by CXX. */
const tools = ['cmake', 'make', process.env.CXX ?? 'g++'];

const root = fileURLToPath(new URL('..', import.meta.url));
const starts = (tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;
const missing = tools.filter((tool) => !starts(tool));

if (process.platform !== 'linux' || missing.length > 0) {
  const reason = missing.length > 0 ? `${missing.join(', ')} not found` : `no Linux but ${process.platform}`;
  console.log(`romulus: ${reason}: going on without the native addon; \`npm run build:native\` builds it later`);
} else {
  const require = createRequire(import.meta.url);
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const { status } = spawnSync(process.execPath, [cmakeJs, 'compile', '--log-level', 'warn'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}
