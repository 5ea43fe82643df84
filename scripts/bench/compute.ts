/**
 * The same i386 object code as a process of the host and in guests, in turns; on a host that cannot run it the same sources, built for x86-64. Works in general registers run as a process of Remus; those in
 * floating point, which Remus lets no process use, as a kernel of their own. Slower systems do fewer rounds of the same work, and times are
 * scaled to the whole; checksums must be those of the host's processor. Read before: `systems.ts`, test/guest/bench/compute.c.
 */
import { native, type GuestSystem, type Output, type Systems } from './systems.js';
import { median } from './timing.js';

const INTEGER = ['sha256', 'sieve', 'sort', 'recursion', 'dispatch', 'copy'];
const FLOATING = ['matrix-x87', 'matrix-sse2', 'mandelbrot'];

/** Rounds of the work, in percent of the usual: so many that starting it, some 5 ms in a guest, matters little. */
const WHOLE = 400;
const QEMU_PERCENT = 40;
const INTERPRETER_PERCENT = 2;
/** It is slow, and nobody's choice for speed. */
const INTERPRETER_ROUNDS = 2;

/** What the translator must reach, as native time by its time. */
const WANTED: Readonly<Record<string, number>> = { sort: 0.8, recursion: 0.5, dispatch: 0.5 };
const WANTED_ELSE = 0.9;

/** Milliseconds that the work takes, medians; undefined where the system is not installed. */
export interface ComputeRow {
  readonly work: string;
  readonly native: number;
  readonly translator: number;
  readonly interpreter: number;
  readonly qemu: number | undefined;
  /** Least speed of the translator that was asked for, the host's own being 1. */
  readonly wanted: number;
}

interface Result {
  readonly ms: number;
  readonly checksum: string;
}

/** @throws Error when a work did not both start and end */
function resultsOf(output: Output, works: readonly string[], percent: number): Map<string, Result> {
  const results = new Map<string, Result>();
  for (const work of works) {
    const start = output.lines.find(({ text }) => text.endsWith(`start ${work}`));
    const end = output.lines.find(({ text }) => text.startsWith(`end ${work} `));
    if (start === undefined || end === undefined) throw new Error(`${work} did not run to its end: ${output.errors}`);
    results.set(work, {
      ms: ((end.atMs - start.atMs) * WHOLE) / percent,
      checksum: end.text.slice(`end ${work} `.length),
    });
  }
  return results;
}

/** Runs every work once on one system. */
async function runAll(system: GuestSystem | undefined, percent: number): Promise<Map<string, Result>> {
  const integer = `${percent} ${INTEGER.join(' ')}`;
  const floating = `${percent} ${FLOATING.join(' ')}`;
  const first = system === undefined ? await native(integer) : await system.remus([`compute ${integer}`]);
  const second = system === undefined ? await native(floating) : await system.bare(floating);
  return new Map([...resultsOf(first, INTEGER, percent), ...resultsOf(second, FLOATING, percent)]);
}

/** Times of one system over several rounds, each checked against what the host's processor makes of the same rounds. */
class Column {
  private readonly _times = new Map<string, number[]>();
  private _expected: Map<string, Result> | undefined;

  constructor(
    private readonly _system: GuestSystem | undefined,
    private readonly _percent: number,
  ) {}

  async measure(): Promise<void> {
    this._expected ??= await runAll(undefined, this._percent);
    for (const [work, { ms, checksum }] of await runAll(this._system, this._percent)) {
      const expected = this._expected.get(work)?.checksum;
      if (checksum !== expected) {
        throw new Error(`${work} under ${this._system?.name}: checksum ${checksum}, natively ${expected}`);
      }
      this._times.set(work, [...(this._times.get(work) ?? []), ms]);
    }
  }

  median(work: string): number {
    return median(this._times.get(work) ?? []);
  }
}

export async function measureCompute(rounds: number, systems: Systems): Promise<ComputeRow[]> {
  const host = new Column(undefined, WHOLE);
  const translator = new Column(systems.translator, WHOLE);
  const interpreter = new Column(systems.interpreter, INTERPRETER_PERCENT);
  const qemu = systems.qemu && new Column(systems.qemu, QEMU_PERCENT);
  for (let round = 0; round < rounds; round++) {
    await host.measure();
    await translator.measure();
    await qemu?.measure();
    if (round < INTERPRETER_ROUNDS) await interpreter.measure();
  }
  return [...INTEGER, ...FLOATING].map((work) => ({
    work,
    native: host.median(work),
    translator: translator.median(work),
    interpreter: interpreter.median(work),
    qemu: qemu?.median(work),
    wanted: WANTED[work] ?? WANTED_ELSE,
  }));
}
