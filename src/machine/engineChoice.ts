/**
 * Which engine runs the guest. The translator needs the addon, executable memory and room for its windows; `auto` takes it where all of
 * that is there, and whoever asked for it by name is told why when it is not. Read before: `hostTranslator.ts`. Read after: `worker.ts`.
 */
import { HostError } from '../errors.js';
import type { PhysMemory } from '../memory/phys.js';
import type { Native } from '../native.js';
import type { TranslatorHost } from '../translator/host.js';
import { openTranslator } from './hostTranslator.js';
import type { EngineChoice, WorkerSetup } from './messages.js';

export interface ChosenEngine {
  /** For `BoardParts.translator`; undefined = the interpreter. Rethrows nothing: the board is told by `undefined`. */
  readonly open: ((phys: PhysMemory) => TranslatorHost) | undefined;
  readonly choice: () => EngineChoice;
}

/**
 * @param ram guest RAM and the state block of the calling thread
 * @throws HostError when the translator was asked for by name and this host cannot run it
 */
export function chooseEngine(
  setup: WorkerSetup,
  native: Native | undefined,
  ram: ArrayBufferLike,
  state: ArrayBufferLike,
): ChosenEngine {
  const asked = setup.engine;
  const interpreter = (why: string, isFallback: boolean): ChosenEngine => ({
    open: undefined,
    choice: () => ({ name: 'interpreter', why, isFallback }),
  });
  if (asked === 'interpreter') return interpreter('it was asked for', false);
  if (setup.trace !== undefined) return interpreter('only it can trace', asked === 'translator');
  if (native === undefined) {
    if (asked === 'translator')
      throw new HostError('NO_ADDON', 'the translator needs the native addon; run `romulus doctor` to see why it is missing');
    return interpreter('the translator needs the native addon', false);
  }
  const { executable } = native.probe();
  if (executable !== undefined) {
    const why = `this host forbids executable memory (${executable})`;
    if (asked === 'translator') throw new HostError(executable, `${why}, without which the translator cannot run`);
    return interpreter(why, true);
  }
  return {
    open: (phys) => openTranslator(native, ram, state, phys.direct),
    choice: () => ({
      name: 'translator',
      why: native.hasFsgsbase() ? 'this host allows it' : 'this host allows it, but has no FSGSBASE: changes of window are slower',
      isFallback: !native.hasFsgsbase(),
    }),
  };
}
