/**
 * Our initramfs: the init script and busybox below /romulus, kernel modules, and a root file system, which is a small one of busybox'
 * commands or the user's own folder.
 *
 * It is made anew for each boot, in memory: packing a few megabytes takes less time than telling whether a cached one is still right.
 * Read before: `cpio.ts`, `initScript.ts`. Read after: `guest.ts`.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ConfigError } from '../errors.js';
import { cpio, FileType, type CpioEntry } from './cpio.js';
import { initScript, OWN_FOLDER, sessionScript } from './initScript.js';

const EXECUTABLE = 0o755;
const READABLE = 0o644;
const PERMISSIONS = 0o7777;

export interface InitramfsParts {
  /** Busybox, statically linked. */
  readonly busybox: Uint8Array;
  /** Names of the commands that busybox stands for. */
  readonly applets: readonly string[];
  /** Folder with `lib/modules`; undefined for a kernel without modules. */
  readonly modules?: string | undefined;
  /** The program that runs commands for the host. */
  readonly agent?: Uint8Array | undefined;
  /** The user's folder that becomes the guest's root. */
  readonly root?: string | undefined;
}

const folder = (path: string, mode = EXECUTABLE): CpioEntry => ({ path, type: FileType.Directory, mode });
const file = (path: string, bytes: string | Uint8Array, mode = READABLE): CpioEntry => ({
  path,
  type: FileType.Regular,
  mode,
  bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
});
const link = (path: string, target: string): CpioEntry => ({
  path,
  type: FileType.SymbolicLink,
  mode: 0o777,
  bytes: Buffer.from(target),
});

/**
 * @returns the archive; the same parts give the same bytes
 * @throws ConfigError `BAD_ROOT`, `FILE_TOO_BIG`
 */
export function initramfs(parts: InitramfsParts): Buffer {
  const entries = new Map<string, CpioEntry>();
  const add = (added: readonly CpioEntry[]): void => {
    for (const entry of added) entries.set(entry.path, entry);
  };
  add(parts.root === undefined ? smallRoot(parts.applets) : folderEntries(parts.root));
  if (!entries.has('dev')) add([folder('dev')]);
  // Without it the first program has no standard input and output. (Linux: init/main.c, console_on_rootfs)
  add([{ path: 'dev/console', type: FileType.CharacterDevice, mode: 0o600, device: { major: 5, minor: 1 } }]);
  // A merged /usr has /lib as a link; the modules then go where it points.
  const libLink = entries.get('lib')?.type === FileType.SymbolicLink ? 'usr/lib' : 'lib';
  if (parts.modules !== undefined) {
    const found = folderEntries(join(parts.modules, 'lib'), libLink);
    add([...(entries.has(libLink) ? [] : [folder(libLink)]), ...found]);
  }
  add([
    folder(OWN_FOLDER),
    folder(`${OWN_FOLDER}/bin`),
    file(`${OWN_FOLDER}/busybox`, parts.busybox, EXECUTABLE),
    file(`${OWN_FOLDER}/init`, initScript, EXECUTABLE),
    file(`${OWN_FOLDER}/session`, sessionScript),
    ...parts.applets.map((applet) => link(`${OWN_FOLDER}/bin/${applet}`, '../busybox')),
  ]);
  if (parts.agent !== undefined) add([file(`${OWN_FOLDER}/agent`, parts.agent, EXECUTABLE)]);
  return cpio([...entries.values()]);
}

/** Just enough that programs find what they look for: users, shells, a prompt. */
function smallRoot(applets: readonly string[]): CpioEntry[] {
  const folders = [
    'bin',
    'dev',
    'etc',
    'lib',
    'mnt',
    'proc',
    'root',
    'run',
    'sbin',
    'sys',
    'usr',
    'usr/bin',
    'usr/sbin',
  ];
  return [
    ...folders.map((path) => folder(path)),
    folder('tmp', 0o1777),
    folder('var'),
    link('var/run', '../run'),
    link('var/tmp', '../tmp'),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n'),
    file('etc/group', 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n'),
    file('etc/hosts', '127.0.0.1 localhost romulus\n'),
    file('etc/profile', "export PS1='\\u@\\h:\\w\\$ '\n"),
    ...applets.map((applet) => link(`bin/${applet}`, `../${OWN_FOLDER}/busybox`)),
    // Where the kernel looks for it when something asks for a driver or a file system.
    link('sbin/modprobe', '../bin/modprobe'),
  ];
}

/**
 * The contents of a folder of the host. Sockets, pipes and device nodes are left out: the guest makes its own.
 *
 * @param under path in the archive
 */
function folderEntries(top: string, under = ''): CpioEntry[] {
  const entries: CpioEntry[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const inner = join(path, name);
      const { mode, ...found } = statOf(inner);
      const common = { path: join(under, relative(top, inner)), mode: mode & PERMISSIONS };
      if (found.isSymbolicLink) entries.push(link(common.path, readlinkSync(inner)));
      else if (found.isFile) entries.push({ ...common, type: FileType.Regular, bytes: readFileSync(inner) });
      else if (found.isDirectory) {
        entries.push({ ...common, type: FileType.Directory });
        walk(inner);
      }
    }
  };
  try {
    walk(top);
  } catch (error) {
    throw new ConfigError(
      'BAD_ROOT',
      `the folder '${top}' cannot be packed: ${(error as Error).message}; make all of it readable, or give a disk image`,
      { cause: error },
    );
  }
  return entries;
}

function statOf(path: string): { mode: number; isSymbolicLink: boolean; isFile: boolean; isDirectory: boolean } {
  const stat = lstatSync(path);
  return {
    mode: stat.mode,
    isSymbolicLink: stat.isSymbolicLink(),
    isFile: stat.isFile(),
    isDirectory: stat.isDirectory(),
  };
}
