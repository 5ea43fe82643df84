/**
 * An `FpuMachine` on the addon's memory, with a translator on its CPU: fragments run on the host here. Needs the addon. The thread is
 * bound as a vCPU's while the rig lives, for the alternate signal stack. Read before: `../unit/interp/fpuMachine.ts`.
 */
import assert from 'node:assert/strict';
import { loadNative, type Native } from '../../src/native.js';
import { Translator } from '../../src/translator/engine.js';
import { STATE_BYTES, Word } from '../../src/vcpu/layout.js';
import { FpuMachine } from '../unit/interp/fpuMachine.js';

const CODE_BYTES = 1 << 20;

export class TranslatedMachine extends FpuMachine {
  readonly translator: Translator;
  private readonly _native: Native;
  private readonly _memories: readonly number[];

  /** @param maxInstructions of a fragment; 1 for one-instruction fragments */
  constructor(maxInstructions?: number, ramBytes = 0x200000) {
    const native = loadNative();
    assert.ok(native, 'the addon must be built for these tests: npm run build:native');
    const ids = [ramBytes, STATE_BYTES, CODE_BYTES].map((sizeBytes) => native.memoryCreate(sizeBytes));
    const [ram, block, code] = ids.map((id) => native.memoryMap(id));
    native.vcpuBind(block);
    super(ramBytes, { ram, block });
    const host = native.translatorOpen(ram, block, code, this.phys.direct);
    this.translator = new Translator(this.interpreter, host, { maxInstructions, stormDrops: Infinity });
    this._native = native;
    this._memories = ids;
  }

  /** Runs from EIP until HLT has been executed. */
  runToHalt(): void {
    for (let left = 10_000; left > 0; left--) {
      this.translator.run(1000);
      if (this.words[Word.Halted] !== 0) return;
    }
    assert.fail('the program does not halt');
  }

  /** Has the host's timer signal set the attention word, as a vCPU thread's timer does. */
  attentionAfter(delayNs: number): void {
    this._native.timerArm(this._native.monotonicNs() + delayNs);
  }

  override dispose(): void {
    super.dispose();
    this.translator.dispose();
    this._native.vcpuUnbind();
    for (const id of this._memories) this._native.memoryClose(id);
  }
}
