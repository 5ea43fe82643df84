/**
 * The engines that recorded cases are played under, each of which must give what the real CPU gave. The list is that of all tests of what
 * instructions mean; an engine that needs memory of a certain kind makes a factory of its own.
 * Read before: `../helpers/engines.ts`. Read after: `userMachine.ts`.
 */
import { engines as kinds } from '../helpers/engines.js';
import type { PhysMemory } from '../../src/memory/phys.js';
import type { Vcpu } from '../../src/vcpu/vcpu.js';

export interface RunningEngine {
  /** As `Interpreter.run`. */
  run(limit: number): number;
}

export interface EngineFactory {
  readonly name: string;
  /** Makes the memory of the machine and its state block, where it has to be of a certain kind. */
  readonly allocate?: (sizeBytes: number) => ArrayBufferLike;
  create(cpu: Vcpu, phys: PhysMemory): RunningEngine;
}

export const engines: readonly EngineFactory[] = kinds.map(({ name, make }) => ({ name, create: make }));

/** The first of them: what cases are compared with while they are made. */
export const referenceEngine: EngineFactory = engines[0];
