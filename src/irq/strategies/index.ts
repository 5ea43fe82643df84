/** The strategies by the names that users give. Read before: `strategy.ts`. Read after: `../../machine/board.ts`. */
import { Strategy } from '../../vcpu/layout.js';
import { HostMask } from './hostMask.js';
import type { InterruptStrategy } from './strategy.js';
import { TrapAndEmulate } from './trapAndEmulate.js';
import { VirtualMask } from './virtualMask.js';

const makers = {
  'virtual-mask': () => new VirtualMask(),
  'host-mask': () => new HostMask(),
  'trap-and-emulate': () => new TrapAndEmulate(),
} satisfies Record<string, () => InterruptStrategy>;

export type StrategyName = keyof typeof makers;

const names: Record<Strategy, StrategyName> = {
  [Strategy.VirtualMask]: 'virtual-mask',
  [Strategy.HostMask]: 'host-mask',
  [Strategy.TrapAndEmulate]: 'trap-and-emulate',
};

/** A strategy's name from its number in the state block. */
export const strategyName = (number: Strategy): StrategyName => names[number];

export const makeStrategy = (name: StrategyName): InterruptStrategy => makers[name]();
