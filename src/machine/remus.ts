/**
 * Where the packaged guest is, for those who want to run it: the command line's default, and programs that try the API out. Separate
 * because the machine itself boots any kernel and knows none. Read after: `machine.ts`.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../errors.js';

/** The files lie next to the compiled program. */
const packaged = (name: string): string => fileURLToPath(new URL(`../../guest/${name}`, import.meta.url));

/**
 * Paths of Remus and its programs, as options of a machine: `new Machine({ ...remus(), memoryBytes: 64 << 20 })`.
 *
 * @throws ConfigError `NO_KERNEL` where it has not been built
 */
export function remus(): { readonly kernel: string; readonly initrd: string } {
  const kernel = packaged('remus.elf');
  if (!existsSync(kernel))
    throw new ConfigError(
      'NO_KERNEL',
      "Remus, the packaged kernel, is not built; run 'npm run build' or name another with --kernel",
    );
  return { kernel, initrd: packaged('initrd.tar') };
}
