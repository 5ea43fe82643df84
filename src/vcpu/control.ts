/**
 * Control and debug registers, descriptor-table registers and the I/O permission check: what the system instructions do to the
 * machine state. CPUID and the model-specific registers stand in `cpuid.ts` and `msr.ts` and are exported from here too.
 *
 * That CPL is 0 is checked by the caller, by the instruction table's `Privileged` attribute; the ROM calls run at CPL 0.
 * (SDM 2, "MOV - Move to/from Control Registers", "MOV - Move to/from Debug Registers", LGDT, LMSW, IN; SDM 3A, "Control Registers")
 * Read before: `vcpu.ts`. Read after: `../interp/system.ts`.
 */
import { Cr0, Cr4, Dr6, Dr7 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { hasFpu } from './cpuid.js';
import { matchIo, refreshDebug } from './debug.js';
import { Eflag } from './flags.js';
import { SegmentWord, Word } from './layout.js';
import { Mode, type Vcpu } from './vcpu.js';

export { cpuid } from './cpuid.js';
export { rdmsr, rdtsc, wrmsr } from './msr.js';

/** Bits of CR0 that exist; writes to the others are ignored. */
const CR0_BITS = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.NW | Cr0.CD | Cr0.PG;

/** Bits of CR4 that CPUID announces; setting another one is #GP(0). So neither VME nor PAE can be turned on. */
const CR4_BITS = Cr4.TSD | Cr4.DE | Cr4.PSE | Cr4.PGE | Cr4.PCE;
const CR4_FPU_BITS = Cr4.OSFXSR | Cr4.OSXMMEXCPT;

/** Page-directory base, PCD and PWT; the other bits of CR3 are ignored. */
export const CR3_BITS = 0xfffff018 | 0;

/** Bits of DR6 that software can clear and set: B0 to B3, BD, BS, BT. */
const DR6_BITS = Dr6.B0 | Dr6.B1 | Dr6.B2 | Dr6.B3 | Dr6.BD | Dr6.BS | Dr6.BT;

/**
 * MOV from CR0, CR2, CR3, CR4.
 * @throws GuestFault #UD for any other register
 */
export function readControl(cpu: Vcpu, register: number): number {
  switch (register) {
    case 0:
      return cpu.words[Word.Cr0];
    case 2:
      return cpu.words[Word.Cr2];
    case 3:
      return cpu.words[Word.Cr3];
    case 4:
      return cpu.words[Word.Cr4];
    default:
      throw new GuestFault(Vector.UD, undefined);
  }
}

/**
 * MOV to CR0, CR2, CR3, CR4, with the TLB flushes that go with it (SDM 3A, "Operations that Invalidate TLBs").
 * @throws GuestFault #GP(0) for combinations that are not allowed, #UD for any other register
 */
export function writeControl(cpu: Vcpu, register: number, value: number): void {
  switch (register) {
    case 0:
      writeCr0(cpu, value);
      break;
    case 2:
      cpu.words[Word.Cr2] = value;
      break;
    case 3:
      cpu.words[Word.Cr3] = value & CR3_BITS;
      cpu.mmu.flushNonGlobal(true);
      break;
    case 4:
      writeCr4(cpu, value);
      break;
    default:
      throw new GuestFault(Vector.UD, undefined);
  }
}

function writeCr0(cpu: Vcpu, value: number): void {
  const pagingWithoutProtection = (value & Cr0.PG) !== 0 && (value & Cr0.PE) === 0;
  const writeThroughWithCache = (value & Cr0.NW) !== 0 && (value & Cr0.CD) === 0;
  if (pagingWithoutProtection || writeThroughWithCache) throw new GuestFault(Vector.GP, 0);
  const old = cpu.words[Word.Cr0];
  const next = (value & CR0_BITS) | Cr0.ET;
  cpu.words[Word.Cr0] = next;
  const changed = old ^ next;
  if ((changed & Cr0.PE) !== 0) cpu.refreshMode();
  if ((changed & Cr0.AM) !== 0) cpu.refreshAlignment();
  if ((changed & (Cr0.PE | Cr0.PG | Cr0.WP)) !== 0) cpu.mmu.flushAll();
}

function writeCr4(cpu: Vcpu, value: number): void {
  const allowed = hasFpu(cpu) ? CR4_BITS | CR4_FPU_BITS : CR4_BITS;
  if ((value & ~allowed) !== 0) throw new GuestFault(Vector.GP, 0);
  const changed = cpu.words[Word.Cr4] ^ value;
  cpu.words[Word.Cr4] = value;
  if ((changed & Cr4.DE) !== 0) refreshDebug(cpu);
  if ((changed & (Cr4.PSE | Cr4.PGE)) !== 0) cpu.mmu.flushAll();
}

/** LMSW: the low four bits of CR0; PE can be set but not cleared. @param value the 16-bit operand */
export function lmsw(cpu: Vcpu, value: number): void {
  const old = cpu.words[Word.Cr0];
  const taken = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;
  writeCr0(cpu, (old & ~(taken & ~Cr0.PE)) | (value & taken));
}

/** CLTS. */
export function clts(cpu: Vcpu): void {
  cpu.words[Word.Cr0] &= ~Cr0.TS;
}

/**
 * Resolves DR4 and DR5, which are DR6 and DR7 unless CR4.DE makes them undefined, and honours DR7.GD.
 * @throws GuestFault #UD, or #DB with DR6.BD set
 */
function debugWord(cpu: Vcpu, register: number): Word {
  const aliased = register === 4 || register === 5;
  if (aliased && (cpu.words[Word.Cr4] & Cr4.DE) !== 0) throw new GuestFault(Vector.UD, undefined);
  if ((cpu.words[Word.Dr0 + 7] & Dr7.GD) !== 0) {
    cpu.words[Word.Dr0 + 6] |= Dr6.BD;
    throw new GuestFault(Vector.DB, undefined);
  }
  return Word.Dr0 + (aliased ? register + 2 : register);
}

/** MOV from DR0 to DR7. */
export function readDebug(cpu: Vcpu, register: number): number {
  return cpu.words[debugWord(cpu, register)];
}

/** MOV to DR0 to DR7. */
export function writeDebug(cpu: Vcpu, register: number, value: number): void {
  const word = debugWord(cpu, register);
  switch (word - Word.Dr0) {
    case 6:
      cpu.words[word] = (value & DR6_BITS) | Dr6.Fixed;
      break;
    case 7:
      cpu.words[word] = (value & ~Dr7.Zero) | Dr7.Fixed;
      break;
    default:
      cpu.words[word] = value;
  }
  refreshDebug(cpu);
}

/**
 * LGDT.
 * @param limit 16 bits @param base linear address, of which operand size 2 takes 24 bits
 */
export function loadGdtr(cpu: Vcpu, limit: number, base: number, operandSize: number): void {
  cpu.words[Word.GdtrLimit] = limit & 0xffff;
  cpu.words[Word.GdtrBase] = operandSize === 2 ? base & 0xffffff : base;
}

/** LIDT; as `loadGdtr`. */
export function loadIdtr(cpu: Vcpu, limit: number, base: number, operandSize: number): void {
  cpu.words[Word.IdtrLimit] = limit & 0xffff;
  cpu.words[Word.IdtrBase] = operandSize === 2 ? base & 0xffffff : base;
}

/** Where a 32-bit TSS holds the offset of its I/O permission bitmap, and the least limit of a TSS that has the field. */
const TSS_IO_MAP_BASE = 102;
const TSS_IO_LIMIT = 103;

/**
 * May the current code use a port? If so, I/O breakpoints on it trap after the instruction. (SDM 1, "I/O Permission Bit Map"; SDM 2, IN, Operation)
 * @param sizeBytes 1, 2 or 4: as many bits of the map are tested
 * @throws GuestFault #GP(0) if not
 */
export function checkIo(cpu: Vcpu, port: number, sizeBytes: number): void {
  checkPermission(cpu, port, sizeBytes);
  if (cpu.ioBreakpoints) matchIo(cpu, port, sizeBytes);
}

function checkPermission(cpu: Vcpu, port: number, sizeBytes: number): void {
  if (cpu.mode === Mode.Real) return;
  const words = cpu.words;
  const iopl = (words[Word.Eflags] & Eflag.IOPL) >> 12;
  if (cpu.mode === Mode.Protected && words[Word.Cpl] <= iopl) return;
  const tr = Word.Segments + Segment.Tr * SegmentWord.Count;
  const limit = words[tr + SegmentWord.Limit] >>> 0;
  if ((words[tr + SegmentWord.Access] & 8) === 0 || limit < TSS_IO_LIMIT) throw new GuestFault(Vector.GP, 0);
  const base = words[tr + SegmentWord.Base];
  const at = cpu.mmu.readSystem16(base + TSS_IO_MAP_BASE) + (port >>> 3);
  // two bytes are always read, which is why the map ends with a byte of ones
  if (at + 1 > limit) throw new GuestFault(Vector.GP, 0);
  const bits = cpu.mmu.readSystem16(base + at) >>> (port & 7);
  if ((bits & ((1 << sizeBytes) - 1)) !== 0) throw new GuestFault(Vector.GP, 0);
}
