/**
 * The machine that cases are played in, under the translator. It needs the addon, and the calling thread while it plays: a thread can be
 * the vCPU of one such machine at a time. Read before: `userMachine.ts`, `../../src/machine/hostTranslator.ts`.
 */
import { Interpreter } from '../../src/interp/interpreter.js';
import { HostFpu } from '../../src/machine/hostFpu.js';
import { openTranslator } from '../../src/machine/hostTranslator.js';
import type { Native } from '../../src/native.js';
import { Translator, type TranslatorOptions } from '../../src/translator/engine.js';
import { Attention, Word } from '../../src/vcpu/layout.js';
import { UserMachine } from './userMachine.js';

/** Translated code counts no instructions: a case that has used so much of the processor counts as endless. */
const ENDLESS_MS = 60;
const LOOK_NS = 20_000_000;
const CODE_BYTES = 4 << 20;

export class TranslatedMachine {
  private readonly _native: Native;
  private readonly _machine: UserMachine;
  private readonly _buffers: ArrayBuffer[] = [];
  private _translator: Translator | undefined;

  /** @param endlessMs processor time in user mode after which a case counts as endless */
  constructor(native: Native, options: TranslatorOptions = {}, endlessMs = ENDLESS_MS) {
    this._native = native;
    this._machine = new UserMachine(
      {
        name: 'translator',
        allocate: (sizeBytes) => this._allocate(sizeBytes),
        create: (cpu, phys) => {
          const state = cpu.words.buffer as ArrayBuffer;
          const host = openTranslator(native, phys.bytes.buffer, state, phys.direct, { codeBytes: CODE_BYTES });
          const translator = new Translator(new Interpreter(cpu, phys), host, options);
          this._translator = translator;
          return {
            run: (limit) => {
              const start = process.cpuUsage();
              for (;;) {
                native.timerArm(native.monotonicNs() + LOOK_NS);
                const count = translator.run(limit);
                native.timerDisarm();
                if ((cpu.words[Word.Attention] & Attention.Timer) === 0) return count;
                if (process.cpuUsage(start).user > endlessMs * 1000) return limit;
                cpu.words[Word.Attention] &= ~Attention.Timer;
              }
            },
          };
        },
      },
      (words) => new HostFpu(native, words),
    );
  }

  private _allocate(sizeBytes: number): ArrayBuffer {
    const id = this._native.memoryCreate(sizeBytes, 'romulus-test');
    const buffer = this._native.memoryMap(id);
    this._native.memoryClose(id);
    this._buffers.push(buffer);
    return buffer;
  }

  /** Binds the calling thread to the machine while `play` runs. */
  during<T>(play: (machine: UserMachine) => T): T {
    this._native.vcpuBind(this._machine.words.buffer);
    try {
      return play(this._machine);
    } finally {
      this._native.vcpuUnbind();
    }
  }

  dispose(): void {
    this._translator?.dispose();
    for (const buffer of this._buffers.splice(0)) this._native.memoryRelease(buffer);
  }
}
