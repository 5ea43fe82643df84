/**
 * How long events waited, as one histogram per line: from the event's stamp (a signal: when it was sent or, where the sender is a
 * stranger, when its handler ran) to the moment the CPU stood at the first instruction of the guest's handler. It is shared memory, so
 * that whoever watches the machine can read it while it runs.
 *
 * Buckets grow with the value: 32 to every doubling, so a percentile is exact to about 3 %. Read before: `accounts.ts`. Read after:
 * `../machine/runLoop.ts`.
 */
import { IRQ_COUNT } from './record.js';

const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const BUCKETS = (32 - SUB_BITS + 1) * SUB;
/** Behind the buckets: number of values, lowest, highest. */
const COUNT = BUCKETS;
const LOWEST = BUCKETS + 1;
const HIGHEST = BUCKETS + 2;
const LINE_WORDS = BUCKETS + 4;
const LIMIT_NS = 0xffff_ffff;

/** Size of the shared memory behind a `Latencies`. */
export const LATENCIES_BYTES = IRQ_COUNT * LINE_WORDS * 4;

/** One bucket of a histogram: values from `fromNs` up to `toNs`, which is the first beyond. */
export interface LatencyBucket {
  readonly fromNs: number;
  readonly toNs: number;
  readonly count: number;
}

export interface LatencySummary {
  readonly count: number;
  readonly minNs: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
  /** The buckets that are not empty. */
  readonly buckets: readonly LatencyBucket[];
}

const bucketOf = (ns: number): number => {
  if (ns < SUB) return ns;
  const exponent = 31 - Math.clz32(ns);
  return ((exponent - SUB_BITS + 1) << SUB_BITS) + ((ns >>> (exponent - SUB_BITS)) & (SUB - 1));
};

const lowerEnd = (bucket: number): number => {
  if (bucket < SUB) return bucket;
  const exponent = (bucket >> SUB_BITS) + SUB_BITS - 1;
  return 2 ** exponent + (bucket & (SUB - 1)) * 2 ** (exponent - SUB_BITS);
};

export class Latencies {
  private readonly _words: Uint32Array;

  /** @param buffer `LATENCIES_BYTES` long, zeroed by whoever makes it */
  constructor(buffer: ArrayBufferLike) {
    this._words = new Uint32Array(buffer);
  }

  /** Adds a value; for the vCPU thread. */
  add(irq: number, waitedNs: number): void {
    const ns = Math.min(Math.max(Math.round(waitedNs), 0), LIMIT_NS) >>> 0;
    const words = this._words;
    const base = irq * LINE_WORDS;
    if (words[base + COUNT] === 0 || ns < words[base + LOWEST]) words[base + LOWEST] = ns;
    if (ns > words[base + HIGHEST]) words[base + HIGHEST] = ns;
    words[base + bucketOf(ns)]++;
    words[base + COUNT]++;
  }

  /** Forgets the values of a line. A value added meanwhile by the vCPU thread may be kept or lost. */
  clear(irq: number): void {
    this._words.fill(0, irq * LINE_WORDS, (irq + 1) * LINE_WORDS);
  }

  /** @returns undefined while there is no value */
  summary(irq: number): LatencySummary | undefined {
    const line = this._words.slice(irq * LINE_WORDS, (irq + 1) * LINE_WORDS);
    const count = line[COUNT];
    if (count === 0) return undefined;
    const buckets: LatencyBucket[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++)
      if (line[bucket] !== 0)
        buckets.push({ fromNs: lowerEnd(bucket), toNs: lowerEnd(bucket + 1), count: line[bucket] });
    return summarize(buckets, line[LOWEST], line[HIGHEST]);
  }
}

/** The summary of several runs together. @returns undefined when there are none */
export function mergeSummaries(summaries: readonly LatencySummary[]): LatencySummary | undefined {
  if (summaries.length === 0) return undefined;
  const merged = new Map<number, LatencyBucket>();
  for (const bucket of summaries.flatMap((summary) => summary.buckets))
    merged.set(bucket.fromNs, { ...bucket, count: bucket.count + (merged.get(bucket.fromNs)?.count ?? 0) });
  const buckets = [...merged.values()].sort((first, second) => first.fromNs - second.fromNs);
  const lowest = Math.min(...summaries.map((summary) => summary.minNs));
  const highest = Math.max(...summaries.map((summary) => summary.maxNs));
  return summarize(buckets, lowest, highest);
}

function summarize(buckets: readonly LatencyBucket[], minNs: number, maxNs: number): LatencySummary {
  const count = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const percentile = (part: number): number => {
    let left = Math.ceil(part * count);
    for (const bucket of buckets) {
      left -= bucket.count;
      // The middle of the bucket, kept between what was really seen.
      if (left <= 0) return Math.min(Math.max((bucket.fromNs + bucket.toNs) / 2, minNs), maxNs);
    }
    return maxNs;
  };
  return {
    count,
    minNs,
    p50Ns: percentile(0.5),
    p90Ns: percentile(0.9),
    p99Ns: percentile(0.99),
    p999Ns: percentile(0.999),
    maxNs,
    buckets,
  };
}
