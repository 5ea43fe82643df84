/**
 * The command line of `romulus compare`. Separate from `compare.ts` so that help and wrong usage answer without loading the machine and
 * the charts. Read after: `compare.ts`.
 */
import { Option, type Command } from 'commander';
import { defaultVariants, parseVariants, type Variant } from '../compare/variants.js';
import { workloads } from '../compare/workloads.js';
import { ConfigError } from '../errors.js';
import { engineNames, type EngineName } from '../options.js';

const DEFAULT_ROUNDS = 3;
const DEFAULT_WINDOW_MS = 400;
const DEFAULT_RATES = [1000, 5000, 20_000, 50_000, 100_000];
const MAX_RATE = 1_000_000;

export interface CompareOptions {
  readonly strategies: readonly Variant[];
  /** Text, because whether a workload can run depends on another option. */
  readonly workloads?: string;
  readonly rounds: number;
  readonly window: number;
  readonly rates: readonly number[];
  readonly rom: boolean;
  readonly engine: EngineName;
  /** True = to stdout instead of the tables. */
  readonly json?: string | true;
  readonly html?: string;
}

export const COMPARE_EXAMPLES = `Workloads:
${workloads.map(({ name, help }) => `  ${name.padEnd(10)}${help}`).join('\n')}

Examples:
  romulus compare
  romulus compare --html report.html --json report.json
  romulus compare --strategies virtual-mask,host-mask --workloads toggle,cli --rounds 5`;

/** @throws ConfigError `BAD_NUMBER` */
function wholeNumber(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new ConfigError('BAD_NUMBER', `${what} '${text}' is not possible; give a whole number from ${min} to ${max}`);
  };
}

const parseRate = wholeNumber('rate', 1, MAX_RATE);

export function addCompareOptions(command: Command): void {
  const names = defaultVariants.join(',');
  command
    .addOption(
      new Option('--strategies <list>', 'interrupt strategies, with :standard for standard signals')
        .argParser(parseVariants)
        .default(parseVariants(names), names),
    )
    .option('--workloads <list>', 'what to run (default: all)')
    .addOption(
      new Option('--rates <list>', 'storms, in events a second')
        .argParser((text) => text.split(',').map((part) => parseRate(part.trim())))
        .default(DEFAULT_RATES, DEFAULT_RATES.join(',')),
    )
    .addOption(
      new Option('--rounds <count>', 'how often everything is measured')
        .argParser(wholeNumber('number of rounds', 1, 100))
        .default(DEFAULT_ROUNDS),
    )
    .addOption(
      new Option('--window <ms>', 'how long one measurement takes')
        .argParser(wholeNumber('window', 50, 60_000))
        .default(DEFAULT_WINDOW_MS),
    )
    .option('--no-rom', 'leave the VMI ROM out')
    .addOption(
      new Option('--engine <name>', 'what runs the guest').choices(engineNames).default('auto' satisfies EngineName),
    )
    .option('--json [file]', 'write the result as JSON: to a file, or instead of the tables')
    .option('--html <file>', 'write a report with plots');
}
