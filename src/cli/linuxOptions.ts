/**
 * The options of `romulus linux`: those of `run`, and what only a Linux guest has; which of them exclude each other. Read before:
 * `options.ts`. Read after: `linux.ts`.
 */
import type { Command } from 'commander';
import { ConfigError } from '../errors.js';
import { checkArchiveOptions } from '../linux/archiveOptions.js';
import { addRunOptions, toRunOptions, type RunOptions } from './options.js';
import { EXIT_STATUS_HELP } from './run.js';

/** What `romulus linux` was told beside the options of `run`. */
export interface LinuxCommandOptions {
  readonly run: RunOptions;
  readonly root?: string;
  /** Boots the kernel that speaks VMI. */
  readonly vmi?: boolean;
  readonly mirror?: string;
  readonly keyring?: string;
  readonly refresh?: boolean;
  readonly clean?: boolean;
}

export const LINUX_EXAMPLES = `Examples:
  romulus linux                                   Debian's kernel to a shell; exit or Ctrl-A x ends it
  romulus linux -- uname -a                       run a command and exit with its status
  tar c . | romulus linux -- tar tv               with its input and output
  romulus linux -m 512M --append "quiet nokaslr"  with more memory and kernel parameters
  romulus linux --root ./tree                     with a copy of a folder as root file system
  romulus linux --root disk.img                   with a disk image, which keeps what is written
  romulus linux --root debian                     with apt, perl, python3 and gcc
  romulus linux --kernel bzImage                  your own kernel with our initramfs
  romulus linux --refresh                         look for newer packages first
  romulus linux --mirror http://mirror.example/debian

The first call fetches Debian's kernel and busybox for i386 (about 50 MB) with the host's apt, or
from --mirror; later ones need no network. They are kept below $XDG_CACHE_HOME/romulus, or
~/.cache/romulus; --clean removes them.

${EXIT_STATUS_HELP}`;

export function addLinuxOptions(command: Command): void {
  command
    .option(
      '--root <folder|image|debian>',
      "the guest's root file system: a copy of a folder in memory, a raw disk image, or a Debian 12 that is installed on first use",
    )
    .option('--vmi', 'boot the kernel that speaks VMI; builds it on first use, as build-linux does')
    .option('--mirror <url>', "archive of Debian to fetch packages from, instead of those of the host's apt")
    .option('--keyring <file>', "keys that the mirror's list of packages must be signed by (default: Debian's)")
    .option('--refresh', 'look for newer packages')
    .option('--clean', 'remove everything that was fetched and made, and stop; stands alone');
  addRunOptions(command, {
    kernel: "kernel to boot: a Linux bzImage (default: Debian's)",
    initrd: 'initial RAM disk (default: ours, with busybox)',
    append: 'more kernel parameters',
    memoryBytes: 'guest memory, 8M to 3G, with suffix K, M or G (default: 256M)',
    bios: undefined,
  });
}

/** @throws ConfigError for what does not go together, and from the machine's table */
export function toLinuxOptions(command: Command): LinuxCommandOptions {
  const own = command.opts<Omit<LinuxCommandOptions, 'run'>>();
  const { root, vmi, mirror, keyring, refresh, clean } = own;
  if (clean === true) checkClean(command);
  const run = toRunOptions(command);
  checkKernelChoice(run, vmi === true);
  checkArchiveOptions({ mirror, keyring });
  return {
    run,
    ...(root !== undefined && { root }),
    ...(vmi !== undefined && { vmi }),
    ...(mirror !== undefined && { mirror }),
    ...(keyring !== undefined && { keyring }),
    ...(refresh !== undefined && { refresh }),
    ...(clean !== undefined && { clean }),
  };
}

/** What cannot be undone is not done on the side: whoever gives more than `--clean` may have meant something else. */
function checkClean(command: Command): void {
  const others = command.options
    .filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli')
    .map(({ long, short }) => `'${long ?? short}'`)
    .filter((name) => name !== "'--clean'");
  if (command.args.length > 0) others.push(`the command '${command.args.join(' ')}'`);
  if (others.length > 0)
    throw new ConfigError(
      'CLEAN_AND_MORE',
      `--clean removes the whole cache and does nothing else, but ${others.join(' and ')} stood beside it; nothing is removed: give --clean alone, or leave it out`,
    );
}

/** @throws ConfigError `VMI_AND_KERNEL`, `NO_FPU` */
function checkKernelChoice({ kernel, native }: RunOptions, isVmi: boolean): void {
  if (isVmi && kernel !== undefined)
    throw new ConfigError('VMI_AND_KERNEL', '--vmi and --kernel both name a kernel; give one of them');
  if (native === false && kernel === undefined)
    throw new ConfigError(
      'NO_FPU',
      'with --no-native the guest has no FPU, and this kernel waits for ever without one; leave --no-native out, or name a kernel that does without (CONFIG_MATH_EMULATION=y) with --kernel',
    );
}
