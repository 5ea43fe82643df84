/**
 * Guest programs for what a user process of the host cannot show: real mode, 16-bit protected mode, virtual-8086 mode, gates, tasks,
 * paging, debug registers. What each must log was derived by hand from the section of the manual that stands in its title.
 * Read before: `programs/environment.inc`, `machine.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { engines } from '../helpers/engines.js';
import { TranslationStore } from '../../src/translator/translationStore.js';
import { nextRun } from '../helpers/nextRun.js';
import { translatorKind } from '../helpers/translatorKind.js';
import { IsaMachine, hex, readProgram } from './machine.js';

const file = new URL('../../../test/isa/programs.json', import.meta.url);
const programs = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>;

/**
 * Cases that an engine may answer otherwise, each with what allows it. One that agrees after all is an error here, unless it
 * is specific to the host processor.
 */
const otherwise: readonly {
  readonly engine: string;
  readonly name: string;
  readonly why: string;
  readonly isHostSpecific?: true;
}[] = [
  {
    engine: 'translator, one instruction a fragment',
    name: 'CMP and TEST report a read',
    why: 'IMUL leaves flags undefined: the host does it the first time, the interpreter when it crosses into a new page',
    isHostSpecific: true,
  },
];

/** What the programs were translated to in one row is there in the next, as a file would bring it. */
const firstRun = new TranslationStore();
const secondRun = {
  get store(): TranslationStore {
    return nextRun(firstRun);
  },
};

for (const kind of [
  ...engines,
  translatorKind('translator'),
  translatorKind('translator, one instruction a fragment', { maxInstructions: 1 }),
  translatorKind('translator, page faults through the engine', { reflectFaults: false }),
  translatorKind('translator, which keeps what it makes', { store: firstRun }),
  translatorKind('translator, with what was kept', secondRun),
])
  describe(`guest programs, ${kind.name}`, () => {
    let machine: IsaMachine;
    before(() => (machine = new IsaMachine(kind)));
    after(() => kind.close?.());

    for (const [title, lines] of Object.entries(programs)) {
      describe(title, () => {
        const program = readProgram(lines);
        for (const one of program.cases) {
          const exempt = otherwise.find(({ engine, name }) => engine === kind.name && name === one.name);
          it(`${one.name} (${one.cite})${exempt ? `: otherwise, as ${exempt.why}` : ''}`, () => {
            assert.notEqual(one.expected.length, 0, 'the case expects nothing');
            const log = machine.run(program, one).map(hex);
            const expected = one.expected.map(hex);
            if (exempt?.isHostSpecific) assert.equal(log.length, expected.length);
            else if (exempt) assert.notDeepEqual(log, expected);
            else assert.deepEqual(log, expected);
          });
        }
      });
    }
  });
