/**
 * Plays files of recorded cases under an engine. Read before: `codec.ts`, `userMachine.ts`. Read after: `replay.test.ts`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { HostFpu } from '../../src/machine/hostFpu.js';
import { loadNative } from '../../src/native.js';
import { format } from '../../src/x86/format.js';
import { tryDecode } from './disassemble.js';
import { VectorFile, type Recorded } from './codec.js';
import type { EngineFactory } from './engines.js';
import { openElsewhere } from './otherProcessor.js';
import { differences, isCr2Open, same, type Ignored } from './outcome.js';
import { revoked } from './revoked.js';
import { modeOf } from './state.js';
import { UserMachine } from './userMachine.js';

const folder = new URL('../../../test/vectors/data/', import.meta.url);

/** Names of the recorded families. */
export function families(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.vec'))
    .map((name) => name.slice(0, -4));
}

export function open(family: string): VectorFile {
  const name = `${family}.vec`;
  return new VectorFile(readFileSync(new URL(name, folder)), name);
}

/** A machine for an engine, with the host's FPU when there is the addon. */
export function machineOf(engine: EngineFactory): UserMachine {
  const native = loadNative();
  return new UserMachine(engine, native && ((words) => new HostFpu(native, words)));
}

export interface Played {
  /** Cases played, left out because they need an FPU, that end otherwise where another processor may, and revoked. */
  played: number;
  skipped: number;
  open: number;
  revoked: number;
  /** A text for each of the first failures. */
  readonly failures: string[];
  failed: number;
}

const MAX_TEXTS = 10;

function describe(recorded: Recorded, found: readonly string[]): string {
  const { test, state } = recorded;
  const mode = modeOf(test);
  const instruction = tryDecode(test.code, mode.codeSize);
  const text = instruction === undefined ? '(not an instruction)' : format(instruction, state.eip);
  const code = Buffer.from(test.code).toString('hex');
  return [`${text} [${code}], ${mode.name}, seed ${test.seed}, hash ${recorded.hash()}`, ...found].join('\n    ');
}

/** What is ignored in a case: as recorded, and which page another processor may report. */
function openedUp({ test, ignored }: Recorded): Ignored {
  const instruction = tryDecode(test.code, modeOf(test).codeSize);
  const isOpen = instruction?.length === test.code.length && isCr2Open(instruction);
  return isOpen ? { ...ignored, cr2: true } : ignored;
}

/**
 * Plays all cases of a family.
 * @param sameCpu whether this is the processor that the cases were recorded on: another is not held to what the manual leaves open
 */
export function play(machine: UserMachine, family: string, sameCpu: boolean): Played {
  const file = open(family);
  const result: Played = { played: 0, skipped: 0, open: 0, revoked: 0, failures: [], failed: 0 };
  for (const { recorded } of file.cases()) {
    const { test, state, expected, ignored } = recorded;
    if (test.fpu && !machine.hasFpu) {
      result.skipped++;
      continue;
    }
    result.played++;
    let found: string[];
    try {
      const actual = machine.run(state);
      if (same(expected, actual, test.fpu, ignored.flags)) continue;
      const open = sameCpu ? openedUp(recorded) : openElsewhere(recorded);
      if (open === undefined) {
        result.open++;
        continue;
      }
      found = differences(expected, actual, test.fpu, open, state, machine.base);
      if (found.length === 0) continue;
    } catch (error) {
      found = [String(error)];
    }
    if (revoked.has(recorded.hash())) {
      result.revoked++;
      continue;
    }
    result.failed++;
    if (result.failures.length < MAX_TEXTS) result.failures.push(describe(recorded, found));
  }
  return result;
}
