/**
 * The kernel that speaks VMI: a source, our files and patches from `guest/linux`, built and kept in the cache.
 *
 * Read before: `buildKernel.ts`. Read after: `../cli/buildLinux.ts`.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKernel, IMAGE_FILE } from './buildKernel.js';
import type { Archive } from './archive.js';
import type { Cache } from './cache.js';
import { checkEntry } from './damage.js';
import { unpackKernelImage } from './kernelImage.js';
import { KERNEL_FILE, type KernelFiles } from './kernelPackage.js';
import { folderSource, packagedSource, shortHash, type KernelSource } from './kernelSource.js';
import type { Task } from './progress.js';
import { prepareTree } from './sourceTree.js';

/** Our part of the source, in this package. */
const OVERLAY = fileURLToPath(new URL('../../../guest/linux', import.meta.url));
const CONFIG = join(OVERLAY, 'romulus.config');

/** Without these it would not be the kernel that is asked for, or could not be used. */
const NEEDED = ['CONFIG_VMI_GUEST', 'CONFIG_SERIAL_8250_CONSOLE', 'CONFIG_BLK_DEV_INITRD', 'CONFIG_VIRTIO_PCI'];

export interface VmiKernelOptions {
  /** Folder of a 6.1 source; undefined = Debian's package. */
  readonly source?: string | undefined;
  /** Looks for a newer package. */
  readonly refresh?: boolean | undefined;
  readonly jobs?: number | undefined;
}

/**
 * The VMI kernel, built where the cache does not have it. A source folder of the user's is looked at each time, as it may have changed.
 *
 * @param openArchive called only if the package is needed
 * @returns its folder holds `vmlinuz`, the same unpacked (`KERNEL_FILE`), `config` and `System.map`, and no modules: all is built in
 * @throws HostError, ConfigError of this layer
 */
export async function vmiKernel(
  cache: Cache,
  openArchive: () => Archive,
  { source, refresh, jobs }: VmiKernelOptions,
  task: Task,
): Promise<KernelFiles> {
  await cache.removeLeftovers();
  const found =
    source === undefined ? await packagedSource(cache, openArchive(), task, refresh) : await folderSource(source);
  const entry = `kernels/vmi-${found.version}-${shortHash(`${found.id} ${await overlayText()}`)}`;
  if (found.isFixed && cache.has(entry)) {
    checkEntry(cache.path(entry), [IMAGE_FILE, KERNEL_FILE, 'config']);
    return { release: await releaseOf(cache.path(entry)), folder: cache.path(entry) };
  }
  const { release, copyTo } = await build(cache, found, jobs, task);
  await cache.remove(entry);
  const folder = await cache.make(entry, async (temporary) => {
    await mkdir(temporary);
    await copyTo(temporary);
    const image = await readFile(join(temporary, IMAGE_FILE));
    await writeFile(join(temporary, KERNEL_FILE), await unpackKernelImage(image, task.signal));
  });
  return { release, folder };
}

async function build(
  cache: Cache,
  source: KernelSource,
  jobs: number | undefined,
  task: Task,
): ReturnType<typeof buildKernel> {
  const folder = cache.path('builds', `vmi-${source.id}`);
  try {
    await mkdir(folder, { recursive: true });
    const tree = await prepareTree(source.folder, { folder: OVERLAY }, folder, task);
    return await buildKernel({ tree, config: CONFIG, needed: NEEDED, folder: join(folder, 'objects'), jobs }, task);
  } catch (error) {
    throw cache.explain(error);
  }
}

/** All that our part consists of: the same text, the same kernel. */
async function overlayText(): Promise<string> {
  const entries = await readdir(OVERLAY, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const built = paths.filter((path) => !path.endsWith('.md')).sort();
  const texts = await Promise.all(
    built.map(async (path) => `${relative(OVERLAY, path)}\n${await readFile(path, 'utf8')}`),
  );
  return texts.join('\n');
}

/** From the first line of the configuration's comment: `# Linux/i386 6.1.192 Kernel Configuration`, and the local part. */
async function releaseOf(folder: string): Promise<string> {
  const config = await readFile(join(folder, 'config'), 'utf8');
  const version = /^# Linux\/\S+ (\S+) Kernel Configuration$/m.exec(config)?.[1] ?? '';
  return version + (/^CONFIG_LOCALVERSION="(.*)"$/m.exec(config)?.[1] ?? '');
}
