/**
 * The differential fuzzer: random sequences of instructions under the interpreter and on the host's own CPU, in the same run, until the time
 * is over. A difference is shrunk, printed with both endings, and kept in `test/fuzz/seeds/`, which `npm test` plays from then on.
 *
 *     npm run fuzz -- --minutes N [--seed S]
 *
 * Needs an x86 host that runs 32-bit programs, and `gcc -m32`. Read before: `sequence.ts`, `explain.ts`, `shrink.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serialize } from '../../test/fuzz/regression.js';
import { referenceEngine } from '../../test/vectors/engines.js';
import { listing } from '../../test/vectors/disassemble.js';
import { same, type Outcome } from '../../test/vectors/outcome.js';
import { machineOf } from '../../test/vectors/play.js';
import { initialState, modeOf, type Case } from '../../test/vectors/state.js';
import { Oracle, OracleDied } from '../record-vectors/oracle.js';
import { UNDEFINED_FLAGS, explain, type Verdict } from './explain.js';
import { caseOf, makeSequence, sequenceSeed, type Sequence } from './sequence.js';
import { shrink } from './shrink.js';

const FOLDER = 'test/fuzz/seeds';
const BATCH = 400;
const PROGRESS_MS = 5000;
/** Differences after which looking further is of no use before they are mended. */
const ENOUGH = 25;

const { values: options } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
const minutes = Number(options.minutes ?? '1');
const run = Number(options.seed ?? Date.now() % 1_000_000);
if (!(minutes > 0) || !Number.isInteger(run)) {
  process.stderr.write('fuzz: give --minutes a number above 0 and --seed a whole number\n');
  process.exit(2);
}

const oracle = new Oracle();
const machine = machineOf(referenceEngine);
const counts = { sequences: 0, instructions: 0, explained: new Map<string, number>(), deaths: 0 };
const differing = new Map<string, number>();

interface Compared {
  readonly test: Case;
  readonly expected: Outcome;
  readonly verdict: Verdict;
}

/** Plays a case and judges it against the host's ending; undefined when they agree. */
function compare(test: Case, expected: Outcome): Compared | undefined {
  const state = initialState(test);
  let actual: Outcome;
  try {
    actual = machine.run(state);
  } catch (error) {
    return { test, expected, verdict: { reason: undefined, found: [String(error)], ignored: { flags: 0 } } };
  }
  if (same(expected, actual, test.fpu, 0)) return undefined;
  return { test, expected, verdict: explain(machine, test, expected, actual) };
}

/** Asks the host about cases; what ends the native process is left out and counted. */
async function ask(tests: readonly Case[]): Promise<(Outcome | undefined)[]> {
  try {
    return await oracle.run(tests.map(initialState));
  } catch (error) {
    if (!(error instanceof OracleDied)) throw error;
    if (tests.length === 1) {
      counts.deaths++;
      return [undefined];
    }
    const half = tests.length >> 1;
    return [...(await ask(tests.slice(0, half))), ...(await ask(tests.slice(half)))];
  }
}

async function judge(candidates: readonly Sequence[]): Promise<(Compared | undefined)[]> {
  const tests = candidates.map(caseOf);
  const outcomes = await ask(tests);
  return tests.map((test, i) => {
    const outcome = outcomes[i];
    const compared = outcome === undefined ? undefined : compare(test, outcome);
    return compared?.verdict.reason === undefined ? compared : undefined;
  });
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

async function report(sequence: Sequence): Promise<void> {
  const smallest = await shrink(sequence, async (candidates) =>
    (await judge(candidates)).map((one) => one !== undefined),
  );
  const [compared] = await judge([smallest]);
  if (compared === undefined) return;
  const { test, expected, verdict } = compared;
  const mode = modeOf(test);
  const state = initialState(test);
  const lines = listing(test.code, mode.codeSize, state.eip);
  const key = [
    lines.map((line) => line.slice(32).split(' ', 1)[0]),
    verdict.found.map((line) => line.split(':', 1)[0]),
  ].join();
  const known = differing.get(key) ?? 0;
  differing.set(key, known + 1);
  if (known > 0) return;
  const registers = [...state.registers].map(hex).join(' ');
  const before = `before: eax.. ${registers} eflags ${hex(state.eflags)}, ${mode.name}, seed ${test.seed}`;
  process.stdout.write(`\n${[`a difference in`, ...lines, before, ...verdict.found].join('\n  ')}\n`);
  const text = serialize({ test, expected, ignored: verdict.ignored }, lines, verdict.found);
  const name = `${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, name), text);
  process.stdout.write(`  kept as ${join(FOLDER, name)}\n`);
}

function progress(startMs: number): string {
  const seconds = (Date.now() - startMs) / 1000;
  const rate = Math.round(counts.sequences / seconds);
  const explained = [...counts.explained.values()].reduce((sum, count) => sum + count, 0);
  return (
    `${Math.round(seconds)} s: ${counts.sequences} sequences (${rate}/s), ${counts.instructions} instructions, ` +
    `${explained} explained, ${differing.size} differences`
  );
}

const startMs = Date.now();
const endMs = startMs + minutes * 60_000;
let shownMs = startMs;
process.stdout.write(`fuzz: seed ${run}, ${minutes} minutes\n`);
for (let index = 0; Date.now() < endMs && differing.size < ENOUGH; index += BATCH) {
  const sequences = Array.from({ length: BATCH }, (_, i) => makeSequence(sequenceSeed(run, index + i)));
  const tests = sequences.map(caseOf);
  const outcomes = await ask(tests);
  for (let i = 0; i < BATCH; i++) {
    const outcome = outcomes[i];
    if (outcome === undefined) continue;
    const compared = compare(tests[i], outcome);
    if (compared === undefined || compared.verdict.reason === UNDEFINED_FLAGS) {
      counts.sequences++;
      counts.instructions += machine.retired;
    } else if (compared.verdict.reason !== undefined) {
      const { reason } = compared.verdict;
      counts.explained.set(reason, (counts.explained.get(reason) ?? 0) + 1);
    } else {
      await report(sequences[i]);
    }
  }
  if (Date.now() - shownMs > PROGRESS_MS) {
    shownMs = Date.now();
    process.stderr.write(process.stderr.isTTY ? `\r${progress(startMs)} ` : `${progress(startMs)}\n`);
  }
}
oracle.close();
process.stdout.write(`\n${progress(startMs)}\n`);
for (const [reason, count] of counts.explained) process.stdout.write(`  not compared: ${count} (${reason})\n`);
if (counts.deaths > 0) process.stdout.write(`  not compared: ${counts.deaths} (ended the native process)\n`);
for (const [key, count] of differing) process.stdout.write(`  differed ${count} times: ${key}\n`);
process.exitCode = differing.size === 0 ? 0 : 1;
