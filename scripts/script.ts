/**
 * The command line of a script under `npm run`: options, `--help`, and one line with status 2 where something is wrong with them. Separate so
 * that all scripts answer alike. Read after: any script.
 */
import { Command, InvalidArgumentError } from 'commander';

/** @param usage what stands behind `npm run NAME --` */
export function script(name: string, summary: string, usage = '[options]'): Command {
  return new Command(`npm run ${name} --`)
    .usage(usage)
    .description(summary)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Parses whole numbers of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
  };
}

/** Parses numbers above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError('Give a number above 0.');
}
