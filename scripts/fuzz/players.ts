/**
 * The engines that the fuzzer plays cases under: the interpreter, which also traces what has to be explained, and the translator with
 * chained fragments and with fragments of one instruction. Read before: `../../test/vectors/translatedMachine.ts`. Read after: `fuzz.ts`.
 */
import type { Native } from '../../src/native.js';
import type { TranslatorOptions } from '../../src/translator/engine.js';
import { referenceEngine } from '../../test/vectors/engines.js';
import type { Outcome } from '../../test/vectors/outcome.js';
import { machineOf } from '../../test/vectors/play.js';
import { initialState, type Case } from '../../test/vectors/state.js';
import { TranslatedMachine } from '../../test/vectors/translatedMachine.js';
import type { UserMachine } from '../../test/vectors/userMachine.js';

/** How a case ended, or what went wrong inside the engine. */
export type Result = Outcome | Error;

export interface Player {
  readonly name: string;
  play(tests: readonly Case[]): readonly Result[];
}

const resultOf = (machine: UserMachine, test: Case): Result => {
  try {
    return machine.run(initialState(test));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
};

/** The interpreter, its machine, and the instructions that it has retired in all. */
export class Reference implements Player {
  readonly name = 'interpreter';
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
  const machine = new TranslatedMachine(native, options);
  return {
    name,
    play: (tests) => machine.during((bound) => tests.map((test) => resultOf(bound, test))),
  };
}

export function translators(native: Native): readonly Player[] {
  const stormDrops = Infinity;
  return [
    translated(native, 'translator', { stormDrops }),
    translated(native, 'translator, one instruction a fragment', { maxInstructions: 1, stormDrops }),
    // as it is used: pages that are written all the time are the interpreter's for a while
    translated(native, 'translator, with storms left to the interpreter', {}),
  ];
}
