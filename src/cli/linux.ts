/**
 * `romulus linux`: prepares a Linux guest and runs it on this terminal. Read before: `linuxOptions.ts`, `../linux/guest.ts`.
 * Read after: `run.ts`, `command.ts`.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, HostError, RomulusError } from '../errors.js';
import { Cache } from '../linux/cache.js';
import { cacheDamaged } from '../linux/damage.js';
import { openArchive, prepareLinux, type LinuxGuest } from '../linux/guest.js';
import { KERNEL_FILE } from '../linux/kernelPackage.js';
import { leastMemory } from '../linux/leastMemory.js';
import { resolveRoot } from '../linux/root.js';
import { vmiKernel } from '../linux/vmiKernel.js';
import { probeHost } from '../machine/nativeHost.js';
import { CommandSession } from './command.js';
import type { LinuxCommandOptions } from './linuxOptions.js';
import type { Task } from '../linux/progress.js';
import { withProgress } from './progress.js';
import { run } from './run.js';

/** Room for Debian's kernel, its initramfs and some files. */
const MEMORY_BYTES = 256 << 20;
const MIB = 1 << 20;

/**
 * @param command program to run in the guest, with its arguments; empty for a shell on the console
 * @returns the exit status
 * @throws RomulusError if the guest cannot be prepared or started
 */
export async function linux(options: LinuxCommandOptions, command: readonly string[]): Promise<number> {
  const cache = new Cache();
  if (options.clean === true) return clean(cache);
  const { kernel, initrd, append, verbose } = options.run;
  if (kernel === undefined) checkFpu();
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
  return started.catch(async (error: unknown) => {
    if (kernel !== undefined) throw ofOwnKernel(error, initrd === undefined);
    if (error instanceof RomulusError && NO_ROOM.includes(error.code))
      throw await ofSmallMemory(error, guest, runOptions.memoryBytes);
    throw typeof guest.kernel === 'string' ? ofCachedKernel(error, guest.kernel) : error;
  });
}

/** Removes the cache and says what it was. */
async function clean(cache: Cache): Promise<number> {
  const { names, sizeBytes } = await cache.contents();
  await cache.clear();
  const what =
    names.length === 0
      ? `there is no cache at '${cache.folder}', nothing is removed`
      : `removed '${cache.folder}', ${Math.ceil(sizeBytes / MIB)} MiB: ${names.join(', ')}`;
  process.stderr.write(`romulus: ${what}\n`);
  return 0;
}

/**
 * Debian's kernel and ours wait for ever on a processor without an FPU, which takes the addon and memory for its code.
 *
 * @throws HostError `NO_FPU`
 */
function checkFpu(): void {
  const { probe } = probeHost();
  const why =
    probe === undefined
      ? 'the native addon is not loaded'
      : probe.executable === undefined
        ? undefined
        : 'this host gives no memory for code';
  if (why !== undefined)
    throw new HostError(
      'NO_FPU',
      `${why}, so the guest has no FPU, and this kernel waits for ever without one; 'romulus doctor' says what is missing`,
    );
}

/** What the boot loader says where memory does not do. */
const NO_ROOM = ['KERNEL_OUTSIDE_RAM', 'INITRD_TOO_BIG'];

/** Names at once a size that does; the error as it is if there is none. */
async function ofSmallMemory(error: RomulusError, guest: LinuxGuest, memoryBytes: number): Promise<RomulusError> {
  try {
    const bytesOf = async (file: LinuxGuest['kernel']): Promise<Uint8Array> =>
      typeof file === 'string' ? readFile(file) : file.bytes;
    const [kernel, initrd] = [await bytesOf(guest.kernel), await bytesOf(guest.initrd)];
    const neededMib = leastMemory({ kernel, kernelName: guest.name, initrd, append: guest.append }) / MIB;
    if (neededMib <= memoryBytes / MIB) return error;
    return new ConfigError(
      'MEMORY_TOO_SMALL',
      `${guest.name} and its initial RAM disk have no room in ${memoryBytes / MIB} MiB of memory; give it ${neededMib} MiB or more, as in -m ${neededMib}M`,
      { cause: error },
    );
  } catch {
    return error;
  }
}

/**
 * Names what a kernel of the user's own may lack where no command could be run in it; any other error stays as it is.
 *
 * @param isOurInitrd the initial RAM disk is ours, and starts the agent if the kernel lets it
 */
export function ofOwnKernel(error: unknown, isOurInitrd: boolean): unknown {
  if (!(error instanceof RomulusError) || !['COMMAND_NOT_RUN', 'NO_AGENT'].includes(error.code)) return error;
  const hint = isOurInitrd
    ? 'to run a command, a kernel of your own needs PCI and the virtio console built in (CONFIG_VIRTIO_PCI=y, CONFIG_VIRTIO_CONSOLE=y)'
    : 'to run a command, an initial RAM disk of your own has to start romulus-agent';
  return new RomulusError(error.code, `${error.message}; ${hint}`, { cause: error });
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
  return cacheDamaged(String(what), dirname(file), error);
}

/** The kernel that speaks VMI, built on first use. */
async function vmiImage(cache: Cache, options: LinuxCommandOptions, task: Task): Promise<string> {
  const { refresh } = options;
  return join((await vmiKernel(cache, () => openArchive(cache, options), { refresh }, task)).folder, KERNEL_FILE);
}
