/**
 * The engines that the fuzzer plays cases under: the interpreter, which also traces what has to be explained, and the translator with
 * chained fragments and with fragments of one instruction. Read before: `../../test/vectors/translatedMachine.ts`. Read after: `fuzz.ts`.
 */
import type { Native } from '../../src/native.js';
import type { TranslatorOptions } from '../../src/translator/engine.js';
import { TranslationStore } from '../../src/translator/translationStore.js';
import { referenceEngine } from '../../test/vectors/engines.js';
import { Ending, type Outcome } from '../../test/vectors/outcome.js';
import { machineOf } from '../../test/vectors/play.js';
import { initialState, type Case } from '../../test/vectors/state.js';
import { TranslatedMachine } from '../../test/vectors/translatedMachine.js';
import type { UserMachine } from '../../test/vectors/userMachine.js';

/** How a case ended, or what went wrong inside the engine. */
export type Result = Outcome | Error;

export interface Player {
  readonly name: string;
  /** @param reference what the interpreter made of them: what is endless there need not be played again */
  play(tests: readonly Case[], reference: readonly Result[]): readonly Result[];
}

/** Processor time for a case that is not endless: a store into its own code costs a signal of the host or two. */
const ENDLESS_MS = 2000;

const isEndless = (result: Result): boolean =>
  !(result instanceof Error) && result.vector === (Ending.Endless as number);

const resultOf = (machine: UserMachine, test: Case): Result => {
  try {
    return machine.run(initialState(test));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
};

/** The interpreter, its machine, and the instructions that it has retired in all. */
export class Reference {
  readonly machine = machineOf(referenceEngine);
  retired = 0;

  play(tests: readonly Case[]): readonly Result[] {
    return tests.map((test) => {
      const result = resultOf(this.machine, test);
      this.retired += this.machine.retired;
      return result;
    });
  }
}

function translated(native: Native, name: string, options: TranslatorOptions): Player {
  const machine = new TranslatedMachine(native, options, ENDLESS_MS);
  return {
    name,
    play: (tests, reference) =>
      machine.during((bound) =>
        tests.map((test, index) => (isEndless(reference[index]) ? reference[index] : resultOf(bound, test))),
      ),
  };
}

export function translators(native: Native): readonly Player[] {
  const stormDrops = Infinity;
  return [
    translated(native, 'translator', { stormDrops }),
    translated(native, 'translator, one instruction a fragment', { maxInstructions: 1, stormDrops }),
    // as it is used: pages that are written all the time are the interpreter's for a while, and what was translated once is kept
    translated(native, 'translator, with storms left to the interpreter and translations kept', {
      store: new TranslationStore(),
    }),
  ];
}
