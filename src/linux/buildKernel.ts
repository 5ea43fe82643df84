/**
 * Builds a kernel: looks for the programs that it takes, configures, and runs make, in a folder that is kept so that the next build is
 * short. Read before: `sourceTree.ts`. Read after: `vmiKernel.ts`.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HostError } from '../errors.js';
import { findProgram, finished, runProgram, spawnProgram } from './programs.js';
import type { Task } from './progress.js';

/** What a build calls, and the package of Debian that has it. */
const PROGRAMS = [
  ['make', 'make'],
  ['gcc', 'gcc'],
  ['ld', 'binutils'],
  ['flex', 'flex'],
  ['bison', 'bison'],
  ['bc', 'bc'],
  ['patch', 'patch'],
  ['gzip', 'gzip'],
] as const;

/** Lines that make prints in a first build with our options: one for each object and step. */
const STEPS = 1371;
const STEP_LINE = /^ {2}[A-Z][A-Z0-9]+ +(\S.*)$/;
const IMAGE = 'arch/x86/boot/bzImage';
const LOCK = 'lock';
/** Name of the bzImage among what `copyTo` copies. */
export const IMAGE_FILE = 'vmlinuz';

export interface Build {
  readonly tree: string;
  /** Options on top of allnoconfig. */
  readonly config: string;
  /** Options that must come out as they are in `config`: without them the kernel would be something else. */
  readonly needed: readonly string[];
  /** Folder for objects, kept from build to build. */
  readonly folder: string;
  /** Jobs at a time; undefined = one for each processor. */
  readonly jobs?: number | undefined;
}

/** What a build has made, in its folder. */
export interface BuiltKernel {
  /** As `uname -r` prints it. */
  readonly release: string;
  /** Copies `vmlinuz`, `config` and `System.map` to a folder. */
  readonly copyTo: (folder: string) => Promise<void>;
}

/**
 * @throws HostError `BUILD_PROGRAMS_MISSING`, which names all of them and the command that installs them; `COMPILER_UNFIT`
 */
export async function checkBuildPrograms(signal: AbortSignal): Promise<void> {
  const missing = PROGRAMS.filter(([name]) => findProgram(name) === undefined);
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(', ');
    const packages = missing.map(([, packageName]) => packageName).join(' ');
    throw new HostError(
      'BUILD_PROGRAMS_MISSING',
      `building Linux needs programs that are not here: ${names}; install them (Debian and Ubuntu: apt install ${packages})`,
    );
  }
  await runProgram('gcc', ['-m32', '-c', '-x', 'c', '/dev/null', '-o', '/dev/null'], signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new HostError(
      'COMPILER_UNFIT',
      'gcc cannot make 32-bit x86 code (gcc -m32 -c fails); build on an x86 host, or give a kernel with --kernel',
      { cause: error },
    );
  });
}

/**
 * Builds or rebuilds. Aborted or failed, the folder stays fit for the next build.
 *
 * @throws HostError `BUILD_BUSY`, `BUILD_FAILED`, `BAD_KERNEL_CONFIG`, `BUILD_PROGRAMS_MISSING`
 */
export async function buildKernel(build: Build, task: Task): Promise<BuiltKernel> {
  await checkBuildPrograms(task.signal);
  await mkdir(build.folder, { recursive: true });
  return withLock(build.folder, async () => {
    task.progress('configuring Linux');
    const isFirst = !existsSync(join(build.folder, 'vmlinux'));
    await make(build, [`KCONFIG_ALLCONFIG=${build.config}`, 'allnoconfig'], () => undefined, task);
    await checkConfig(build);
    let steps = 0;
    const onStep = (what: string): void => {
      steps++;
      task.progress('building Linux', isFirst ? Math.min(steps / STEPS, 1) : undefined, what);
    };
    await make(build, [`-j${build.jobs ?? availableParallelism()}`, 'bzImage'], onStep, task);
    return {
      release: (await readFile(join(build.folder, 'include/config/kernel.release'), 'utf8')).trim(),
      copyTo: async (folder) => {
        await copyFile(join(build.folder, IMAGE), join(folder, IMAGE_FILE));
        await copyFile(join(build.folder, '.config'), join(folder, 'config'));
        await copyFile(join(build.folder, 'System.map'), join(folder, 'System.map'));
      },
    };
  });
}

async function make(build: Build, words: readonly string[], onStep: (what: string) => void, task: Task): Promise<void> {
  const fixed = [
    '-C',
    build.tree,
    `O=${build.folder}`,
    'ARCH=i386',
    'KBUILD_BUILD_USER=romulus',
    'KBUILD_BUILD_HOST=romulus',
  ];
  const child = spawnProgram('make', [...fixed, ...words], task.signal);
  const ended = finished(child, 'make', task.signal);
  // Awaited below, after what it prints.
  ended.catch(() => undefined);
  for await (const line of createInterface({ input: child.stdout })) {
    const what = STEP_LINE.exec(line)?.[1];
    if (what !== undefined) onStep(what);
  }
  await ended.catch((error: unknown) => {
    task.signal.throwIfAborted();
    throw new HostError('BUILD_FAILED', `Linux could not be built: ${(error as Error).message}`, { cause: error });
  });
}

/** allnoconfig drops what it is not able to set, without a word. */
async function checkConfig({ folder, needed }: Build): Promise<void> {
  const config = await readFile(join(folder, '.config'), 'utf8');
  const lost = needed.filter((name) => !new RegExp(`^${name}=`, 'm').test(config));
  if (lost.length > 0)
    throw new HostError(
      'BAD_KERNEL_CONFIG',
      `this source cannot be configured with ${lost.join(', ')}; use Debian's linux-source-6.1`,
    );
}

/** Two builds in one folder would spoil each other. */
async function withLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, LOCK);
  const holder = Number(await readFile(path, 'utf8').catch(() => ''));
  if (holder > 0 && isAlive(holder))
    throw new HostError('BUILD_BUSY', `process ${holder} is building this kernel already; wait for it to end`);
  await rm(path, { force: true });
  const lock = await open(path, 'wx').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new HostError('BUILD_BUSY', 'another process is building this kernel already; wait for it to end');
  });
  try {
    await lock.writeFile(String(process.pid));
    await lock.close();
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
