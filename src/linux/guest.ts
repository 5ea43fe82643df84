/**
 * What `romulus linux` boots: a kernel, an initramfs and a command line, made of Debian's packages or of what the user names.
 *
 * What a first call has found out is noted in the cache, so that later ones need neither the network nor the list of packages. Read
 * before: `kernelPackage.ts`, `busybox.ts`, `initramfs.ts`. Read after: `../cli/linux.ts`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DriveOption } from '../deviceOptions.js';
import { ConfigError } from '../errors.js';
import type { FileOption } from '../machine/machine.js';
import { AptArchive, hasApt } from './aptArchive.js';
import { Archive, type ArchiveSource } from './archive.js';
import { checkArchiveOptions, type ArchiveOptions } from './archiveOptions.js';
import { busyboxApplets, unpackBusybox } from './busybox.js';
import type { Cache } from './cache.js';
import { checkEntry } from './damage.js';
import { initramfs } from './initramfs.js';
import { INIT_PARAMETER, Variable, type Session } from './initScript.js';
import { checkKernel, KERNEL_FILE, kernelPackage, unpackKernel } from './kernelPackage.js';
import { MirrorArchive } from './mirrorArchive.js';
import type { Task } from './progress.js';

/** A root file system: a folder of the host, copied into the guest's memory, or a disk. */
export type Root = { readonly folder: string } | { readonly drive: DriveOption };

export interface LinuxOptions extends ArchiveOptions {
  /** Kernel file of the user's own. */
  readonly kernel?: FileOption | undefined;
  /** Initial RAM disk of the user's own. */
  readonly initrd?: FileOption | undefined;
  /** The guest's root file system; undefined = a small one of busybox' commands, in memory. */
  readonly root?: Root | undefined;
  /** Added to the kernel command line. */
  readonly append?: string | undefined;
  readonly session: Session;
  /** The kernel prints what it does. */
  readonly isVerbose?: boolean | undefined;
  /** The user's terminal, which the guest's shell is told about. */
  readonly terminal?: { readonly type: string; readonly rows: number; readonly columns: number } | undefined;
}

/** The parts of a machine's options that this layer decides. */
export interface LinuxGuest {
  readonly kernel: FileOption;
  readonly initrd: FileOption;
  readonly append: string;
  /** Disks, in the order in which the guest numbers them. */
  readonly drives: readonly DriveOption[];
  /** Such as `Linux 6.1.0-50-686`. */
  readonly name: string;
}

/** What stands in the cache about an archive: entries relative to the cache folder. */
interface Note {
  readonly release: string;
  readonly kernel: string;
  readonly busybox: string;
}

/** Debian's parts of a guest. */
export interface DebianFiles {
  /** As `uname -r` prints it. */
  readonly release: string;
  /** Folder of the kernel, see `KernelFiles`. */
  readonly kernelFolder: string;
  readonly busybox: string;
}

/** Console of the guest, and what else Linux has to be told about this machine. */
export const BASE_PARAMETERS = ['console=ttyS0', 'panic=-1'];

/**
 * What Debian's kernel need not do here, half of its boot (docs/performance.md): look for ISA Plug and Play cards, which takes delay loops; test its
 * ciphers; patch every LOCK prefix out of itself, each by a switch of address space, where one processor runs. (Linux:
 * Documentation/admin-guide/kernel-parameters.txt; crypto/testmgr.c, notests)
 */
export const DEBIAN_PARAMETERS = ['noisapnp', 'cryptomgr.notests', 'noreplace-smp'];

/** @throws ConfigError `NO_ARCHIVE`, `BAD_MIRROR`, `KEYRING_WITHOUT_MIRROR`; HostError `BAD_KEYRING`, `PROGRAM_MISSING` */
export function openArchive(cache: Cache, options: ArchiveOptions): Archive {
  return new Archive(cache, archiveSource(options));
}

function archiveSource(options: ArchiveOptions): ArchiveSource {
  checkArchiveOptions(options);
  if (options.mirror !== undefined) return new MirrorArchive(options.mirror, options);
  if (hasApt()) return new AptArchive();
  throw new ConfigError(
    'NO_ARCHIVE',
    'this host has no apt to fetch packages with; name an archive of Debian with --mirror URL (a folder that has dists/)',
  );
}

/**
 * Debian's kernel and busybox, from the cache or from the archive.
 *
 * @throws HostError, ConfigError of this layer
 */
export async function debianFiles(cache: Cache, options: LinuxOptions, task: Task): Promise<DebianFiles> {
  await cache.removeLeftovers();
  const source = archiveSource(options);
  const name = `archives/${source.name}/guest.json`;
  const noted = options.refresh === true ? undefined : readNote(cache, name);
  if (noted !== undefined) return noted;
  const archive = new Archive(cache, source);
  const index = await archive.index(task, options.refresh);
  const kernel = await unpackKernel(cache, archive, kernelPackage(index), task);
  const busybox = await unpackBusybox(cache, archive, task);
  const note: Note = {
    release: kernel.release,
    kernel: relative(cache.folder, kernel.folder),
    busybox: relative(cache.folder, busybox),
  };
  await cache.write(name, `${JSON.stringify(note, null, 2)}\n`);
  return { release: kernel.release, kernelFolder: kernel.folder, busybox };
}

/** A note that is missing or does not fit what is there is no error: everything is looked up again. */
function readNote(cache: Cache, name: string): DebianFiles | undefined {
  try {
    const { release, kernel, busybox } = JSON.parse(readFileSync(cache.path(name), 'utf8')) as Note;
    const files = { release, kernelFolder: cache.path(kernel), busybox: cache.path(busybox) };
    return existsSync(files.busybox) && existsSync(join(files.kernelFolder, KERNEL_FILE)) ? files : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Prepares a guest.
 *
 * @throws HostError, ConfigError of this layer
 */
export async function prepareLinux(cache: Cache, options: LinuxOptions, task: Task): Promise<LinuxGuest> {
  const needsDebian = options.kernel === undefined || options.initrd === undefined;
  const debian = needsDebian ? await debianFiles(cache, options, task) : undefined;
  // Keys and addresses that cannot be are told even where nothing is fetched.
  if (!needsDebian && options.mirror !== undefined) archiveSource(options);
  if (debian !== undefined && options.kernel === undefined) checkKernel(debian.kernelFolder, debian.release);
  const kernel = options.kernel ?? join(debian?.kernelFolder ?? '', KERNEL_FILE);
  const initrd: FileOption = options.initrd ?? {
    name: 'initramfs',
    bytes: await packInitramfs(debian as DebianFiles, options),
  };
  return {
    kernel,
    initrd,
    append: commandLine(options),
    drives: options.root !== undefined && 'drive' in options.root ? [options.root.drive] : [],
    name:
      options.kernel === undefined
        ? `Linux ${debian?.release}`
        : basename(typeof options.kernel === 'string' ? options.kernel : options.kernel.name),
  };
}

/** The program that runs commands for the host; it lies next to the compiled program. */
const AGENT = fileURLToPath(new URL('../../guest/romulus-agent', import.meta.url));

async function packInitramfs(debian: DebianFiles, options: LinuxOptions): Promise<Uint8Array> {
  checkEntry(dirname(debian.busybox), [basename(debian.busybox)]);
  return initramfs({
    busybox: await readFile(debian.busybox),
    applets: await busyboxApplets(debian.busybox),
    // A kernel of the user's own has other modules, if any.
    modules: options.kernel === undefined ? debian.kernelFolder : undefined,
    agent: existsSync(AGENT) ? await readFile(AGENT) : undefined,
    root: options.root !== undefined && 'folder' in options.root ? options.root.folder : undefined,
  });
}

/** The first disk's name in the guest. */
const ROOT_DISK = '/dev/vda';

/** What the user appends comes last, so that it wins. */
function commandLine({ append, session, isVerbose, terminal, kernel, initrd, root }: LinuxOptions): string {
  const isDisk = root !== undefined && 'drive' in root;
  const words = [
    ...BASE_PARAMETERS,
    ...(kernel === undefined ? DEBIAN_PARAMETERS : []),
    ...(isVerbose === true ? [] : ['quiet']),
    // For our own first program.
    ...(initrd === undefined ? [INIT_PARAMETER, `${Variable.Session}=${session}`] : []),
    ...(isDisk ? [initrd === undefined ? `${Variable.Root}=${ROOT_DISK}` : `root=${ROOT_DISK}`] : []),
    ...(terminal === undefined
      ? []
      : [`TERM=${terminal.type}`, `LINES=${terminal.rows}`, `COLUMNS=${terminal.columns}`]),
    append ?? '',
  ];
  return words.join(' ').trim();
}
