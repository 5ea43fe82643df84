/**
 * Boots Linux again and again: `npm run linux-boots -- --count 100 -- --vmi`. Each boot is `romulus linux` as a user calls it, with what stands
 * behind the second `--` as options, and a command whose output and exit status must come back. A boot that hangs, dies or answers wrongly
 * is shown with all it printed, and makes the exit status 1.
 *
 * Separate from the tests because a hundred boots take minutes and need the packages. Read before: `../src/cli/linux.ts`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from './bench/timing.js';
import { script, wholeNumber } from './script.js';

/** A boot that takes longer has failed. */
const PATIENCE_MS = 180_000;
/** Neither is what a guest that died would leave by chance. */
const ANSWER = 'the guest is up';
const STATUS = 33;
const COMMAND = ['sh', '-c', `echo ${ANSWER}; exit ${STATUS}`];

const romulus = fileURLToPath(new URL('../../bin/romulus.js', import.meta.url));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const command = script('linux-boots', 'boots Linux again and again', '[options] [-- options of romulus linux]')
  .option('--count <n>', 'boots', wholeNumber(1), 100)
  .argument('[options...]')
  .parse();
const { count } = command.opts<{ count: number }>();

const seconds: number[] = [];
let failures = 0;
for (let boot = 1; boot <= count; boot++) {
  const startMs = performance.now();
  const guest = spawnSync(process.execPath, [romulus, 'linux', ...command.args, '--', ...COMMAND], {
    encoding: 'utf8',
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  seconds.push((performance.now() - startMs) / 1000);
  if (guest.status === STATUS && guest.stdout === `${ANSWER}\n`) {
    if (boot % 10 === 0) say(`${boot} boots, ${failures} failed, the last one took ${seconds.at(-1)!.toFixed(1)} s`);
    continue;
  }
  failures++;
  say(`boot ${boot} failed: status ${guest.status ?? guest.signal}, output '${guest.stdout}'\n${guest.stderr}`);
}
const [least, middle, most] = [Math.min(...seconds), median(seconds), Math.max(...seconds)].map((s) => s.toFixed(1));
say(
  `${count} boots, ${failures} failed; seconds for boot, command and power-off: ${least} to ${most}, median ${middle}`,
);
process.exitCode = failures === 0 ? 0 : 1;
