/**
 * The benchmark programs as the host's own processor runs them: those for i386 that guests run or, where the host runs no i386 programs (many
 * hypervisors offer no mode for them), the same sources built for x86-64. Read before: test/guest/Makefile, `../test/helpers/i386Programs.ts`.
 */
import { fileURLToPath } from 'node:url';
import { runsI386 } from '../test/helpers/i386Programs.js';

export interface NativePrograms {
  /** Head of their column. */
  readonly name: string;
  /** Ends with a slash. */
  readonly folder: string;
  /** What must stand beside their figures; undefined where they are what guests run. */
  readonly note: string | undefined;
}

const built = (name: string): string => fileURLToPath(new URL(`../guest-work/${name}/`, import.meta.url));

function find(): NativePrograms {
  if (runsI386()) return { name: 'native', folder: built('bench'), note: undefined };
  return {
    name: 'native, 64-bit',
    folder: built('bench64'),
    note:
      'native, 64-bit: this host cannot run i386 programs, so its own are the same sources built for x86-64. These have twice the registers, so ' +
      'to be compared with them is, as a rule, stricter than with i386 programs.',
  };
}

let found: NativePrograms | undefined;

export function nativePrograms(): NativePrograms {
  return (found ??= find());
}
