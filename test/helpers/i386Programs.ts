/**
 * How this host runs i386 programs of Linux: by itself, which takes CONFIG_IA32_EMULATION and a processor mode that some hypervisors do not
 * offer, or in QEMU's user mode (Debian: qemu-user) where that is installed. Read before: `../../guest/README.md`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const AGENT = fileURLToPath(new URL('../../guest/romulus-agent', import.meta.url));

/** The program in which i386 programs run, none where the host runs them itself; undefined where nothing can. */
function findRunner(): readonly string[] | undefined {
  // Without arguments the agent looks for its port, finds none, and says so.
  const runs = (words: readonly string[]): boolean => {
    const [command, ...parameters] = [...words, AGENT];
    return /no virtio port/.test(spawnSync(command, parameters, { encoding: 'utf8' }).stderr ?? '');
  };
  return [[], ['qemu-i386']].find(runs);
}

let runner: { readonly words: readonly string[] | undefined } | undefined;

/**
 * @param program and its arguments
 * @returns the words with which the host starts it; undefined where it cannot
 */
export function i386Command(...program: readonly string[]): readonly string[] | undefined {
  runner ??= { words: findRunner() };
  return runner.words && [...runner.words, ...program];
}
