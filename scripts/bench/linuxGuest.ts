/**
 * The Linux guest that `npm run bench:linux` times: an initramfs with three of our static programs and no library, so that every system boots
 * the same few kilobytes; with the programs for i386 or, for User Mode Linux, with those for x86-64. Read before: test/guest/bench/linuxInit.c. Read after: `linuxSystems.ts`.
 */
import { readFileSync } from 'node:fs';
import { cpio, FileType, type CpioEntry } from '../../src/linux/cpio.js';

const WORK = new URL('../../guest-work/', import.meta.url);
const EXECUTABLE = 0o755;
const CONSOLE = { major: 5, minor: 1 };

const folder = (path: string): CpioEntry => ({ path, type: FileType.Directory, mode: EXECUTABLE });

/** The archive, uncompressed: unpacking it is nobody's work that is to be measured. */
export function benchInitramfs(build: 'bench' | 'bench64'): Buffer {
  const program = (path: string, file: string): CpioEntry => ({
    path,
    type: FileType.Regular,
    mode: EXECUTABLE,
    bytes: readFileSync(new URL(`${build}/${file}`, WORK)),
  });
  return cpio([
    folder('dev'),
    folder('tmp'),
    { path: 'dev/console', type: FileType.CharacterDevice, mode: 0o600, device: CONSOLE },
    program('init', 'linuxInit'),
    program('compute', 'linux'),
    program('oscalls', 'oscalls'),
  ]);
}
