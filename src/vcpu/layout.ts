/**
 * The vCPU state block: one page-aligned block of shared memory per virtual CPU.
 *
 * Everything that can run or look at the guest works on this block: the interpreter, the ROM, the signal handler in native
 * code and, later, translated code. So its layout stands here once; `npm run build:layout` writes `native/layout.h` from it and
 * a test fails when the two differ.
 *
 * The block is an array of 32-bit words, and `Word` names their indices (byte offset = 4 x index). Read before: nothing.
 * Read after: `state.ts`.
 */

/** Size of one state block in bytes (a host page). */
export const STATE_BYTES = 4096;

/** Words per cached segment register: selector, base, limit, access rights. */
export const enum SegmentWord {
  Selector = 0,
  Base = 1,
  /** Limit in bytes, granularity already applied: the last valid offset (for expand-down segments, the last invalid one). */
  Limit = 2,
  /** Descriptor bits 40..47 and 52..55 as bits 0..7 and 12..15 (SDM 2, LAR); 0 = unusable (null selector). */
  Access = 3,
  Count = 4,
}

/** Indices into the state block, in 32-bit words. */
export const enum Word {
  // General registers in ModR/M order. `Zero` always holds 0: an absent base or index register reads it.
  Eax = 0,
  Ecx = 1,
  Edx = 2,
  Ebx = 3,
  Esp = 4,
  Ebp = 5,
  Esi = 6,
  Edi = 7,
  Zero = 8,
  Eip = 9,
  /** EFLAGS without IF; the interpreter's lazy arithmetic flags are written back here before anybody else looks. */
  Eflags = 10,
  /** The virtual IF: 0 or 1, a word of its own so that CLI and STI are one store. */
  InterruptFlag = 11,
  /** Interrupt shadow: 1 while the instruction after STI, MOV SS or POP SS holds interrupts off. */
  Shadow = 12,
  /** Current privilege level, 0 to 3. */
  Cpl = 13,
  /** 1 while the vCPU waits in HLT or the ROM's Halt. */
  Halted = 14,

  /** Bits of `Attention`; not 0 makes the run loop leave guest code at the next safe point. Written by any thread. */
  Attention = 15,
  /** First reason for ending, see `ExitReason`. */
  ExitReason = 16,
  /** Thread id of the vCPU thread (0 = none bound), so that a signal can be sent to it. */
  Tid = 17,
  /**
   * 1 while the vCPU thread sleeps on `Attention`: who sets a bit there and finds this set wakes it by futex. 2 while it sleeps with
   * its signals open for the moment (host-mask): it is woken by a signal then.
   */
  Waiting = 19,

  Cr0 = 20,
  Cr2 = 21,
  Cr3 = 22,
  Cr4 = 23,
  GdtrBase = 24,
  GdtrLimit = 25,
  IdtrBase = 26,
  IdtrLimit = 27,
  /** DR0..DR7, eight words. */
  Dr0 = 28,
  SysenterCs = 36,
  SysenterEsp = 37,
  SysenterEip = 38,
  /** Guest TSC minus the clock's cycle count, 64 bits, low word first. */
  TscOffset = 40,
  /** EFER, low word. */
  Efer = 42,

  /** Segment caches, `SegmentWord.Count` words each: ES, CS, SS, DS, FS, GS, LDTR, TR. */
  Segments = 48,

  // Virtual PIC. IRR is the one word that signal handlers write; the rest belongs to the vCPU thread (irq/i8259.ts).
  /** Interrupt request register of both 8259s: bit = irq 0..15. Atomic OR to record, atomic AND at acknowledge. */
  PicIrr = 80,
  /** NMI recorded (0 or 1). */
  Nmi = 81,
  /** 1 from the delivery of an NMI to the next IRET: further NMIs wait (SDM 3A, "Handling Multiple NMIs"). */
  NmiBlocked = 84,
  /** Lines whose request would reach the CPU now: unmasked and above the priority in service. (PicIrr | PicLevels) & PicOpen = INTR. */
  PicOpen = 82,
  /** Level-triggered lines that a device holds high. */
  PicLevels = 83,

  // Accounts of external events: raised = delivered + merged + discarded + still pending. 64-bit counters, low word first.
  /** Events recorded per irq: 16 counters. */
  Raised = 96,
  /** Events that found their IRR bit already set: 16 counters. */
  Merged = 128,
  /** Interrupts acknowledged by the CPU per irq: 16 counters. */
  Delivered = 160,

  // Other counters, 64 bits each.
  /** Guest instructions retired. */
  Instructions = 192,
  /** Host timer signals taken. */
  TimerSignals = 194,
  /** External host signals taken (routed by --signal or onSignal). */
  HostSignals = 196,
  /** Times the vCPU slept in the host. */
  Waits = 198,
  /** Nanoseconds spent asleep. */
  WaitNs = 200,
  /** Times the run loop left guest code. */
  Exits = 202,
  /** ROM calls made by the guest: 80 counters, one per call number. */
  RomCalls = 208,
  /** Exits to the host that ROM calls caused (a timer armed, a wait): 80 counters. */
  RomExits = 368,
  /** When the pending event of each irq was recorded: host CLOCK_MONOTONIC in ns, 16 values of 64 bits, low word first. */
  RecordedAt = 528,

  /** FXSAVE image of the guest FPU, 512 bytes, 16-byte aligned. */
  Fxsave = 576,
  /** Pending events that the guest swept out of the IRR with ICW1: 16 counters, another term of the account of events. */
  Discarded = 704,

  // What the interpreter and the stubs that run floating-point instructions on the host's FPU pass each other (interp/fpuStub.ts).
  /** Offset of the stub to run in the code of the stubs. */
  FpuStub = 736,
  /** x87 status word or MXCSR: for the instruction before, with what it raised after. */
  FpuStatus = 737,
  /** Arithmetic flags for the instruction before, and after it. */
  FpuFlags = 738,
  /** First operand and result, 16 bytes, 16-byte aligned; `FpuSource` follows it. */
  FpuDestination = 740,
  /** Second operand, or the memory operand of x87 instructions, 16 bytes. */
  FpuSource = 744,

  // What translated code, its exit stubs and the fault handler (native/switch.S, native/fault.cc, translator/) pass each other.
  /** Stack pointer of the host while guest code runs, 64 bits. */
  HostStack = 800,
  /** Host address of guest linear address 0 in the current window, 64 bits: R12 and the GS base. */
  WindowBase = 802,
  /** Host address of the current window's jump table, 64 bits: R14. */
  JumpTable = 804,
  /** Host address of the code buffer's executable mapping, 64 bits: R13. */
  CodeBase = 806,
  /** Where an exit goes on. */
  NextEip = 808,
  /** Why translated code was left, see `XlateExit`. */
  XlateExit = 809,
  /** Linear address of the access that faulted (`XlateExit.Fault` and `Slow`), and the guest's error code. */
  FaultLinear = 810,
  FaultError = 811,
  /** Host instruction that faulted, as an offset in the code buffer. */
  FaultOffset = 812,
  /** Vector of the guest's exception in `XlateExit.Fault`. */
  FaultVector = 813,
  /** 1 while the host's FPU holds the guest's FPU state. */
  FpuLive = 814,
  /** MXCSR and x87 control word of the host, put back whenever guest code is left. */
  HostMxcsr = 815,
  HostFcw = 816,
  /** Entry of the fragment to run, as an offset in the code buffer. */
  XlateEntry = 818,
  /** Not 0: the entry belongs into the jump table at `NextEip`, and this is its physical page's address | 1. */
  XlateInstall = 819,
  /** The same of the page behind, for a fragment whose instruction crosses into it; else 0. */
  XlateInstallNext = 854,
  /** Not 0: the fault handler could not map a page, the windows have to be cleared. */
  WindowFull = 820,
  /** Faults that the handler answered by mapping pages, 64 bits. */
  WindowFaults = 822,
  /** Scratch of translated code within one instruction: 8 words. */
  XlateScratch = 824,
  /** Counter of fragments entered from TypeScript, 64 bits. */
  XlateEnters = 832,
  /** 1 while CR0.EM and CR0.TS are 0: written by the engine before it enters, asked by the stub that loads the guest's FPU state. */
  FpuUsable = 834,
  /** Not 0: native/shortcut.cc has changed segments or CPL, so that what is derived from them has to be worked out again. */
  XlateRefresh = 835,
  /** Physical address of the ROM, 0 = none: for native/shortcut.cc. */
  RomStart = 836,
  /** EIP of the last page fault of translated code at CPL 3 that was delivered, and 1 until native code has seen it. */
  FaultEip = 840,
  FaultDelivered = 841,
  /**
   * 64 bits each, written whenever translated code is entered: what it adds to the state block's address to read the base of FS and GS. 0 when
   * the segment is flat but for its base, else a distance that makes the host fault, so that the interpreter makes the access.
   */
  FsAway = 850,
  GsAway = 852,
  /** Instructions that native/shortcut.cc has run, 64 bits. */
  Shortcuts = 838,
  /** Not 0: native/reflect.cc hands page faults to the guest's handler where it can. */
  ReflectFaults = 842,
  /** Page faults that it has handed over, 64 bits. */
  Reflections = 844,
  /** How many of `FlushedPages` native/romCall.cc has written: addresses whose translation the guest has dropped. */
  FlushCount = 856,
  /** Counts changes of page tables that no flush of the TLB has told of (translator/windows.ts): the guest's SetPxE and UpdatePxE. */
  TableChanges = 857,
  /** First and last linear page in which calls were taken for ROM calls; last 0 = none. */
  RomCallFirst = 858,
  RomCallLast = 859,
  /** `FLUSHED_PAGES` words. */
  FlushedPages = 860,
  /** CLOCK_MONOTONIC at the machine's start in ns, 64 bits, 0 = the machine's clock is another: cycles count from there. */
  ClockStart = 876,

  // Interrupt strategies (irq/strategies/).
  /** `Strategy` that the machine runs under. */
  Strategy = 900,
  /** `MaskSignals`: the kind of host signal that carries events to the vCPU thread. */
  MaskSignals = 901,
  /** 1 while event signals are blocked on the vCPU thread (host-mask). */
  HostMasked = 902,
  /** Changes of the host's signal mask made for the guest, 64 bits. */
  MaskCalls = 904,
  /** System calls that the addon has made on the vCPU thread, 64 bits. */
  HostCalls = 906,
  /** Changes of the guest's IF that the strategy was told of, 64 bits (virtual-mask is told of none). */
  FlagSwitches = 908,
  /** Sensitive instructions that trapped, 64 bits. */
  Traps = 910,
  /** Guest memory reads that finding the segment of a trapped instruction took, 64 bits. */
  TrapSegmentReads = 912,
  /** Page-table entries read for trapped instructions, 64 bits. */
  TrapTableReads = 914,
  /** Bytes fetched of trapped instructions, 64 bits. */
  TrapFetchBytes = 916,
  /** Trapped instructions decoded and emulated, 64 bits each: fewer than `Traps` where one of the steps ended in a guest fault. */
  TrapDecodes = 918,
  TrapEmulations = 920,
  /** Process-directed signals that another thread took and sent on to the vCPU thread, 64 bits. */
  Forwarded = 922,
  /** Samples taken by the profiler, 64 bits. */
  Samples = 924,
  /** Events per irq that have been sent as host signals and not been taken by a handler: 16 words. */
  InHost = 928,
  /** Those of `Traps` that a signal of the host was: a faulting instruction of translated code, 64 bits. */
  TrapSignals = 946,
  /** Faults of translated code that found the window gone from the GS base (native/gsBase.cc), 64 bits. */
  WindowsLost = 948,
  /**
   * What FS and GS were last loaded with in native code, for translated code to load again: `KnownWord`s of FS, then of GS. Segments from some
   * base on with no limit, which can be read and written.
   */
  KnownSegments = 952,
  Count = 1024,
}

/** Words of a segment in `Word.KnownSegments`. */
export const enum KnownWord {
  /** As it was loaded; 0 when nothing is known. */
  Selector = 0,
  /** The descriptor in memory. */
  Low = 1,
  High = 2,
  /** The descriptor as `SegmentWord` has it. */
  Base = 3,
  Access = 4,
  Count = 5,
}

/** Addresses that native code keeps for TypeScript's TLB (`Word.FlushedPages`) before it asks to be relieved of them. */
export const FLUSHED_PAGES = 16;

/** Upper half of `Word.FsAway` and `Word.GsAway` where translated code is to be kept away: it makes an address one that no access can have. */
export const AWAY_HIGH = 1 << 30;

/** How the guest's IF reaches the host (`Word.Strategy`). */
export const enum Strategy {
  VirtualMask = 0,
  HostMask = 1,
  TrapAndEmulate = 2,
}

/** Kinds of host signals (`Word.MaskSignals`). */
export const enum MaskSignals {
  /** Each event is queued. */
  Realtime = 0,
  /** Events merge in the host kernel while one is pending. */
  Standard = 1,
}

/** Why translated code was left (`Word.XlateExit`). */
export const enum XlateExit {
  /** No fragment for `Word.NextEip` in the jump table. */
  Miss = 0,
  /** `Word.Attention` is not 0, or an interrupt may have become deliverable. */
  Attention = 1,
  /** The instruction at `Word.NextEip` is for the interpreter. */
  Interpret = 2,
  /** The host instruction raised a guest exception: `FaultVector`, `FaultError`, `FaultLinear`. */
  Fault = 3,
  /** The access must not be made in place (MMIO, ROM, code page, window full): the interpreter runs the instruction. */
  Slow = 4,
  /** HLT: `Word.Halted` is for the engine to set. */
  Halt = 5,
  /** A sensitive instruction under trap-and-emulate, for which a privileged one of the host stood. */
  Trap = 6,
}

/** Bits of `Word.Attention`. */
export const enum Attention {
  /** The virtual PIC may have something to deliver: look at it. */
  Interrupt = 1 << 0,
  /** The host timer has expired: run the due deadlines. */
  Timer = 1 << 1,
  /** A device back end has put something into a ring. */
  Device = 1 << 2,
  Nmi = 1 << 3,
  Pause = 1 << 4,
  Stop = 1 << 5,
  /** The profiler's timer has expired: take a sample, whatever IF says. */
  Sample = 1 << 6,
}

/** Why a machine ended. Not a const enum: it is part of the API, and compilers with `isolatedModules` refuse const enums of a package. */
export enum ExitReason {
  None = 0,
  /** The guest asked for power-off (isa-debug-exit, ROM Shutdown). */
  Shutdown = 1,
  /** The guest asked for a reset. */
  Reboot = 2,
  TripleFault = 3,
  /** HLT with IF clear and no NMI possible: nothing can ever wake the guest. */
  DeadHalt = 4,
  /** The guest broke the boot or ROM contract; the message says how. */
  Killed = 5,
  /** The host asked (stop(), Ctrl-A x, a signal). */
  Stopped = 6,
  /** The guest kernel said so (pvpanic). */
  Panicked = 7,
}
