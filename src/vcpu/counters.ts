/**
 * 64-bit counters in the state block: two words, low one first, so that native code can add to them with one instruction. Each
 * kind of writer has its own way to add. Read before: `layout.ts`.
 */

const TWO_32 = 2 ** 32;

/** Adds `amount` (0 to 2^32 - 1) to the counter at word `index`. Only for counters that one thread writes. */
export function add64(words: Int32Array, index: number, amount: number): void {
  const sum = (words[index] >>> 0) + amount;
  words[index] = sum;
  if (sum >= TWO_32) words[index + 1]++;
}

/** Adds 1 to the counter at word `index`, which other threads may be adding to. */
export function increment(words: Int32Array, index: number): void {
  if (Atomics.add(words, index, 1) === -1) Atomics.add(words, index + 1, 1);
}

/** Sets the 64-bit value at word `index` (a whole number from 0 to 2^53). */
export function store64(words: Int32Array, index: number, value: number): void {
  words[index] = value % TWO_32;
  words[index + 1] = Math.floor(value / TWO_32);
}

/** The counter at word `index` as a number (exact below 2^53); a moment's value while other threads write it. */
export function read64(words: Int32Array, index: number): number {
  return (Atomics.load(words, index + 1) >>> 0) * TWO_32 + (Atomics.load(words, index) >>> 0);
}
