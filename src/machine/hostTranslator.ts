/**
 * The host's side of the translator for one vCPU: a code buffer from the addon, mapped once to write and once to execute, and the windows.
 * Made and disposed of on the vCPU thread. Read before: `../translator/host.ts`, `../native.ts`. Read after: `board.ts`.
 */
import type { Native } from '../native.js';
import type { TranslatorHost } from '../translator/host.js';

/** Size of the code buffer; memory is used as far as it is filled. */
export const CODE_BYTES = 64 << 20;

export interface HostTranslatorOptions {
  readonly codeBytes?: number;
  /** Most host mappings of the windows; 0 = what the host allows. */
  readonly maxMappings?: number;
  /** The code buffer has no file, as Linux perf wants it of code that a map names. A host may forbid that where it allows files. */
  readonly isForPerf?: boolean;
}

/**
 * @param ram guest RAM, @param state the state block: ArrayBuffers of memories of the addon's
 * @param direct `PhysMemory.direct`
 * @throws HostError when the host forbids executable mappings
 */
export function openTranslator(
  native: Native,
  ram: ArrayBufferLike,
  state: ArrayBufferLike,
  direct: Uint8Array,
  { codeBytes = CODE_BYTES, maxMappings = 0, isForPerf = false }: HostTranslatorOptions = {},
): TranslatorHost {
  const id = native.memoryCreate(codeBytes, isForPerf ? '' : 'romulus-code');
  const buffer = native.memoryMap(id);
  native.memoryClose(id);
  try {
    const host = native.translatorOpen(ram, state, buffer, direct, maxMappings);
    try {
      // a host that has no room for one window has none for the translator
      host.select(0, -1);
    } catch (error) {
      host.dispose();
      throw error;
    }
    return {
      ...host,
      dispose: () => {
        host.dispose();
        native.memoryRelease(buffer);
      },
    };
  } catch (error) {
    native.memoryRelease(buffer);
    throw error;
  }
}
