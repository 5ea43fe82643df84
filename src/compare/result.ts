/**
 * What a comparison has found, as plain data: what `--json` prints and the report is made from. Times are in the unit that the name
 * ends with. Read after: `runner.ts`.
 */
import type { LatencySummary } from '../irq/latency.js';

/** One value per round. */
export interface Series {
  readonly values: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @returns undefined for no values */
export function series(values: readonly number[]): Series | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { values, median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/** CPU time of the vCPU thread, to the 10 ms of /proc; undefined where the host does not tell. */
export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
}

/** Where events went. raised = delivered + merged + lost, once none is pending. */
export interface EventCounts {
  readonly raised: number;
  readonly delivered: number;
  readonly merged: number;
  readonly lost: number;
}

/** A flag toggle storm. */
export interface ToggleResult {
  /** Cost of one disable and enable. */
  readonly pairNs: Series;
  /** Flag operations that the guest executed in all rounds: two a pair. */
  readonly flagOperations: number;
  /** System calls counted meanwhile. */
  readonly hostCalls: number;
  readonly hostCallsPer1000: number;
  readonly traps: number;
  /** Those of them that were a SIGSEGV on the host. */
  readonly trapSignals: number;
  readonly cpu: CpuTime | undefined;
}

export interface LatencyResult {
  readonly latency: LatencySummary;
  readonly events: EventCounts;
  readonly rateHz: number;
}

export interface StormResult {
  readonly askedHz: number;
  readonly reachedHz: Series;
  readonly events: EventCounts;
  /** Interrupts that the guest handled a second. */
  readonly handledHz: Series;
  /** Rounds of computation a second. */
  readonly workHz: Series;
  readonly latency: LatencySummary | undefined;
  /** How often the host's signal queue was full. */
  readonly queueFull: number;
  readonly cpu: CpuTime | undefined;
}

export interface TickResult {
  readonly workHz: Series;
  readonly ticksHz: Series;
  readonly cpu: CpuTime | undefined;
}

export interface VariantResult {
  readonly name: string;
  readonly bootMs: Series | undefined;
  readonly toggle: ToggleResult | undefined;
  readonly cli: ToggleResult | undefined;
  readonly latency: LatencyResult | undefined;
  readonly idle: LatencyResult | undefined;
  readonly storms: readonly StormResult[];
  readonly tick: TickResult | undefined;
  /** One switch from process to process. */
  readonly switchNs: Series | undefined;
  /** Of all workloads. */
  readonly cpu: CpuTime | undefined;
}

export interface Comparison {
  readonly host: {
    readonly cpu: string;
    readonly cores: number;
    readonly kernel: string;
    readonly node: string;
    /** Whether anything else ran: processes ready to run when the comparison began and ended. */
    readonly loadBefore: number;
    readonly loadAfter: number;
  };
  readonly settings: {
    readonly rounds: number;
    readonly windowMs: number;
    readonly rates: readonly number[];
    readonly rom: boolean;
    /** What ran the guest. */
    readonly engine: string;
    readonly workloads: readonly string[];
  };
  readonly startedAt: string;
  readonly tookSeconds: number;
  readonly variants: readonly VariantResult[];
  /** What the reader must know: rates that the host did not reach, events that were lost. */
  readonly notes: readonly string[];
}
