/**
 * Runs the workloads under each strategy in turn: every round takes every workload, and every workload goes through all the variants
 * before the next begins, so that whatever the host does meanwhile falls on all alike. Each round begins with another variant. One machine
 * per variant lives through all rounds and stands still while it is not its turn; `boot` makes machines of its own.
 *
 * Read before: `workloads.ts`, `guest.ts`, `sender.ts`. Read after: `text.ts`, `html.ts`.
 */
import { cpus, loadavg, release } from 'node:os';
import { HostError } from '../errors.js';
import { mergeSummaries, type LatencySummary } from '../irq/latency.js';
import type { LineStatistics } from '../machine/statistics.js';
import type { MachineOptions } from '../machine/machine.js';
import { tryNative } from '../native.js';
import { GuestSession, type GuestCounts } from './guest.js';
import { series } from './result.js';
import type { Comparison, CpuTime, EventCounts, LatencyResult, StormResult, ToggleResult } from './result.js';
import type { VariantResult } from './result.js';
import { Sender } from './sender.js';
import type { Variant } from './variants.js';
import type { Workload } from './workloads.js';

/** Line on which events are sent: nobody in Remus uses it. */
const IRQ = 5;
/** Rate at which injection latency is measured. */
const LATENCY_HZ = 1000;
/** The sender falls short of a rate when it reaches less than this of it. */
const REACHED = 0.95;
/** The first round of each machine warms up V8 and is not counted. */
const WARM_UP_MS = 150;

export interface CompareSettings {
  readonly variants: readonly Variant[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** How long one measurement takes. */
  readonly windowMs: number;
  /** Storms, in events a second. */
  readonly rates: readonly number[];
  /** Kernel, initrd, memory, ROM. */
  readonly machine: MachineOptions;
  /** Told before each step, with the part of the work that is done. */
  readonly onProgress?: (done: number, what: string) => void;
  /** Ends the comparison early; what has been measured is dropped. */
  readonly signal?: AbortSignal;
}

interface Measured {
  readonly counts: GuestCounts;
  readonly cpu: CpuTime | undefined;
  readonly hostCalls: number;
  readonly traps: number;
  readonly trapSignals: number;
}

interface Sent extends Measured {
  readonly reachedHz: number;
  readonly events: EventCounts;
  readonly latency: LatencySummary | undefined;
  readonly queueFull: number;
}

/** Everything measured under one variant, one entry a round. */
class Raw {
  readonly bootMs: number[] = [];
  readonly toggle: Measured[] = [];
  readonly cli: Measured[] = [];
  readonly latency: Sent[] = [];
  readonly idle: Sent[] = [];
  readonly storms = new Map<number, Sent[]>();
  readonly tick: Measured[] = [];
  readonly pingpong: Measured[] = [];
}

/** Runs the comparison. @throws RomulusError when a machine cannot run; the reason of `signal` when that was aborted */
export async function compare(settings: CompareSettings): Promise<Comparison> {
  const { variants, workloads, rounds, windowMs, rates } = settings;
  const loaded = tryNative();
  if (loaded.native === undefined)
    throw new HostError(
      'NO_ADDON',
      `strategies are compared by real signals, for which the native addon is needed: ${loaded.failure}`,
    );
  const started = new Date();
  const loadBefore = loadavg()[0];
  const benches: Bench[] = [];
  let engine: string;
  try {
    settings.onProgress?.(0, 'booting');
    for (const variant of variants) benches.push(await Bench.open(variant, settings));
    engine = benches[0].engine;
    const stepsOf = (workload: Workload): number => (workload.name === 'storm' ? rates.length : 1);
    const steps = rounds * variants.length * workloads.reduce((sum, workload) => sum + stepsOf(workload), 0);
    let done = 0;
    for (let round = 0; round < rounds; round++) {
      for (const workload of workloads) {
        for (let turn = 0; turn < benches.length; turn++) {
          const bench = benches[(round + turn) % benches.length];
          const parts = workload.name === 'storm' ? rates : [0];
          for (const rateHz of parts) {
            settings.signal?.throwIfAborted();
            const at = rateHz ? ` at ${rateHz.toLocaleString('en-US')}/s` : '';
            settings.onProgress?.(
              done++ / steps,
              `round ${round + 1} of ${rounds}: ${workload.name}${at}, ${bench.variant.name}`,
            );
            await bench.measure(workload.name, rateHz);
          }
        }
      }
    }
    settings.onProgress?.(1, 'done');
  } finally {
    await Promise.all(benches.map((bench) => bench.close()));
  }
  const results = benches.map((bench) => bench.result());
  return {
    host: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      kernel: `Linux ${release()}`,
      node: process.version,
      loadBefore,
      loadAfter: loadavg()[0],
    },
    settings: {
      rounds,
      windowMs,
      rates,
      rom: settings.machine.rom ?? true,
      engine,
      workloads: workloads.map(({ name }) => name),
    },
    startedAt: started.toISOString(),
    tookSeconds: (Date.now() - started.getTime()) / 1000,
    variants: results,
    notes: notes(results, rates),
  };
}

function notes(results: readonly VariantResult[], rates: readonly number[]): string[] {
  const found: string[] = [];
  const number = (value: number): string => Math.round(value).toLocaleString('en-US');
  rates.forEach((rateHz, index) => {
    const short = results.flatMap(({ name, storms }) => {
      const reachedHz = storms[index]?.reachedHz.median ?? Infinity;
      return reachedHz < rateHz * REACHED ? [`${number(reachedHz)} (${name})`] : [];
    });
    if (short.length > 0)
      found.push(`${number(rateHz)} events a second were asked for, the host reached ${short.join(', ')}`);
  });
  for (const { name, storms, latency, idle } of results) {
    for (const { askedHz, queueFull } of storms) {
      if (queueFull > 0)
        found.push(
          `${name}: at ${number(askedHz)}/s the host's queue of real-time signals was full ${number(queueFull)} times; standard ` +
            'signals went instead, which merge',
        );
    }
    const lost = [...storms, latency, idle].reduce((sum, part) => sum + (part?.events.lost ?? 0), 0);
    if (lost !== 0) found.push(`${name}: ${number(lost)} events are unaccounted for, which is a bug: please report it`);
  }
  return found;
}

/** The machine of one variant, and what was measured on it. */
class Bench {
  private readonly _raw = new Raw();

  private constructor(
    readonly variant: Variant,
    private readonly _settings: CompareSettings,
    private readonly _session: GuestSession,
    private readonly _sender: Sender,
  ) {}

  static async open(variant: Variant, settings: CompareSettings): Promise<Bench> {
    const session = new GuestSession(optionsOf(variant, settings));
    try {
      await session.boot();
      const bench = new Bench(variant, settings, session, new Sender(session.machine));
      for (const name of ['cli', 'work', 'pingpong']) await session.run(name, WARM_UP_MS);
      await bench._send('work', LATENCY_HZ, WARM_UP_MS);
      session.machine.pause();
      return bench;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** What runs this machine's guest. */
  get engine(): string {
    return this._session.machine.engine?.name ?? 'unknown';
  }

  async measure(workload: Workload['name'], rateHz: number): Promise<void> {
    const raw = this._raw;
    if (workload === 'boot') {
      const session = new GuestSession(optionsOf(this.variant, this._settings));
      try {
        raw.bootMs.push(await session.boot());
      } finally {
        await session.close();
      }
      return;
    }
    this._session.machine.resume();
    switch (workload) {
      case 'toggle':
      case 'cli':
      case 'pingpong':
        raw[workload].push(await this._measure(() => this._session.run(workload, this._settings.windowMs)));
        break;
      case 'tick':
        raw.tick.push(await this._measure(() => this._session.run('work', this._settings.windowMs)));
        break;
      case 'latency':
        raw.latency.push(await this._send('work', LATENCY_HZ, this._settings.windowMs));
        break;
      case 'idle':
        raw.idle.push(await this._send('idle', LATENCY_HZ, this._settings.windowMs));
        break;
      case 'storm': {
        const known = raw.storms.get(rateHz) ?? [];
        known.push(await this._send('work', rateHz, this._settings.windowMs));
        raw.storms.set(rateHz, known);
      }
    }
    this._session.machine.pause();
  }

  async close(): Promise<void> {
    await this._sender.close();
    await this._session.close();
  }

  /** Runs something in the guest and counts what it cost the host. */
  private async _measure(run: () => Promise<GuestCounts>): Promise<Measured> {
    const { machine } = this._session;
    const cpuBefore = this._session.cpu();
    const before = machine.stats().interrupts;
    const counts = await run();
    const after = machine.stats().interrupts;
    const cpuAfter = this._session.cpu();
    return {
      counts,
      hostCalls: after.hostCalls - before.hostCalls,
      traps: after.traps.count - before.traps.count,
      trapSignals: after.traps.signals - before.traps.signals,
      cpu:
        cpuBefore && cpuAfter
          ? { userMs: cpuAfter.userMs - cpuBefore.userMs, systemMs: cpuAfter.systemMs - cpuBefore.systemMs }
          : undefined,
    };
  }

  /** The same with a train of events, sent from the moment the guest begins. */
  private async _send(name: string, rateHz: number, windowMs: number): Promise<Sent> {
    const { machine } = this._session;
    const line = (): LineStatistics | undefined => machine.stats().lines.find(({ irq }) => irq === IRQ);
    const before = line();
    machine.clearLatency(IRQ);
    let sending: Promise<Awaited<ReturnType<Sender['send']>>> | undefined;
    const measured = await this._measure(() =>
      this._session.run(name, windowMs, () => {
        sending = this._sender.send({ irq: IRQ, rateHz, durationNs: windowMs * 1e6 });
      }),
    );
    const train = await sending!;
    // What is still on its way arrives while the guest waits at its prompt.
    const deadline = performance.now() + 2000;
    let after = line();
    while (after && (after.pending || after.inHost) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      after = line();
    }
    const difference = (key: 'delivered' | 'merged'): number => (after?.[key] ?? 0) - (before?.[key] ?? 0);
    const [delivered, merged] = [difference('delivered'), difference('merged')];
    return {
      ...measured,
      reachedHz: train.sent / (train.elapsedNs / 1e9),
      events: { raised: train.sent, delivered, merged, lost: train.sent - delivered - merged },
      latency: machine.latency(IRQ),
      queueFull: train.full,
    };
  }

  result(): VariantResult {
    const raw = this._raw;
    const workHz = ({ counts }: Measured): number => counts.count / (counts.ns / 1e9);
    const all = [raw.toggle, raw.cli, raw.latency, raw.idle, ...raw.storms.values(), raw.tick, raw.pingpong].flat();
    const tickHz = series(raw.tick.map(workHz));
    return {
      name: this.variant.name,
      bootMs: series(raw.bootMs),
      toggle: toggleResult(raw.toggle),
      cli: toggleResult(raw.cli),
      latency: latencyResult(raw.latency),
      idle: latencyResult(raw.idle),
      storms: [...raw.storms].map(([askedHz, sent]) => stormResult(askedHz, sent, workHz)),
      tick: tickHz && {
        workHz: tickHz,
        ticksHz: series(raw.tick.map(({ counts }) => counts.timer / (counts.ns / 1e9)))!,
        cpu: sumCpu(raw.tick),
      },
      switchNs: series(raw.pingpong.map(({ counts }) => counts.ns / counts.count)),
      cpu: sumCpu(all),
    };
  }
}

function optionsOf(variant: Variant, settings: CompareSettings): MachineOptions {
  return { ...settings.machine, native: true, interrupts: variant.strategy, maskSignals: variant.maskSignals };
}

function toggleResult(rounds: readonly Measured[]): ToggleResult | undefined {
  const pairNs = series(rounds.map(({ counts }) => counts.ns / counts.count));
  if (pairNs === undefined) return undefined;
  const sum = (of: (round: Measured) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  const flagOperations = 2 * sum(({ counts }) => counts.count);
  const hostCalls = sum((round) => round.hostCalls);
  return {
    pairNs,
    flagOperations,
    hostCalls,
    hostCallsPer1000: (1000 * hostCalls) / flagOperations,
    traps: sum((round) => round.traps),
    trapSignals: sum((round) => round.trapSignals),
    cpu: sumCpu(rounds),
  };
}

function sumEvents(rounds: readonly Sent[]): EventCounts {
  const sum = (key: keyof EventCounts): number => rounds.reduce((total, { events }) => total + events[key], 0);
  return { raised: sum('raised'), delivered: sum('delivered'), merged: sum('merged'), lost: sum('lost') };
}

const latencyOf = (rounds: readonly Sent[]): LatencySummary | undefined =>
  mergeSummaries(rounds.flatMap(({ latency }) => (latency ? [latency] : [])));

function latencyResult(rounds: readonly Sent[]): LatencyResult | undefined {
  const latency = latencyOf(rounds);
  return latency && { latency, events: sumEvents(rounds), rateHz: LATENCY_HZ };
}

function stormResult(askedHz: number, rounds: readonly Sent[], workHz: (round: Sent) => number): StormResult {
  return {
    askedHz,
    reachedHz: series(rounds.map((round) => round.reachedHz))!,
    events: sumEvents(rounds),
    handledHz: series(rounds.map(({ counts }) => counts.storm / (counts.ns / 1e9)))!,
    workHz: series(rounds.map(workHz))!,
    latency: latencyOf(rounds),
    queueFull: rounds.reduce((total, round) => total + round.queueFull, 0),
    cpu: sumCpu(rounds),
  };
}

function sumCpu(rounds: readonly Measured[]): CpuTime | undefined {
  const known = rounds.flatMap(({ cpu }) => (cpu ? [cpu] : []));
  if (known.length === 0) return undefined;
  return {
    userMs: known.reduce((sum, { userMs }) => sum + userMs, 0),
    systemMs: known.reduce((sum, { systemMs }) => sum + systemMs, 0),
  };
}
