/**
 * The differential fuzzer: random sequences and programs under the interpreter, under the translator in several ways, and on the host's own
 * CPU, in the same run, until the time is over. Each engine is compared with the host, and where the host's answer does not count, with the
 * interpreter. A difference is shrunk, printed with both endings, and kept in `test/fuzz/seeds/`, which `npm test` plays from then on.
 *
 *     npm run fuzz -- --minutes N [--seed S] [--engines interpreter|all] [--no-host]
 *
 * Needs `gcc -m32`, and the addon for the translator. A host that does not run 32-bit programs is left out, and said to be. Read before: `sequence.ts`, `program.ts`,
 * `players.ts`, `explain.ts`, `shrink.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import { tryNative } from '../../src/native.js';
import { serialize } from '../../test/fuzz/regression.js';
import { listing } from '../../test/vectors/disassemble.js';
import { same, type Outcome } from '../../test/vectors/outcome.js';
import { initialState, modeOf, type Case } from '../../test/vectors/state.js';
import { Oracle, OracleDied } from '../record-vectors/oracle.js';
import { positiveNumber, script, wholeNumber } from '../script.js';
import { UNDEFINED_FLAGS, explain, type Verdict } from './explain.js';
import { Reference, translators, type Player, type Result } from './players.js';
import { makeProgram } from './program.js';
import { caseOf, makeSequence, sequenceSeed, type Sequence } from './sequence.js';
import { shrink } from './shrink.js';

const FOLDER = 'test/fuzz/seeds';
const BATCH = 400;
const PROGRESS_MS = 5000;
const MAX_LINE = 400;
/** Differences after which looking further is of no use before they are mended. */
const ENOUGH = 25;

const options = script('fuzz', 'random programs under every engine and on the host CPU')
  .option('--minutes <n>', 'how long', positiveNumber, 1)
  .option('--seed <n>', 'where the random numbers begin (default: by the clock)', wholeNumber(0))
  .option('--no-host', 'compare the engines with each other alone')
  .addOption(new Option('--engines <which>', 'what is compared').choices(['all', 'interpreter']).default('all'))
  .parse()
  .opts<{ minutes: number; seed?: number; engines: string; host: boolean }>();
const { minutes } = options;
const run = options.seed ?? Date.now() % 1_000_000;

const oracle = options.host ? openOracle() : undefined;
const reference = new Reference();
const { machine } = reference;
const others = options.engines === 'all' ? openTranslators() : [];
const counts = { sequences: 0, explained: new Map<string, number>(), between: 0, deaths: 0, spoiled: 0 };
const differing = new Map<string, number>();

function openOracle(): Oracle | undefined {
  const opened = new Oracle();
  if (opened.runs) return opened;
  opened.close();
  process.stderr.write('fuzz: this host runs no 32-bit programs, so the engines are compared with each other alone\n');
  return undefined;
}

function openTranslators(): readonly Player[] {
  const result = tryNative();
  if (result.native !== undefined) return translators(result.native);
  process.stderr.write(
    `fuzz: the translator needs the addon (${result.failure}); --engines interpreter goes without\n`,
  );
  process.exit(2);
}

interface Compared {
  readonly test: Case;
  readonly expected: Outcome;
  readonly verdict: Verdict;
  /** Who differs from whom. */
  readonly who: string;
}

/** Judges what an engine made of a case; undefined when it is what was expected. */
function compare(test: Case, expected: Outcome, actual: Result, who: string): Compared | undefined {
  if (actual instanceof Error) {
    return { test, expected, who, verdict: { reason: undefined, found: [String(actual)], ignored: { flags: 0 } } };
  }
  if (same(expected, actual, test.fpu, 0)) return undefined;
  return { test, expected, who, verdict: explain(machine, test, expected, actual) };
}

const isDifference = (compared: Compared | undefined): boolean =>
  compared !== undefined && compared.verdict.reason === undefined;
const isCounted = (compared: Compared | undefined): boolean =>
  compared === undefined || compared.verdict.reason === UNDEFINED_FLAGS;

/** Asks the host about cases; what ends the native process is left out and counted. */
async function ask(tests: readonly Case[]): Promise<readonly (Outcome | undefined)[]> {
  if (oracle === undefined) return tests.map(() => undefined);
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

interface Judged {
  /** The host's answer. */
  readonly outcome: Outcome | undefined;
  /** It counts. */
  readonly host: boolean;
  /** First the comparison with the host, then those of the engines that count. */
  readonly found: readonly (Compared | undefined)[];
}

/** Plays cases everywhere. */
async function judge(candidates: readonly Sequence[]): Promise<Judged[]> {
  const tests = candidates.map(caseOf);
  const outcomes = await ask(tests);
  const results = reference.play(tests);
  const more = others.map((player) => ({ name: player.name, results: player.play(tests, results) }));
  return tests.map((test, index) => {
    const outcome = outcomes[index];
    const result = results[index];
    const first = outcome && compare(test, outcome, result, 'interpreter and host');
    const host = outcome !== undefined && isCounted(first);
    const expected = host || result instanceof Error ? outcome : result;
    if (expected === undefined) return { outcome, host, found: [first] };
    const whom = host ? 'host' : 'interpreter';
    const rest = more.map(({ name, results: own }) => compare(test, expected, own[index], `${name} and ${whom}`));
    return { outcome, host, found: [first, ...rest] };
  });
}

/** Whether the host has another answer now: an earlier case had written to the memory of the native process. */
function wasSpoiled({ fpu }: Sequence, { outcome: before }: Judged, { outcome: after }: Judged): boolean {
  return before !== undefined && after !== undefined && !same(before, after, fpu, 0);
}

/** Long lists of changed memory are of no use to a reader. */
const shortened = (line: string): string => (line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE)} ...`);
const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

async function report(sequence: Sequence, first: Compared): Promise<void> {
  const smallest = await shrink(sequence, async (candidates) =>
    (await judge(candidates)).map(({ found }) => found.some(isDifference)),
  );
  const compared = (await judge([smallest]))[0].found.find(isDifference);
  if (compared === undefined) {
    const lines = [`a difference between ${first.who} that did not come again`, ...first.verdict.found.map(shortened)];
    process.stdout.write(`\n${lines.join('\n  ')}\n`);
    differing.set(`once only, seed ${sequence.seed}`, 1);
    return;
  }
  const { test, expected, verdict, who } = compared;
  const found = verdict.found.map(shortened);
  const mode = modeOf(test);
  const state = initialState(test);
  const lines = listing(test.code, mode.codeSize, state.eip);
  const key = [
    who,
    lines.map((line) => line.slice(31).split(' ', 1)[0]),
    verdict.found.map((line) => line.split(':', 1)[0]),
  ].join();
  const known = differing.get(key) ?? 0;
  differing.set(key, known + 1);
  if (known > 0) return;
  const registers = [...state.registers].map(hex).join(' ');
  const before = `before: eax.. ${registers} eflags ${hex(state.eflags)}, ${mode.name}, seed ${test.seed}`;
  process.stdout.write(`\n${[`a difference between ${who} in`, ...lines, before, ...found].join('\n  ')}\n`);
  const text = serialize({ test, expected, ignored: verdict.ignored }, lines, found);
  const name = `${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, name), text);
  process.stdout.write(`  kept as ${join(FOLDER, name)}\n`);
}

function progress(startMs: number): string {
  const seconds = (Date.now() - startMs) / 1000;
  const rate = Math.round(counts.sequences / seconds);
  return (
    `${Math.round(seconds)} s: ${counts.sequences} sequences (${rate}/s) compared with the host, ` +
    `${counts.between} between engines alone, ${reference.retired} instructions, ${differing.size} differences`
  );
}

const startMs = Date.now();
const endMs = startMs + minutes * 60_000;
let shownMs = startMs;
process.stdout.write(`fuzz: seed ${run}, ${minutes} minutes\n`);
for (let index = 0; Date.now() < endMs && differing.size < ENOUGH; index += BATCH) {
  const sequences = Array.from({ length: BATCH }, (_, i) => {
    const seed = sequenceSeed(run, index + i);
    return i % 2 === 0 ? makeSequence(seed) : makeProgram(seed);
  });
  const judged = await judge(sequences);
  for (let i = 0; i < BATCH; i++) {
    const difference = judged[i].found.find(isDifference);
    if (difference !== undefined) {
      const before = judged[i];
      oracle?.restart();
      judged.splice(i, BATCH, ...(await judge(sequences.slice(i))));
      if (!wasSpoiled(sequences[i], before, judged[i]) || judged[i].found.some(isDifference)) {
        await report(sequences[i], difference);
        continue;
      }
      counts.spoiled++;
    }
    const { host, found } = judged[i];
    if (host) counts.sequences++;
    else counts.between++;
    const reason = host ? undefined : found[0]?.verdict.reason;
    if (reason !== undefined) counts.explained.set(reason, (counts.explained.get(reason) ?? 0) + 1);
  }
  if (Date.now() - shownMs > PROGRESS_MS) {
    shownMs = Date.now();
    process.stderr.write(process.stderr.isTTY ? `\r${progress(startMs)} ` : `${progress(startMs)}\n`);
  }
}
oracle?.close();
process.stdout.write(`\n${progress(startMs)}\n`);
for (const [reason, count] of counts.explained)
  process.stdout.write(`  not compared with the host: ${count} (${reason})\n`);
if (counts.deaths > 0)
  process.stdout.write(`  not compared with the host: ${counts.deaths} (ended the native process)\n`);
if (counts.spoiled > 0)
  process.stdout.write(
    `  asked again in a new native process: ${counts.spoiled} (an earlier case had written to its own memory)\n`,
  );
for (const [key, count] of differing) process.stdout.write(`  differed ${count} times: ${key}\n`);
process.exitCode = differing.size === 0 ? 0 : 1;
