/** The public API: machines, what they tell, and the errors they throw. Nothing else of the package is for importing. */
export { Machine } from './machine/machine.js';
export type { FileOption, MachineEvents, MachineOptions, SignalRoute } from './machine/machine.js';
export type { Ended, NamedFile } from './machine/messages.js';
export type { LineStatistics, RomCallStatistics, Statistics } from './machine/statistics.js';
export { ExitReason } from './vcpu/layout.js';
export { ConfigError, GuestKilled, HostError, RomulusError } from './errors.js';
