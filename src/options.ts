/**
 * The options of a machine, in one table: the API checks values by it, the command line parses text by it and prints its help.
 *
 * It stands outside the layers because both ends of them use it. Every check throws a ConfigError that names the value and says what
 * to give instead. Read before: `errors.ts`. Read after: `cli/options.ts`, `machine/machine.ts`.
 */
import { checkDevices, checkDrives, checkSerial, parseDevice, parseDrive, parseSerial } from './deviceOptions.js';
import { ConfigError } from './errors.js';
import { routableSignal, signalName } from './hostSignals.js';

/** Name of a host signal as the API takes it; the real-time ones have no name of Node's. */
export type HostSignal = NodeJS.Signals | 'SIGRTMIN' | `SIGRTMIN+${number}`;

/** A host signal that raises a guest interrupt line. */
export interface SignalRouteValue {
  readonly signal: HostSignal;
  readonly irq: number;
}

/** One option of a machine. */
export interface OptionRow {
  /** Its name in the API. */
  readonly key: string;
  /** Its spelling on the command line with the value's syntax; undefined = API only. */
  readonly flags?: string;
  readonly help: string;
  /** The default as help prints it. */
  readonly defaultText?: string;
  /** May be given several times; the API takes an array. */
  readonly isRepeatable?: boolean;
  /** From the command line's text to the API's value. */
  readonly parse?: (text: string) => unknown;
  /** Throws ConfigError unless `value` is one that the API takes. */
  readonly check: (value: unknown) => void;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
export const MIN_MEMORY_BYTES = 8 * MIB;
export const MAX_MEMORY_BYTES = 3 * GIB;
export const DEFAULT_MEMORY_BYTES = 128 * MIB;
const PAGE_BYTES = 4096;

/** Throws `BAD_MEMORY_SIZE` unless `bytes` is a memory size that a machine can have. */
export function checkMemoryBytes(bytes: unknown): void {
  checkMemory(bytes, `memory size ${String(bytes)}`, '8 MiB to 3 GiB in bytes, a multiple of 4096');
}

function checkMemory(bytes: unknown, what: string, range: string): void {
  if (
    typeof bytes !== 'number' ||
    !Number.isSafeInteger(bytes) ||
    bytes < MIN_MEMORY_BYTES ||
    bytes > MAX_MEMORY_BYTES ||
    bytes % PAGE_BYTES !== 0
  )
    throw new ConfigError('BAD_MEMORY_SIZE', `${what} is not possible; give ${range}`);
}

/**
 * Parses a memory size: a whole number with suffix K, M or G (KiB, MiB, GiB); without one it is MiB, as QEMU has it.
 *
 * @returns bytes
 * @throws ConfigError `BAD_MEMORY_SIZE`
 */
export function parseMemorySize(text: string): number {
  const [, digits, suffix] = /^(\d{1,10})([KMG]?)$/i.exec(text) ?? [];
  const unit = { K: KIB, M: MIB, G: GIB, '': MIB }[(suffix ?? '').toUpperCase()] ?? NaN;
  const bytes = Number(digits) * unit;
  checkMemory(
    bytes,
    `memory size '${text}'`,
    'a whole number with K, M or G, from 8M to 3G and in steps of 4K, such as 128M',
  );
  return bytes;
}

/** Throws `BAD_IRQ` unless `irq` is an 8259 input that can be raised from outside. */
export function checkIrq(irq: unknown): void {
  if (typeof irq !== 'number' || !Number.isInteger(irq) || irq < 0 || irq > 15 || irq === 2)
    throw new ConfigError(
      'BAD_IRQ',
      `irq ${String(irq)} cannot be raised; give 0 to 15, but not 2 (it cascades the second 8259)`,
    );
}

/** Throws `BAD_OPTION` unless `signal` is text, `SIGNAL_UNKNOWN` or `SIGNAL_REFUSED` unless it can become an interrupt. */
export function checkSignal(signal: unknown): void {
  if (typeof signal !== 'string') throw wrongType('signal of a route', "a string such as 'SIGUSR1'", signal);
  routableSignal(signal);
}

/**
 * Parses `USR1=irq5` (also `SIGUSR1=5`, `RTMIN+2=irq5`).
 *
 * @throws ConfigError `BAD_SIGNAL_ROUTE`, `SIGNAL_UNKNOWN`, `SIGNAL_REFUSED`, `BAD_IRQ`
 */
export function parseSignalRoute(text: string): SignalRouteValue {
  const [, name, digits] = /^([A-Za-z0-9+-]+)=(?:irq)?(\d{1,3})$/i.exec(text) ?? [];
  if (name === undefined)
    throw new ConfigError(
      'BAD_SIGNAL_ROUTE',
      `signal route '${text}' is not understood; write NAME=irqN, such as USR1=irq5`,
    );
  const signal = signalName(routableSignal(name)) as HostSignal;
  const irq = Number(digits);
  checkIrq(irq);
  return { signal, irq };
}

function checkRoutes(value: unknown): void {
  if (!Array.isArray(value)) throw wrongType('signals', 'an array of { signal, irq }', value);
  const seen = new Set<unknown>();
  for (const route of value as unknown[]) {
    const { signal, irq } = (route ?? {}) as Partial<SignalRouteValue>;
    checkSignal(signal);
    checkIrq(irq);
    if (seen.has(signal))
      throw new ConfigError('BAD_SIGNAL_ROUTE', `${String(signal)} is routed twice; give each signal one irq`);
    seen.add(signal);
  }
}

const checkType =
  (key: string, type: 'string' | 'boolean') =>
  (value: unknown): void => {
    if (typeof value !== type) throw wrongType(key, `a ${type}`, value);
  };

const checkPath =
  (key: string) =>
  (value: unknown): void => {
    if (typeof value !== 'string' || value === '') throw wrongType(key, 'a path', value);
  };

const checkFile =
  (key: string) =>
  (value: unknown): void => {
    if (typeof value === 'string' && value !== '') return;
    const file = (typeof value === 'object' ? value : null) as { name?: unknown; bytes?: unknown } | null;
    if (typeof file?.name !== 'string' || !(file.bytes instanceof Uint8Array))
      throw wrongType(key, 'a path or { name: string, bytes: Uint8Array }', value);
  };

const checkFiles =
  (key: string) =>
  (value: unknown): void => {
    if (Array.isArray(value) && value.length > 0) value.forEach(checkFile(key));
    else checkFile(key)(value);
  };

/** What a machine can trace, by QEMU's names; `interp/trace.ts` says what each is. */
const traceItemNames = ['in_asm', 'exec', 'cpu', 'int'];

/** Throws `BAD_TRACE` unless `items` are things that can be traced. */
function checkTraceItems(items: readonly unknown[]): void {
  const unknown = items.map(String).find((item) => !traceItemNames.includes(item));
  if (items.length === 0 || unknown !== undefined)
    throw new ConfigError('BAD_TRACE', `cannot trace '${unknown ?? ''}'; give some of ${traceItemNames.join(',')}`);
}

/**
 * Parses `in_asm,int`.
 *
 * @throws ConfigError `BAD_TRACE`
 */
export function parseTraceItems(text: string): string[] {
  const items = text.split(',');
  checkTraceItems(items);
  return items;
}

function checkTrace(value: unknown): void {
  const { items, file } = (value ?? {}) as { items?: unknown; file?: unknown };
  if (!Array.isArray(items) || !['undefined', 'string'].includes(typeof file))
    throw wrongType('trace', "{ items: ['int', ...], file?: string }", value);
  checkTraceItems(items as unknown[]);
}

function checkAbortSignal(value: unknown): void {
  if (!(value instanceof AbortSignal)) throw wrongType('signal', 'an AbortSignal', value);
}

function wrongType(key: string, wanted: string, value: unknown): ConfigError {
  const found = value === null ? 'null' : value === '' ? 'an empty string' : `a value of type ${typeof value}`;
  return new ConfigError('BAD_OPTION', `option '${key}' must be ${wanted}, but is ${found}`);
}

/** Engines that can run the guest; `auto` takes the fastest that this host allows. */
export const engineNames = ['auto', 'interpreter', 'translator'] as const;
export type EngineName = (typeof engineNames)[number];

const checkedEngine = (value: unknown, what: string): unknown => oneOf(value, engineNames, 'BAD_ENGINE', what);

/** Names of the interrupt strategies; `irq/strategies/` has an object for each. */
export const strategyNames = ['virtual-mask', 'host-mask', 'trap-and-emulate'] as const;
const signalKinds = ['realtime', 'standard'] as const;

/** Ways of a page fault of translated code to the guest's handler. */
export const pageFaultWays = ['reflect', 'exit'] as const;
export type PageFaultWay = (typeof pageFaultWays)[number];

function oneOf(value: unknown, names: readonly string[], code: string, what: string): unknown {
  if (typeof value === 'string' && names.includes(value)) return value;
  throw new ConfigError(code, `${what} does not exist; give ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);
}

const checkedStrategy = (value: unknown, what: string): unknown => oneOf(value, strategyNames, 'BAD_STRATEGY', what);

const checkedPageFaultWay = (value: unknown, what: string): unknown =>
  oneOf(value, pageFaultWays, 'BAD_PAGE_FAULTS', what);

const checkedSignalKind = (value: unknown, what: string): unknown => oneOf(value, signalKinds, 'BAD_SIGNAL_KIND', what);

const MAX_PROFILE_HZ = 20_000;

/** Throws `BAD_PROFILE_RATE` unless `rateHz` is a rate at which the profiler can sample. */
export function checkProfileHz(rateHz: unknown): void {
  if (typeof rateHz === 'number' && rateHz >= 1 && rateHz <= MAX_PROFILE_HZ) return;
  throw new ConfigError(
    'BAD_PROFILE_RATE',
    `sampling ${String(rateHz)} times a second is not possible; give 1 to ${MAX_PROFILE_HZ}`,
  );
}

export const machineOptions: readonly OptionRow[] = [
  {
    key: 'kernel',
    flags: '--kernel <file>',
    help: 'kernel to boot: multiboot or i386 ELF, or Linux bzImage',
    defaultText: 'Remus, with its own initrd',
    check: checkFile('kernel'),
  },
  {
    key: 'bios',
    flags: '--bios <file>',
    help: 'start from the reset vector of a flat firmware image of up to 256 KiB instead of a kernel',
    check: checkFile('bios'),
  },
  {
    key: 'initrd',
    flags: '--initrd <file>',
    help: 'initial RAM disk (for a multiboot kernel: its module, or several as FILE,FILE)',
    check: checkFiles('initrd'),
  },
  { key: 'append', flags: '--append <text>', help: 'kernel command line', check: checkType('append', 'string') },
  {
    key: 'memoryBytes',
    flags: '-m, --memory <size>',
    help: 'guest memory, 8M to 3G, with suffix K, M or G',
    defaultText: '128M',
    parse: parseMemorySize,
    check: checkMemoryBytes,
  },
  {
    key: 'signals',
    flags: '--signal <name=irqN>',
    help: 'turn a signal sent to this process into a guest interrupt; may be repeated',
    isRepeatable: true,
    parse: parseSignalRoute,
    check: checkRoutes,
  },
  {
    key: 'drives',
    flags: '--drive <spec>',
    help: 'plug in a disk: file=IMAGE[,readonly=on][,snapshot=on][,overlay=FILE][,serial=TEXT][,if=none,id=ID]; may be repeated',
    isRepeatable: true,
    parse: parseDrive,
    check: checkDrives,
  },
  {
    key: 'devices',
    flags: '--device <spec>',
    help: 'plug in a device: virtconsole, virtio-rng-pci, virtio-blk-device,drive=ID and others (docs/virtio.md); may be repeated',
    isRepeatable: true,
    parse: parseDevice,
    check: checkDevices,
  },
  {
    key: 'serial',
    flags: '--serial <where>',
    help: 'where COM1 leads: stdio (mon:stdio), null or file:PATH',
    defaultText: 'stdio',
    parse: parseSerial,
    check: checkSerial,
  },
  { key: 'rom', flags: '--no-rom', help: 'leave the VMI ROM out', check: checkType('rom', 'boolean') },
  {
    key: 'native',
    flags: '--no-native',
    help: 'do without the native addon: no POSIX timer, the clock is polled',
    check: checkType('native', 'boolean'),
  },
  {
    key: 'engine',
    flags: '--engine <name>',
    help: 'what runs the guest: auto, interpreter or translator',
    defaultText: 'auto',
    parse: (text) => checkedEngine(text, `engine '${text}'`),
    check: (value) => void checkedEngine(value, `option 'engine': ${String(value)}`),
  },
  {
    key: 'pageFaults',
    flags: '--page-faults <way>',
    help: "how page faults of translated code reach the guest's handler: reflect, in native code, or exit, through TypeScript",
    defaultText: 'reflect',
    parse: (text) => checkedPageFaultWay(text, `way of page faults '${text}'`),
    check: (value) => void checkedPageFaultWay(value, `option 'pageFaults': ${String(value)}`),
  },
  {
    key: 'translations',
    flags: '--translations <folder>',
    help: "where translated code is kept from one run to the next, for faster boots, or 'off'",
    defaultText: 'romulus/translations below $XDG_CACHE_HOME or ~/.cache',
    check: checkPath('translations'),
  },
  {
    key: 'perfMap',
    flags: '--perf-map',
    help: 'write /tmp/perf-PID.map, by which Linux perf names translated code',
    check: checkType('perfMap', 'boolean'),
  },
  {
    key: 'dumpFragments',
    flags: '--dump-fragments <file>',
    help: "write each piece of translated code to this file, the guest's instructions beside the host's; slow",
    check: checkPath('dumpFragments'),
  },
  {
    key: 'interrupts',
    flags: '--interrupts <strategy>',
    help: 'how the guest interrupt flag reaches the host: virtual-mask, host-mask or trap-and-emulate',
    defaultText: 'virtual-mask',
    parse: (text) => checkedStrategy(text, `interrupt strategy '${text}'`),
    check: (value) => void checkedStrategy(value, `option 'interrupts': ${String(value)}`),
  },
  {
    key: 'maskSignals',
    flags: '--mask-signals <kind>',
    help: 'signals that carry events to the virtual CPU: realtime ones queue, standard ones merge',
    defaultText: 'realtime',
    parse: (text) => checkedSignalKind(text, `kind of signal '${text}'`),
    check: (value) => void checkedSignalKind(value, `option 'maskSignals': ${String(value)}`),
  },
  { key: 'profileHz', help: 'samples of the profiler a second', check: checkProfileHz },
  { key: 'trace', help: 'what to trace, and the file that the trace goes to', check: checkTrace },
  { key: 'signal', help: 'stops the machine when aborted', check: checkAbortSignal },
];

/**
 * Checks the options of a machine as the API takes them; options that are undefined count as left out.
 *
 * @throws ConfigError `UNKNOWN_OPTION`, `BAD_OPTION` or the code of the failing check
 */
export function checkMachineOptions(options: object): void {
  // callers in JavaScript may give anything
  const given: unknown = options;
  if (typeof given !== 'object' || given === null)
    throw new ConfigError('BAD_OPTION', `a machine takes an object of options, not ${String(given)}`);
  for (const [key, value] of Object.entries(options) as [string, unknown][]) {
    const row = machineOptions.find((candidate) => candidate.key === key);
    if (row === undefined) {
      const known = machineOptions.map((candidate) => candidate.key).join(', ');
      throw new ConfigError('UNKNOWN_OPTION', `unknown option '${key}'; a machine takes ${known}`);
    }
    if (value !== undefined) row.check(value);
  }
  const { kernel, bios, initrd, append, engine, perfMap, dumpFragments } = options as Partial<Record<string, unknown>>;
  if (engine === 'interpreter' && (perfMap === true || dumpFragments !== undefined))
    throw new ConfigError(
      'NO_FRAGMENTS',
      `${perfMap === true ? '--perf-map' : '--dump-fragments'} shows what the translator makes, but the interpreter was asked for; give --engine translator`,
    );
  if (kernel === undefined && bios === undefined)
    throw new ConfigError('NO_KERNEL', "option 'kernel' is missing; give a path or { name, bytes }");
  if (bios === undefined) return;
  const other =
    kernel !== undefined ? 'kernel' : initrd !== undefined ? 'initrd' : append !== undefined ? 'append' : undefined;
  if (other !== undefined)
    throw new ConfigError('BIOS_AND_KERNEL', `'bios' and '${other}' exclude each other: firmware loads its own kernel`);
}
