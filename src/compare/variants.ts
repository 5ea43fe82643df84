/**
 * What is compared: interrupt strategies, and for host-mask also the kind of host signal, because the two kinds merge differently. Read
 * before: docs/interrupts.md. Read after: `runner.ts`.
 */
import { ConfigError } from '../errors.js';
import type { StrategyName } from '../irq/strategies/index.js';
import { strategyNames } from '../options.js';

/** One column of the comparison. */
export interface Variant {
  /** As the user writes it: a strategy, or `host-mask:standard`. */
  readonly name: string;
  readonly strategy: StrategyName;
  readonly maskSignals: 'realtime' | 'standard';
}

const standardSuffix = ':standard';

/** Those that are compared when nobody chooses. */
export const defaultVariants = ['virtual-mask', 'host-mask', 'host-mask:standard', 'trap-and-emulate'];

/**
 * @param text names joined by commas
 * @throws ConfigError `BAD_STRATEGY` for a name that is none, or one given twice
 */
export function parseVariants(text: string): readonly Variant[] {
  const names = text.split(',').map((name) => name.trim());
  const variants = names.map((name): Variant => {
    const isStandard = name.endsWith(standardSuffix);
    const strategy = strategyNames.find(
      (known) => known === (isStandard ? name.slice(0, -standardSuffix.length) : name),
    );
    if (strategy === undefined)
      throw new ConfigError(
        'BAD_STRATEGY',
        `interrupt strategy '${name}' does not exist; give ${strategyNames.join(', ')}, each with '${standardSuffix}' for standard signals`,
      );
    return { name, strategy, maskSignals: isStandard ? 'standard' : 'realtime' };
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigError('BAD_STRATEGY', `interrupt strategy '${twice}' is given twice`);
  return variants;
}
