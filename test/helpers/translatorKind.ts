/**
 * The translator as one more row of the engines that guest programs run under. It works on memory of the addon's and binds the calling
 * thread, so a machine made with it has to be closed before the next one is made.
 * Read before: `engines.ts`, `../../src/machine/hostTranslator.ts`.
 */
import { Interpreter } from '../../src/interp/interpreter.js';
import { openTranslator } from '../../src/machine/hostTranslator.js';
import { loadNative } from '../../src/native.js';
import { Translator, type TranslatorOptions } from '../../src/translator/engine.js';
import type { EngineKind } from './engines.js';

/** @throws Error when the addon is not there: the translator cannot be tested without it */
export function translatorKind(name: string, options: TranslatorOptions = {}): EngineKind {
  const native = loadNative();
  if (native === undefined) throw new Error('the translator needs the addon; `romulus doctor` says why it is missing');
  const held: ArrayBuffer[] = [];
  let translator: Translator | undefined;
  return {
    name,
    allocate: (sizeBytes) => {
      const id = native.memoryCreate(sizeBytes, 'romulus-test');
      const buffer = native.memoryMap(id);
      native.memoryClose(id);
      held.push(buffer);
      return buffer;
    },
    make: (cpu, phys) => {
      const state = cpu.words.buffer as ArrayBuffer;
      native.vcpuBind(state);
      const engine = new Translator(
        new Interpreter(cpu, phys),
        openTranslator(native, phys.bytes.buffer, state, phys.direct),
        options,
      );
      translator = engine;
      const noSlot = (): undefined => undefined;
      return {
        run: (limit) => engine.run(limit),
        setRom: (start, sizeBytes) => engine.setRom(start, sizeBytes, noSlot, () => false),
      };
    },
    close: () => {
      translator?.dispose();
      native.vcpuUnbind();
      for (const buffer of held.splice(0)) native.memoryRelease(buffer);
    },
  };
}
