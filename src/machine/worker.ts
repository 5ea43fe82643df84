/**
 * The vCPU thread: builds the board over the shared memory, loads the kernel, runs until the guest ends, gives everything back. It
 * is entered once per machine by `machine.ts` and never uses its own event loop while the guest runs: the main thread speaks to it
 * through the attention word, and it answers with messages.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadKernel } from '../boot/index.js';
import { GuestKilled, RomulusError } from '../errors.js';
import { log } from '../log.js';
import { loadNative } from '../native.js';
import { ExitReason, Word } from '../vcpu/layout.js';
import { Board } from './board.js';
import { ByteRing } from './byteRing.js';
import type { FromWorker, WorkerSetup } from './messages.js';
import { NativeHost } from './nativeHost.js';
import { PortableHost } from './portableHost.js';
import { attach } from './regions.js';
import { RunLoop } from './runLoop.js';

const say = (message: FromWorker): void => parentPort!.postMessage(message);

function main(setup: WorkerSetup): void {
  const native = 'nativeId' in setup.state ? loadNative() : undefined;
  const ram = attach(native, setup.ram);
  const state = attach(native, setup.state);
  const words = new Int32Array(state.buffer);
  const pause = new Int32Array(setup.pause);
  let toldPaused = false;
  const host = native ? new NativeHost(native, state.buffer) : new PortableHost(words);
  try {
    const board = new Board({
      ram: ram.buffer,
      state: state.buffer,
      host,
      rom: setup.rom,
      consoleInput: new ByteRing(setup.consoleInput),
      consoleOutput: new ByteRing(setup.consoleOutput),
      debugOutput: new ByteRing(setup.debugOutput),
      onOutput: () => say({ type: 'outputReady' }),
      onInputDrained: () => say({ type: 'inputDrained' }),
      paused: () => {
        const paused = Atomics.load(pause, 0) === 1;
        if (paused && !toldPaused) say({ type: 'paused' });
        toldPaused = paused;
        return paused;
      },
    });
    const kind = loadKernel(board, {
      kernel: setup.kernel.bytes,
      kernelName: setup.kernel.name,
      initrd: setup.initrd?.bytes,
      initrdName: setup.initrd?.name,
      append: setup.append,
    });
    log.boot('%s %s, entered at 0x%s', kind, setup.kernel.name, (words[Word.Eip] >>> 0).toString(16));
    say({ type: 'running' });
    runToEnd(board);
    board.logUse();
    say({ type: 'ended', ended: board.ending.describe(() => board.report()) });
  } catch (error) {
    if (!(error instanceof RomulusError)) throw error;
    say({ type: 'failed', name: error.name, code: error.code, message: error.message });
  } finally {
    // Signals must not find this thread's state block any more before the views of it go.
    host.dispose();
    ram.release();
    state.release();
  }
}

function runToEnd(board: Board): void {
  try {
    new RunLoop(board).run();
  } catch (error) {
    if (!(error instanceof GuestKilled)) throw error;
    board.ending.end(ExitReason.Killed, error.message);
  }
}

main(workerData as WorkerSetup);
