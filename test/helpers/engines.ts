/**
 * The engines that can run a guest. Every test of what instructions mean runs under each of them, so that a new engine is held to all
 * of it by one more row here. Read before: `../../src/interp/interpreter.ts`.
 */
import { Interpreter } from '../../src/interp/interpreter.js';
import type { PhysMemory } from '../../src/memory/phys.js';
import type { Vcpu } from '../../src/vcpu/vcpu.js';

/** What the run loop asks of an engine. */
export interface RunningEngine {
  /** Runs until something wants the run loop or about `limit` instructions have retired; returns how many have. */
  run(limit: number): number;
  /** Says where the ROM lies in physical memory. */
  setRom(start: number, sizeBytes: number): void;
}

export interface EngineKind {
  readonly name: string;
  readonly make: (cpu: Vcpu, phys: PhysMemory) => RunningEngine;
  /** Makes guest RAM and the state block, where they have to be of a certain kind. */
  readonly allocate?: (sizeBytes: number) => ArrayBufferLike;
  /** Gives back what `make` and `allocate` took; nothing of the machine may be used after it. */
  readonly close?: () => void;
}

/** Runs one instruction at a time, each through the checked way that single-stepping takes. */
class SingleStepper implements RunningEngine {
  private readonly _interpreter: Interpreter;

  constructor(cpu: Vcpu, phys: PhysMemory) {
    this._interpreter = new Interpreter(cpu, phys);
  }

  run(limit: number): number {
    let retired = 0;
    while (retired < limit) {
      const count = this._interpreter.run(1);
      if (count === 0) break;
      retired += count;
    }
    return retired;
  }

  setRom(start: number, sizeBytes: number): void {
    this._interpreter.setRom(start, sizeBytes);
  }
}

export const engines: readonly EngineKind[] = [
  { name: 'interpreter', make: (cpu, phys) => new Interpreter(cpu, phys) },
  { name: 'interpreter, one instruction a run', make: (cpu, phys) => new SingleStepper(cpu, phys) },
];
