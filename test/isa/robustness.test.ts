/** A small share of `npm run robustness`: random bytes in every mode, over random tables, at random privilege. */
import assert from 'node:assert/strict';
import { plainState, RandomMachine } from '../../scripts/robustness/machine.js';

describe('random byte strings', () => {
  for (let seed = 1; seed <= 8; seed++) {
    it(`leave the machine whole, round ${seed}`, () => {
      const machine = new RandomMachine(seed, plainState(), undefined);
      let instructions = 0;
      let exceptions = 0;
      for (let string = 0; string < 500; string++) {
        const outcome = machine.run();
        instructions += outcome.retired;
        exceptions += outcome.exceptions;
      }
      assert.ok(instructions > 500, `only ${instructions} instructions ran`);
      assert.ok(exceptions > 250, `only ${exceptions} exceptions and interrupts were met`);
    });
  }
});
