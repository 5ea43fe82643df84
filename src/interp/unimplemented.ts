/**
 * The error for an instruction that the table knows and no handler carries out. It ends the machine: going on would be a silent
 * no-op. Separate so that the machine can recognise it without the interpreter. Read before: nothing. Read after: `binders.ts`.
 */
import { GuestKilled } from '../errors.js';

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

export class UnimplementedInstruction extends GuestKilled {
  /**
   * @param mnemonic the SDM's name
   * @param bytes the instruction's bytes, prefixes included
   * @param eip its offset in CS
   */
  constructor(
    readonly mnemonic: string,
    readonly bytes: readonly number[],
    readonly eip: number,
  ) {
    const listed = bytes.map((byte) => hex(byte, 2)).join(' ');
    super(
      `the guest executed ${mnemonic} (${listed}) at eip ${hex(eip >>> 0, 8)}, which this version does not carry out`,
    );
  }
}
