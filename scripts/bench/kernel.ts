/**
 * What the operations of a kernel cost, by Remus' own `bench`, under both engines and in QEMU, in turns; and how fast the translator
 * translates while it boots Remus and runs this. Read before: `systems.ts`, guest/programs/bench.c.
 */
import { coldTranslator, reported, type GuestSystem, type Output, type Systems } from './systems.js';
import { median } from './timing.js';

/** Nanoseconds that were asked for at most; `touch` is mostly the guest kernel's own page fault, and nothing was asked for. */
const WANTED: readonly (readonly [row: string, ns: number | undefined])[] = [
  ['pair', 3],
  ['syscall', 150],
  ['switch', 1000],
  ['read', 6000],
  ['scatter', 6000],
  ['touch', undefined],
];

/** Nanoseconds for one, medians; undefined where the system is not installed. */
export interface KernelRow {
  readonly row: string;
  readonly translator: number;
  readonly interpreter: number;
  readonly qemu: number | undefined;
  readonly wanted: number | undefined;
}

export interface KernelCosts {
  readonly rows: readonly KernelRow[];
  /** Guest instructions a second in a boot of Remus and these operations: from nothing, and with the translations of an earlier boot. */
  readonly coldRate: number;
  readonly keptRate: number;
}

/** Guest instructions translated a second. */
function rateOf(output: Output): number {
  const ms = Math.max(1, reported(output, 'milliseconds translating'));
  return (reported(output, 'guest instructions translated') / ms) * 1000;
}

/** Every row is run twice in one boot, and the second time counts: the first warms the host's own compiler up. */
export function secondTime(output: Output, row: string): number {
  const lines = output.lines.filter(({ text }) => new RegExp(`(^|\\W)${row} `).test(text));
  const found = /([\d.]+) ns$/.exec(lines.at(-1)?.text ?? '');
  if (lines.length !== 2 || found === null) throw new Error(`Remus did not run 'bench ${row}' twice: ${output.errors}`);
  return Number(found[1]);
}

export async function measureKernel(rounds: number, systems: Systems): Promise<KernelCosts> {
  const commands = [...WANTED, ...WANTED].map(([row]) => `bench ${row}`);
  const times = new Map<string, number[]>();
  const key = (system: GuestSystem, row: string): string => `${system.name} ${row}`;
  const cold: number[] = [];
  const kept: number[] = [];
  await systems.translator.remus(commands);
  for (let round = 0; round < rounds; round++) {
    for (const system of [systems.translator, systems.interpreter, systems.qemu]) {
      if (system === undefined) continue;
      const output = await system.remus(commands);
      for (const [row] of WANTED) {
        const name = key(system, row);
        times.set(name, [...(times.get(name) ?? []), secondTime(output, row)]);
      }
      if (system === systems.translator) kept.push(rateOf(output));
    }
    cold.push(rateOf(await coldTranslator().remus(commands)));
  }
  const middle = (system: GuestSystem, row: string): number => median(times.get(key(system, row)) ?? []);
  const rows = WANTED.map(([row, wanted]) => ({
    row,
    translator: middle(systems.translator, row),
    interpreter: middle(systems.interpreter, row),
    qemu: systems.qemu && middle(systems.qemu, row),
    wanted,
  }));
  return { rows, coldRate: median(cold), keptRate: median(kept) };
}
