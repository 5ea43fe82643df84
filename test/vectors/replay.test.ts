/**
 * Every engine against a real CPU: plays the cases that `scripts/record-vectors/record.ts` recorded and compares all that a program could
 * see. `README.md` says how to record anew. Read before: `play.ts`.
 */
import assert from 'node:assert/strict';
import { cpuName } from './cpuName.js';
import { engines } from './engines.js';
import { families, machineOf, open, play } from './play.js';
import { revoked } from './revoked.js';

/** What the project promises: fewer cases mean that a recording went wrong. */
const CASES = 150_000;

describe('recordings of a real CPU', () => {
  it('are complete', () => {
    const forms = families().flatMap((family) => open(family).header.forms);
    const cases = forms.reduce((sum, { count }) => sum + count, 0);
    assert.ok(cases >= CASES, `only ${cases} cases`);
  });

  for (const engine of engines) {
    describe(`under the ${engine.name}`, () => {
      let revocations = 0;

      for (const family of families()) {
        it(`${family}: all that a program sees agrees`, function () {
          this.timeout(120_000);
          const machine = machineOf(engine);
          const result = play(machine, family, open(family).header.cpu === cpuName());
          revocations += result.revoked;
          assert.equal(result.failed, 0, `${result.failed} of ${result.played} cases:\n${result.failures.join('\n')}`);
          assert.ok(result.played > 0 || !machine.hasFpu, 'nothing was played');
        });
      }

      it('needs all revocations', () => {
        assert.equal(revocations, revoked.size);
      });
    });
  }
});
