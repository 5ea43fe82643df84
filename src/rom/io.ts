/**
 * Port calls. Linux and Remus use the native instructions, which cost the same here; the calls exist for guests that do not. The
 * kernel runs at CPL 0, where IOPL and the I/O bitmap do not count (SDM 1, "Protected-mode I/O"), so nothing is checked.
 *
 * The string forms behave like REP INS and REP OUTS, the direction flag included: registers are up to date before each access that can
 * fault, and a long transfer lets interrupts in between, by running the stub's VMCALL again. (VMI spec, "I/O calls")
 */
import { Word } from '../vcpu/layout.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import { Segment } from '../x86/instruction.js';
import type { RomContext } from './context.js';
import { VMCALL_BYTES } from './slots.js';

type Size = 1 | 2 | 4;

/** Most items that one run of a string call moves before interrupts get their turn. */
const BATCH = 4096;

const DIRECTION_FLAG = 1 << 10;

function port(rom: RomContext): number {
  return rom.words[Word.Edx] & 0xffff;
}

function input(rom: RomContext, size: Size): void {
  rom.words[Word.Eax] = rom.cpu.hooks.ports.read(port(rom), size) | 0;
}

function output(rom: RomContext, size: Size): void {
  const eax = rom.words[Word.Eax];
  rom.cpu.hooks.ports.write(port(rom), size, size === 4 ? eax >>> 0 : eax & (size === 2 ? 0xffff : 0xff));
}

function inputItem(rom: RomContext, size: Size): void {
  const { mmu, hooks } = rom.cpu;
  const linear = linearWrite(rom.cpu, Segment.Es, rom.words[Word.Edi], size);
  // Before the port is read: a device's register must not be read for nothing.
  mmu.probeWrite(linear, size);
  const value = hooks.ports.read(port(rom), size);
  if (size === 1) mmu.write8(linear, value);
  else if (size === 2) mmu.write16(linear, value);
  else mmu.write32(linear, value | 0);
}

function outputItem(rom: RomContext, size: Size): void {
  const { mmu, hooks } = rom.cpu;
  const linear = linearRead(rom.cpu, Segment.Ds, rom.words[Word.Esi], size);
  const value = size === 1 ? mmu.read8(linear) : size === 2 ? mmu.read16(linear) : mmu.read32(linear) >>> 0;
  hooks.ports.write(port(rom), size, value);
}

/** Moves items until ECX is 0. @param pointer the register that walks through memory. */
function repeat(rom: RomContext, pointer: Word, size: Size, item: typeof inputItem): void {
  const words = rom.words;
  const step = (words[Word.Eflags] & DIRECTION_FLAG) !== 0 ? -size : size;
  for (let left = BATCH; words[Word.Ecx] !== 0; left--) {
    if (left === 0) {
      words[Word.Eip] = (words[Word.Eip] - VMCALL_BYTES) | 0;
      return;
    }
    item(rom, size);
    words[pointer] = (words[pointer] + step) | 0;
    words[Word.Ecx] = (words[Word.Ecx] - 1) | 0;
  }
}

/** @vmi INL: reads a doubleword from the port. */
export const inl = (rom: RomContext): void => input(rom, 4);
/** @vmi INB: reads a byte from the port; the upper bits of EAX are clear. */
export const inb = (rom: RomContext): void => input(rom, 1);
/** @vmi INW: reads a word from the port; the upper bits of EAX are clear. */
export const inw = (rom: RomContext): void => input(rom, 2);
/** @vmi INSL: REP INSD. */
export const insl = (rom: RomContext): void => repeat(rom, Word.Edi, 4, inputItem);
/** @vmi INSB: REP INSB. */
export const insb = (rom: RomContext): void => repeat(rom, Word.Edi, 1, inputItem);
/** @vmi INSW: REP INSW. */
export const insw = (rom: RomContext): void => repeat(rom, Word.Edi, 2, inputItem);
/** @vmi OUTL: writes EAX to the port. */
export const outl = (rom: RomContext): void => output(rom, 4);
/** @vmi OUTB: writes AL to the port. */
export const outb = (rom: RomContext): void => output(rom, 1);
/** @vmi OUTW: writes AX to the port. */
export const outw = (rom: RomContext): void => output(rom, 2);
/** @vmi OUTSL: REP OUTSD. */
export const outsl = (rom: RomContext): void => repeat(rom, Word.Esi, 4, outputItem);
/** @vmi OUTSB: REP OUTSB. */
export const outsb = (rom: RomContext): void => repeat(rom, Word.Esi, 1, outputItem);
/** @vmi OUTSW: REP OUTSW. */
export const outsw = (rom: RomContext): void => repeat(rom, Word.Esi, 2, outputItem);
