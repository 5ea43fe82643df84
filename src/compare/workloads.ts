/** The workloads of `romulus compare` by name. What each does stands in `runner.ts` and guest/programs/workload.c. */
import { ConfigError } from '../errors.js';

export type WorkloadName = 'boot' | 'toggle' | 'cli' | 'latency' | 'idle' | 'storm' | 'tick' | 'pingpong';

export interface Workload {
  readonly name: WorkloadName;
  readonly help: string;
  /** It makes ROM calls. */
  readonly needsRom: boolean;
}

export const workloads: readonly Workload[] = [
  { name: 'boot', help: 'from the start of the machine to the prompt of Remus', needsRom: false },
  { name: 'toggle', help: 'flag toggle storm: DisableInterrupts and EnableInterrupts of the ROM', needsRom: true },
  { name: 'cli', help: 'flag toggle storm: CLI and STI', needsRom: false },
  { name: 'latency', help: 'injection latency, 1,000 events a second while the guest computes', needsRom: false },
  { name: 'idle', help: 'injection latency, 1,000 events a second while the guest sleeps', needsRom: false },
  { name: 'storm', help: 'events at rising rates while the guest computes', needsRom: false },
  { name: 'tick', help: 'timer tick under compute load', needsRom: false },
  { name: 'pingpong', help: 'two processes hand the CPU to each other', needsRom: false },
];

/**
 * @param text names joined by commas; undefined = all that can run
 * @param hasRom whether the machine will have the VMI ROM
 * @throws ConfigError `BAD_WORKLOAD` for a name that is none, `NEEDS_ROM` for a chosen workload that cannot run without the ROM
 */
export function parseWorkloads(text: string | undefined, hasRom: boolean): readonly Workload[] {
  if (text === undefined) return workloads.filter(({ needsRom }) => hasRom || !needsRom);
  return text.split(',').map((part) => {
    const name = part.trim();
    const workload = workloads.find((known) => known.name === name);
    if (workload === undefined)
      throw new ConfigError(
        'BAD_WORKLOAD',
        `workload '${name}' does not exist; give ${workloads.map((known) => known.name).join(', ')}`,
      );
    if (workload.needsRom && !hasRom)
      throw new ConfigError(
        'NEEDS_ROM',
        `workload '${name}' measures calls of the VMI ROM, and --no-rom leaves it out; use 'cli', which toggles by instructions`,
      );
    return workload;
  });
}
