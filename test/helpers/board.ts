/**
 * A whole machine on one thread in virtual time: what most machine tests run on. Console input is typed up front or when the
 * output asks for it; output is collected.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadKernel } from '../../src/boot/index.js';
import { Board, type BoardParts } from '../../src/machine/board.js';
import { ByteRing } from '../../src/machine/byteRing.js';
import { LATENCIES_BYTES } from '../../src/irq/latency.js';
import type { StrategyName } from '../../src/irq/strategies/index.js';
import type { Ended } from '../../src/machine/messages.js';
import { RunLoop } from '../../src/machine/runLoop.js';
import { readStatistics, type Statistics } from '../../src/machine/statistics.js';
import { VirtualHost } from '../../src/machine/virtualHost.js';
import { ExitReason, STATE_BYTES, Word } from '../../src/vcpu/layout.js';

/** The packaged guest; tests that need it fail with this name when it was not built. */
export const guestFile = (name: string): Buffer => {
  const path = fileURLToPath(new URL(`../../guest/${name}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm run build:guest`);
  return readFileSync(path);
};

/** The strategy under which the tests run: `npm run test:strategies` goes through all. */
function testStrategy(): StrategyName {
  return (process.env.ROMULUS_TEST_INTERRUPTS ?? 'virtual-mask') as StrategyName;
}

export interface VirtualMachineOptions {
  readonly memoryBytes?: number;
  readonly rom?: boolean;
  readonly append?: string;
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  /** Default: ROMULUS_TEST_INTERRUPTS of the environment, so that every machine test can run under each strategy. */
  readonly interrupts?: StrategyName;
  readonly profileHz?: number;
  /** Makes the host's FPU over the state block; default: the guest has none. */
  readonly fpu?: (words: Int32Array) => BoardParts['fpu'];
  /** Whether latencies are kept. */
  readonly latencies?: boolean;
}

export class VirtualMachine {
  readonly board: Board;
  output = '';
  /** Where `expect` goes on looking. */
  private _seen = 0;
  private readonly _loop: RunLoop;
  private readonly _input: ByteRing;
  private readonly _output: ByteRing;

  /** Remus and its programs, unless another kernel is given. */
  constructor(options: VirtualMachineOptions = {}) {
    const input = ByteRing.allocate(4096);
    const output = ByteRing.allocate(1 << 20);
    this._input = new ByteRing(input);
    this._output = new ByteRing(output);
    const state = new SharedArrayBuffer(STATE_BYTES);
    this.board = new Board({
      ram: new SharedArrayBuffer(options.memoryBytes ?? 16 << 20),
      state,
      host: new VirtualHost(new Int32Array(state)),
      rom: options.rom ?? true,
      consoleInput: new ByteRing(input),
      consoleOutput: new ByteRing(output),
      debugOutput: new ByteRing(ByteRing.allocate(4096)),
      onOutput: () => undefined,
      onInputDrained: () => undefined,
      paused: () => false,
      interrupts: options.interrupts ?? testStrategy(),
      fpu: options.fpu?.(new Int32Array(state)),
      profileHz: options.profileHz,
      latencies: options.latencies ? new SharedArrayBuffer(LATENCIES_BYTES) : undefined,
    });
    this._loop = new RunLoop(this.board);
    loadKernel(this.board, {
      kernel: options.kernel ?? guestFile('remus.elf'),
      kernelName: 'remus.elf',
      initrd: options.initrd ?? (options.kernel ? undefined : guestFile('initrd.tar')),
      initrdName: 'initrd.tar',
      append: options.append ?? '',
    });
  }

  type(text: string): void {
    this._input.write(Buffer.from(text));
    this.board.serveRings();
  }

  /** Runs about `instructions`; returns false when the machine has ended. */
  run(instructions: number): boolean {
    this._loop.run(instructions);
    this.output += Buffer.from(this._output.read()).toString('latin1');
    this.board.uart.writable();
    return this.board.cpu.words[Word.ExitReason] === ExitReason.None;
  }

  /** Runs until the console shows `text`, behind what was expected last; throws with what it shows instead. */
  expect(text: string, limitInstructions = 50_000_000): void {
    for (let done = 0; done < limitInstructions; done += 200_000) {
      const alive = this.run(200_000);
      const at = this.output.indexOf(text, this._seen);
      if (at >= 0) {
        this._seen = at + text.length;
        return;
      }
      if (!alive) break;
    }
    throw new Error(`the console never showed '${text}'; it showed:\n${this.output}\n${this.board.report()}`);
  }

  statistics(): Statistics {
    return readStatistics(this.board.cpu.words);
  }

  /** Runs until the machine ends. */
  finish(limitInstructions = 200_000_000): Ended {
    for (let done = 0; done < limitInstructions; done += 1_000_000) {
      if (!this.run(1_000_000)) return this.board.ending.describe(() => this.board.report());
    }
    throw new Error(`the machine did not end; the console showed:\n${this.output}\n${this.board.report()}`);
  }
}
