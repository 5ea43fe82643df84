/**
 * One virtual CPU: typed views of its state block, the derived values that engines want at hand, and the hooks through which it
 * reaches the rest of the machine. It has no behaviour beyond keeping those values true: what instructions do stands in
 * `segments.ts`, `transfer.ts`, `deliver.ts`, `task.ts`, `control.ts` and in `../interp/`.
 * Read before: `layout.ts`. Read after: `segments.ts`.
 */
import type { Mmu } from '../memory/mmu.js';
import { Cr0, Dr6, Dr7 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { matchData, refreshDebug } from './debug.js';
import { Eflag, NO_FETCH_PAGE } from './flags.js';
import { resetFpu } from './fxsave.js';
import { SegmentWord, Word } from './layout.js';

/** The CPU's side of the interrupt controller. */
export interface InterruptSource {
  /** True while the controller asserts INTR (IRR and not IMR, above the priority in service). */
  readonly requested: boolean;
  /** INTA: moves the highest request to ISR and returns its vector. */
  acknowledge(): number;
}

/** The port space as IN and OUT see it. Values are unsigned; unclaimed ports read as all ones. */
export interface Ports {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, size: 1 | 2 | 4, value: number): void;
}

/** Handler of ROM calls: what the ROM's call-out instruction reaches. */
export interface RomGate {
  /** Runs the call whose stub begins at ROM offset `offset`. Arguments and results are in the vCPU. */
  call(offset: number): void;
}

/** Source of the time stamp counter, in cycles since the machine's start. */
export interface CycleSource {
  /** Its rate in Hz. */
  readonly cyclesHz: number;
  cycles(): number;
}

/**
 * The host's FPU, on which floating-point instructions run: a place for small pieces of host code ("stubs", see
 * `../interp/fpuStub.ts`) and a way to jump to them.
 */
export interface FpuHelper {
  /**
   * Offset of a stub, for `Word.FpuStub`.
   * @param key names the stub @param make its bytes, asked for when `key` is new
   */
  stub(key: string, make: () => readonly number[]): number;
  /** Runs the stub at `Word.FpuStub` on this vCPU's state block. */
  readonly run: () => void;
  readonly sse3: boolean;
  readonly ssse3: boolean;
}

export interface Hooks {
  readonly ports: Ports;
  readonly pic: InterruptSource;
  readonly rom: RomGate;
  readonly tsc: CycleSource;
  /** Undefined: the processor has no FPU, no MMX and no SSE. */
  readonly fpu?: FpuHelper | undefined;
  /** FERR#, which a PC wires to irq 13: an x87 exception is pending and CR0.NE is 0. Undefined: such exceptions are #MF as well. */
  readonly ferr?: ((asserted: boolean) => void) | undefined;
}

/** Who wants to know of every change of IF (an interrupt strategy that lets the host have it). */
export interface FlagSwitch {
  /** IF went from 0 to 1. */
  opened(): void;
  /** IF went from 1 to 0. */
  closed(): void;
}

/** An interrupt or exception on its way into the guest, as traces see it. */
export interface DeliveredEvent {
  readonly vector: number;
  /** INT n, INT3, INTO. */
  readonly software: boolean;
  readonly errorCode: number | undefined;
  /** EIP that is saved. */
  readonly eip: number;
}

/** Operating mode (SDM 3A, "Modes of Operation"). Real mode checks limits only; virtual-8086 mode is CPL 3. */
export const enum Mode {
  Real,
  Virtual8086,
  Protected,
}

/** Access-rights bits of a cached segment (`SegmentWord.Access`; SDM 3A, "Segment Descriptors", and SDM 2, LAR). */
export const enum Access {
  Accessed = 1 << 0,
  /** Data segments: writable. Code segments: readable. */
  WritableOrReadable = 1 << 1,
  /** Data segments: expand-down. Code segments: conforming. */
  ExpandDownOrConforming = 1 << 2,
  Code = 1 << 3,
  /** Code or data, not system. */
  NotSystem = 1 << 4,
  Present = 1 << 7,
  /** D of code, B of data and stack segments. */
  Big = 1 << 14,
  Granularity = 1 << 15,
}

/**
 * Signature of the processor (CPUID leaf 1 EAX): family 6, model 0x1C, stepping 10, an Atom (docs/decisions/0011). Also EDX at
 * power-on.
 */
export const CPU_SIGNATURE = 0x106ca;

export class Vcpu {
  /** The state block as words (`Word` indices), bytes and halfwords. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  /** Linear memory at the current privilege. */
  readonly mmu: Mmu;
  hooks!: Hooks;
  /** Undefined: changes of IF are nobody's business but the guest's. Set before the first instruction is decoded. */
  flagSwitch: FlagSwitch | undefined = undefined;

  // Lazy arithmetic flags (flags.ts).
  lazyOp = 0;
  lazyResult = 0;
  lazySource = 0;

  /** Linear page that the interpreter fetches from, or `NO_FETCH_PAGE`: then it finds out anew before the next instruction. */
  fetchPage = NO_FETCH_PAGE;

  // Debug registers (debug.ts).
  /** Data and I/O breakpoints that the running instruction has met, as bits of DR6: they trap when it is done. */
  debugHits = 0;
  /** An instruction breakpoint is enabled. */
  codeBreakpoints = false;
  /** An I/O breakpoint is enabled. */
  ioBreakpoints = false;

  /** Told of every interrupt and exception before it is delivered (traces). */
  onDelivery: ((event: DeliveredEvent) => void) | undefined = undefined;

  /** Accesses to model-specific registers that do not exist, by number (msr.ts). */
  readonly unknownMsrs = new Map<number, number>();

  // Derived from the state block by `refresh`, `setSegment` and `setCpl`.
  mode: Mode = Mode.Real;
  /** CPL is 3. */
  user = false;
  /** Bit per `Segment`: base 0, limit 4 GiB, and reads (writes) allowed, so that the offset is the linear address. */
  flatRead = 0;
  flatWrite = 0;
  /** CS has base 0 and limit 4 GiB. */
  flatCode = false;
  /** SS is flat for writes and 32 bits wide. */
  flatStack = false;
  /** Bits of ESP that address the stack: -1, or 0xffff when SS.B is 0. */
  stackMask = 0xffff;
  /** Default operand and address size of CS in bytes. */
  codeSize: 2 | 4 = 2;

  /**
   * @param block the state block, `STATE_BYTES` long; its contents are taken as they are: call `reset` for a power-on
   * @param mmu linear memory over the same state block
   */
  constructor(block: ArrayBufferLike, mmu: Mmu) {
    this.words = new Int32Array(block);
    this.bytes = new Uint8Array(block);
    this.halves = new Uint16Array(block);
    this.mmu = mmu;
    mmu.onFlush = () => {
      this.fetchPage = NO_FETCH_PAGE;
    };
    mmu.onWatched = (linear, sizeBytes, write) => matchData(this, linear, sizeBytes, write);
    this.refresh();
  }

  /** Power-on state of the processor's registers (SDM 3A, table 9-1). Counters, hooks and the interrupt controller stay. */
  reset(): void {
    const words = this.words;
    this.lazyOp = 0;
    this.lazyResult = 0;
    this.lazySource = 0;
    words.fill(0, Word.Eax, Word.Cpl);
    words[Word.Edx] = CPU_SIGNATURE;
    words[Word.Eip] = 0xfff0;
    words[Word.Eflags] = 2;
    words[Word.Cpl] = 0;
    words[Word.Halted] = 0;
    words[Word.NmiBlocked] = 0;
    words.fill(0, Word.Cr0, Word.Efer + 1);
    words[Word.Cr0] = Cr0.CD | Cr0.NW | Cr0.ET;
    words[Word.GdtrLimit] = 0xffff;
    words[Word.IdtrLimit] = 0xffff;
    words[Word.Dr0 + 6] = Dr6.Fixed;
    words[Word.Dr0 + 7] = Dr7.Fixed;
    const data = Access.Present | Access.NotSystem | Access.WritableOrReadable | Access.Accessed;
    for (let segment = Segment.Es; segment <= Segment.Gs; segment++) this._store(segment, 0, 0, 0xffff, data);
    this._store(Segment.Cs, 0xf000, 0xffff0000, 0xffff, data | Access.Code);
    this._store(Segment.Ldtr, 0, 0, 0xffff, Access.Present | 2);
    this._store(Segment.Tr, 0, 0, 0xffff, Access.Present | 11);
    resetFpu(this);
    this.mmu.flushAll();
    this.refresh();
  }

  /** Works all derived values out again, after the state block was written from outside (a snapshot, the ROM). */
  refresh(): void {
    const words = this.words;
    this.refreshMode();
    this.setCpl(words[Word.Cpl]);
    this.refreshAlignment();
    this.debugHits = 0;
    refreshDebug(this);
    for (let segment = Segment.Es; segment <= Segment.Gs; segment++) this._derive(segment);
  }

  /** Works `mode` out from CR0.PE and EFLAGS.VM. */
  refreshMode(): void {
    const words = this.words;
    if ((words[Word.Cr0] & Cr0.PE) === 0) this.mode = Mode.Real;
    else this.mode = (words[Word.Eflags] & Eflag.VM) !== 0 ? Mode.Virtual8086 : Mode.Protected;
    this.fetchPage = NO_FETCH_PAGE;
  }

  /** Works out from CR0.AM and EFLAGS.AC whether accesses at CPL 3 must be aligned. */
  refreshAlignment(): void {
    this.mmu.setAligned((this.words[Word.Cr0] & Cr0.AM) !== 0 && (this.words[Word.Eflags] & Eflag.AC) !== 0);
  }

  setCpl(cpl: number): void {
    this.words[Word.Cpl] = cpl;
    this.user = cpl === 3;
    this.mmu.setUser(cpl === 3);
  }

  /**
   * Writes a segment register with its hidden part; the caller has made all checks.
   * @param limit last valid offset, granularity applied
   * @param access `SegmentWord.Access` form; 0 makes the segment unusable
   */
  setSegment(segment: Segment, selector: number, base: number, limit: number, access: number): void {
    this._store(segment, selector, base, limit, access);
    if (segment <= Segment.Gs) this._derive(segment);
  }

  private _store(segment: Segment, selector: number, base: number, limit: number, access: number): void {
    const at = Word.Segments + segment * SegmentWord.Count;
    this.words[at + SegmentWord.Selector] = selector & 0xffff;
    this.words[at + SegmentWord.Base] = base;
    this.words[at + SegmentWord.Limit] = limit;
    this.words[at + SegmentWord.Access] = access;
  }

  private _derive(segment: Segment): void {
    const at = Word.Segments + segment * SegmentWord.Count;
    const access = this.words[at + SegmentWord.Access];
    const flat = this.words[at + SegmentWord.Base] === 0 && this.words[at + SegmentWord.Limit] === -1;
    const code = (access & Access.Code) !== 0;
    const readableOrWritable = (access & Access.WritableOrReadable) !== 0;
    const usable = flat && (access & Access.Present) !== 0 && (code || (access & Access.ExpandDownOrConforming) === 0);
    const bit = 1 << segment;
    this.flatRead = usable && (!code || readableOrWritable) ? this.flatRead | bit : this.flatRead & ~bit;
    this.flatWrite = usable && !code && readableOrWritable ? this.flatWrite | bit : this.flatWrite & ~bit;
    if (segment === Segment.Ss) {
      this.stackMask = (access & Access.Big) !== 0 ? -1 : 0xffff;
      this.flatStack = (this.flatWrite & bit) !== 0 && this.stackMask === -1;
    } else if (segment === Segment.Cs) {
      this.codeSize = (access & Access.Big) !== 0 ? 4 : 2;
      this.flatCode = flat;
      this.fetchPage = NO_FETCH_PAGE;
    }
  }
}
