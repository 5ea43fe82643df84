/**
 * Makes a failing sequence small: leaves out items, overrides and floating-point state as long as it still fails. Read before:
 * `sequence.ts`. Read after: `fuzz.ts`.
 */
import type { Sequence } from './sequence.js';

/**
 * @param fails says of each candidate whether it still fails
 * @returns the smallest sequence found
 */
export async function shrink(
  sequence: Sequence,
  fails: (candidates: readonly Sequence[]) => Promise<readonly boolean[]>,
): Promise<Sequence> {
  let best = sequence;
  for (let changed = true; changed;) {
    changed = false;
    for (let chunk = Math.max(1, best.items.length >> 1); chunk >= 1; chunk >>= 1) {
      for (let at = 0; at < best.items.length;) {
        const items = best.items.filter((_, index) => index < at || index >= at + chunk);
        const candidate = { ...best, items };
        if (items.length > 0 && (await fails([candidate]))[0]) {
          best = candidate;
          changed = true;
        } else {
          at += chunk;
        }
      }
    }
    const simpler: Sequence[] = [
      ...best.overrides.map((_, index) => ({ ...best, overrides: best.overrides.filter((__, i) => i !== index) })),
      ...(best.start === 0x4100 ? [] : [{ ...best, start: 0x4100 }]),
      ...(best.mode === 0 ? [] : [{ ...best, mode: 0 }]),
    ];
    for (const candidate of simpler) {
      if ((await fails([candidate]))[0]) {
        best = candidate;
        changed = true;
        break;
      }
    }
  }
  return best;
}
