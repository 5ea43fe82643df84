/**
 * How this host runs i386 programs of Linux: by itself, which takes CONFIG_IA32_EMULATION and a processor mode that some hypervisors do not
 * offer, or in QEMU's user mode (Debian: qemu-user) where that is installed. Read before: `../../guest/README.md`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Where the kernel lists the programs that it starts others in. (Linux: Documentation/admin-guide/binfmt-misc.rst) */
const HANDLERS = '/proc/sys/fs/binfmt_misc';

/** Does the host's kernel start i386 programs in an emulator without being asked? */
function isEmulated(): boolean {
  if (!existsSync(HANDLERS)) return false;
  const handlers = readdirSync(HANDLERS).filter((name) => name !== 'register');
  return handlers.some((name) => /^enabled\ninterpreter .*i386/.test(readFileSync(join(HANDLERS, name), 'latin1')));
}

/** Does the host's own processor run i386 programs? What is timed natively, or recorded as the truth, must run there. */
export function runsI386(): boolean {
  return i386Command()?.length === 0 && !isEmulated();
}
