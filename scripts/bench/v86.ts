/**
 * Runs a benchmark guest on v86 with its translator switched off, in this process, and times it from the guest's first word to its
 * last. v86 is no dependency of the project: `npm install --no-save v86`, or a folder that holds it. Read before: `image.ts`.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Timing } from './timing.js';

/** The part of v86's interface that is used here. */
interface Emulator {
  add_listener(event: string, listener: (byte: number) => void): void;
  get_instruction_counter(): number;
  destroy(): Promise<void>;
}
type EmulatorClass = new (options: object) => Emulator;

export interface V86 {
  readonly version: string;
  run(image: Uint8Array): Promise<Timing>;
}

const MEMORY_BYTES = 32 << 20;
const TIMEOUT_MS = 120_000;

/**
 * Loads v86.
 * @param folder where its package is, or undefined for the project's own node_modules
 * @returns undefined when it is not installed
 */
export async function loadV86(folder: string | undefined): Promise<V86 | undefined> {
  const require = createRequire(folder === undefined ? import.meta.url : pathToFileURL(join(folder, 'index.js')));
  let packagePath: string;
  try {
    packagePath = require.resolve('v86/package.json');
  } catch {
    return undefined;
  }
  const { version } = require(packagePath) as { version: string };
  const build = join(packagePath, '..', 'build');
  const module = (await import(pathToFileURL(join(build, 'libv86.mjs')).href)) as { V86: EmulatorClass };
  return { version, run: (image) => run(module.V86, join(build, 'v86.wasm'), image) };
}

function run(Emulator: EmulatorClass, wasmPath: string, image: Uint8Array): Promise<Timing> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('v86 did not finish the guest')), TIMEOUT_MS);
    const emulator = new Emulator({
      wasm_path: wasmPath,
      memory_size: MEMORY_BYTES,
      multiboot: { buffer: image.slice().buffer },
      autostart: true,
      disable_jit: true,
      disable_speaker: true,
      disable_keyboard: true,
      disable_mouse: true,
    });
    let start = 0;
    let before = 0;
    emulator.add_listener('serial0-output-byte', (byte) => {
      const now = performance.now();
      if (byte === 'S'.charCodeAt(0)) {
        start = now;
        before = emulator.get_instruction_counter();
        return;
      }
      clearTimeout(timer);
      const timing = { seconds: (now - start) / 1000, instructions: emulator.get_instruction_counter() - before };
      // not from within its own callback
      setImmediate(() => void emulator.destroy().then(() => resolve(timing), reject));
    });
  });
}
