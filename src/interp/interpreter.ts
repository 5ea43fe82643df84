/**
 * The interpreter: fetches steps from the code cache and runs them until something wants the run loop. It is the meaning of the
 * machine: complete, exact at every instruction boundary, and the same on every host.
 *
 * The loop's fast way costs a handful of loads an instruction. Whatever needs more (a new page, a change of translation or
 * privilege, TF, RF, HLT, the end of the machine) sets `Vcpu.fetchPage` to `NO_FETCH_PAGE`, which sends the loop through
 * `_prepare` before the next instruction. Read before: `step.ts`, `codeCache.ts`. Read after: `../vcpu/deliver.ts`.
 */
import { Dr6 } from '../x86/control.js';
import { decode } from '../x86/decode.js';
import type { Form } from '../x86/form.js';
import { Segment } from '../x86/instruction.js';
import type { Instruction } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import type { PhysMemory } from '../memory/phys.js';
import { hasCodeBreakpoint, matchCode } from '../vcpu/debug.js';
import { debugTrap, deliverException } from '../vcpu/deliver.js';
import { Eflag, NO_FETCH_PAGE, settle } from '../vcpu/flags.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { bind, bindInPlace } from './binders.js';
import { CodeCache } from './codeCache.js';
import { CodeFetch } from './fetch.js';
import { Step } from './step.js';
import type { Engine } from './step.js';
import type { Tracer } from './trace.js';
import { TrapPath } from './trapPath.js';
import { UnimplementedInstruction } from './unimplemented.js';

const CS_BASE = Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Base;
const CS_LIMIT = Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Limit;
const PAGE_MASK = ~0xfff;
const OFFSET_MASK = 0xfff;
/** No physical page. */
const NO_PAGE = -1;

/** The instruction behind the step that stands for "not decoded yet". */
const nothing: Instruction = {
  form: {
    mnemonic: 'UD',
    opcode: '',
    operands: [],
    attributes: 0,
    feature: 'i386',
    flagsRead: 0,
    flagsWritten: 0,
    flagsUndefined: 0,
    condition: -1,
  } satisfies Form,
  length: 0,
  operandSize: 4,
  addressSize: 4,
  prefixes: 0,
  modRm: -1,
  segment: Segment.Ds,
  operands: [],
  memory: undefined,
};

export class Interpreter implements Engine {
  eip = 0;
  single = false;
  trapPath: TrapPath | undefined = undefined;

  private readonly _cache: CodeCache;
  private readonly _fetch: CodeFetch;
  /** Step of every offset that has not been decoded: decodes it and runs what comes out. */
  private readonly _missing: Step;
  /** Steps of the page that is fetched from; valid while `_page` says so. */
  private _steps: Step[];
  /** Physical page of `_steps`, or `NO_PAGE`. */
  private _page = NO_PAGE;
  /** New steps may be put into `_steps`. */
  private _keep = false;
  /** Instructions retired by `shadow` within the running one. */
  private _extra = 0;
  private _inShadow = false;
  /** MOV SS and POP SS hold single-step traps off too (SDM 3A, "Masking Exceptions and Interrupts When Switching Stacks"). */
  private _trapHeld = false;
  private _romStart = 0;
  private _romEnd = 0;

  /**
   * @param cpu the vCPU to run
   * @param phys the memory behind `cpu.mmu`
   * @param _tracer sees every instruction that is decoded
   */
  constructor(
    readonly cpu: Vcpu,
    readonly phys: PhysMemory,
    private readonly _tracer?: Tracer,
  ) {
    this._missing = new Step(nothing, () => this._decodeAndRun());
    this._cache = new CodeCache(phys, this._missing, (pageNumber) => {
      if (pageNumber === this._page) this._leavePage();
    });
    this._steps = this._cache.empty;
    this._fetch = new CodeFetch(cpu, phys);
  }

  /**
   * Says where the ROM lies: only there is the call-out instruction a ROM call.
   * @param start first physical address
   */
  setRom(start: number, sizeBytes: number): void {
    this._romStart = start;
    this._romEnd = start + sizeBytes;
  }

  /** Makes sensitive instructions of the guest's kernel trap (strategy trap-and-emulate). To be called before the first one runs. */
  trapSensitive(): void {
    this.trapPath = new TrapPath(this, this.phys, (instruction) => bindInPlace(instruction, this));
  }

  /**
   * Executes until `Word.Attention`, `Word.Halted` or `Word.ExitReason` is not 0, or `limit` instructions have retired (STI and
   * its kin may add one); never stops between STI or MOV SS and the next instruction. Guest faults are delivered. Afterwards the
   * state block holds all flags.
   * @returns instructions retired; one that ended in a fault counts
   * @throws UnimplementedInstruction with EIP at the instruction
   */
  run(limit: number): number {
    const words = this.cpu.words;
    let retired = 0;
    if (words[Word.Shadow] !== 0) retired = this.step();
    this.cpu.fetchPage = NO_FETCH_PAGE;
    if (retired < limit) retired += this._count(this._loop(limit - retired));
    // single-stepped code leaves the word set: the caller, who may deliver an interrupt now, shall not see it
    if (words[Word.Shadow] !== 0) {
      retired += this.step();
      words[Word.Shadow] = 0;
    }
    return retired;
  }

  /**
   * Executes exactly one instruction (one iteration of a repeated string instruction), whatever `Word.Attention` says. STI and its kin
   * leave `Word.Shadow` set.
   * @returns 1, or 0 when the vCPU is halted or has ended
   */
  step(): number {
    if (!this._running()) return 0;
    this.cpu.fetchPage = NO_FETCH_PAGE;
    this._stepOne();
    return this._count(1);
  }

  /** Settles flags and adds to the counter of instructions. */
  private _count(retired: number): number {
    settle(this.cpu);
    const words = this.cpu.words;
    const low = words[Word.Instructions] >>> 0;
    words[Word.Instructions] = low + retired;
    if (low + retired > 0xffffffff) words[Word.Instructions + 1]++;
    return retired;
  }

  /** @returns instructions retired */
  private _loop(limit: number): number {
    const cpu = this.cpu;
    const words = cpu.words;
    let left = limit;
    this._extra = 0;
    for (;;) {
      try {
        while (left > 0 && words[Word.Attention] === 0) {
          const eip = words[Word.Eip];
          const linear = (eip + words[CS_BASE]) | 0;
          if ((linear & PAGE_MASK) !== cpu.fetchPage) {
            if (!this._running()) break;
            // Counted before it can fault: a guest whose handler cannot be fetched shall use its limit up, too.
            left--;
            if (cpu.debugHits !== 0 && words[Word.Shadow] === 0) {
              this._trapDebug(0);
              continue;
            }
            if (this._prepare(linear)) {
              this._stepOne();
              continue;
            }
            left++;
          }
          this.eip = eip;
          const step = this._steps[linear & OFFSET_MASK];
          words[Word.Eip] = (eip + step.length) | 0;
          left--;
          step.execute(cpu, step);
        }
        if (cpu.debugHits !== 0 && words[Word.Shadow] === 0) this._trapDebug(0);
        return limit - left + this._extra;
      } catch (error) {
        this._deliver(error);
      }
    }
  }

  private _running(): boolean {
    return this.cpu.words[Word.Halted] === 0 && this.cpu.words[Word.ExitReason] === 0;
  }

  /**
   * Gets ready to run at `linear`.
   * @returns true when the next instruction has to go through `_stepOne`
   */
  private _prepare(linear: number): boolean {
    const cpu = this.cpu;
    if ((cpu.words[Word.Eflags] & (Eflag.TF | Eflag.RF)) !== 0 || cpu.words[Word.Shadow] !== 0) return true;
    if (cpu.codeBreakpoints && hasCodeBreakpoint(cpu, linear)) return true;
    this.eip = cpu.words[Word.Eip];
    const limit = cpu.words[CS_LIMIT];
    if (limit !== -1) {
      // The loop does not look at the limit: it may run in this page if EIP can pass through all the rest of it. Bytes of the page
      // below the base are out of reach, as every transfer of control checks its target.
      const last = ((linear | OFFSET_MASK) - cpu.words[CS_BASE]) >>> 0;
      if (last > limit >>> 0 || this.eip >>> 0 > limit >>> 0) return true;
    }
    this._enterPage(linear);
    cpu.fetchPage = linear & PAGE_MASK;
    return false;
  }

  /** Makes `_steps` those of the page of `linear`. May raise the page fault of the fetch. */
  private _enterPage(linear: number): void {
    const page = this.cpu.mmu.translateFetch(linear) >>> 12;
    const steps = this._cache.steps(page, this.cpu.codeSize);
    this._page = page;
    this._keep = steps !== undefined;
    this._steps = steps ?? this._cache.empty;
  }

  private _leavePage(): void {
    this._page = NO_PAGE;
    this._keep = false;
    this._steps = this._cache.empty;
    this.cpu.fetchPage = NO_FETCH_PAGE;
  }

  /** Decodes the instruction at `eip`, which lies in the page of `_steps`. */
  private _decode(): Step {
    const cpu = this.cpu;
    const linear = (this.eip + cpu.words[CS_BASE]) | 0;
    const phys = cpu.mmu.translateFetch(linear);
    this._fetch.begin(this.eip, linear, phys);
    const bound = bind(decode(this._fetch, cpu.codeSize), this);
    const step = this._tracer === undefined ? bound : this._traced(this._tracer, bound, linear);
    if (this._keep && !this._fetch.crossed) {
      const checked = this._cache.isChecked(this._page);
      this._steps[linear & OFFSET_MASK] = checked ? this._checked(step, phys) : step;
      this._cache.noteKept();
    }
    return step;
  }

  private _traced(tracer: Tracer, step: Step, linear: number): Step {
    const bytes = Uint8Array.from({ length: step.length }, (_, index) => this._fetch.byte(index));
    return tracer.wrap(step, this.eip, linear, bytes);
  }

  /** A step that runs `step` if its bytes at `phys` are still the same, and otherwise what is there now. */
  private _checked(step: Step, phys: number): Step {
    const memory = this.phys.bytes;
    const bytes = memory.slice(phys, phys + step.length);
    return new Step(step.instruction, (cpu) => {
      for (let i = 0; i < bytes.length; i++) {
        if (memory[phys + i] !== bytes[i]) {
          this._decodeAndRun();
          return;
        }
      }
      step.execute(cpu, step);
    });
  }

  private _decodeAndRun(): void {
    const step = this._decode();
    this.cpu.words[Word.Eip] = (this.eip + step.length) | 0;
    step.execute(this.cpu, step);
  }

  /** Executes one instruction the slow way, with limit check, RF and TF. Delivers its fault or its single-step trap. */
  private _stepOne(): void {
    const cpu = this.cpu;
    const words = cpu.words;
    const stackSwitched = this._trapHeld && words[Word.Shadow] !== 0;
    words[Word.Shadow] = 0;
    this._trapHeld = false;
    if (cpu.codeBreakpoints && !stackSwitched && this._takeCodeBreakpoint()) return;
    const trap = (words[Word.Eflags] & Eflag.TF) !== 0;
    // RF covers one instruction (SDM 3B, "Debug Registers"); IRET may set it again for the next
    words[Word.Eflags] &= ~Eflag.RF;
    this.single = true;
    try {
      const step = this._executeOne();
      if (!this._trapHeld) this._trapDebug(trap && !this._clearedBySoftwareInterrupt(step) ? Dr6.BS : 0);
    } catch (error) {
      this._deliver(error);
    } finally {
      this.single = false;
    }
  }

  /** Delivers the trap of the breakpoints met by the last instruction and of `conditions`, if there is any. */
  private _trapDebug(conditions: number): void {
    const cpu = this.cpu;
    const bits = cpu.debugHits | conditions;
    cpu.debugHits = 0;
    if (bits !== 0) debugTrap(cpu, bits);
    cpu.fetchPage = NO_FETCH_PAGE;
  }

  /**
   * Delivers the fault of an instruction breakpoint at EIP, unless RF says that it has been seen. It comes before any fault of the
   * fetch (SDM 3A, table "Priority Among Concurrent Events").
   */
  private _takeCodeBreakpoint(): boolean {
    const cpu = this.cpu;
    const words = cpu.words;
    if ((words[Word.Eflags] & Eflag.RF) !== 0) return false;
    const hits = matchCode(cpu, words[Word.Eip] + words[CS_BASE]);
    if (hits === 0) return false;
    words[Word.Dr0 + 6] |= hits;
    this.eip = words[Word.Eip];
    this._deliver(new GuestFault(Vector.DB, undefined));
    return true;
  }

  /** INT n and its kin clear TF on their way in, and with it their own trap (SDM 3B, "Single-Step Exception Condition"). */
  private _clearedBySoftwareInterrupt(step: Step): boolean {
    switch (step.instruction.form.mnemonic) {
      case 'INT':
      case 'INT3':
      case 'INTO':
      case 'ICEBP':
        return (this.cpu.words[Word.Eflags] & Eflag.TF) === 0;
      default:
        return false;
    }
  }

  /** Executes the instruction at EIP with all checks of the fetch. @throws GuestFault */
  private _executeOne(): Step {
    const cpu = this.cpu;
    const words = cpu.words;
    const eip = words[Word.Eip];
    this.eip = eip;
    const linear = (eip + words[CS_BASE]) | 0;
    const limit = words[CS_LIMIT] >>> 0;
    if (eip >>> 0 > limit) throw new GuestFault(Vector.GP, 0);
    this._enterPage(linear);
    let step = this._steps[linear & OFFSET_MASK];
    if (step === this._missing) step = this._decode();
    else if (limit !== 0xffffffff && (eip >>> 0) + step.length - 1 > limit) throw new GuestFault(Vector.GP, 0);
    words[Word.Eip] = (eip + step.length) | 0;
    step.execute(cpu, step);
    return step;
  }

  shadow(stackSwitch: boolean): void {
    const words = this.cpu.words;
    // a breakpoint at the next instruction needs the way that looks for it
    if (this.single || this.cpu.codeBreakpoints) {
      words[Word.Shadow] = 1;
      this._trapHeld = stackSwitch;
      this.cpu.fetchPage = NO_FETCH_PAGE;
      return;
    }
    // a stack switch right after another one is not covered (SDM 2, POP); STI is: it turned IF on
    if (stackSwitch && this._inShadow) return;
    const outer = this._inShadow;
    this._inShadow = true;
    try {
      this._executeOne();
    } catch (error) {
      this._deliver(error);
    } finally {
      this._inShadow = outer;
    }
    this._extra++;
    this.cpu.fetchPage = NO_FETCH_PAGE;
  }

  romCall(): void {
    const cpu = this.cpu;
    const phys = cpu.mmu.translateFetch((this.eip + cpu.words[CS_BASE]) | 0);
    if (cpu.words[Word.Cpl] !== 0 || phys < this._romStart || phys >= this._romEnd) {
      throw new GuestFault(Vector.UD, undefined);
    }
    settle(cpu);
    cpu.hooks.rom.call(phys - this._romStart);
    cpu.fetchPage = NO_FETCH_PAGE;
  }

  unimplemented(step: Step): never {
    const cpu = this.cpu;
    const linear = (this.eip + cpu.words[CS_BASE]) | 0;
    this._fetch.begin(this.eip, linear, cpu.mmu.translateFetch(linear));
    const bytes = Array.from({ length: step.length }, (_, index) => this._fetch.byte(index));
    throw new UnimplementedInstruction(step.instruction.form.mnemonic, bytes, this.eip);
  }

  /** Puts EIP back and delivers a guest fault; everything else goes on up with the machine's state whole. */
  private _deliver(error: unknown): void {
    const cpu = this.cpu;
    cpu.words[Word.Eip] = this.eip;
    settle(cpu);
    if (!(error instanceof GuestFault)) throw error;
    // the accesses of an instruction that faulted will be made again
    cpu.debugHits = 0;
    deliverException(cpu, error);
    cpu.fetchPage = NO_FETCH_PAGE;
  }
}
