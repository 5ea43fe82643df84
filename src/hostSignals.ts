/**
 * Names and numbers of host signals, and which of them may become guest interrupts.
 *
 * Apart from `native.ts` because the command line checks names before any addon is loaded. Read after: `native.ts`,
 * `native/routes.cc`.
 */
import { constants } from 'node:os';
import { ConfigError } from './errors.js';

/** glibc's SIGRTMIN; the kernel's 32 and 33 are the C library's own. */
const REAL_TIME_MIN = 34;
const REAL_TIME_MAX = 64;

/** Signal of the vCPU timers: `kTimerSignal` in native/vcpu.h. */
export const TIMER_SIGNAL = 34;
/** Signal of events sent to a vCPU thread: `kEventSignal` in native/vcpu.h. */
export const EVENT_SIGNAL = 35;

/** Standard signal of events, for machines that ask for one: `kStandardEventSignal` in native/vcpu.h. */
export const STANDARD_EVENT_SIGNAL = 16;
/** Signal of the profiler's timer: `kSampleSignal` in native/vcpu.h. */
export const SAMPLE_SIGNAL = 26;

/** Signals that stay with the host, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  SIGKILL: 'no process can catch it',
  SIGSTOP: 'no process can catch it',
  SIGSEGV: 'the host raises it for faults of its own code',
  SIGBUS: 'the host raises it for faults of its own code',
  SIGILL: 'the host raises it for faults of its own code',
  SIGFPE: 'the host raises it for faults of its own code',
  SIGTRAP: 'debuggers of the host process use it',
  SIGABRT: 'the host process ends itself with it',
  SIGSYS: 'the host raises it for refused system calls',
  SIGCHLD: 'Node needs it to notice the end of child processes',
  SIGPIPE: 'Node ignores it and gets an error instead',
  SIGPROF: "V8's profiler uses it",
  SIGSTKFLT: 'the virtual CPUs use it themselves',
  SIGVTALRM: 'the profiler of guests uses it',
  SIGWINCH: 'Node needs it to follow the size of the terminal',
  SIGCONT: "the shell's job control uses it",
  SIGTSTP: "the shell's job control uses it",
  SIGTTIN: "the shell's job control uses it",
  SIGTTOU: "the shell's job control uses it",
};

const SUGGESTION = 'use USR1, USR2 or RTMIN+2 to RTMAX';

/** The name of a signal number as `kill -l` gives it, with SIG in front. */
export function signalName(signo: number): string {
  const standard = Object.entries(constants.signals).find(([, value]) => value === signo);
  if (standard !== undefined) return standard[0];
  if (signo === REAL_TIME_MIN) return 'SIGRTMIN';
  if (signo > REAL_TIME_MIN && signo <= REAL_TIME_MAX) return `SIGRTMIN+${signo - REAL_TIME_MIN}`;
  return `signal ${signo}`;
}

/**
 * Checks that a signal may be routed to a guest.
 *
 * @throws ConfigError SIGNAL_REFUSED, with the reason
 */
export function checkRoutable(signo: number): void {
  const name = signalName(signo);
  const inRange = Number.isInteger(signo) && signo >= 1 && signo <= REAL_TIME_MAX;
  let reason = inRange ? REFUSED[name] : 'there is no such signal';
  if (signo > 31 && signo < REAL_TIME_MIN) reason = 'the C library uses it for its threads';
  if (signo === TIMER_SIGNAL || signo === EVENT_SIGNAL) reason = 'the virtual CPUs use it themselves';
  if (reason !== undefined) {
    throw new ConfigError('SIGNAL_REFUSED', `${name} cannot become a guest interrupt: ${reason}; ${SUGGESTION}`);
  }
}

/**
 * Finds the number of a signal that shall become a guest interrupt.
 *
 * @param name such as `SIGUSR1`, `USR1`, `RTMIN+3`, `SIGRTMAX-1`, in any case, or a number
 * @throws ConfigError SIGNAL_UNKNOWN or SIGNAL_REFUSED
 */
export function routableSignal(name: string): number {
  const bare = name.trim().toUpperCase().replace(/^SIG/, '');
  let signo: number | undefined = (constants.signals as Readonly<Record<string, number>>)[`SIG${bare}`];
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(bare);
  if (realTime !== null) {
    const base = realTime[1] === 'MIN' ? REAL_TIME_MIN : REAL_TIME_MAX;
    const offset = Number(realTime[3] ?? 0);
    signo = realTime[2] === '-' ? base - offset : base + offset;
    if (signo < REAL_TIME_MIN || signo > REAL_TIME_MAX) signo = undefined;
  } else if (/^\d{1,2}$/.test(bare)) {
    signo = Number(bare);
  }
  if (signo === undefined) {
    throw new ConfigError('SIGNAL_UNKNOWN', `there is no signal named "${name}": ${SUGGESTION}`);
  }
  checkRoutable(signo);
  return signo;
}
