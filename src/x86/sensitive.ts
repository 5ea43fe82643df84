/**
 * Sensitive instructions: those that a kernel may not execute itself when it runs deprivileged, because they show or change the state of
 * the real processor. The strategy trap-and-emulate makes each of them a trap.
 * Read before: `instruction.ts`. Read after: `../interp/trapPath.ts`.
 */
import { Attribute } from './form.js';
import type { Instruction } from './instruction.js';
import type { Mnemonic } from './mnemonics.js';

/**
 * Sensitive instructions that are not privileged (J. Robin, C. Irvine: "Analysis of the Intel Pentium's Ability to Support a Secure
 * Virtual Machine Monitor", 2000), those whose privilege is IOPL, and the ROM's VMCALL, which always leaves the guest.
 */
const SENSITIVE: ReadonlySet<Mnemonic> = new Set([
  ...(['CLI', 'STI', 'PUSHF', 'POPF', 'IRET', 'IN', 'OUT', 'INS', 'OUTS'] as const),
  ...(['SGDT', 'SIDT', 'SLDT', 'STR', 'SMSW', 'VMCALL'] as const),
]);

/** Whether an instruction traps when a kernel runs deprivileged. */
export function isSensitive({ form }: Instruction): boolean {
  return (form.attributes & Attribute.Privileged) !== 0 || SENSITIVE.has(form.mnemonic);
}
