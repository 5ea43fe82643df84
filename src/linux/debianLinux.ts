/**
 * Debian's Linux for programs that embed a machine: what `romulus linux` boots, as options of one. Separate because `guest.ts` is told
 * by its caller what to show of the way there, and is loaded only by those who call this. Read before: `guest.ts`. Read after:
 * `../index.ts`.
 */
import type { MachineOptions } from '../machine/machine.js';

export interface DebianLinuxOptions {
  /** A kernel of one's own, with what it needs built in (docs/linux.md); by default Debian's. */
  readonly kernel?: string;
  /** A folder, a disk image, or `debian`; by default a small file system of busybox' commands. */
  readonly root?: string;
  /** Added to the kernel command line. */
  readonly append?: string;
  /** Archive to fetch packages from; by default those of the host's apt. */
  readonly mirror?: string;
  /** Keys that the mirror's list must be signed by; by default Debian's. */
  readonly keyring?: string;
  /** Looks for newer packages. */
  readonly refresh?: boolean;
  /** Gets a few words about each step of what takes a while, and the share of it that is done. */
  readonly onProgress?: (what: string, done?: number) => void;
  /** Gets what should be known and stops nothing. */
  readonly onWarning?: (text: string) => void;
  /** Ends the preparation. */
  readonly signal?: AbortSignal;
}

/**
 * Prepares a guest that runs the commands of `Machine.exec`, and fetches what the cache does not have:
 * `new Machine({ ...(await debianLinux()), memoryBytes: 256 << 20 })`.
 *
 * @throws RomulusError if it cannot be prepared
 */
export async function debianLinux(
  options: DebianLinuxOptions = {},
): Promise<Required<Pick<MachineOptions, 'kernel' | 'initrd' | 'append' | 'drives'>>> {
  const [{ Cache }, { prepareLinux }, { resolveRoot }] = await Promise.all([
    import('./cache.js'),
    import('./guest.js'),
    import('./root.js'),
  ]);
  const task = {
    progress: options.onProgress ?? ((): void => undefined),
    warn: options.onWarning ?? ((): void => undefined),
    signal: options.signal ?? new AbortController().signal,
  };
  const cache = new Cache();
  const root = options.root === undefined ? undefined : await resolveRoot(cache, options.root, options, task);
  const { kernel, initrd, append, drives } = await prepareLinux(cache, { ...options, root, session: 'agent' }, task);
  return { kernel, initrd, append, drives };
}
