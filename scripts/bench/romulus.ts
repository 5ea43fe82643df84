/** Runs a benchmark guest on Romulus' interpreter, on this thread, and times it. Read before: `image.ts`. */
import { loadKernel } from '../../src/boot/index.js';
import { Board } from '../../src/machine/board.js';
import { ByteRing } from '../../src/machine/byteRing.js';
import { RunLoop } from '../../src/machine/runLoop.js';
import { VirtualHost } from '../../src/machine/virtualHost.js';
import { ExitReason, STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import type { Timing } from './timing.js';

const RAM_BYTES = 16 << 20;
/** Instructions between two looks at the console. */
const SLICE = 100_000;

export function runRomulus(image: Uint8Array): Timing {
  const state = new SharedArrayBuffer(STATE_BYTES);
  const words = new Int32Array(state);
  const output = ByteRing.allocate(64);
  const board = new Board({
    ram: new SharedArrayBuffer(RAM_BYTES),
    state,
    host: new VirtualHost(words),
    rom: false,
    consoleInput: new ByteRing(ByteRing.allocate(64)),
    consoleOutput: new ByteRing(output),
    debugOutput: new ByteRing(ByteRing.allocate(64)),
    onOutput: () => undefined,
    onInputDrained: () => undefined,
    paused: () => false,
  });
  loadKernel(board, { kernel: image, kernelName: 'bench' });
  const loop = new RunLoop(board);
  const start = performance.now();
  let instructions = 0;
  while (words[Word.ExitReason] === ExitReason.None) instructions += loop.run(SLICE);
  const seconds = (performance.now() - start) / 1000;
  const console = Buffer.from(new ByteRing(output).read()).toString('latin1');
  if (console !== 'SE') throw new Error(`the guest was to write SE and wrote '${console}'`);
  return { seconds, instructions };
}
