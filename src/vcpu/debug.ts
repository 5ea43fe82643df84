/**
 * Breakpoints of the debug registers. (SDM 3B, "Debug Registers")
 *
 * Nothing of this costs anything while no breakpoint is enabled. Data breakpoints make their page one that the TLB never lets through
 * (`Mmu.watch`), so that every access to it takes the slow way and is compared here; instruction breakpoints make the interpreter run
 * their page one instruction at a time; I/O breakpoints are one flag that IN and OUT look at. LE and GE change nothing: data
 * breakpoints are always exact. Read before: `vcpu.ts`. Read after: `../interp/interpreter.ts`.
 */
import { Cr4 } from '../x86/control.js';
import { NO_FETCH_PAGE } from './flags.js';
import { Word } from './layout.js';
import type { Vcpu } from './vcpu.js';

const DR7 = Word.Dr0 + 7;
const COUNT = 4;

/** R/W fields of DR7: what access the breakpoint waits for. */
const enum Condition {
  Execute = 0,
  Write = 1,
  /** With CR4.DE; without it the field is undefined and the breakpoint never matches. */
  Io = 2,
  ReadWrite = 3,
}

/** Bytes by LEN field. 2 is undefined on processors of 32 bits and means 8 on later ones. */
const LENGTHS = [1, 2, 8, 4];

function isEnabled(dr7: number, index: number): boolean {
  return ((dr7 >>> (index * 2)) & 3) !== 0;
}

function conditionOf(dr7: number, index: number): Condition {
  return (dr7 >>> (16 + index * 4)) & 3;
}

/** First byte of the range, unsigned: an address is taken as aligned to the length. */
function startOf(cpu: Vcpu, index: number, lengthBytes: number): number {
  return (cpu.words[Word.Dr0 + index] & -lengthBytes) >>> 0;
}

function lengthOf(dr7: number, index: number): number {
  return LENGTHS[(dr7 >>> (18 + index * 4)) & 3];
}

/** To be called after every change of DR0 to DR3, DR7 or CR4.DE. */
export function refreshDebug(cpu: Vcpu): void {
  const dr7 = cpu.words[DR7];
  const pages: number[] = [];
  cpu.codeBreakpoints = false;
  cpu.ioBreakpoints = false;
  for (let index = 0; index < COUNT; index++) {
    if (!isEnabled(dr7, index)) continue;
    switch (conditionOf(dr7, index)) {
      case Condition.Execute:
        cpu.codeBreakpoints = true;
        break;
      case Condition.Io:
        if ((cpu.words[Word.Cr4] & Cr4.DE) !== 0) cpu.ioBreakpoints = true;
        break;
      default:
        pages.push(cpu.words[Word.Dr0 + index] >>> 12);
    }
  }
  cpu.mmu.watch(pages);
  cpu.fetchPage = NO_FETCH_PAGE;
}

/** True if an instruction breakpoint lies in the linear page of `linear`. */
export function hasCodeBreakpoint(cpu: Vcpu, linear: number): boolean {
  for (let index = 0; index < COUNT; index++) {
    const here = (cpu.words[Word.Dr0 + index] ^ linear) >>> 12 === 0;
    if (here && isEnabled(cpu.words[DR7], index) && conditionOf(cpu.words[DR7], index) === Condition.Execute)
      return true;
  }
  return false;
}

/**
 * The instruction breakpoints at an instruction's first byte. (SDM 3B, "Instruction-Breakpoint Exception Condition")
 * @returns their bits in DR6
 */
export function matchCode(cpu: Vcpu, linear: number): number {
  let hits = 0;
  for (let index = 0; index < COUNT; index++) {
    const dr7 = cpu.words[DR7];
    if (cpu.words[Word.Dr0 + index] !== (linear | 0) || !isEnabled(dr7, index)) continue;
    if (conditionOf(dr7, index) === Condition.Execute) hits |= 1 << index;
  }
  return hits;
}

/** Notes the data breakpoints that an access touches; they trap after the instruction. (SDM 3B, "Data Memory and I/O Breakpoint") */
export function matchData(cpu: Vcpu, linear: number, sizeBytes: number, write: boolean): void {
  for (let index = 0; index < COUNT; index++) {
    const dr7 = cpu.words[DR7];
    if (!isEnabled(dr7, index)) continue;
    const condition = conditionOf(dr7, index);
    if (condition === Condition.ReadWrite || (write && condition === Condition.Write)) {
      note(cpu, index, linear >>> 0, sizeBytes);
    }
  }
}

/** Notes the I/O breakpoints that an access to a port touches. */
export function matchIo(cpu: Vcpu, port: number, sizeBytes: number): void {
  for (let index = 0; index < COUNT; index++) {
    const dr7 = cpu.words[DR7];
    if (isEnabled(dr7, index) && conditionOf(dr7, index) === Condition.Io) note(cpu, index, port, sizeBytes);
  }
}

function note(cpu: Vcpu, index: number, first: number, sizeBytes: number): void {
  const length = lengthOf(cpu.words[DR7], index);
  const start = startOf(cpu, index, length);
  if (first >= start + length || start >= first + sizeBytes) return;
  cpu.debugHits |= 1 << index;
  cpu.fetchPage = NO_FETCH_PAGE;
}
