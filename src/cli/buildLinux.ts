/** `romulus build-linux`: builds the kernel that speaks VMI and says where it is. Read before: `../linux/vmiKernel.ts`. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, HostError } from '../errors.js';
import { IMAGE_FILE } from '../linux/buildKernel.js';
import { checkArchiveOptions } from '../linux/archiveOptions.js';
import { Cache } from '../linux/cache.js';
import { openArchive } from '../linux/guest.js';
import { vmiKernel } from '../linux/vmiKernel.js';
import type { BuildLinuxOptions } from './buildLinuxOptions.js';
import { withProgress } from './progress.js';

/** @throws ConfigError `BAD_JOBS` */
function parseJobs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new ConfigError('BAD_JOBS', `'${text}' is no number of jobs; give one from 1 to 9999, as in --jobs 4`);
  return Number(text);
}

/**
 * Builds and prints the image's path.
 *
 * @throws RomulusError if it cannot be built
 */
export async function buildLinux(options: BuildLinuxOptions): Promise<void> {
  const jobs = parseJobs(options.jobs);
  checkArchiveOptions(options);
  const cache = new Cache();
  const kernel = await withProgress((task) =>
    vmiKernel(
      cache,
      () => openArchive(cache, options),
      { source: options.source, refresh: options.refresh, jobs },
      task,
    ),
  );
  const image = join(kernel.folder, IMAGE_FILE);
  const { output } = options;
  if (output !== undefined)
    await copyFile(image, output).catch((error: unknown) => {
      throw new HostError(
        'OUTPUT_FAILED',
        `cannot write '${output}': ${(error as Error).message}; the kernel is at '${image}'`,
      );
    });
  process.stdout.write(`${output ?? image}\n`);
}
