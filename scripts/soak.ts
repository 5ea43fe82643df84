/**
 * The soak: Remus for minutes under a storm of signals and with processes coming and going, under the translator. It looks for what short
 * tests cannot show: an interrupt that is lost, memory or mappings of this process that keep growing, a checksum of the guest's that is
 * not the host's, a fault of ring 3 that is not contained.
 *
 *     npm run soak -- [--minutes 10] [--rate 5000] [--engine translator]
 *
 * Exit status 1 when something is wrong, with a line that says what. Read before: `storm.ts`, test/guest/bench/compute.c.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GuestConsole } from '../test/helpers/guestConsole.js';
import { Machine } from '../src/index.js';
import { Option } from 'commander';
import { engineNames, type EngineName } from '../src/options.js';
import { loadNative, type Native } from '../src/native.js';
import { routableSignal } from '../src/hostSignals.js';
import { nativePrograms } from './nativePrograms.js';
import { positiveNumber, script } from './script.js';

const IRQ = 5;
const SIGNAL = 'SIGRTMIN+4';
const PROMPT = 'remus# ';
/** Signals are sent so often, as many at a time as the rate wants. */
const BURST_MS = 2;
const SHOWN_MS = 60_000;
/** For the last signals to arrive, on any host. */
const PATIENCE_MS = 120_000;
/** Rounds after which everything that is kept for reuse is there. */
const WARM_ROUNDS = 10;
/** What may be added after that: V8's heap breathes, and so do windows. */
const GROWTH_MIB = 96;
const GROWTH_MAPPINGS = 2000;
const WORKS = '2 sha256 sieve sort recursion dispatch copy';

const built = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Rounds at the end of which the one with the least memory counts: what a collector has yet to take is no growth. */
const LAST_ROUNDS = 20;

/**
 * Memory of this process in MiB, each page counted once however many windows show it (proc(5), /proc/pid/smaps, "Pss"), and its mappings.
 */
function held(): { residentMib: number; mappings: number } {
  const resident = /^Pss:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'));
  const mappings = readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1;
  return { residentMib: Number(resident?.[1] ?? 0) / 1024, mappings };
}

/** The lines "end NAME CHECKSUM" of `compute`. */
const checksums = (text: string): string => (text.match(/^end .*$/gm) ?? []).map((line) => line.trim()).join(', ');

/** Sends `rate` signals a second until it is stopped. */
class Storm {
  sent = 0;
  private readonly _timer: NodeJS.Timeout;
  private _startMs = performance.now();

  constructor(native: Native, rate: number) {
    this._timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this._startMs) * rate) / 1000) - this.sent;
      if (due <= 0) return;
      native.signalStorm(process.pid, routableSignal(SIGNAL), due);
      this.sent += due;
    }, BURST_MS);
  }

  stop(): void {
    clearInterval(this._timer);
  }
}

async function soak(native: Native, minutes: number, rate: number, engine: EngineName): Promise<string[]> {
  const expected = checksums(execFileSync(`${nativePrograms().folder}linux`, WORKS.split(' '), { encoding: 'latin1' }));
  const machine = new Machine({
    kernel: built('guest/remus.elf'),
    initrd: built('guest-work/bench/initrd.tar'),
    append: 'quiet',
    engine,
    signals: [{ signal: SIGNAL, irq: IRQ }],
  });
  const guest = new GuestConsole(machine);
  const run = (command: string): Promise<string> => {
    guest.type(`${command}\n`);
    return guest.expect(PROMPT);
  };
  const wrong: string[] = [];
  await machine.start();
  await guest.expect(PROMPT);
  const storm = new Storm(native, rate);
  const startMs = performance.now();
  let shownMs = startMs;
  let warm = held();
  let most = warm;
  const last: number[] = [];
  let rounds = 0;
  while (performance.now() - startMs < minutes * 60_000 && wrong.length === 0) {
    const computed = checksums(await run(`compute ${WORKS}`));
    if (computed !== expected) wrong.push(`round ${rounds}: the guest computed ${computed}, the host ${expected}`);
    const churned = await run('true; true; ps; ls; true; workload pingpong 50; true; free; sleep 0; true');
    if (!churned.includes('end ')) wrong.push(`round ${rounds}: pingpong did not end: ${churned.slice(-200)}`);
    const faults = await run('fault');
    if (/NOT contained/i.test(faults) || !faults.includes('all ')) wrong.push(`round ${rounds}: ${faults.slice(-200)}`);
    rounds++;
    const now = held();
    if (rounds === WARM_ROUNDS) warm = most = now;
    last.push(now.residentMib);
    if (last.length > LAST_ROUNDS) last.shift();
    most = {
      residentMib: Math.max(most.residentMib, now.residentMib),
      mappings: Math.max(most.mappings, now.mappings),
    };
    if (performance.now() - shownMs < SHOWN_MS) continue;
    shownMs = performance.now();
    const { residentMib, mappings } = now;
    say(
      `${Math.round((shownMs - startMs) / 1000)} s: ${rounds} rounds, ${storm.sent} signals, ${residentMib.toFixed(0)} MiB, ${mappings} mappings`,
    );
  }
  storm.stop();
  wrong.push(...(await settle(machine, storm.sent)));
  const end = Math.min(...last);
  if (rounds > WARM_ROUNDS && end > warm.residentMib + GROWTH_MIB)
    wrong.push(`memory grew from ${warm.residentMib.toFixed(0)} to ${end.toFixed(0)} MiB`);
  if (rounds > WARM_ROUNDS && most.mappings > warm.mappings + GROWTH_MAPPINGS)
    wrong.push(`mappings grew from ${warm.mappings} to ${most.mappings}`);
  machine.console.write('halt\n');
  const { reason } = await machine.ended;
  say(`${rounds} rounds, ${storm.sent} signals; the guest ended by ${reason}`);
  say(
    `memory: ${warm.residentMib.toFixed(0)} MiB warm, ${most.residentMib.toFixed(0)} at most, ${end.toFixed(0)} at the end`,
  );
  say(`mappings: ${warm.mappings} warm, ${most.mappings} at most`);
  return wrong;
}

/** Waits until all that was sent has arrived, and looks at the account. */
async function settle(machine: Machine, sent: number): Promise<string[]> {
  const line = () => machine.stats().lines.find(({ irq }) => irq === IRQ);
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (((line()?.raised ?? 0) < sent || line()?.pending === 1) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const { raised = 0, delivered = 0, merged = 0, discarded = 0, pending = 0 } = line() ?? {};
  say(`raised ${raised} = delivered ${delivered} + merged ${merged} + discarded ${discarded} + pending ${pending}`);
  if (raised !== sent) return [`${sent} signals were sent and ${raised} arrived`];
  const unaccounted = raised - delivered - merged - discarded - pending;
  return unaccounted === 0 ? [] : [`${unaccounted} interrupts are unaccounted for`];
}

const { minutes, rate, engine } = script('soak', 'Remus under a storm of signals, with processes coming and going')
  .option('--minutes <n>', 'how long', positiveNumber, 10)
  .option('--rate <n>', 'signals a second', positiveNumber, 5000)
  .addOption(new Option('--engine <name>', 'what runs the guest').choices(engineNames).default('translator'))
  .parse()
  .opts<{ minutes: number; rate: number; engine: EngineName }>();
const native = loadNative();
if (native === undefined) {
  process.stderr.write('soak: it needs the addon; romulus doctor says why it is not there\n');
  process.exitCode = 1;
} else {
  const wrong = await soak(native, minutes, rate, engine);
  for (const text of wrong) say(`WRONG: ${text}`);
  if (wrong.length === 0) say('nothing lost, nothing grown, nothing wrong');
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
