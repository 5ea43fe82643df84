/** The smallest guests: a few bytes of 32-bit code as a multiboot kernel, for tests of what the machine does with them. */
import { elfFile, multibootHeader } from './kernels.js';

/** Where the first byte of the code of `flatKernel` is in guest memory. */
export const FLAT_ENTRY = 0x10000c;

/** A multiboot kernel of nothing but `code`. */
export function flatKernel(code: readonly number[]): Uint8Array {
  return elfFile({
    entry: FLAT_ENTRY,
    segments: [{ bytes: Buffer.concat([multibootHeader(0), Uint8Array.from(code)]) }],
  });
}
