/** Rate of the guest's TSC in Hz, the same on every host: a cycle is a nanosecond (docs/decisions/0005). */
export const CYCLES_HZ = 1_000_000_000;

/** Machine time: nanoseconds since the machine started, as a double (exact for 104 days). */
export interface Clock {
  /** Nanoseconds since start; never goes back. */
  now(): number;
  /** Rate of the TSC and of the ROM's cycle counters in Hz. */
  readonly cyclesHz: number;
  /** Cycles since start at `cyclesHz`. */
  cycles(): number;
  /** Nanoseconds since 1970-01-01 UTC (a double: about 256 ns of resolution). */
  wallclock(): number;
}

/** The one host timer of a vCPU: when it expires, `Attention.Timer` is set. */
export interface HostTimer {
  /** Arms for `deadlineNs` in machine time (past = at once), or disarms with undefined. Replaces what was armed. */
  arm(deadlineNs: number | undefined): void;
}
