/**
 * `romulus run`: boots a kernel and makes this terminal its console until the guest ends, the user leaves, or the time is up.
 *
 * The order is the story: machine, terminal, signals, start, wait, give back, report. Read before: `options.ts`, `terminal.ts`,
 * `signals.ts`. Read after: `../machine/machine.ts`.
 */
import { createWriteStream } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import type { Writable } from 'node:stream';
import { enableLog } from '../log.js';
import { DEFAULT_MEMORY_BYTES } from '../options.js';
import { openOutput, unwritable } from '../outputFile.js';
import { ExitReason } from '../vcpu/layout.js';
import type { Ended } from '../machine/messages.js';
import type { Machine, MachineOptions } from '../machine/machine.js';
import { defaultCacheFolder } from '../linux/cache.js';
import { kernelWarnings } from '../linux/kernelConfig.js';
import { remus } from '../machine/remus.js';
import { VcpuThread } from '../machine/vcpuThread.js';
import type { RunOptions } from './options.js';
import { DEFAULT_PROFILE_HZ, prepareProfile, writeProfile } from './profile.js';
import { statusOfSignal, watchSignals } from './signals.js';
import { formatStatistics, formatTranslator } from './stats.js';
import { Terminal, TERMINAL_HELP, type TerminalCommand, type TerminalOwner } from './terminal.js';

/** What the host lacks. */
const STATUS_FAILED = 1;
/** Exit status when --timeout has ended the machine, as of timeout(1). */
const STATUS_TIMEOUT = 124;

export const EXIT_STATUS_HELP = `Exit status:
  0    the guest powered off, or Ctrl-A x
  N    what the guest asked for: a value V written to port 0xF4 gives 2V+1
  1    the kernel cannot be booted, or the host lacks something
  2    wrong usage
  4    the guest asked for a reset; it is not started again
  70   the guest died: kernel panic, triple fault, halt with interrupts off, broken contract
  124  --timeout
  128+ number of the signal that ended Romulus`;

const say = (text: string): void => void process.stderr.write(`romulus: ${text}\n`);

/** Why the host ended a machine, with the status and the sentence that go with it. */
interface HostReason {
  readonly status: number;
  readonly message?: string;
  /** Nobody is left to read where the guest was. */
  readonly isSilent?: boolean;
}

/** What the user sees of a machine: its console on the terminal, or the streams of a command in it. */
export interface FrontEnd {
  open(): void;
  /** Gives the terminal back as it was found, for a while, and takes it again. */
  suspend(): void;
  reopen(): void;
  close(): void;
  /** A signal asks this program to end. True: the guest has got it instead. */
  signalled?(signal: NodeJS.Signals): boolean;
  /**
   * The exit status where it is not the machine's.
   *
   * @param isStopped the machine was ended by the user, by --timeout or a signal, and the status is theirs
   */
  conclude?(ended: Ended, isStopped: boolean): Promise<number | undefined>;
}

/** Makes the front end of a machine that has not started yet. */
export type MakeFrontEnd = (machine: Machine, owner: TerminalOwner) => FrontEnd;

/** The console on this process' terminal. */
function onTerminal(machine: Machine, owner: TerminalOwner): FrontEnd {
  const terminal = new Terminal(machine.console, machine.console, process, owner);
  return {
    open: () => {
      terminal.open();
      if (terminal.isInteractive) say('Ctrl-A x ends the machine, Ctrl-A h lists the other keys');
    },
    suspend: () => terminal.suspend(),
    reopen: () => terminal.reopen(),
    close: () => terminal.close(),
  };
}

/** The machine's thread loads its code while this one loads the machine. */
async function makeMachine(options: MachineOptions): Promise<Machine> {
  const thread = new VcpuThread();
  try {
    const { Machine } = await import('../machine/machine.js');
    return new Machine(options, thread);
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

/**
 * Runs a machine.
 *
 * @returns the exit status
 * @throws RomulusError if the machine cannot be started
 */
export async function run(options: RunOptions, makeFrontEnd: MakeFrontEnd = onTerminal): Promise<number> {
  if (options.verbose) enableLog();
  const machineOptions = toMachineOptions(options);
  const debugOutput = options.debugcon === undefined ? undefined : openDebugOutput(options.debugcon);
  const kernelName = programName(machineOptions);
  const profileFiles =
    options.profile === undefined ? undefined : prepareProfile(options.profile, kernelName, options.symbols);
  if (profileFiles?.warning !== undefined) say(profileFiles.warning);
  await using machine = await makeMachine(machineOptions);
  machine.on('warning', say);
  if (debugOutput !== undefined) machine.on('debug', (bytes) => debugOutput.write(bytes));
  if (debugOutput !== undefined && debugOutput !== process.stdout)
    debugOutput.once('error', (error) => {
      machine.removeAllListeners('debug');
      say(`cannot write to '${options.debugcon}' any more, debug output is dropped: ${error.message}`);
    });

  let hostReason: HostReason | undefined;
  const stop = (reason: HostReason): void => {
    hostReason ??= reason;
    void machine.stop();
  };
  const command = (asked: TerminalCommand): void => {
    if (asked === 'quit') stop({ status: 0 });
    else if (asked === 'help') process.stderr.write(`\n${TERMINAL_HELP}\n`);
    else process.stderr.write(`\n${machine.status()}\n${formatStatistics(machine.stats())}\n`);
  };
  const frontEnd = makeFrontEnd(machine, {
    command,
    lost: (error) => stop(reasonOfLoss(error)),
    resized: (columns, rows) => machine.resizeConsole(columns, rows),
  });
  const routed = new Set<string>((options.signals ?? []).map((route) => route.signal));
  const unwatch = watchSignals(frontEnd, routed, (signal) => {
    if (frontEnd.signalled?.(signal) !== true)
      stop({ status: statusOfSignal(signal), message: `stopped by ${signal}` });
  });
  const timeout = options.timeoutMs === undefined ? undefined : startTimeout(options.timeoutMs, stop);

  try {
    const printed = new Promise<void>((resolve) => machine.console.once('close', resolve).once('end', resolve));
    await machine.start();
    if (!machine.isNative && options.native !== false)
      say("the native addon is not loaded, so the guest's clock is polled; 'romulus doctor' says why");
    const choice = machine.engine;
    if (choice !== undefined && (options.verbose || choice.isFallback))
      say(`the ${choice.name} runs the guest: ${choice.why}`);
    if (options.verbose) say(describeStart(machineOptions, machine.isNative));
    if (typeof options.kernel === 'string')
      for (const text of await kernelWarnings(options.kernel, options.append ?? '')) say(text);
    frontEnd.open();
    const ended = await machine.ended;
    await printed;
    frontEnd.close();
    const profile = machine.profile();
    if (profileFiles !== undefined && profile !== undefined)
      say(writeProfile(profile, profileFiles, basename(kernelName)));
    if (options.stats) process.stderr.write(`${formatStatistics(machine.stats())}\n`);
    const translator = machine.translatorStatistics();
    if (options.stats && translator !== undefined) process.stderr.write(`\n${formatTranslator(translator)}\n`);
    const status = await frontEnd.conclude?.(ended, hostReason !== undefined);
    return status ?? conclude(ended, hostReason, options.verbose === true);
  } catch (error) {
    // A machine that was stopped while it started has its reason already.
    if (hostReason === undefined) throw error;
    if (hostReason.message !== undefined) say(hostReason.message);
    return hostReason.status;
  } finally {
    frontEnd.close();
    clearTimeout(timeout);
    unwatch();
    if (debugOutput !== process.stdout) debugOutput?.end();
  }
}

/** Where translations are kept; undefined: nowhere, as was asked for or as this user has no home. */
function translationFolder(asked: string | undefined): string | undefined {
  if (asked !== undefined) return asked === 'off' ? undefined : asked;
  try {
    const cache = defaultCacheFolder();
    return isAbsolute(cache) ? join(cache, 'translations') : undefined;
  } catch {
    return undefined;
  }
}

function toMachineOptions(options: RunOptions): MachineOptions {
  const { kernel, bios, initrd, append, memoryBytes, signals, rom, native, interrupts, maskSignals, engine } = options;
  const translations = translationFolder(options.translations);
  const defined = {
    ...(append !== undefined && { append }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(signals !== undefined && { signals }),
    ...(options.drives !== undefined && { drives: options.drives }),
    ...(options.devices !== undefined && { devices: options.devices }),
    ...(options.serial !== undefined && { serial: options.serial }),
    ...(rom !== undefined && { rom }),
    ...(native !== undefined && { native }),
    ...(interrupts !== undefined && { interrupts }),
    ...(engine !== undefined && { engine }),
    ...(options.pageFaults !== undefined && { pageFaults: options.pageFaults }),
    ...(translations !== undefined && { translations }),
    ...(options.perfMap !== undefined && { perfMap: options.perfMap }),
    ...(options.dumpFragments !== undefined && { dumpFragments: options.dumpFragments }),
    ...(maskSignals !== undefined && { maskSignals }),
    ...(options.traceItems !== undefined && { trace: { items: options.traceItems, file: options.traceFile } }),
    ...(options.profile !== undefined && { profileHz: options.profileHz ?? DEFAULT_PROFILE_HZ }),
  };
  const files = typeof initrd === 'string' ? initrd.split(',') : initrd === undefined ? undefined : [initrd];
  if (bios !== undefined) return { bios, ...defined };
  if (kernel !== undefined) return { kernel, initrd: files, ...defined };
  const guest = remus();
  return { kernel: guest.kernel, initrd: files ?? guest.initrd, ...defined };
}

/** @throws HostError `FILE_UNWRITABLE` */
function openDebugOutput(name: string): Writable {
  if (name === 'stdio') return process.stdout;
  try {
    return createWriteStream(name, { fd: openOutput(name) });
  } catch (error) {
    throw unwritable(name, '--debugcon', error);
  }
}

function startTimeout(timeoutMs: number, stop: (reason: HostReason) => void): NodeJS.Timeout {
  const message = `stopped after ${timeoutMs / 1000} s, as --timeout demands`;
  return setTimeout(() => stop({ status: STATUS_TIMEOUT, message }), timeoutMs);
}

/** File name of the kernel or the BIOS. */
function programName(options: MachineOptions): string {
  const file = options.kernel ?? options.bios ?? '';
  return typeof file === 'string' ? file : file.name;
}

function describeStart(options: MachineOptions, isNative: boolean): string {
  const memoryMiB = (options.memoryBytes ?? DEFAULT_MEMORY_BYTES) / 2 ** 20;
  const kernel = programName(options);
  const rom = options.rom === false ? 'no ROM' : 'VMI ROM';
  return `booting ${kernel} with ${memoryMiB} MiB, ${rom}, ${isNative ? 'POSIX timer and signals' : 'polled clock'}`;
}

/** A reader that has had enough, and a terminal that was closed, are no errors; a full disk is one. */
function reasonOfLoss({ code, message }: NodeJS.ErrnoException): HostReason {
  if (code === 'EPIPE' || code === 'EIO') return { status: statusOfSignal('SIGPIPE'), isSilent: true };
  return { status: STATUS_FAILED, message: `standard input or output failed: ${message}`, isSilent: true };
}

/** Says how it ended where that is not plain, and chooses the exit status. */
function conclude(ended: Ended, hostReason: HostReason | undefined, isVerbose: boolean): number {
  if (ended.reason === ExitReason.Stopped && hostReason !== undefined) {
    if (hostReason.message !== undefined) say(hostReason.message);
    if (ended.report !== undefined && hostReason.isSilent !== true) say(`the guest was running then:\n${ended.report}`);
    return hostReason.status;
  }
  const isPlain = ended.reason === ExitReason.Shutdown || ended.reason === ExitReason.Stopped;
  if (!isPlain || isVerbose) say(ended.message);
  if (ended.report !== undefined) process.stderr.write(`${ended.report}\n`);
  return ended.status;
}
