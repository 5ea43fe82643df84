/**
 * `romulus run --profile FILE`: names what the profiler found and writes it, folded stacks to FILE and a flame graph to FILE.html.
 * Read before: `run.ts`, `../profile/sampler.ts`.
 */
import { readFileSync, statSync } from 'node:fs';
import { ConfigError, RomulusError } from '../errors.js';
import { flameGraph } from '../profile/flameGraph.js';
import { fold, formatFolded } from '../profile/folded.js';
import { flameGraphFile } from './outputs.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import type { Profile } from '../profile/sampler.js';
import { readSymbols, type Symbols } from '../profile/symbols.js';

const OPTION = '--profile';
/** Samples a second unless told otherwise. */
export const DEFAULT_PROFILE_HZ = 1000;

export interface ProfileFiles {
  readonly folded: string;
  readonly html: string;
  /** Undefined: the guest's addresses stay numbers. */
  readonly symbols: Symbols | undefined;
  /** Why they do. */
  readonly warning: string | undefined;
}

/**
 * Sees whether the files can be written, and reads the names, before the guest runs for an hour in vain.
 *
 * @param kernel path of the kernel, whose own symbols are taken unless `symbols` names another file
 * @throws ConfigError `NO_FILE`, `NO_SYMBOLS`; HostError `FILE_UNWRITABLE`
 */
export function prepareProfile(folded: string, kernel: string, symbols: string | undefined): ProfileFiles {
  const html = flameGraphFile(folded);
  for (const name of [folded, html]) checkOutput(name, OPTION);
  const source = symbols ?? kernel;
  try {
    return { folded, html, symbols: readSymbols(readFile(source), source), warning: undefined };
  } catch (error) {
    if (symbols !== undefined || !(error instanceof RomulusError)) throw error;
    return { folded, html, symbols: undefined, warning: error.message };
  }
}

function readFile(name: string): Uint8Array {
  try {
    if (statSync(name).isFIFO()) throw new Error('it is a pipe, which can be read but once; --symbols names a file');
    return readFileSync(name);
  } catch (error) {
    throw new ConfigError('NO_FILE', `cannot read '${name}': ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Writes both files.
 *
 * @returns one line about it
 * @throws HostError `FILE_UNWRITABLE`
 */
export function writeProfile(profile: Profile, files: ProfileFiles, kernel: string): string {
  const stacks = fold(profile, files.symbols);
  const total = stacks.reduce((sum, { count }) => sum + count, 0);
  writeOutput(files.folded, formatFolded(stacks), OPTION);
  const note = `${total} samples of the guest's EIP, ${profile.rateHz} asked for a second of running time.`;
  writeOutput(files.html, flameGraph(stacks, `Profile of ${kernel}`, note), OPTION);
  return `${total} samples in ${files.folded}, flame graph in ${files.html}`;
}
