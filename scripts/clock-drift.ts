/**
 * Checks a Linux guest's clocks against the host's while the guest computes: `npm run clock-drift -- 120` boots Debian's Linux as
 * `romulus linux` does, keeps it busy for so many seconds, and compares. Exit status 1 when a clock has drifted by more than 100 ms.
 *
 * Each sample is read by the guest, printed, and stamped by the host as it arrives, so a sample is late by what that takes, never early.
 * The smallest lag of the first and of the last samples are therefore the best ones, and their difference is the drift.
 */
import { createInterface } from 'node:readline';
import { Machine } from '../src/index.js';
import { Cache } from '../src/linux/cache.js';
import { prepareLinux } from '../src/linux/guest.js';
import { script, wholeNumber } from './script.js';

const LIMIT_MS = 100;
/** Samples at each end of which the best one counts. */
const END_SAMPLES = 20;
const SAMPLE_PERIOD_S = 0.2;
/** The clock of a PC has seconds; Linux takes it to be half a second further. (Linux: rtc_hctosys()) */
const START_LIMIT_MS = 500 + LIMIT_MS;
/** Nothing but what the shell does itself stands between reading the clocks and telling them. */
const COMMAND =
  'while :; do :; done & ' +
  `while :; do read up idle </proc/uptime; echo clock $up $EPOCHREALTIME; sleep ${SAMPLE_PERIOD_S}; done`;
const LINE = /^clock ([\d.]+) ([\d.]+)/;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Sample {
  /** How far the guest's clocks are behind the host's, in ms; the origin of the first one is arbitrary. */
  readonly uptimeLagMs: number;
  readonly wallclockLagMs: number;
}

/** Waits for the shell, for the kernel drops what is typed before it has found the UART. */
async function prompt(machine: Machine): Promise<void> {
  let screen = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      screen += chunk.toString('latin1');
      if (!screen.includes('# ')) return;
      machine.console.off('data', onData);
      resolve();
    };
    machine.console.on('data', onData);
    void machine.ended.then(({ message }) => reject(new Error(`the guest came to no prompt: ${message}\n${screen}`)));
  });
}

/** Reads the clocks for `seconds` of the host's time. */
async function sample(machine: Machine, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  let endMs = Infinity;
  for await (const line of createInterface({ input: machine.console })) {
    const hostMs = performance.now();
    const wallclockMs = Date.now();
    const match = LINE.exec(line);
    // What else there is: kernel messages, and the shell's echo of the command.
    if (match === null) continue;
    const [uptime, wallclock] = match.slice(1).map(Number);
    endMs = Math.min(endMs, hostMs + seconds * 1000);
    samples.push({
      uptimeLagMs: hostMs - uptime * 1000,
      wallclockLagMs: wallclockMs - wallclock * 1000,
    });
    if (hostMs >= endMs) break;
  }
  return samples;
}

/** The least lag of the first and of the last samples. */
function ends(samples: readonly Sample[], lag: (sample: Sample) => number): { first: number; last: number } {
  return {
    first: Math.min(...samples.slice(0, END_SAMPLES).map(lag)),
    last: Math.min(...samples.slice(-END_SAMPLES).map(lag)),
  };
}

const [seconds] = script('clock-drift', "holds a busy Linux guest's clocks against the host's")
  .argument('[seconds]', 'how long', wholeNumber(30), 120)
  .parse().processedArgs as [number];
const warn = (text: string): void => void process.stderr.write(`${text}\n`);
const guest = await prepareLinux(
  new Cache(),
  { session: 'shell' },
  { progress: () => undefined, warn, signal: new AbortController().signal },
);
const { kernel, initrd, append } = guest;
const machine = new Machine({ kernel, initrd, append: `${append} quiet`, memoryBytes: 256 << 20 });
await machine.start();
await prompt(machine);
machine.console.write(`${COMMAND}\n`);
const samples = await sample(machine, seconds);
await machine.stop();
if (samples.length < 2 * END_SAMPLES) throw new Error(`the guest told its clocks ${samples.length} times only`);

const uptime = ends(samples, (each) => each.uptimeLagMs);
const wallclock = ends(samples, (each) => each.wallclockLagMs);
const findings: [string, number, number][] = [
  ['uptime drifted by', uptime.last - uptime.first, LIMIT_MS],
  ['wall clock drifted by', wallclock.last - wallclock.first, LIMIT_MS],
  ['wall clock was late at the start by', wallclock.first, START_LIMIT_MS],
];
say(`${samples.length} samples in ${seconds} busy seconds`);
for (const [what, ms, limitMs] of findings)
  say(`${what} ${ms.toFixed(1)} ms${Math.abs(ms) > limitMs ? ', TOO MUCH' : ''}`);
process.exitCode = findings.some(([, ms, limitMs]) => Math.abs(ms) > limitMs) ? 1 : 0;
