/** What one run of a benchmark guest gives, and medians of several. */
export interface Timing {
  readonly seconds: number;
  /** Guest instructions executed. */
  readonly instructions: number;
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
