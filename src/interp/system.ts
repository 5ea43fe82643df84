/**
 * System instructions and port input and output: CLI, STI, HLT, IN, OUT, MOV of control and debug registers, descriptor-table
 * registers, LMSW, SMSW, CLTS, INVLPG, MSRs, RDTSC, CPUID, the ROM's call-out instruction. What they do to the machine state
 * stands in `../vcpu/control.ts`. CPL 0 is checked for the whole family in `binders.ts`. (SDM 2, one heading per mnemonic)
 * Read before: `segment.ts`. Read after: `binders.ts`.
 */
import { OperandKind } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import {
  checkIo,
  clts,
  cpuid,
  lmsw,
  loadGdtr,
  loadIdtr,
  rdmsr,
  rdtsc,
  readControl,
  readDebug,
  writeControl,
  writeDebug,
  wrmsr,
} from '../vcpu/control.js';
import { disableInterrupts, Eflag, NO_FETCH_PAGE, enableInterrupts } from '../vcpu/flags.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { effective, getRegister, load8, setRegister } from './operands.js';
import { selectorOperand } from './segment.js';
import type { Binder, Execute } from './step.js';

const DX = 4;

/** CPL <= IOPL, else #GP(0) (SDM 2, CLI and STI; true in real mode, where CPL is 0, and in virtual-8086 mode, where it is 3). */
function checkIopl(cpu: Vcpu): void {
  if (cpu.words[Word.Cpl] > (cpu.words[Word.Eflags] & Eflag.IOPL) >> 12) throw new GuestFault(Vector.GP, 0);
}

const cli: Execute = (cpu) => {
  checkIopl(cpu);
  cpu.words[Word.InterruptFlag] = 0;
};

/** Of a machine whose strategy wants to know: `Vcpu.flagSwitch`. */
const cliSwitched: Execute = (cpu) => {
  checkIopl(cpu);
  disableInterrupts(cpu);
};

/** Chosen when the instruction is decoded, so that a machine of strategy virtual-mask pays one store and nothing for the others. */
const bindCli: Binder = (_instruction, _step, engine) => (engine.cpu.flagSwitch === undefined ? cli : cliSwitched);

const bindSti: Binder = (_instruction, _step, engine) => (cpu) => {
  checkIopl(cpu);
  if (cpu.words[Word.InterruptFlag] !== 0) return;
  enableInterrupts(cpu);
  engine.shadow(false);
};

const hlt: Execute = (cpu) => {
  cpu.words[Word.Halted] = 1;
  cpu.fetchPage = NO_FETCH_PAGE;
};

const bindIn: Binder = (instruction) => {
  const size = instruction.operands[0].size as 1 | 2 | 4;
  const fixed = instruction.operands[1].kind === OperandKind.Immediate;
  return (cpu, s) => {
    const port = fixed ? s.imm : cpu.halves[DX];
    checkIo(cpu, port, size);
    setRegister(cpu, Word.Eax, size, cpu.hooks.ports.read(port, size) | 0);
  };
};

/** A device may end the machine: the engine looks before the next instruction. */
const bindOut: Binder = (instruction) => {
  const size = instruction.operands[1].size as 1 | 2 | 4;
  const fixed = instruction.operands[0].kind === OperandKind.Immediate;
  return (cpu, s) => {
    const port = fixed ? s.imm : cpu.halves[DX];
    checkIo(cpu, port, size);
    cpu.hooks.ports.write(port, size, getRegister(cpu, Word.Eax, size) >>> 0);
    if (cpu.words[Word.ExitReason] !== 0) cpu.fetchPage = NO_FETCH_PAGE;
  };
};

export const bindMoveControl: Binder = (instruction) => {
  if (instruction.operands[0].kind === OperandKind.Control) {
    return (cpu, s) => writeControl(cpu, s.dst, cpu.words[s.src]);
  }
  return (cpu, s) => void (cpu.words[s.dst] = readControl(cpu, s.src));
};

export const bindMoveDebug: Binder = (instruction) => {
  if (instruction.operands[0].kind === OperandKind.Debug) {
    return (cpu, s) => writeDebug(cpu, s.dst, cpu.words[s.src]);
  }
  return (cpu, s) => void (cpu.words[s.dst] = readDebug(cpu, s.src));
};

/** SGDT and SIDT store the whole base whatever the operand size, as processors since the 80386 do. */
function storeTable(limit: Word, base: Word): Execute {
  return (cpu, s) => {
    const linear = linearWrite(cpu, s.segment, effective(cpu, s), 6);
    cpu.mmu.probeWrite(linear, 6);
    cpu.mmu.write16(linear, cpu.words[limit] & 0xffff);
    cpu.mmu.write32((linear + 2) | 0, cpu.words[base]);
  };
}

function loadTable(set: (cpu: Vcpu, limit: number, base: number, operandSize: number) => void): Execute {
  return (cpu, s) => {
    const linear = linearRead(cpu, s.segment, effective(cpu, s), 6);
    const limit = cpu.mmu.read16(linear);
    set(cpu, limit, cpu.mmu.read32((linear + 2) | 0), s.operandSize);
  };
}

/** SMSW stores 16 bits to memory and, as processors do, CR0 up to the operand size in a register. */
const smsw: Execute = (cpu, s) => {
  const cr0 = readControl(cpu, 0);
  if (s.instruction.memory === undefined) {
    setRegister(cpu, s.dst, s.operandSize, cr0);
  } else {
    cpu.mmu.write16(linearWrite(cpu, s.segment, effective(cpu, s), 2), cr0 & 0xffff);
  }
};

/** INVLPG makes no access, so there is no limit or type check. */
const invlpg: Execute = (cpu, s) => {
  const base = cpu.words[Word.Segments + s.segment * SegmentWord.Count + SegmentWord.Base];
  cpu.mmu.flushPage((base + effective(cpu, s)) | 0);
};

const undefinedInstruction: Execute = () => {
  throw new GuestFault(Vector.UD, undefined);
};

/** No performance counter exists: every index is #GP(0), as is CPL > 0 without CR4.PCE. */
const rdpmc: Execute = () => {
  throw new GuestFault(Vector.GP, 0);
};

const nop: Execute = () => undefined;

export const systemBinders = {
  CLI: bindCli,
  STI: bindSti,
  HLT: () => hlt,
  IN: bindIn,
  OUT: bindOut,
  SGDT: () => storeTable(Word.GdtrLimit, Word.GdtrBase),
  SIDT: () => storeTable(Word.IdtrLimit, Word.IdtrBase),
  LGDT: () => loadTable(loadGdtr),
  LIDT: () => loadTable(loadIdtr),
  SMSW: () => smsw,
  LMSW: () => (cpu, s) => lmsw(cpu, selectorOperand(cpu, s, 0)),
  CLTS: () => (cpu) => clts(cpu),
  INVLPG: () => invlpg,
  INVD: () => nop,
  WBINVD: () => nop,
  RDMSR: () => (cpu) => rdmsr(cpu),
  WRMSR: () => (cpu) => wrmsr(cpu),
  RDTSC: () => (cpu) => rdtsc(cpu),
  RDPMC: () => rdpmc,
  CPUID: () => (cpu) => cpuid(cpu, cpu.words[Word.Eax], cpu.words[Word.Ecx]),
  VMCALL: (_instruction, _step, engine) => () => engine.romCall(),
  // outside system-management mode, which does not exist here (SDM 2, RSM)
  RSM: () => undefinedInstruction,
  UD: () => undefinedInstruction,
  UD0: () => undefinedInstruction,
  UD1: () => undefinedInstruction,
  UD2: () => undefinedInstruction,
  // hints and ordering of memory accesses, which are in order here; CLFLUSH alone touches its operand
  PREFETCHNTA: () => nop,
  PREFETCHT0: () => nop,
  PREFETCHT1: () => nop,
  PREFETCHT2: () => nop,
  LFENCE: () => nop,
  MFENCE: () => nop,
  SFENCE: () => nop,
  CLFLUSH: () => (cpu, s) => void load8(cpu, s),
} satisfies Partial<Record<Mnemonic, Binder>>;
