/**
 * Samples as folded stacks: one line per stack, frames from the outermost caller to the sampled function joined by semicolons, then a
 * space and the number of samples. It is what flame graph tools read. Read before: `symbols.ts`. Read after: `flameGraph.ts`.
 */
import type { Profile, Sample } from './sampler.js';
import type { Symbols } from './symbols.js';

const PAGE_BYTES = 4096;

const hex = (linear: number): string => `0x${linear.toString(16).padStart(8, '0')}`;

/** One stack of names. */
export interface FoldedStack {
  readonly frames: readonly string[];
  readonly count: number;
}

/** Gives places their names and adds up what falls together. The heaviest stack comes first. */
export function fold(profile: Profile, symbols: Symbols | undefined): FoldedStack[] {
  const stacks = new Map<string, { frames: readonly string[]; count: number }>();
  for (const sample of profile.samples) {
    const frames = framesOf(sample, symbols);
    const key = frames.join(';');
    const known = stacks.get(key);
    if (known === undefined) stacks.set(key, { frames, count: sample.count });
    else known.count += sample.count;
  }
  return [...stacks.values()].sort((a, b) => b.count - a.count);
}

function framesOf({ kind, stack }: Sample, symbols: Symbols | undefined): readonly string[] {
  if (kind === 'idle') return ['idle'];
  const leaf = stack.length - 1;
  return [
    kind === 'user' ? 'user' : 'kernel',
    ...stack.map((linear, index) => {
      if (kind === 'rom' && index === leaf) return 'VMI ROM';
      // A return address may stand behind a function's last instruction: it belongs to the call before it.
      const place = index === leaf ? linear : linear - 1;
      // Programs have no symbols here: the page has to do.
      if (kind === 'user') return `page ${hex(linear - (linear % PAGE_BYTES))}`;
      return symbols?.find(place) ?? hex(linear);
    }),
  ];
}

/** The stacks as text, with a final newline. */
export function formatFolded(stacks: readonly FoldedStack[]): string {
  return stacks.map(({ frames, count }) => `${frames.join(';')} ${count}\n`).join('');
}
