/** Decoding and printing of a case's bytes, for messages. */
import { decode } from '../../src/x86/decode.js';
import { format } from '../../src/x86/format.js';
import type { Instruction } from '../../src/x86/instruction.js';
import { GuestFault } from '../../src/x86/vectors.js';

/** Decodes the instruction at the start of `bytes`, zeros behind them; undefined when it has more than 15 bytes. */
export function tryDecode(bytes: Uint8Array, codeSize: 2 | 4): Instruction | undefined {
  try {
    return decode({ byte: (index) => bytes[index] ?? 0 }, codeSize);
  } catch (error) {
    if (error instanceof GuestFault) return undefined;
    throw error;
  }
}

/** A listing, one instruction a line with offset and bytes. @param eip offset of the first byte */
export function listing(code: Uint8Array, codeSize: 2 | 4, eip: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < code.length;) {
    const instruction = tryDecode(code.subarray(at), codeSize);
    const length = Math.min(instruction?.length ?? 1, code.length - at);
    const bytes = Buffer.from(code.subarray(at, at + length)).toString('hex');
    const text = instruction === undefined ? '(too long)' : format(instruction, eip + at);
    lines.push(`${(eip + at).toString(16).padStart(4, '0')}  ${bytes.padEnd(24)} ${text}`);
    at += length;
  }
  return lines;
}
