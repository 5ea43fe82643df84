/**
 * A Debian userland as a disk image: packages fetched here, installed by their own dpkg inside our guest.
 *
 * Installing needs root, owners and device nodes, all of which a guest has and a user on the host has not. The steps are those of
 * debootstrap: unpack the required packages, then let dpkg install them and all others. (debootstrap(8)) Read before: `archive.ts`,
 * `guest.ts`. Read after: `../cli/linux.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { HostError } from '../errors.js';
import { Machine } from '../machine/machine.js';
import type { Archive } from './archive.js';
import type { ArchiveOptions } from './archiveOptions.js';
import type { Cache } from './cache.js';
import { expandDeb } from './deb.js';
import { installScript } from './debianRootScript.js';
import { prepareLinux } from './guest.js';
import type { Package } from './packageIndex.js';
import { needProgram, runProgram } from './programs.js';
import type { Task } from './progress.js';

/** What is installed beside the packages that Debian marks as required or important. */
const EXTRA_PACKAGES = ['apt', 'perl', 'python3', 'gcc', 'libc6-dev'];
/** Room on the disk; the file on the host takes only what is written. */
const IMAGE_BYTES = 4 * 2 ** 30;
const MEMORY_BYTES = 512 << 20;
/** Free room on the disk that carries the packages, for the file system's own tables. */
const OVERHEAD = 1.1;
const OVERHEAD_BYTES = 16 << 20;
const MIB = 1 << 20;
/** A guest on a busy host takes its time to come up. */
const AGENT_TIMEOUT_MS = 120_000;
/** What the script, and then dpkg twice for each package, say of their work. */
const STEP = /^(?:Unpacking|Setting up) ([a-z0-9+.-]+)/;

/**
 * @returns path of a raw image with an ext4 file system
 * @throws HostError `ROOT_NOT_BUILT` and the codes of this layer
 */
export async function debianRoot(cache: Cache, archive: Archive, options: ArchiveOptions, task: Task): Promise<string> {
  const index = await archive.index(task);
  const required = index.closure([...index.ofPriority('required'), 'apt']);
  const all = index.closure([...required.map(({ name }) => name), ...index.ofPriority('important'), ...EXTRA_PACKAGES]);
  const script = installScript(required.map(packageFile), all.map(packageFile));
  const content = createHash('sha256').update(script);
  for (const { sha256 } of all) content.update(sha256);
  const name = join('roots', `debian-${content.digest('hex').slice(0, 12)}.img`);
  if (cache.has(name)) return cache.path(name);
  needProgram('mke2fs', 'e2fsprogs', 'to make a disk image');
  const files = await archive.files(all, task);
  return cache.make(name, async (image) => {
    const carrier = `${image}-packages`;
    try {
      await makeCarrier(carrier, all, files, task);
      await makeImage(image, IMAGE_BYTES, [], task);
      await install([image, carrier], script, required.length + 2 * all.length, cache, options, task);
    } finally {
      await rm(carrier, { force: true });
    }
  });
}

const packageFile = ({ name }: Package): string => `${name}.deb`;

async function makeImage(path: string, sizeBytes: number, words: readonly string[], task: Task): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(sizeBytes);
  await file.close();
  const program = needProgram('mke2fs', 'e2fsprogs', 'to make a disk image');
  await runProgram(program, ['-q', '-F', '-t', 'ext4', ...words, path], task.signal);
}

/** The second disk: every package, with its files not compressed. */
async function makeCarrier(
  image: string,
  packages: readonly Package[],
  files: readonly string[],
  task: Task,
): Promise<void> {
  const folder = `${image}-files`;
  try {
    await mkdir(folder);
    let sizeBytes = 0;
    for (const [index, each] of packages.entries()) {
      task.progress('unpacking packages', index / packages.length, each.name);
      sizeBytes += await expandDeb(files[index] ?? '', join(folder, packageFile(each)), task.signal);
    }
    task.progress('making disk images');
    const roomBytes = Math.ceil((sizeBytes * OVERHEAD + OVERHEAD_BYTES) / MIB) * MIB;
    await makeImage(image, roomBytes, ['-O', '^has_journal', '-d', folder], task);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function install(
  disks: readonly string[],
  script: string,
  stepCount: number,
  cache: Cache,
  options: ArchiveOptions,
  task: Task,
): Promise<void> {
  task.progress('starting a guest to install the packages');
  const { kernel, initrd, append } = await prepareLinux(
    cache,
    { mirror: options.mirror, keyring: options.keyring, session: 'agent' },
    task,
  );
  const machine = new Machine({
    kernel,
    initrd,
    append,
    memoryBytes: MEMORY_BYTES,
    drives: disks.map((file) => ({ file })),
    signal: task.signal,
  });
  const console = text(machine.console);
  const installer = machine.exec('sh', ['-c', script], { agentTimeoutMs: AGENT_TIMEOUT_MS, stdin: 'ignore' });
  const lines: string[] = [];
  let steps = 0;
  for (const stream of [installer.stdout, installer.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      const name = STEP.exec(line)?.[1];
      if (name !== undefined) task.progress('installing packages', Math.min(1, ++steps / stepCount), name);
    });
  await machine.start();
  try {
    const { status } = await installer.exit;
    if (status === 0) {
      machine.powerOff();
      const ended = await machine.ended;
      if (ended.status === 0) return;
      lines.push(ended.message);
    }
  } catch (error) {
    task.signal.throwIfAborted();
    lines.push((error as Error).message);
  } finally {
    await machine.stop();
  }
  task.signal.throwIfAborted();
  const log = await cache.write('roots/failed.log', `${lines.join('\n')}\n\n${await console}`);
  throw new HostError(
    'ROOT_NOT_BUILT',
    `the packages could not be installed in the guest: ${lines.at(-1) ?? 'it said nothing'}; all it said is in '${log}'`,
  );
}
