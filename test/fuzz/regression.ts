/**
 * Sequences that once ended in another way than on the host's CPU, kept as files: a case, and how it has to end. Written by
 * `scripts/fuzz/fuzz.ts`, played by `regression.test.ts`. Read before: `../vectors/outcome.ts`.
 */
import type { Ignored, Outcome } from '../vectors/outcome.js';
import type { Case } from '../vectors/state.js';

export interface Regression {
  readonly test: Case;
  readonly expected: Outcome;
  readonly ignored: Ignored;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

interface Stored {
  readonly listing: readonly string[];
  readonly differed: readonly string[];
  readonly test: Omit<Case, 'code'> & { readonly code: string };
  readonly expected: Omit<Outcome, 'registers' | 'fx' | 'memory'> & {
    readonly registers: readonly number[];
    readonly fx: string;
    readonly memory: readonly number[];
  };
  readonly ignored: Ignored;
}

/** A regression as the text of a file. @param listing disassembly @param differed what was found then, for the reader */
export function serialize(regression: Regression, listing: readonly string[], differed: readonly string[]): string {
  const { test, expected, ignored } = regression;
  const stored: Stored = {
    listing,
    differed,
    test: { ...test, code: hexOf(test.code) },
    expected: {
      ...expected,
      registers: [...expected.registers],
      fx: hexOf(expected.fx),
      memory: [...expected.memory],
    },
    ignored,
  };
  return `${JSON.stringify(stored, null, 1)}\n`;
}

export function parse(text: string): Regression {
  const { test, expected, ignored } = JSON.parse(text) as Stored;
  return {
    test: { ...test, code: bytesOf(test.code) },
    expected: {
      ...expected,
      registers: Int32Array.from(expected.registers),
      fx: bytesOf(expected.fx),
      memory: Int32Array.from(expected.memory),
    },
    ignored,
  };
}
