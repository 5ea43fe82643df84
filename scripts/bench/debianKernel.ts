/**
 * Debian's kernel as its package has it: a bzImage, which every system here can boot. `romulus linux` keeps its copy unpacked, and neither QEMU nor
 * v86 can boot that one. Read before: src/linux/kernelPackage.ts. Read after: `linux.ts`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from '../../src/linux/cache.js';
import { readDeb } from '../../src/linux/deb.js';
import { debianFiles, openArchive } from '../../src/linux/guest.js';
import type { Task } from '../../src/linux/progress.js';

/** @returns path of the image, which is put into `folder` */
export async function debianKernel(cache: Cache, folder: string, task: Task): Promise<string> {
  const { release } = await debianFiles(cache, { session: 'agent' }, task);
  const archive = openArchive(cache, {});
  const [file = ''] = await archive.files([(await archive.index(task)).get(`linux-image-${release}`)], task);
  const image = join(folder, 'vmlinuz');
  let isThere = false;
  await readDeb(
    file,
    async ({ path, bytes }) => {
      if (path !== `boot/vmlinuz-${release}`) return;
      writeFileSync(image, await bytes());
      isThere = true;
    },
    task.signal,
  );
  if (!isThere) throw new Error(`${file} has no kernel image`);
  return image;
}
