/**
 * The vCPU thread: builds the board over the shared memory, loads the kernel, runs until the guest ends, gives everything back. It
 * is entered once per machine by `machine.ts` and never uses its own event loop while the guest runs: the main thread speaks to it
 * through the attention word, and it answers with messages.
 */
import { writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { loadBios } from '../boot/bios.js';
import { loadKernel } from '../boot/index.js';
import { GuestKilled, HostError, RomulusError } from '../errors.js';
import { log } from '../log.js';
import { Tracer } from '../interp/trace.js';
import { loadNative, type Native } from '../native.js';
import type { Translator } from '../translator/engine.js';
import { read64 } from '../vcpu/counters.js';
import { ExitReason, Word } from '../vcpu/layout.js';
import { Board } from './board.js';
import { chooseEngine } from './engineChoice.js';
import { ByteRing } from './byteRing.js';
import { isPaused, unpackTerminalSize, type FromWorker, type NamedFile, type WorkerSetup } from './messages.js';
import { FragmentLog, hostDisassembler, type HostDisassembler } from './fragmentLog.js';
import { HostFpu } from './hostFpu.js';
import { NativeHost } from './nativeHost.js';
import { PortableHost } from './portableHost.js';
import { attach } from './regions.js';
import { RunLoop } from './runLoop.js';
import { TraceFile } from './traceFile.js';
import { openTranslationFile } from './translationFile.js';
import { makeVirtioDevices } from './virtioDevices.js';

const say = (message: FromWorker): void => parentPort!.postMessage(message);

function main(setup: WorkerSetup, disassemble: HostDisassembler | undefined): void {
  const native = 'nativeId' in setup.state ? loadNative() : undefined;
  const ram = attach(native, setup.ram);
  const state = attach(native, setup.state);
  const words = new Int32Array(state.buffer);
  const pauses = new Int32Array(setup.pause);
  let toldPause = 0;
  const host = native ? new NativeHost(native, state.buffer) : new PortableHost(words);
  const fpu = native && openFpu(native, words);
  const engine = chooseEngine(setup, native, ram.buffer, state.buffer);
  let translator: Translator | undefined;
  let traceFile: TraceFile | undefined;
  let fragmentLog: FragmentLog | undefined;
  try {
    if (setup.fragments !== undefined && engine.open === undefined) throw noFragments(engine.choice().why);
    if (setup.fragments !== undefined)
      fragmentLog = new FragmentLog(setup.fragments, setup.kernel, () => read64(words, Word.CodeBase), disassemble);
    traceFile = setup.trace && new TraceFile(setup.trace.file);
    const tracer = traceFile && new Tracer(setup.trace!.items, (text) => traceFile!.write(text));
    const consoleInput = new ByteRing(setup.consoleInput);
    const consoleOutput = new ByteRing(setup.consoleOutput);
    const onOutput = (): void => say({ type: 'outputReady' });
    const onInputDrained = (): void => say({ type: 'inputDrained' });
    const warn = (text: string): void => say({ type: 'warning', text });
    const onOpened = (name: string, isOpen: boolean): void => say({ type: 'channelOpened', name, isOpen });
    const virtio = makeVirtioDevices(
      setup.virtio,
      { consoleInput, consoleOutput, channels: setup.channels, onOutput, onInputDrained, onOpened },
      warn,
    );
    const terminalSize = new Int32Array(setup.terminalSize);
    const translations =
      setup.translations === undefined || engine.open === undefined
        ? undefined
        : openTranslationFile(setup.translations, setup.kernel, warn);
    const board = new Board({
      ram: ram.buffer,
      state: state.buffer,
      host,
      fpu,
      translator: engine.open,
      translatorOptions: {
        onFragment: fragmentLog && ((made) => fragmentLog!.note(made)),
        reflectFaults: setup.pageFaults === 'reflect',
        store: translations?.store,
      },
      rom: setup.rom,
      interrupts: setup.interrupts,
      latencies: setup.latencies,
      profileHz: setup.profileHz,
      tracer,
      consoleInput,
      consoleOutput,
      debugOutput: new ByteRing(setup.debugOutput),
      onOutput,
      onInputDrained,
      serialOutput: serialOutput(setup.serial, warn),
      virtio,
      terminalSize: () => unpackTerminalSize(Atomics.load(terminalSize, 0)),
      paused: () => {
        if (!isPaused(pauses)) return false;
        // Each pause is told once, even if the resume between two went by unseen.
        const pause = Atomics.load(pauses, 0);
        if (pause !== toldPause) say({ type: 'paused' });
        toldPause = pause;
        return true;
      },
    });
    translator = board.translator;
    if (setup.fragments !== undefined && translator === undefined) throw noFragments(engine.choice().why);
    const kind = load(board, setup);
    if (setup.fragments === undefined) giveBack([setup.kernel, ...setup.modules]);
    log.boot('%s %s, entered at 0x%s', kind, setup.kernel.name, (words[Word.Eip] >>> 0).toString(16));
    say({ type: 'running', engine: engine.choice() });
    try {
      runToEnd(board);
    } finally {
      traceFile?.dispose();
      virtio.close();
    }
    board.logUse();
    say({
      type: 'ended',
      ended: board.ending.describe(() => board.report()),
      profile: board.sampler?.profile(),
      translator: board.translator?.statistics(),
    });
    // Behind the news of the end, as a slow disk may take its time.
    if (board.translator !== undefined) translations?.save();
  } catch (error) {
    if (!(error instanceof RomulusError)) throw error;
    say({ type: 'failed', name: error.name, code: error.code, message: error.message });
  } finally {
    // Signals must not find this thread's state block any more before the views of it go.
    host.dispose();
    translator?.dispose();
    fragmentLog?.dispose();
    fpu?.dispose();
    ram.release();
    state.release();
  }
}

/** Where COM1 leads; undefined: to the console. A file that cannot be written any more is said so once, and dropped. */
function serialOutput(
  serial: WorkerSetup['serial'],
  warn: (text: string) => void,
): ((byte: number) => void) | undefined {
  if (serial === 'stdio') return undefined;
  if (serial === 'null') return () => undefined;
  const one = new Uint8Array(1);
  let isBroken = false;
  return (byte) => {
    if (isBroken) return;
    one[0] = byte;
    try {
      writeSync(serial.fd, one);
    } catch (error) {
      isBroken = true;
      warn(`cannot write '${serial.name}' any more, the serial port's output is dropped: ${(error as Error).message}`);
    }
  };
}

/** @param why why the interpreter runs the guest */
function noFragments(why: string): HostError {
  return new HostError(
    'NO_FRAGMENTS',
    `--perf-map and --dump-fragments show what the translator makes, but the interpreter runs the guest: ${why}`,
  );
}

/** Frees the bytes of files that are in guest memory now, as their setup lives as long as the thread. */
function giveBack(files: readonly NamedFile[]): void {
  const buffers = new Set(files.map(({ bytes }) => bytes.buffer));
  structuredClone(undefined, { transfer: [...buffers].filter((buffer) => buffer instanceof ArrayBuffer) });
}

/** @returns what was found, for the log */
function load(board: Board, setup: WorkerSetup): string {
  if (setup.isBios) {
    const { rom } = board;
    loadBios(
      { phys: board.phys, cpu: board.cpu, rom: rom && { base: rom.base, sizeBytes: rom.sizeBytes } },
      setup.kernel.bytes,
      setup.kernel.name,
    );
    return 'BIOS';
  }
  const [initrd, ...modules] = setup.modules;
  return loadKernel(board, {
    kernel: setup.kernel.bytes,
    kernelName: setup.kernel.name,
    initrd: initrd?.bytes,
    initrdName: initrd?.name,
    modules,
    append: setup.append,
  });
}

/** Floating point needs executable memory: where the host forbids it the guest's processor has no FPU, and CPUID says so. */
function openFpu(native: Native, words: Int32Array): HostFpu | undefined {
  try {
    return new HostFpu(native, words);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    log.boot('the guest has no FPU: %s', error.message);
    return undefined;
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

async function begin(setup: WorkerSetup): Promise<void> {
  const disassemble = setup.fragments?.dumpFile === undefined ? undefined : await hostDisassembler();
  if (setup.fragments?.dumpFile !== undefined && disassemble === undefined)
    writeSync(2, 'romulus: iced-x86 is not installed, so --dump-fragments shows host code as bytes\n');
  main(setup, disassemble);
}

// The thread ends when nobody waits for messages any more. An error is one of the thread, whatever Node does about rejections.
parentPort!.once('message', (setup: WorkerSetup) => {
  begin(setup).catch((error: unknown) =>
    setImmediate(() => {
      throw error;
    }),
  );
});
