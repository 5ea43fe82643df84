/**
 * Descriptor-table calls. The vCPU keeps the guest's own tables, so a load is the instruction of the same meaning, and a write of an
 * entry is a store that takes effect at the next load from it: no descriptor is ever changed behind the guest's back.
 *
 * Deviation: the 2006 draft lets SetGDT and SetLDT reload all segment registers. Here, as after LGDT and LLDT, they keep their hidden
 * parts; kernels reload them anyway, because bare hardware asks for it. (VMI spec, "Segment and descriptor table calls")
 */
import { loadGdtr, loadIdtr } from '../vcpu/control.js';
import { setEflags } from '../vcpu/flags.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import { loadLdtr, loadTr } from '../vcpu/segments.js';
import { Segment } from '../x86/instruction.js';
import { breach, stackArgument, unsigned } from './context.js';
import type { RomContext } from './context.js';

const DESCRIPTOR_BYTES = 8;
const GDT_ENTRIES = 8192;
const IDT_ENTRIES = 256;

/** Offsets of the ring-0 stack pointer in a TSS (SDM 3A, "Task-State Segment"). */
const TSS32_ESP0 = 4;
const TSS16_SP0 = 2;
/** Type bit of a system descriptor: a 32-bit TSS. */
const TSS_IS_32 = 1 << 3;

const IOPL_MASK = 3 << 12;

const PSEUDO_DESCRIPTOR_BYTES = 6;

function segmentWord(rom: RomContext, segment: Segment, word: SegmentWord): number {
  return rom.words[Word.Segments + segment * SegmentWord.Count + word];
}

/** Reads the 6 bytes that EAX points at, and loads a table register with them. */
function setTable(rom: RomContext, load: typeof loadGdtr): void {
  const { cpu } = rom;
  const linear = rom.words[Word.Eax];
  const limit = cpu.mmu.read16(linear);
  const base = cpu.mmu.read32((linear + 2) | 0);
  load(cpu, limit, base, 4);
}

/** Writes a table register to the 6 bytes that EAX points at. */
function getTable(rom: RomContext, baseWord: Word, limitWord: Word): void {
  const { mmu } = rom.cpu;
  const linear = rom.words[Word.Eax];
  mmu.probeWrite(linear, PSEUDO_DESCRIPTOR_BYTES);
  mmu.write16(linear, rom.words[limitWord] & 0xffff);
  mmu.write32((linear + 2) | 0, rom.words[baseWord]);
}

/** @vmi SetGDT: the LGDT instruction. */
export function setGdt(rom: RomContext): void {
  setTable(rom, loadGdtr);
}

/** @vmi SetIDT: the LIDT instruction. */
export function setIdt(rom: RomContext): void {
  setTable(rom, loadIdtr);
}

/** @vmi SetLDT: the LLDT instruction. */
export function setLdt(rom: RomContext): void {
  loadLdtr(rom.cpu, rom.words[Word.Eax] & 0xffff);
}

/** @vmi SetTR: the LTR instruction. */
export function setTr(rom: RomContext): void {
  loadTr(rom.cpu, rom.words[Word.Eax] & 0xffff);
}

/** @vmi GetGDT: the SGDT instruction. */
export function getGdt(rom: RomContext): void {
  getTable(rom, Word.GdtrBase, Word.GdtrLimit);
}

/** @vmi GetIDT: the SIDT instruction. */
export function getIdt(rom: RomContext): void {
  getTable(rom, Word.IdtrBase, Word.IdtrLimit);
}

/** @vmi GetLDT: the SLDT instruction. */
export function getLdt(rom: RomContext): void {
  rom.words[Word.Eax] = segmentWord(rom, Segment.Ldtr, SegmentWord.Selector);
}

/** @vmi GetTR: the STR instruction. */
export function getTr(rom: RomContext): void {
  rom.words[Word.Eax] = segmentWord(rom, Segment.Tr, SegmentWord.Selector);
}

/** Writes ECX and the stack word to entry EDX of the table at EAX, whether or not that table is in use. */
function writeEntry(rom: RomContext, call: string, entries: number): void {
  const { mmu } = rom.cpu;
  const index = unsigned(rom, Word.Edx);
  if (index >= entries) breach(rom, call, `entry ${index} does not exist: such a table has at most ${entries} entries`);
  const high = stackArgument(rom, 0);
  const linear = (rom.words[Word.Eax] + index * DESCRIPTOR_BYTES) | 0;
  mmu.probeWrite(linear, DESCRIPTOR_BYTES);
  mmu.write32(linear, rom.words[Word.Ecx]);
  mmu.write32((linear + 4) | 0, high);
}

/** @vmi WriteGDTEntry: stores the descriptor, in the live table or any other. */
export function writeGdtEntry(rom: RomContext): void {
  writeEntry(rom, 'WriteGDTEntry', GDT_ENTRIES);
}

/** @vmi WriteLDTEntry: stores the descriptor, in the live table or any other. */
export function writeLdtEntry(rom: RomContext): void {
  writeEntry(rom, 'WriteLDTEntry', GDT_ENTRIES);
}

/** @vmi WriteIDTEntry: stores the gate, in the live table or any other. */
export function writeIdtEntry(rom: RomContext): void {
  writeEntry(rom, 'WriteIDTEntry', IDT_ENTRIES);
}

/**
 * @vmi UpdateKernelStack: stores the stack pointer for entries from user mode into the TSS in use. Before the first SetTR there
 *   is none, and the value that the guest has put into its own TSS image counts.
 */
export function updateKernelStack(rom: RomContext): void {
  const selector = segmentWord(rom, Segment.Tr, SegmentWord.Selector);
  if ((selector & ~3) === 0) return;
  const { mmu } = rom.cpu;
  const base = segmentWord(rom, Segment.Tr, SegmentWord.Base);
  const stackPointer = rom.words[Word.Edx];
  if ((segmentWord(rom, Segment.Tr, SegmentWord.Access) & TSS_IS_32) !== 0) {
    mmu.writeSystem32((base + TSS32_ESP0) | 0, stackPointer);
  } else {
    mmu.writeSystem16((base + TSS16_SP0) | 0, stackPointer & 0xffff);
  }
}

/** @vmi SetIOPLMask: sets EFLAGS.IOPL from bits 12 and 13. */
export function setIoplMask(rom: RomContext): void {
  setEflags(rom.cpu, rom.words[Word.Eax], IOPL_MASK);
}
