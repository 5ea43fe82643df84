/**
 * `romulus linux`: prepares a Linux guest and runs it on this terminal. Read before: `linuxOptions.ts`, `../linux/guest.ts`.
 * Read after: `run.ts`, `command.ts`.
 */
import { dirname, join } from 'node:path';
import { ConfigError, HostError, RomulusError } from '../errors.js';
import { Cache } from '../linux/cache.js';
import { openArchive, prepareLinux } from '../linux/guest.js';
import { KERNEL_FILE } from '../linux/kernelPackage.js';
import { resolveRoot } from '../linux/root.js';
import { vmiKernel } from '../linux/vmiKernel.js';
import { CommandSession } from './command.js';
import type { LinuxCommandOptions } from './linuxOptions.js';
import type { Task } from '../linux/progress.js';
import { withProgress } from './progress.js';
import { run } from './run.js';

/** Room for Debian's kernel, its initramfs and some files. */
const MEMORY_BYTES = 256 << 20;

/**
 * @param command program to run in the guest, with its arguments; empty for a shell on the console
 * @returns the exit status
 * @throws RomulusError if the guest cannot be prepared or started
 */
export async function linux(options: LinuxCommandOptions, command: readonly string[]): Promise<number> {
  const cache = new Cache();
  if (options.clean === true) {
    await cache.clear();
    process.stderr.write(`romulus: removed '${cache.folder}'\n`);
    return 0;
  }
  const { kernel, initrd, append, verbose } = options.run;
  if (options.vmi === true && kernel !== undefined)
    throw new ConfigError('VMI_AND_KERNEL', '--vmi and --kernel both name a kernel; give one of them');
  const { stdout } = process;
  const guest = await withProgress(async (task) =>
    prepareLinux(
      cache,
      {
        ...options,
        kernel: options.vmi === true ? await vmiImage(cache, options, task) : kernel,
        initrd,
        append,
        root: options.root === undefined ? undefined : await resolveRoot(cache, options.root, options, task),
        session: command.length > 0 ? 'agent' : 'shell',
        isVerbose: verbose,
        terminal: stdout.isTTY
          ? { type: process.env.TERM ?? 'vt100', rows: stdout.rows, columns: stdout.columns }
          : undefined,
      },
      task,
    ),
  );
  const runOptions = {
    memoryBytes: MEMORY_BYTES,
    ...options.run,
    kernel: guest.kernel,
    initrd: guest.initrd,
    append: guest.append,
    drives: [...guest.drives, ...(options.run.drives ?? [])],
  };
  const started =
    command.length === 0
      ? run(runOptions)
      : run(runOptions, (machine, owner) => new CommandSession(machine, command, process, owner, verbose === true));
  return started.catch((error: unknown) => {
    throw kernel === undefined && typeof guest.kernel === 'string' ? ofCachedKernel(error, guest.kernel) : error;
  });
}

/** What the boot loader says of a file that is not as it was. */
const DAMAGES = ['KERNEL_TRUNCATED', 'KERNEL_DAMAGED', 'KERNEL_NOT_RECOGNISED'];

/**
 * Names the cure for a kernel that somebody or a failing disk has damaged in the cache; any other error stays as it is.
 *
 * @param file the kernel, in a folder of its own
 */
export function ofCachedKernel(error: unknown, file: string): unknown {
  if (!(error instanceof RomulusError) || !DAMAGES.includes(error.code)) return error;
  const [what] = error.message.split(';');
  const cure = `remove the folder '${dirname(file)}', and the next call makes it anew`;
  return new HostError('CACHE_DAMAGED', `the cache is damaged: ${what}; ${cure}`, { cause: error });
}

/** The kernel that speaks VMI, built on first use. */
async function vmiImage(cache: Cache, options: LinuxCommandOptions, task: Task): Promise<string> {
  const { refresh } = options;
  return join((await vmiKernel(cache, () => openArchive(cache, options), { refresh }, task)).folder, KERNEL_FILE);
}
