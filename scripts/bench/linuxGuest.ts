/**
 * The Linux guest that `npm run bench:linux` times: an initramfs with three of our static programs and no library, so that every system boots
 * the same few kilobytes. Read before: test/guest/bench/linuxInit.c. Read after: `linuxSystems.ts`.
 */
import { readFileSync } from 'node:fs';
import { cpio, FileType, type CpioEntry } from '../../src/linux/cpio.js';

const FOLDER = new URL('../../guest-work/bench/', import.meta.url);
const EXECUTABLE = 0o755;
const CONSOLE = { major: 5, minor: 1 };

const program = (path: string, file: string): CpioEntry => ({
  path,
  type: FileType.Regular,
  mode: EXECUTABLE,
  bytes: readFileSync(new URL(file, FOLDER)),
});
const folder = (path: string): CpioEntry => ({ path, type: FileType.Directory, mode: EXECUTABLE });

/** The archive, uncompressed: unpacking it is nobody's work that is to be measured. */
export function benchInitramfs(): Buffer {
  return cpio([
    folder('dev'),
    folder('tmp'),
    { path: 'dev/console', type: FileType.CharacterDevice, mode: 0o600, device: CONSOLE },
    program('init', 'linuxInit'),
    program('compute', 'linux'),
    program('oscalls', 'oscalls'),
  ]);
}
