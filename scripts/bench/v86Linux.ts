/**
 * `node v86Linux.js FOLDER KERNEL INITRD APPEND MIB`: boots Linux in v86, which is in FOLDER/node_modules, with its serial line on standard
 * output. A program of its own, so that its start and its memory are measured like everybody else's. Read before: `linuxSystems.ts`.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Emulator {
  add_listener(event: string, listener: (byte: number) => void): void;
}

/** v86 starts kernels through a BIOS, and its package has none: those of Debian's packages seabios and qemu-system-data. */
const BIOS = '/usr/share/seabios/bios.bin';
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';

const [folder, kernel, initrd, append, mib] = process.argv.slice(2);
const packagePath = createRequire(pathToFileURL(join(folder, 'index.js'))).resolve('v86/package.json');
const build = join(packagePath, '..', 'build');
const { V86 } = (await import(pathToFileURL(join(build, 'libv86.mjs')).href)) as {
  V86: new (options: object) => Emulator;
};
const file = (path: string): { buffer: ArrayBuffer } => ({ buffer: Uint8Array.from(readFileSync(path)).buffer });

const emulator = new V86({
  wasm_path: join(build, 'v86.wasm'),
  bios: file(BIOS),
  vga_bios: file(VGA_BIOS),
  bzimage: file(kernel),
  initrd: file(initrd),
  cmdline: append,
  memory_size: Number(mib) * 2 ** 20,
  autostart: true,
  disable_speaker: true,
  disable_keyboard: true,
  disable_mouse: true,
});
let line = '';
emulator.add_listener('serial0-output-byte', (byte) => {
  line += String.fromCharCode(byte);
  if (!line.endsWith('\n')) return;
  process.stdout.write(line);
  line = '';
});
