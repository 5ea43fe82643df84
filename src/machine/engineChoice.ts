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

/** With fewer mappings than this windows are emptied so often that it shows. */
const FEW_MAPPINGS = 4096;

export interface ChosenEngine {
  /** For `BoardParts.translator`. */
  readonly open: ((phys: PhysMemory) => TranslatorHost | undefined) | undefined;
  /** What came of it; to be asked when the board is built. */
  readonly choice: () => EngineChoice;
}

/**
 * @param ram guest RAM and the state block of the calling thread
 * @throws HostError when the translator was asked for by name and this host cannot run it; `open` does the same
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
    if (asked !== 'translator') return interpreter('the translator needs the native addon', false);
    throw new HostError('NO_ADDON', 'the translator needs the native addon; `romulus doctor` says why it is missing');
  }
  let choice = runs(native);
  const open = (phys: PhysMemory): TranslatorHost | undefined => {
    try {
      const host = openTranslator(native, ram, state, phys.direct, { isForPerf: setup.fragments?.perfMap === true });
      const { maxMappings } = host.usage();
      if (maxMappings < FEW_MAPPINGS)
        choice = {
          ...choice,
          isFallback: true,
          why: `slowed down, as the host allows ${maxMappings} mappings (vm.max_map_count)`,
        };
      return host;
    } catch (error) {
      if (asked === 'translator' || !(error instanceof HostError)) throw error;
      choice = { name: 'interpreter', why: error.message, isFallback: true };
      return undefined;
    }
  };
  return { open, choice: () => choice };
}

function runs(native: Native): EngineChoice {
  if (native.gsWay() !== 'system call') return { name: 'translator', why: 'this host allows it', isFallback: false };
  return { name: 'translator', why: 'slowed down, as this host has no FSGSBASE', isFallback: true };
}
