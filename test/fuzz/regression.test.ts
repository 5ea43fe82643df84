/** Every sequence that the fuzzer found to differ, under every engine. Read before: `regression.ts`. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { tryNative } from '../../src/native.js';
import { engines } from '../vectors/engines.js';
import { differences } from '../vectors/outcome.js';
import { machineOf } from '../vectors/play.js';
import { initialState } from '../vectors/state.js';
import { TranslatedMachine } from '../vectors/translatedMachine.js';
import type { UserMachine } from '../vectors/userMachine.js';
import { parse } from './regression.js';

const folder = new URL('../../../test/fuzz/seeds/', import.meta.url);

describe('sequences that the fuzzer found', () => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

  it('are there', () => {
    assert.ok(names.length > 0);
  });

  function play(machine: UserMachine): void {
    for (const name of names) {
      const { test, expected, ignored } = parse(readFileSync(new URL(name, folder), 'utf8'));
      if (test.fpu && !machine.hasFpu) continue;
      const state = initialState(test);
      const actual = machine.run(state);
      assert.deepEqual(differences(expected, actual, test.fpu, ignored, state, machine.base), [], name);
    }
  }

  for (const engine of engines) {
    it(`end as on the host's CPU under the ${engine.name}`, () => play(machineOf(engine)));
  }

  for (const maxInstructions of [undefined, 1]) {
    it(`end as on the host's CPU under the translator, ${maxInstructions ?? 'many'} instructions a fragment`, () => {
      const { native } = tryNative();
      assert.ok(native, 'the translator cannot be tested without the addon');
      const translated = new TranslatedMachine(native, { maxInstructions, stormDrops: Infinity });
      try {
        translated.during(play);
      } finally {
        translated.dispose();
      }
    });
  }
});
