/**
 * THE call table: one row per call of the VMI, API major 3. Everything that knows calls reads it: the image builder (shape of
 * the stub), the answers to get_reloc, the dispatcher, `docs/vmi-calls.md`, and an engine that replaces a call of a ROM entry by the
 * operation itself. Numbers and names are those of the kernel's vmi.h and vmi_time.h.
 * Read before: nothing. Read after: `image.ts`, then the handler files in the order of the imports below.
 */
import { clts, cpuid, getCr0, getCr2, getCr3, getCr4, getDr, rdmsr, rdtsc } from './cpu.js';
import { reboot, setCr0, setCr2, setCr3, setCr4, setDr, shutdown, wrmsr } from './cpu.js';
import { getGdt, getIdt, getLdt, getTr, setGdt, setIdt, setLdt, setTr } from './segment.js';
import { setIoplMask, updateKernelStack, writeGdtEntry, writeIdtEntry, writeLdtEntry } from './segment.js';
import { disableInterrupts, enableInterrupts, getInterruptMask, halt, iret } from './interrupt.js';
import { setInterruptMask, sysexitEnabled } from './interrupt.js';
import {
  allocatePage,
  flushTlb,
  invalPage,
  releasePage,
  setLinearMapping,
  setPxe,
  setPxeLong,
  updatePxe,
} from './mmu.js';
import { inb, inl, insb, insl, insw, inw, outb, outl, outsb, outsl, outsw, outw } from './io.js';
import {
  cancelAlarm,
  getCycleCounter,
  getCycleFrequency,
  getWallclockTime,
  setAlarm,
  wallclockUpdated,
} from './time.js';
import type { Handler } from './context.js';

/** Form of a call's stub, which decides the answer to get_reloc. */
export type Shape =
  /** VMCALL; RET. Relocation CALL_REL. */
  | 'callOut'
  /** VMCALL alone: the operation itself leaves. Relocation JUMP_REL. */
  | 'jump'
  /** RET. Relocation NOP: the guest deletes the call. */
  | 'noOp'
  /** UD2. Relocation NONE: the guest keeps its own native code. */
  | 'absent';

export interface RomCall {
  readonly number: number;
  /** Spelled as in vmi.h without its VMI_CALL_ prefix. */
  readonly name: string;
  /** Argument registers; [ESP+4] is the word above the return address. */
  readonly input: string;
  /** Result registers. */
  readonly output: string;
  readonly shape: Shape;
  /** True where an engine may put the operation itself in place of the call: it touches the state block and at most one word of memory. */
  readonly inline: boolean;
  /** Why a call is absent or empty. */
  readonly note: string;
  /** The operation; undefined for calls that are absent or empty. */
  readonly handler: Handler | undefined;
}

type Options = { readonly shape?: 'jump'; readonly inline?: true };

function call(
  number: number,
  name: string,
  input: string,
  output: string,
  handler: Handler,
  options?: Options,
): RomCall {
  const { shape = 'callOut', inline = false } = options ?? {};
  return { number, name, input, output, shape, inline, note: '', handler };
}

function empty(number: number, name: string, input: string, note: string): RomCall {
  return { number, name, input, output: '', shape: 'noOp', inline: true, note, handler: undefined };
}

function absent(number: number, name: string, input: string, output: string, note: string): RomCall {
  return { number, name, input, output, shape: 'absent', inline: false, note, handler: undefined };
}

const INLINE = { inline: true } as const;
const JUMP = { shape: 'jump' } as const;

const DESCRIPTOR = 'EAX table, EDX index, ECX low word, [ESP+4] high word';
const STRING_IN = 'EDI destination, EDX port, ECX count';
const STRING_OUT = 'ESI source, EDX port, ECX count';
const UNDOCUMENTED = 'meaning not published for API 3; no guest asks for it';
const NO_APIC = 'the machine has one vCPU and no local APIC, and CPUID says so';

export const calls: readonly RomCall[] = [
  call(0, 'CPUID', 'EAX leaf, ECX subleaf', 'EAX EBX ECX EDX', cpuid),
  call(1, 'WRMSR', 'ECX MSR, EDX:EAX value', '', wrmsr),
  call(2, 'RDMSR', 'ECX MSR', 'EDX:EAX', rdmsr),
  call(3, 'SetGDT', 'EAX pointer to limit and base', '', setGdt),
  call(4, 'SetLDT', 'EAX selector, 0 = none', '', setLdt),
  call(5, 'SetIDT', 'EAX pointer to limit and base', '', setIdt),
  call(6, 'SetTR', 'EAX selector', '', setTr),
  call(7, 'GetGDT', 'EAX pointer to 6 bytes', '', getGdt),
  call(8, 'GetLDT', '', 'EAX selector', getLdt, INLINE),
  call(9, 'GetIDT', 'EAX pointer to 6 bytes', '', getIdt),
  call(10, 'GetTR', '', 'EAX selector', getTr, INLINE),
  call(11, 'WriteGDTEntry', DESCRIPTOR, '', writeGdtEntry),
  call(12, 'WriteLDTEntry', DESCRIPTOR, '', writeLdtEntry),
  call(13, 'WriteIDTEntry', DESCRIPTOR, '', writeIdtEntry),
  call(14, 'UpdateKernelStack', 'EAX ignored, EDX stack pointer', '', updateKernelStack),
  call(15, 'SetCR0', 'EAX value', '', setCr0),
  call(16, 'SetCR2', 'EAX value', '', setCr2, INLINE),
  call(17, 'SetCR3', 'EAX value', '', setCr3),
  call(18, 'SetCR4', 'EAX value', '', setCr4),
  call(19, 'GetCR0', '', 'EAX', getCr0, INLINE),
  call(20, 'GetCR2', '', 'EAX', getCr2, INLINE),
  call(21, 'GetCR3', '', 'EAX', getCr3, INLINE),
  call(22, 'GetCR4', '', 'EAX', getCr4, INLINE),
  empty(23, 'WBINVD', '', 'guest RAM is coherent: there is no cache to write back'),
  call(24, 'SetDR', 'EAX register number, EDX value', '', setDr),
  call(25, 'GetDR', 'EAX register number', 'EAX', getDr),
  absent(
    26,
    'RDPMC',
    'ECX counter',
    'EDX:EAX',
    'the vCPU has no performance counters; the native instruction faults as it should',
  ),
  call(27, 'RDTSC', '', 'EDX:EAX', rdtsc),
  call(28, 'CLTS', '', '', clts),
  call(29, 'EnableInterrupts', '', '', enableInterrupts, INLINE),
  call(30, 'DisableInterrupts', '', '', disableInterrupts, INLINE),
  call(31, 'GetInterruptMask', '', 'EAX, bit 9 = enabled', getInterruptMask, INLINE),
  call(32, 'SetInterruptMask', 'EAX, bit 9 = enabled', '', setInterruptMask, INLINE),
  call(33, 'IRET', 'frame at [ESP]', 'no return', iret, JUMP),
  call(34, 'SYSEXIT', 'EDX user EIP, ECX user ESP', 'no return', sysexitEnabled, JUMP),
  call(35, 'Halt', '', '', halt),
  call(36, 'Reboot', 'EAX 0 soft, 1 hard', 'no return', reboot),
  call(37, 'Shutdown', '', 'no return', shutdown),
  call(38, 'SetPxE', 'EAX value, EDX pointer to entry, ECX flags', '', setPxe, INLINE),
  call(39, 'SetPxELong', 'EDX:EAX value, ECX pointer to entry, [ESP+4] flags', '', setPxeLong),
  call(40, 'UpdatePxE', 'EAX pointer to entry, EDX flags', '', updatePxe, INLINE),
  call(41, 'UpdatePxELong', 'EAX pointer to entry, EDX flags', '', updatePxe),
  absent(42, 'MachineToPhysical', '?', '?', UNDOCUMENTED),
  absent(43, 'PhysicalToMachine', '?', '?', UNDOCUMENTED),
  call(44, 'AllocatePage', 'EAX page, EDX flags, ECX source page, [ESP+4] start, [ESP+8] count', '', allocatePage),
  call(45, 'ReleasePage', 'EAX page, EDX flags', '', releasePage),
  call(46, 'InvalPage', 'EAX linear address', '', invalPage),
  call(47, 'FlushTLB', 'EAX flags', '', flushTlb),
  call(48, 'SetLinearMapping', 'EAX slot, EDX linear address, ECX pages, [ESP+4] first page', '', setLinearMapping),
  call(49, 'INL', 'EDX port', 'EAX', inl),
  call(50, 'INB', 'EDX port', 'EAX', inb),
  call(51, 'INW', 'EDX port', 'EAX', inw),
  call(52, 'INSL', STRING_IN, 'EDI, ECX', insl),
  call(53, 'INSB', STRING_IN, 'EDI, ECX', insb),
  call(54, 'INSW', STRING_IN, 'EDI, ECX', insw),
  call(55, 'OUTL', 'EAX value, EDX port', '', outl),
  call(56, 'OUTB', 'EAX value, EDX port', '', outb),
  call(57, 'OUTW', 'EAX value, EDX port', '', outw),
  call(58, 'OUTSL', STRING_OUT, 'ESI, ECX', outsl),
  call(59, 'OUTSB', STRING_OUT, 'ESI, ECX', outsb),
  call(60, 'OUTSW', STRING_OUT, 'ESI, ECX', outsw),
  call(61, 'SetIOPLMask', 'EAX IOPL << 12', '', setIoplMask),
  absent(62, 'SetInitialAPState', 'EAX state, EDX APIC id', '', NO_APIC),
  absent(63, 'APICWrite', 'EAX register, EDX value', '', NO_APIC),
  absent(64, 'APICRead', 'EAX register', 'EAX', NO_APIC),
  empty(65, 'IODelay', '', 'ports answer at once: no device needs the pause'),
  call(66, 'GetCycleFrequency', '', 'EDX:EAX Hz', getCycleFrequency),
  call(67, 'GetCycleCounter', 'EAX counter', 'EDX:EAX cycles', getCycleCounter),
  call(68, 'SetAlarm', 'EAX flags, ECX:EDX expiry, [ESP+4] period (64 bits)', '', setAlarm),
  call(69, 'CancelAlarm', 'EAX flags', 'EAX 1 = was armed', cancelAlarm),
  call(70, 'GetWallclockTime', '', 'EDX:EAX ns since 1970', getWallclockTime),
  call(71, 'WallclockUpdated', '', 'EAX 1 = was set', wallclockUpdated),
  absent(72, 'SetCallbacks', '?', '?', UNDOCUMENTED),
  empty(73, 'SetLazyMode', 'EAX mode', 'every update is carried out at once, which is always right'),
];
