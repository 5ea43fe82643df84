/**
 * Debian's kernel, out of its package into the cache: the image, its configuration and symbols, and the few modules that a guest of
 * this machine can use.
 *
 * Read before: `archive.ts`, `deb.ts`, `modules.ts`. Read after: `guest.ts`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HostError } from '../errors.js';
import type { Archive } from './archive.js';
import type { Cache } from './cache.js';
import { cacheDamaged, checkEntry } from './damage.js';
import { readDeb } from './deb.js';
import { unpackKernelImage } from './kernelImage.js';
import { aliasTable, dependencyTable, readModule, selectModules, type KernelModule } from './modules.js';
import type { PackageIndex } from './packageIndex.js';
import type { Task } from './progress.js';

/** Debian's package that always needs the newest kernel for processors without PAE. */
const META_PACKAGE = 'linux-image-686';

/** Modules that are taken, with all they need: this machine's devices, and the file systems of disk images. */
const MODULES = [
  ...['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_console', 'virtio_rng', 'virtio_net', 'virtio_balloon'],
  ...['pvpanic_mmio', 'pvpanic_pci', 'loop'],
  ...['ext4', 'crc32c_generic', 'overlay', 'squashfs', 'isofs', 'vfat', 'nls_ascii', 'nls_utf8', 'fuse'],
];
/** Where those modules and all that they need are in the package; the rest is not even looked at. */
const MODULE_FOLDERS =
  /^kernel\/(drivers\/(virtio|block|char|net|misc|cdrom)|fs|lib|crypto|net\/core|arch\/x86\/crypto)\//;

/** Name of the kernel itself in its folder: unpacked where the host could. */
export const KERNEL_FILE = 'vmlinux';

/** A kernel in the cache. */
export interface KernelFiles {
  /** Release as `uname -r` prints it, such as 6.1.0-50-686. */
  readonly release: string;
  /** Folder with the kernel (`KERNEL_FILE`), `config`, `System.map` and `lib/modules`. */
  readonly folder: string;
}

/** @returns the name of the package that holds the kernel image itself */
export function kernelPackage(index: PackageIndex): string {
  const meta = index.get(META_PACKAGE);
  const name = meta.needs.flat().find((need) => /^linux-image-\d.*-686$/.test(need));
  if (name === undefined)
    throw new HostError(
      'PACKAGE_MISSING',
      `the archive's package '${META_PACKAGE}' names no kernel; try again with --refresh, or use another --mirror`,
    );
  return name;
}

/**
 * Fetches and unpacks a kernel where the cache does not have it.
 *
 * @param name package such as linux-image-6.1.0-50-686
 */
export async function unpackKernel(cache: Cache, archive: Archive, name: string, task: Task): Promise<KernelFiles> {
  const found = (await archive.index(task)).get(name);
  const release = name.replace(/^linux-image-/, '');
  const choice = createHash('sha256')
    .update(`${found.sha256} ${KERNEL_FILE} ${MODULES.join(' ')}`)
    .digest('hex')
    .slice(0, 12);
  const entry = join('kernels', `${release}-${choice}`);
  if (cache.has(entry)) return { release, folder: cache.path(entry) };
  const [file = ''] = await archive.files([found], task);
  task.progress(`unpacking ${name}`);
  const folder = await cache.make(entry, async (temporary) => {
    await mkdir(temporary);
    await unpack(file, release, temporary, task);
  });
  return { release, folder };
}

/**
 * Looks whether a kernel in the cache still has what a boot takes. A guest whose modules are gone only says that it finds no devices.
 *
 * @throws HostError `CACHE_DAMAGED`
 */
export function checkKernel(folder: string, release: string): void {
  const modules = join('lib/modules', release);
  const table = join(modules, 'modules.dep');
  checkEntry(folder, [KERNEL_FILE, table, join(modules, 'modules.alias')]);
  const paths = readFileSync(join(folder, table), 'utf8').match(/[^\s:]+/g);
  if (paths === null) throw cacheDamaged(`'${join(folder, table)}' names no module`, folder);
  checkEntry(
    folder,
    [...new Set(paths)].map((path) => join(modules, path)),
  );
}

async function unpack(file: string, release: string, folder: string, task: Task): Promise<void> {
  const kernelPath = `boot/vmlinuz-${release}`;
  const boot = new Map(['config', 'System.map'].map((name) => [`boot/${name}-${release}`, name])).set(
    kernelPath,
    KERNEL_FILE,
  );
  const modulesPath = `lib/modules/${release}/`;
  const modules: KernelModule[] = [];
  const write = async (path: string, bytes: Uint8Array | string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  };
  await readDeb(
    file,
    async ({ path, bytes }) => {
      const name = boot.get(path);
      const inner = path.startsWith(modulesPath) ? path.slice(modulesPath.length) : '';
      if (name !== undefined) {
        boot.delete(path);
        await write(name, path === kernelPath ? await unpackKernelImage(await bytes(), task.signal) : await bytes());
      } else if (inner.endsWith('.ko') && MODULE_FOLDERS.test(inner)) modules.push(readModule(inner, await bytes()));
      else if (/^modules\.(builtin|order)/.test(inner)) await write(path, await bytes());
    },
    task.signal,
  );
  const [missing] = boot.keys();
  if (missing !== undefined)
    throw new HostError('PACKAGE_DAMAGED', `'${file}' has no '${missing}'; remove it, and the next call fetches it`);
  const chosen = selectModules(modules, MODULES);
  for (const { path, bytes } of chosen) await write(modulesPath + path, bytes);
  await write(`${modulesPath}modules.dep`, dependencyTable(chosen));
  await write(`${modulesPath}modules.alias`, aliasTable(chosen));
}
