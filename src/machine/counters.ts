/** 64-bit counters in the state block: two words, low one first, so that native code can add to them with one instruction. */

/** Adds 1 to the counter at word `index`. Only for counters that one thread writes. */
export function bump(words: Int32Array, index: number): void {
  words[index] = (words[index] + 1) | 0;
  if (words[index] === 0) words[index + 1] = (words[index + 1] + 1) | 0;
}

/** The counter at word `index` as a number (exact below 2^53). */
export function counter(words: Int32Array, index: number): number {
  return (words[index] >>> 0) + (words[index + 1] >>> 0) * 2 ** 32;
}
