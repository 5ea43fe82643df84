/**
 * The command line's spelling of the options of `run`: rows of the machine's table plus those that only a terminal needs.
 *
 * Separate from `run.ts` so that parsing can be tested without a machine. Read before: `../options.ts`. Read after: `qemu.ts`.
 */
import { Option, type Command } from 'commander';
import type { DeviceOption, DriveOption, SerialOption } from '../deviceOptions.js';
import { ConfigError } from '../errors.js';
import type { TraceItem } from '../interp/trace.js';
import type { FileOption } from '../machine/machine.js';
import type { StrategyName } from '../irq/strategies/index.js';
import {
  checkMachineOptions,
  checkProfileHz,
  machineOptions,
  parseTraceItems,
  type EngineName,
  type PageFaultWay,
  type OptionRow,
  type SignalRouteValue,
} from '../options.js';
import { refuseOverwriting } from './outputs.js';

/** What `romulus run` was told, parsed and checked. */
export interface RunOptions {
  /** Undefined = Remus. */
  readonly kernel?: FileOption;
  /** Firmware to start from instead of a kernel. */
  readonly bios?: string;
  /** One file; as text also several multiboot modules with commas between. */
  readonly initrd?: FileOption;
  readonly append?: string;
  readonly memoryBytes?: number;
  readonly signals?: readonly SignalRouteValue[];
  readonly drives?: readonly DriveOption[];
  readonly devices?: readonly DeviceOption[];
  readonly serial?: SerialOption;
  readonly rom?: boolean;
  readonly native?: boolean;
  readonly interrupts?: StrategyName;
  readonly engine?: EngineName;
  readonly pageFaults?: PageFaultWay;
  /** Folder for translations, or `off`. */
  readonly translations?: string;
  readonly perfMap?: boolean;
  /** File for the listing of fragments. */
  readonly dumpFragments?: string;
  readonly maskSignals?: 'realtime' | 'standard';
  readonly stats?: boolean;
  /** File for folded stacks; the flame graph goes next to it. */
  readonly profile?: string;
  /** Samples a second. */
  readonly profileHz?: number;
  /** A System.map for the profile. */
  readonly symbols?: string;
  /** File name, or `stdio`. */
  readonly debugcon?: string;
  readonly timeoutMs?: number;
  readonly traceItems?: readonly TraceItem[];
  readonly traceFile?: string;
  readonly verbose?: boolean;
}

/** Longest time that Node's timers take, in whole seconds. */
const MAX_TIMEOUT_SECONDS = 2147483;

/** @throws ConfigError `BAD_TIMEOUT` */
export function parseTimeout(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS))
    throw new ConfigError(
      'BAD_TIMEOUT',
      `timeout '${text}' is not possible; give seconds above 0, at most ${MAX_TIMEOUT_SECONDS}, such as 30 or 0.5`,
    );
  return seconds * 1000;
}

/** @throws ConfigError `BAD_PROFILE_RATE` */
function parseProfileRate(text: string): number {
  const rateHz = text.trim() === '' ? NaN : Number(text);
  checkProfileHz(rateHz);
  return rateHz;
}

interface RunRow extends Omit<OptionRow, 'check'> {
  readonly flags: string;
}

const terminalOptions: readonly RunRow[] = [
  { key: 'debugcon', flags: '--debugcon <file>', help: "where bytes written to port 0xE9 go: a file, or 'stdio'" },
  {
    key: 'timeoutMs',
    flags: '--timeout <seconds>',
    help: 'stop the machine after this time, with exit status 124',
    parse: parseTimeout,
  },
  {
    key: 'profile',
    flags: '--profile <file>',
    help: 'sample where the guest runs; write folded stacks to this file and a flame graph to FILE.html',
  },
  {
    key: 'profileHz',
    flags: '--profile-rate <hz>',
    help: 'samples a second, 1 to 20000',
    defaultText: '1000',
    parse: parseProfileRate,
  },
  {
    key: 'symbols',
    flags: '--symbols <file>',
    help: "System.map or ELF file with the guest kernel's names, for --profile",
  },
  {
    key: 'traceItems',
    flags: '-d, --trace <items>',
    help: 'trace in_asm, exec, cpu or int (several with commas); slow',
    parse: parseTraceItems,
  },
  { key: 'traceFile', flags: '-D, --trace-file <file>', help: 'where the trace goes (default: standard error)' },
  { key: 'stats', flags: '--stats', help: 'print the counters when the machine ends: interrupts, ROM calls, exits' },
  { key: 'verbose', flags: '-v, --verbose', help: 'say on stderr what is done; also turns debug output on' },
];

const hasFlags = (row: OptionRow): row is OptionRow & RunRow => row.flags !== undefined;

export const runRows: readonly RunRow[] = [...machineOptions.filter(hasFlags), ...terminalOptions];

/**
 * Adds the options of `run` to a command.
 *
 * @param helps help by key where the command has its own; undefined leaves the option out
 */
export function addRunOptions(command: Command, helps: Readonly<Record<string, string | undefined>> = {}): void {
  for (const row of runRows) {
    const isOwn = Object.hasOwn(helps, row.key);
    const help = isOwn
      ? helps[row.key]
      : row.defaultText === undefined
        ? row.help
        : `${row.help} (default: ${row.defaultText})`;
    if (help === undefined) continue;
    const option = new Option(row.flags, help);
    const { parse } = row;
    if (row.isRepeatable && parse !== undefined)
      option.argParser((text, previous: unknown[] | undefined) => [...(previous ?? []), parse(text)]);
    else if (parse !== undefined) option.argParser(parse);
    command.addOption(option);
  }
}

/**
 * Turns what commander has parsed into `RunOptions`: commander names values after their flags, the table after the API.
 *
 * @throws ConfigError from the machine's table, and for options that do not go together
 */
export function toRunOptions(command: Command): RunOptions {
  const options: Record<string, unknown> = {};
  for (const row of runRows) {
    const attribute = new Option(row.flags).attributeName();
    const value: unknown = command.getOptionValue(attribute);
    if (value !== undefined && command.getOptionValueSource(attribute) !== 'default') options[row.key] = value;
  }
  const ofMachine = Object.fromEntries(
    Object.entries(options).filter(([key]) => machineOptions.some((row) => row.key === key)),
  );
  checkMachineOptions(ofMachine.bios === undefined ? { kernel: 'remus.elf', ...ofMachine } : ofMachine);
  if (options.traceFile !== undefined && options.traceItems === undefined)
    throw new ConfigError('BAD_TRACE', '-D needs -d: say what to trace, such as -d in_asm,int');
  if (options.profile === undefined && (options.profileHz ?? options.symbols) !== undefined)
    throw new ConfigError(
      'BAD_PROFILE',
      '--profile-rate and --symbols belong to --profile FILE: say where the profile goes',
    );
  refuseOverwriting(options);
  return options;
}
