/**
 * The files that a command writes. One that would write over what it reads, or two things into one file, is refused: a slip of the keyboard
 * must not cost a kernel or a disk image. Read after: `options.ts`.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError } from '../errors.js';
import type { RunOptions } from './options.js';

/** Where the flame graph goes. @param folded file of the folded stacks */
export const flameGraphFile = (folded: string): string => `${folded.replace(/\.folded$/, '')}.html`;

interface Named {
  readonly option: string;
  readonly path: string | undefined;
}

function inputs({ kernel, bios, initrd, drives = [], symbols }: RunOptions): Named[] {
  return [
    { option: '--kernel', path: typeof kernel === 'string' ? kernel : undefined },
    { option: '--bios', path: bios },
    ...(typeof initrd === 'string' ? initrd.split(',') : []).map((path) => ({ option: '--initrd', path })),
    ...drives.flatMap(({ file, overlay }) => [file, overlay].map((path) => ({ option: '--drive', path }))),
    { option: '--symbols', path: symbols },
  ];
}

function outputs({ serial, debugcon, traceFile, dumpFragments, profile }: RunOptions): Named[] {
  return [
    { option: '--serial', path: serial?.startsWith('file:') ? serial.slice('file:'.length) : undefined },
    { option: '--debugcon', path: debugcon === 'stdio' ? undefined : debugcon },
    { option: '--trace-file', path: traceFile },
    { option: '--dump-fragments', path: dumpFragments },
    { option: '--profile', path: profile },
    { option: "--profile's flame graph", path: profile === undefined ? undefined : flameGraphFile(profile) },
  ];
}

/** What tells files apart, whatever they are called; undefined for what is no file: a device or a pipe takes anything. */
function identityOf(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status !== undefined) return status.isFile() ? `${status.dev}:${status.ino}` : undefined;
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return resolve(path);
  }
}

/** @throws ConfigError `OVERWRITES` */
export function refuseOverwriting(options: RunOptions): void {
  const known = new Map<string, string>();
  const identify = ({ path }: Named): string | undefined => {
    try {
      return path === undefined ? undefined : identityOf(path);
    } catch {
      // whoever opens it says why that is not possible
      return undefined;
    }
  };
  for (const input of inputs(options)) {
    const identity = identify(input);
    if (identity !== undefined) known.set(identity, input.option);
  }
  for (const output of outputs(options)) {
    const identity = identify(output);
    if (identity === undefined) continue;
    const other = known.get(identity);
    if (other !== undefined)
      throw new ConfigError(
        'OVERWRITES',
        `${output.option} would write over '${output.path}', which ${other} names; give it a file of its own`,
      );
    known.set(identity, output.option);
  }
}
