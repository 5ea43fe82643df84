/** The public API: machines, what they tell, and the errors they throw. Nothing else of the package is for importing. */
export { Machine } from './machine/machine.js';
export type { FileOption, MachineEvents, MachineOptions, SignalRoute } from './machine/machine.js';
export type { DeviceOption, DriveOption, SerialOption } from './deviceOptions.js';
export type { Channel, ChannelEvents } from './machine/channel.js';
export type { ExecOptions, TerminalSize } from './machine/exec/agent.js';
export type { ExecResult, GuestProcess, GuestProcessEvents } from './machine/exec/guestProcess.js';
export { EXEC_PORT } from './machine/exec/protocol.js';
export { remus } from './machine/remus.js';
export { debianLinux } from './linux/debianLinux.js';
export type { DebianLinuxOptions } from './linux/debianLinux.js';
export type { Ended, NamedFile } from './machine/messages.js';
export type {
  LineStatistics,
  RomCallStatistics,
  Statistics,
  StrategyStatistics,
  TrapStatistics,
} from './machine/statistics.js';
export type { LatencyBucket, LatencySummary } from './irq/latency.js';
export type { StrategyName } from './irq/strategies/index.js';
export type { Profile, Sample } from './profile/sampler.js';
export { ExitReason } from './vcpu/layout.js';
export { ConfigError, GuestKilled, HostError, RomulusError } from './errors.js';
