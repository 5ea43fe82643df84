/**
 * The signal storm: boots Remus, sends it host signals as fast as the host gives them, and prints what became of each.
 * `npm run storm -- 1000000`. Exit status 1 when one is unaccounted for.
 */
import { fileURLToPath } from 'node:url';
import { Machine } from '../src/index.js';
import { loadNative } from '../src/native.js';
import { routableSignal } from '../src/hostSignals.js';
import { script, wholeNumber } from './script.js';

const IRQ = 5;
const SIGNAL = 'SIGRTMIN+4';

const guest = (name: string): string => fileURLToPath(new URL(`../guest/${name}`, import.meta.url));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const [count] = script('storm', 'sends Remus host signals as fast as the host gives them')
  .argument('[count]', 'signals', wholeNumber(1), 1_000_000)
  .parse().processedArgs as [number];
const native = loadNative();
if (!native) throw new Error('the storm needs the addon; romulus doctor says why it is not there');

const machine = new Machine({
  kernel: guest('remus.elf'),
  initrd: guest('initrd.tar'),
  signals: [{ signal: SIGNAL, irq: IRQ }],
});
let screen = '';
machine.console.on('data', (chunk: Buffer) => (screen += chunk.toString('latin1')));
await machine.start();
while (!screen.includes('remus# ')) await new Promise((resolve) => setTimeout(resolve, 5));

say(`sending ${count} signals (${SIGNAL} to irq ${IRQ})`);
const start = performance.now();
native.signalStorm(process.pid, routableSignal(SIGNAL), count);
const seconds = (performance.now() - start) / 1000;

// The last ones may still be queued in the host, and one pending in the PIC.
const line = (): { raised: number; delivered: number; merged: number; discarded: number; pending: number } =>
  machine.stats().lines.find(({ irq }) => irq === IRQ) ?? {
    raised: 0,
    delivered: 0,
    merged: 0,
    discarded: 0,
    pending: 0,
  };
const deadline = Date.now() + 10_000;
while ((line().raised < count || line().pending) && Date.now() < deadline)
  await new Promise((resolve) => setTimeout(resolve, 5));
const { raised, delivered, merged, discarded, pending } = line();
machine.console.write('halt\n');
await machine.ended;

say(`${Math.round(count / seconds)} signals a second`);
say(`sent ${count} = raised ${raised}`);
say(`raised ${raised} = delivered ${delivered} + merged ${merged} + discarded ${discarded} + pending ${pending}`);
const lost = count - raised;
const unaccounted = raised - delivered - merged - discarded - pending;
say(lost === 0 && unaccounted === 0 ? 'none lost' : `LOST ${lost}, unaccounted for ${unaccounted}`);
process.exitCode = lost === 0 && unaccounted === 0 ? 0 : 1;
