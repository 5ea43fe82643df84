/**
 * The state in which a boot loader hands the processor to a 32-bit kernel. Separate from `Vcpu.reset`, which is the hardware's state:
 * that is the loader's doing, not the processor's. Read before: `vcpu.ts`. Read after: `../boot/`.
 */
import { Cr0 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { initFpu } from './fxsave.js';
import { Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

/** Selectors that the Linux 32-bit boot protocol asks for (`__BOOT_CS`, `__BOOT_DS`); multiboot leaves them open. */
export const BOOT_CS = 0x10;
export const BOOT_DS = 0x18;

/** Flat 32-bit code and data at DPL 0: present, accessed, G and D/B set. */
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;

/**
 * Resets the vCPU and enters flat 32-bit protected mode: all segments 4 GiB from 0, paging off, interrupts off, general registers 0.
 * There are no descriptor tables yet, so an exception or a segment load before the kernel sets up its own is a triple fault.
 * (Multiboot Specification 0.6.96, "Machine state"; Linux x86 boot protocol, "32-bit BOOT PROTOCOL")
 * @param eip entry point
 */
export function enterProtectedFlat(cpu: Vcpu, eip: number): void {
  cpu.reset();
  const words = cpu.words;
  words[Word.Edx] = 0;
  // firmware has used FNINIT; no protocol says so, but programs rely on it
  initFpu(cpu);
  words[Word.Cr0] = Cr0.PE | Cr0.ET;
  words[Word.GdtrLimit] = 0;
  words[Word.IdtrLimit] = 0;
  cpu.refresh();
  cpu.setSegment(Segment.Cs, BOOT_CS, 0, -1, FLAT_CODE);
  for (const segment of [Segment.Es, Segment.Ss, Segment.Ds, Segment.Fs, Segment.Gs]) {
    cpu.setSegment(segment, BOOT_DS, 0, -1, FLAT_DATA);
  }
  words[Word.Eip] = eip;
}
