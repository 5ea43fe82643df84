/**
 * What a Linux kernel of the user's own was built with, and what of it this machine would miss. A kernel without a driver for the
 * console boots and says nothing, which looks like a machine that does not work; so this is said before.
 *
 * The configuration stands in the kernel itself (CONFIG_IKCONFIG) or in the file that distributions put beside it. Separate from
 * `../boot`, which refuses what cannot boot and reads no other files. Read before: `../boot/bzimage.ts`. Read after: `../cli/run.ts`.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { bzImagePayload, isBzImage } from '../boot/bzimage.js';
import { isElf } from '../boot/elf.js';

const unpack = promisify(gunzip);
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);
/** The configuration, gzipped, lies between these. (Linux: kernel/configs.c) */
const IKCONFIG_START = 'IKCFG_ST';
const IKCONFIG_END = 'IKCFG_ED';

/** Options without which somebody sits before a blank screen, and what they would see to. */
const WANTED: readonly (readonly [option: string, use: string])[] = [
  ['SERIAL_8250_CONSOLE', 'the console on the serial port'],
  ['BLK_DEV_INITRD', 'the initial RAM disk'],
  ['BINFMT_ELF', 'programs'],
];

/**
 * The options a kernel was built with, by name without `CONFIG_`; undefined where it does not tell.
 *
 * @param path the kernel's file: `config-VERSION` is looked for beside `vmlinuz-VERSION`
 * @param kernel its contents
 */
export async function kernelConfig(path: string, kernel: Uint8Array): Promise<ReadonlyMap<string, string> | undefined> {
  const text = (await configBeside(path)) ?? (await configWithin(Buffer.from(kernel)));
  if (text === undefined) return undefined;
  const lines = text.matchAll(/^CONFIG_(\w+)=(.*)$/gm);
  return new Map([...lines].map(([, option, value]) => [option, value]));
}

async function configBeside(path: string): Promise<string | undefined> {
  const version = /^[^-]+-(.+)$/.exec(basename(path))?.[1];
  if (version === undefined) return undefined;
  try {
    return await readFile(join(dirname(path), `config-${version}`), 'utf8');
  } catch {
    // Most kernels have none.
    return undefined;
  }
}

/** Kernels packed by another method than gzip keep their configuration to themselves. */
async function configWithin(kernel: Buffer): Promise<string | undefined> {
  try {
    const payload = isBzImage(kernel) ? Buffer.from(bzImagePayload(kernel)) : kernel;
    const image = payload.subarray(0, 2).equals(GZIP_MAGIC) ? await unpack(payload) : payload;
    const start = image.indexOf(IKCONFIG_START);
    const end = image.indexOf(IKCONFIG_END, start);
    if (start < 0 || end < 0) return undefined;
    return (await unpack(image.subarray(start + IKCONFIG_START.length, end))).toString('latin1');
  } catch {
    // What cannot be unpacked here is for the kernel's own unpacker to complain about.
    return undefined;
  }
}

/**
 * Sentences about what will not work with a kernel as it is to be started; none for kernels other than Linux.
 *
 * @param append the kernel command line
 */
export async function kernelWarnings(path: string, append: string): Promise<string[]> {
  // What came through a pipe cannot be read once more.
  if (!(await stat(path)).isFile()) return [];
  const kernel = await readFile(path);
  if (!isBzImage(kernel) && !isElf(kernel)) return [];
  const config = await kernelConfig(path, kernel);
  // An ELF file without a configuration may be another kernel than Linux.
  if (config === undefined && !isBzImage(kernel)) return [];
  const builtIn = config?.get('CMDLINE')?.slice(1, -1) ?? '';
  const warnings = WANTED.filter(([option]) => config !== undefined && config.get(option) !== 'y').map(
    ([option, use]) => `kernel '${path}' was built without CONFIG_${option}=y, so it has no driver for ${use}`,
  );
  if (config?.get('X86_PAE') === 'y')
    warnings.push(`kernel '${path}' was built with CONFIG_X86_PAE=y, which this processor has not: it will not start`);
  if (!/(^|\s)(console|earlyprintk)=/.test(`${append} ${builtIn}`))
    warnings.push(`kernel '${path}' is told of no console: give --append 'console=ttyS0' to see what it prints`);
  return warnings;
}
