/**
 * The options of `romulus linux`: those of `run`, and what only a Linux guest has. Read before: `options.ts`. Read after: `linux.ts`.
 */
import type { Command } from 'commander';
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
    .option('--clean', 'remove everything that was fetched and made, and stop');
  addRunOptions(command, {
    kernel: "kernel to boot: a Linux bzImage (default: Debian's)",
    initrd: 'initial RAM disk (default: ours, with busybox)',
    append: 'more kernel parameters',
    memoryBytes: 'guest memory, 8M to 3G, with suffix K, M or G (default: 256M)',
    bios: undefined,
  });
}

/** @throws ConfigError from the machine's table */
export function toLinuxOptions(command: Command): LinuxCommandOptions {
  const own = command.opts<Omit<LinuxCommandOptions, 'run'>>();
  const { root, vmi, mirror, keyring, refresh, clean } = own;
  return {
    run: toRunOptions(command),
    ...(root !== undefined && { root }),
    ...(vmi !== undefined && { vmi }),
    ...(mirror !== undefined && { mirror }),
    ...(keyring !== undefined && { keyring }),
    ...(refresh !== undefined && { refresh }),
    ...(clean !== undefined && { clean }),
  };
}
