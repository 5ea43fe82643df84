/**
 * Guest programs for what a user process of the host cannot show: real mode, 16-bit protected mode, virtual-8086 mode, gates, tasks,
 * paging, debug registers. What each must log was derived by hand from the section of the manual that stands in its title.
 * Read before: `programs/environment.inc`, `machine.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { engines } from '../helpers/engines.js';
import { IsaMachine, hex, readProgram } from './machine.js';

const file = new URL('../../../test/isa/programs.json', import.meta.url);
const programs = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>;

for (const kind of engines) {
  const machine = new IsaMachine(kind);
  for (const [title, lines] of Object.entries(programs)) {
    describe(`guest programs, ${title}, ${kind.name}`, () => {
      const program = readProgram(lines);
      for (const one of program.cases) {
        it(`${one.name} (${one.cite})`, () => {
          assert.notEqual(one.expected.length, 0, 'the case expects nothing');
          assert.deepEqual(machine.run(program, one).map(hex), one.expected.map(hex));
        });
      }
    });
  }
}
