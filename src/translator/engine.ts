/**
 * The translator as an engine: it has the interpreter's face and an interpreter inside. Code that may run translated is looked up,
 * translated where it is new, and entered; what comes out says how to go on. Everything else is the interpreter's, an instruction or
 * a batch at a time, and counted by name.
 *
 *     ready?  flat 32-bit protected mode at CPL 0 or 3, no single-stepping, no breakpoints     no: interpreter
 *     find    linear eip, physical page and privilege name a fragment; translate on a miss
 *     enter   in the window of this address space and privilege, until an exit
 *     exit    miss: find again · attention: back to the run loop · interpret, slow, trap: one instruction · fault: deliver #PF
 *
 * Most page faults of the guest's own do not get here: native/reflect.cc hands them to the guest's handler.
 * State lies in the state block at every exit, so each side takes over from the other at any instruction.
 * Read before: docs/how-it-works.md, `fragment.ts`, `windows.ts`, `codeCache.ts`. Read after: `frontend.ts`.
 */
import { performance } from 'node:perf_hooks';
import type { Interpreter } from '../interp/interpreter.js';
import type { PhysMemory } from '../memory/phys.js';
import { add64, read64 } from '../vcpu/counters.js';
import { deliverException } from '../vcpu/deliver.js';
import { Eflag } from '../vcpu/flags.js';
import { Strategy, Word, XlateExit } from '../vcpu/layout.js';
import { Mode, type Vcpu } from '../vcpu/vcpu.js';
import { Cr0, Cr4 } from '../x86/control.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { CodeCache, type Placed } from './codeCache.js';
import type { Fragment } from './fragment.js';
import { translate } from './frontend.js';
import type { TranslatorHost } from './host.js';
import type { TranslatorStatistics } from './stats.js';
import type { TranslationStore } from './translationStore.js';
import { Windows } from './windows.js';

/** Instructions that the interpreter runs in one go where nothing can be translated. */
const BATCH = 256;
const PAGE_BYTES = 0x1000;
/** Guest instructions of one fragment at most. */
const MAX_INSTRUCTIONS = 64;

/** Instructions for the interpreter whose names are kept; those whose name was forgotten are counted without it. */
const MAX_MNEMONICS = 1 << 16;

/** ES, SS and DS, as bits of `Vcpu.flatRead`. */
const DATA_SEGMENTS = (1 << Segment.Es) | (1 << Segment.Ss) | (1 << Segment.Ds);
/** L0 to G3 of DR7. */
const BREAKPOINTS = 0xff;

/**
 * A page whose fragments have been dropped this often, each time soon after the last, is being written as fast as it is run: its code is
 * the interpreter's for a while, which treats such pages in its own way. "Soon" and "a while" count entries into translated code.
 */
const STORM_DROPS = 24;
const STORM_NEAR = 500;
const STORM_ENTERS = 20_000;

interface Storm {
  drops: number;
  lastAt: number;
  /** Interpret until then. */
  until: number;
}

/** A fragment that has just been made. What is in `code` stands only until the listener returns. */
export interface MadeFragment {
  readonly fragment: Fragment;
  readonly placed: Placed;
  readonly user: boolean;
  /** Its host code as placed, and the guest's bytes from `fragment.guestStart` on. */
  readonly code: Uint8Array;
  readonly guest: Uint8Array;
}

export interface TranslatorOptions {
  /** Told of every fragment. */
  readonly onFragment?: ((made: MadeFragment) => void) | undefined;
  /** Most guest instructions of a fragment; 1 makes one-instruction fragments, which are never chained. */
  readonly maxInstructions?: number | undefined;
  /** How often a page may be dropped soon after it was translated before it is the interpreter's for a while. Infinity: always. */
  readonly stormDrops?: number | undefined;
  /** Translations of earlier runs, which this one adds to. */
  readonly store?: TranslationStore | undefined;
  /** Whether page faults go to the guest's handler without coming here, where they can. Default true. */
  readonly reflectFaults?: boolean | undefined;
}

export class Translator {
  readonly interpreter: Interpreter;
  readonly cache: CodeCache;
  readonly windows: Windows;

  private readonly _cpu: Vcpu;
  private readonly _phys: PhysMemory;
  private readonly _host: TranslatorHost;
  private readonly _maxInstructions: number;
  private readonly _chained: boolean;
  private readonly _stormDrops: number;
  private readonly _store: TranslationStore | undefined;
  private readonly _onFragment: ((made: MadeFragment) => void) | undefined;
  private _romStart = 0;
  private _romEnd = 0;
  private _slotAt: (offset: number) => number | undefined = () => undefined;
  private _isVmiActive: () => boolean = () => false;
  /** There may be fragments that take SSE instructions for usable. */
  private _assumesXmm = false;
  /** Linear pages in which calls were taken for ROM calls, with the physical page they were then. */
  private readonly _romPages = new Map<number, number>();
  private readonly _storms = new Map<number, Storm>();
  /** Instructions left to the interpreter: mnemonic by EIP, and counts by mnemonic or mode. */
  private readonly _mnemonics = new Map<number, string>();
  private readonly _counts = new Map<string, number>();
  private readonly _exits = new Int32Array(8);
  private _enters = 0;
  private _windowsCleared = 0;
  private _translationMs = 0;
  private _longestPauseMs = 0;

  /** @param interpreter runs what is not translated; `cpu` and `phys` are its own */
  constructor(interpreter: Interpreter, host: TranslatorHost, options: TranslatorOptions = {}) {
    this.interpreter = interpreter;
    this._cpu = interpreter.cpu;
    this._phys = interpreter.phys;
    this._host = host;
    this._maxInstructions = options.maxInstructions ?? MAX_INSTRUCTIONS;
    this._chained = this._maxInstructions > 1;
    this._stormDrops = options.stormDrops ?? STORM_DROPS;
    this._store = options.store;
    this._onFragment = options.onFragment;
    this._cpu.words[Word.ReflectFaults] = (options.reflectFaults ?? true) ? 1 : 0;
    this.cache = new CodeCache(host, this._phys.sizeBytes >>> 12);
    this.windows = new Windows(
      this._cpu.words,
      host,
      () => this._isVmiActive(),
      () => this._checkRom(),
    );
    this._cpu.mmu.flushListener = this.windows;
    this._phys.onCodeMarked((pageNumber) => host.protect(pageNumber << 12));
    this._phys.onCodeWritten((pageNumber) => this._written(pageNumber));
  }

  /**
   * As `Interpreter.setRom`.
   * @param slotAt the ROM slot that begins at an offset in the ROM, or undefined: calls of it may be replaced by what they do
   * @param isActive whether the guest has found the ROM, and so keeps the VMI's contract
   */
  setRom(
    start: number,
    sizeBytes: number,
    slotAt: (offset: number) => number | undefined,
    isActive: () => boolean,
  ): void {
    this._isVmiActive = isActive;
    this._romStart = start;
    this._romEnd = start + sizeBytes;
    this._slotAt = slotAt;
    this._cpu.words[Word.RomStart] = start;
    this.interpreter.setRom(start, sizeBytes);
  }

  /** As `Interpreter.step`: exactly one instruction, by the interpreter. */
  step(): number {
    return this.interpreter.step();
  }

  /**
   * Executes until `Word.Attention`, `Word.Halted` or `Word.ExitReason` is not 0, an interrupt may have become deliverable, or
   * about `limit` instructions have been interpreted or fragments entered.
   * @returns instructions interpreted plus times entered: translated instructions are not counted
   */
  run(limit: number): number {
    const { words } = this._cpu;
    let done = 0;
    if (words[Word.Shadow] !== 0) done += this.interpreter.run(1);
    while (done < limit) {
      if (words[Word.Attention] !== 0 || words[Word.Halted] !== 0 || words[Word.ExitReason] !== 0) break;
      if (!this._isReady()) {
        const count = this.interpreter.run(Math.min(BATCH, limit - done));
        this._count('(other modes)', count);
        done += count;
        continue;
      }
      // first: a check may drop fragments
      this.windows.use(this._cpu.user);
      const placed = this._find(words[Word.Eip]);
      if (placed === undefined) {
        done += this.interpreter.run(1);
        continue;
      }
      done++;
      if (this._enter(placed)) break;
    }
    return done;
  }

  statistics(): TranslatorStatistics {
    const { cache, windows } = this;
    const names = ['miss', 'attention', 'interpret', 'fault', 'slow', 'halt', 'trap'];
    return {
      fragments: cache.fragments,
      instructions: cache.instructions,
      hostBytes: cache.hostBytes,
      fragmentsKept: this._store?.found ?? 0,
      translationMs: this._translationMs,
      longestPauseMs: this._longestPauseMs,
      enters: this._enters,
      exits: Object.fromEntries(names.map((name, reason) => [name, this._exits[reason]])),
      interpreted: [...this._counts].map(([what, count]) => ({ what, count })).sort((a, b) => b.count - a.count),
      shortcuts: read64(this._cpu.words, Word.Shortcuts),
      reflections: read64(this._cpu.words, Word.Reflections),
      windowFaults: read64(this._cpu.words, Word.WindowFaults),
      windowsLost: read64(this._cpu.words, Word.WindowsLost),
      windowSwitches: windows.switches,
      windowChecks: windows.checks,
      windowEvictions: windows.evictions,
      windowsCleared: this._windowsCleared,
      pagesDropped: cache.pagesDropped,
      buffersFilled: cache.buffersFilled,
      limitsReached: cache.limitsReached,
    };
  }

  /** Gives windows and code buffer back; only `interpreter` works from then on. */
  dispose(): void {
    this._cpu.mmu.flushListener = undefined;
    this._host.dispose();
  }

  /** Whether the vCPU is in the state that fragments are made for. */
  private _isReady(): boolean {
    const cpu = this._cpu;
    const { words } = cpu;
    return (
      cpu.mode === Mode.Protected &&
      cpu.flatCode &&
      cpu.codeSize === 4 &&
      cpu.flatStack &&
      (cpu.flatRead & cpu.flatWrite & DATA_SEGMENTS) === DATA_SEGMENTS &&
      (words[Word.Eflags] & Eflag.TF) === 0 &&
      (words[Word.Cpl] === 0 || words[Word.Cpl] === 3) &&
      (words[Word.Dr0 + 7] & BREAKPOINTS) === 0 &&
      ((words[Word.Eflags] & Eflag.AC) === 0 || (words[Word.Cr0] & Cr0.AM) === 0)
    );
  }

  /** The fragment at `eip`; undefined when the interpreter has to run the instruction there. */
  private _find(eip: number): Placed | undefined {
    const cpu = this._cpu;
    let phys: number;
    try {
      phys = cpu.mmu.translateFetch(eip);
    } catch (error) {
      // the interpreter meets the same fault and delivers it
      if (!(error instanceof GuestFault)) throw error;
      this._count('(fetch fault)', 1);
      return undefined;
    }
    const xmmUsable = this._isXmmUsable();
    if (this._assumesXmm && !xmmUsable) this._dropAll();
    const pageNumber = phys >>> 12;
    const placed = this.cache.find(eip, pageNumber, cpu.user);
    if (placed !== undefined && (placed.nextPage < 0 || placed.nextPage === this._pageBehind(eip))) return placed;
    return this._translate(eip, pageNumber, xmmUsable);
  }

  /** Physical number of the linear page behind that of `eip`; -1 when code cannot be fetched from it, or it would be page 0. */
  private _pageBehind(eip: number): number {
    const linear = ((eip | 0xfff) + 1) | 0;
    if (linear === 0) return -1;
    try {
      return this._cpu.mmu.translateFetch(linear) >>> 12;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      return -1;
    }
  }

  /** Whether a page is being written as fast as it is run. */
  private _isStormed(pageNumber: number): boolean {
    const storm = this._storms.get(pageNumber);
    return storm !== undefined && storm.until > this._enters;
  }

  /** Whether SSE instructions may run, as far as CR0 has no say. */
  private _isXmmUsable(): boolean {
    const { words, hooks } = this._cpu;
    return hooks.fpu !== undefined && (words[Word.Cr4] & Cr4.OSFXSR) !== 0;
  }

  private _translate(eip: number, pageNumber: number, xmmUsable: boolean): Placed | undefined {
    const phys = this._phys;
    if (this._isStormed(pageNumber)) {
      this._enters++;
      this._count('(code being written)', 1);
      return undefined;
    }
    if (!phys.markCode(pageNumber)) {
      this._count('(code outside memory)', 1);
      return undefined;
    }
    const startMs = performance.now();
    const { bytes } = phys;
    const start = (pageNumber << 12) | (eip & 0xfff);
    const cpl = this._cpu.words[Word.Cpl];
    let nextPage = -1;
    const fragment = (this._store?.translate ?? translate)({
      eip,
      source: { byte: (index) => bytes[(start >>> 0) + index] },
      bytesLeftInPage: 0x1000 - (eip & 0xfff),
      nextPage: () => {
        nextPage = this._pageBehind(eip);
        if (nextPage < 0 || this._isStormed(nextPage) || !phys.markCode(nextPage)) return undefined;
        const nextStart = nextPage * PAGE_BYTES;
        return { byte: (index) => bytes[nextStart + index] };
      },
      cpl,
      xmmUsable,
      romSlotAt: (linear) => (cpl === 0 ? this._romSlotAt(linear) : undefined),
      virtualMask: this._cpu.words[Word.Strategy] === Strategy.VirtualMask,
      trapsSensitive: this._cpu.words[Word.Strategy] === Strategy.TrapAndEmulate,
      maxInstructions: this._maxInstructions,
    });
    let placed: Placed | undefined;
    if (fragment === undefined) {
      this._count('(next page)', 1);
    } else {
      if (fragment.usesXmm) this._assumesXmm = true;
      const { interpreted } = fragment;
      if (this._mnemonics.size >= MAX_MNEMONICS) this._mnemonics.clear();
      if (interpreted !== undefined) this._mnemonics.set(interpreted.guestEip | 0, interpreted.mnemonic);
      const { user } = this._cpu;
      placed = this.cache.place(fragment, pageNumber, user, this._chained, nextPage);
      this._onFragment?.({
        fragment,
        placed,
        user,
        code: this._host.code.subarray(placed.offset, placed.end),
        guest: this._guestBytes(placed, (fragment.guestEnd - fragment.guestStart) | 0),
      });
    }
    const tookMs = performance.now() - startMs;
    this._translationMs += tookMs;
    this._longestPauseMs = Math.max(this._longestPauseMs, tookMs);
    return placed;
  }

  /** A copy of the bytes that a fragment was made of. */
  private _guestBytes({ eip, frame, nextPage }: Placed, sizeBytes: number): Uint8Array {
    const { bytes } = this._phys;
    const start = (frame | (eip & 0xfff)) >>> 0;
    const inPage = Math.min(sizeBytes, PAGE_BYTES - (eip & 0xfff));
    const behind = Math.max(nextPage, 0) * PAGE_BYTES;
    return Uint8Array.of(
      ...bytes.subarray(start, start + inPage),
      ...bytes.subarray(behind, behind + sizeBytes - inPage),
    );
  }

  private _romSlotAt(linear: number): number | undefined {
    if (this._romEnd === 0) return undefined;
    const phys = this._cpu.mmu.lookUp(linear);
    if (phys === undefined || phys < this._romStart || phys >= this._romEnd) return undefined;
    const slot = this._slotAt(phys - this._romStart);
    if (slot === undefined) return undefined;
    const page = linear >>> 12;
    this._romPages.set(page, phys >>> 12);
    const { words } = this._cpu;
    words[Word.RomCallFirst] = words[Word.RomCallLast] === 0 ? page : Math.min(page, words[Word.RomCallFirst]);
    words[Word.RomCallLast] = Math.max(page, words[Word.RomCallLast]);
    return slot;
  }

  /** Drops all fragments when the ROM is no longer where calls of it were taken for what they do. */
  private _checkRom(): void {
    const { mmu } = this._cpu;
    for (const [linearPage, physPage] of this._romPages) {
      const phys = mmu.lookUp(linearPage << 12);
      if (phys !== undefined && phys >>> 12 === physPage) continue;
      this._dropAll();
      return;
    }
  }

  /**
   * Runs translated code and deals with its exit.
   * @returns true when the run loop is wanted
   */
  private _enter(placed: Placed): boolean {
    const cpu = this._cpu;
    const { words } = cpu;
    // RF holds instruction breakpoints off for one instruction, and there are none
    words[Word.Eflags] &= ~Eflag.RF;
    words[Word.NextEip] = words[Word.Eip];
    words[Word.XlateEntry] = placed.offset;
    words[Word.XlateInstall] = this._chained ? placed.frame | 1 : 0;
    words[Word.XlateInstallNext] = placed.nextPage < 0 ? 0 : (placed.nextPage << 12) | 1;
    words[Word.FpuUsable] = cpu.hooks.fpu !== undefined && (words[Word.Cr0] & (Cr0.EM | Cr0.TS)) === 0 ? 1 : 0;
    this._enters++;
    this._host.enter();
    if (words[Word.XlateRefresh] !== 0) {
      words[Word.XlateRefresh] = 0;
      cpu.refresh();
    }
    if (words[Word.FlushCount] !== 0) this._catchUp();
    const reason: XlateExit = words[Word.XlateExit];
    this._exits[reason]++;
    switch (reason) {
      case XlateExit.Miss:
        words[Word.Eip] = words[Word.NextEip];
        return false;
      case XlateExit.Attention:
        words[Word.Eip] = words[Word.NextEip];
        return true;
      case XlateExit.Interpret: {
        const eip = words[Word.NextEip];
        words[Word.Eip] = eip;
        this._count(this._mnemonics.get(eip) ?? '(rare case)', this._interpretOne());
        return false;
      }
      case XlateExit.Trap: {
        const eip = this._faultingEip();
        words[Word.Eip] = eip;
        add64(words, Word.TrapSignals, 1);
        this._count(this._mnemonics.get(eip) ?? '(rare case)', this._interpretOne());
        return false;
      }
      case XlateExit.Halt:
        words[Word.Eip] = words[Word.NextEip];
        words[Word.Halted] = 1;
        return true;
      case XlateExit.Fault:
        words[Word.Eip] = this._faultingEip();
        words[Word.Cr2] = words[Word.FaultLinear];
        if (cpu.user) {
          words[Word.FaultEip] = words[Word.Eip];
          words[Word.FaultDelivered] = 1;
        }
        deliverException(cpu, new GuestFault(Vector.PF, words[Word.FaultError]));
        return false;
      case XlateExit.Slow:
        words[Word.Eip] = this._faultingEip();
        if (words[Word.WindowFull] !== 0) {
          words[Word.WindowFull] = 0;
          this._windowsCleared++;
          this._host.clearAll();
        }
        this._count('(memory access)', this._interpretOne());
        return false;
    }
  }

  /**
   * Runs the instruction that translated code was left at. An STI before it may have put it in its shadow, so that not even an interrupt
   * that has come since keeps it back.
   */
  private _interpretOne(): number {
    const { words } = this._cpu;
    if (words[Word.Attention] !== 0) words[Word.Shadow] = 1;
    return this.interpreter.run(1);
  }

  /** Page-table changes that native/romCall.cc has been told of are news to everything here but the windows. */
  private _catchUp(): void {
    const { words, mmu } = this._cpu;
    const count = words[Word.FlushCount];
    for (let index = 0; index < count; index++) mmu.forgetPage(words[Word.FlushedPages + index]);
    words[Word.FlushCount] = 0;
  }

  private _faultingEip(): number {
    const offset = this._cpu.words[Word.FaultOffset];
    const eip = this.cache.eipAt(offset);
    if (eip === undefined) throw new Error(`translated code faulted at offset ${offset}, where no fragment is`);
    return eip | 0;
  }

  private _written(pageNumber: number): void {
    if (!this.cache.has(pageNumber)) return;
    this.cache.drop(pageNumber);
    const storm = this._storms.get(pageNumber);
    if (storm === undefined) {
      this._storms.set(pageNumber, { drops: 1, lastAt: this._enters, until: 0 });
      return;
    }
    storm.drops = this._enters - storm.lastAt < STORM_NEAR ? storm.drops + 1 : 1;
    storm.lastAt = this._enters;
    if (storm.drops >= this._stormDrops) {
      storm.drops = 0;
      storm.until = this._enters + STORM_ENTERS;
    }
  }

  private _dropAll(): void {
    this.cache.dropAll();
    this._assumesXmm = false;
    this._romPages.clear();
    this._cpu.words[Word.RomCallLast] = 0;
  }

  private _count(what: string, count: number): void {
    this._counts.set(what, (this._counts.get(what) ?? 0) + count);
  }
}
