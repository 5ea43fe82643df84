/**
 * The stress of the interrupt strategies: a guest that masks, unmasks, halts and acknowledges at random, a vCPU thread, two threads that raise
 * its lines by all ways there are, and a host signal sent to the process. Every event is counted by who raises it; in the end each must
 * have been delivered or have merged, and the guest must have seen every delivery with the interrupted code's IF set.
 */
import assert from 'node:assert/strict';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ExitReason, Machine, type StrategyName } from '../../../src/index.js';
import { routableSignal } from '../../../src/hostSignals.js';
import { loadNative } from '../../../src/native.js';
import { FLAT_ENTRY, flatKernel } from '../../helpers/flatKernel.js';

const IRQS = 16;
/** The 8254's line: it ticks by itself. */
const TIMER_IRQ = 0;
/** Line by which the test asks the guest for its counts. */
const ASK_IRQ = 1;
const SIGNAL = 'SIGRTMIN+6';
const SIGNAL_IRQ = 6;
/** Lines that the threads raise. */
const LINES = [3, 5, 7, 9, 10, 11, 14, 15];
const RAISERS = 2;

const bytes32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

interface Setup {
  readonly nativeId: number;
  readonly seed: number;
  /** One counter per line, and behind them 1 = stop. */
  readonly counters: SharedArrayBuffer;
}

/** Guest addresses beside the code. */
const COUNTS = 0x200000;
const VIOLATIONS = COUNTS + 4 * IRQS;
const IDT = 0x201000;
const GDT = 0x202000;
const STACK = 0x210000;
const VECTORS = 0x20;
const CS = 8;

/**
 * The guest: sets itself up, runs `ops` random operations `rounds` times, then says 'D' on the debug port and halts in a loop. Its
 * handlers count, and check that the code they interrupted had IF set; that of ASK_IRQ prints all counts and ends the machine.
 */
function guestCode(below: (limit: number) => number, ops: number, rounds: number): number[] {
  const code: number[] = [];
  const here = (): number => FLAT_ENTRY + code.length;
  const emit = (...bytes: number[]): void => void code.push(...bytes);
  const out = (port: number, value: number): void => emit(0xb0, value, 0x66, 0xba, port & 0xff, port >> 8, 0xee);
  const store = (linear: number, value: number): void => emit(0xc7, 0x05, ...bytes32(linear), ...bytes32(value));
  const handlers: number[] = [];

  // jmp over the handlers
  emit(0xe9, 0, 0, 0, 0);
  for (let irq = 0; irq < IRQS; irq++) {
    handlers.push(here());
    emit(0x60); // pusha
    emit(0xff, 0x05, ...bytes32(COUNTS + 4 * irq)); // inc dword [count]
    emit(0xf7, 0x44, 0x24, 0x28, ...bytes32(0x200)); // test dword [esp + 40], IF
    emit(0x75, 6, 0xff, 0x05, ...bytes32(VIOLATIONS)); // jnz over; inc dword [violations]
    if (irq >= 8) out(0xa0, 0x20);
    out(0x20, 0x20);
    if (irq === ASK_IRQ) {
      emit(0xfc, 0xbe, ...bytes32(COUNTS), 0xb9, ...bytes32(4 * (IRQS + 1)), 0xba, ...bytes32(0xe9)); // cld, esi, ecx, edx
      emit(0xac, 0xee, 0xe2, 0xfc); // again: lodsb; out dx, al; loop again
      emit(0xba, ...bytes32(0xf4), 0x31, 0xc0, 0xee); // isa-debug-exit with 0
    }
    // Some handlers can be interrupted.
    if (irq % 3 === 0) emit(0xfb, 0x90, 0x90);
    emit(0x61, 0xcf); // popa; iret
  }
  code.splice(1, 4, ...bytes32(code.length - 5));

  emit(0xfa, 0xbc, ...bytes32(STACK)); // cli; mov esp
  const descriptors = [0, 0, 0xffff, 0x00cf9a00, 0xffff, 0x00cf9200];
  descriptors.forEach((word, index) => store(GDT + 4 * index, word));
  store(GDT + 0x40, (descriptors.length * 4 - 1) | (GDT << 16));
  store(GDT + 0x44, GDT >>> 16);
  emit(0x0f, 0x01, 0x15, ...bytes32(GDT + 0x40)); // lgdt
  emit(0xea, ...bytes32(here() + 7), CS, 0); // jmp CS:next
  emit(0x66, 0xb8, 0x10, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0); // mov ds, es, ss
  handlers.forEach((handler, irq) => {
    store(IDT + 8 * (VECTORS + irq), (CS << 16) | (handler & 0xffff));
    store(IDT + 8 * (VECTORS + irq) + 4, (handler & 0xffff0000) | 0x8e00);
  });
  store(GDT + 0x48, 0x7ff | (IDT << 16));
  store(GDT + 0x4c, IDT >>> 16);
  emit(0x0f, 0x01, 0x1d, ...bytes32(GDT + 0x48)); // lidt
  for (const [port, value] of [
    ...[[0x20, 0x11] as const, [0x21, VECTORS] as const, [0x21, 4] as const, [0x21, 1] as const],
    ...[[0xa0, 0x11] as const, [0xa1, VECTORS + 8] as const, [0xa1, 2] as const, [0xa1, 1] as const],
    ...[[0x21, 0] as const, [0xa1, 0] as const],
  ])
    out(port, value);
  out(0xe9, 0x42); // 'B'
  emit(0xbd, ...bytes32(rounds)); // mov ebp, rounds
  const again = here();
  for (let index = 0; index < ops; index++) {
    const choice = below(100);
    if (choice < 30) emit(0xfa);
    else if (choice < 60) emit(0xfb);
    else if (choice < 70) emit(0x9c, 0x9d);
    else if (choice < 78) emit(0x9c, 0xfa, 0x90, 0x9d);
    else if (choice < 82) emit(0x68, ...bytes32(0x202), 0x9d);
    else if (choice < 86) emit(0x68, ...bytes32(0x002), 0x9d);
    else if (choice < 87) emit(0xfb, 0xf4);
    else emit(0x90, 0x90);
  }
  emit(0x4d, 0x0f, 0x85, ...bytes32(again - (here() + 7))); // dec ebp; jnz again
  out(0xe9, 0x44); // 'D'
  emit(0xfb, 0xf4, 0xeb, 0xfc); // sti; hlt; jmp
  return code;
}

const OPS = 1000;

/** Runs about `steps` random operations of the guest under fire; throws AssertionError when an event is lost or comes while masked. */
export async function stressWithThreads(
  interrupts: StrategyName,
  maskSignals: 'realtime' | 'standard',
  steps: number,
): Promise<void> {
  const { random } = await import('./strategiesModel.js');
  const native = loadNative()!;
  const code = guestCode(random(steps), OPS, Math.ceil(steps / OPS));
  const machine = new Machine({
    kernel: { name: 'stress', bytes: flatKernel(code) },
    memoryBytes: 16 << 20,
    signals: [{ signal: SIGNAL, irq: SIGNAL_IRQ }],
    interrupts,
    maskSignals,
    native: true,
  });
  let debug = Buffer.alloc(0);
  machine.on('debug', (bytes) => (debug = Buffer.concat([debug, bytes])));
  const until = async (what: string, isTrue: () => boolean): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!isTrue()) {
      assert.ok(Date.now() < deadline, `${interrupts}: ${what} did not happen\n${machine.status()}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const counters = new SharedArrayBuffer(4 * (IRQS + 1));
  const sent = new Int32Array(counters);
  await machine.start();
  try {
    await until('the guest began', () => debug.includes('B'));
    const region = machine.stateRegion!;
    assert.ok('nativeId' in region);
    const raisers = Array.from({ length: RAISERS }, (_, index) => {
      const setup: Setup = { nativeId: region.nativeId, seed: index + 7, counters };
      return new Worker(new URL(import.meta.url), { workerData: setup });
    });
    const raisersDone = Promise.all(raisers.map((raiser) => new Promise((resolve) => raiser.once('exit', resolve))));
    const signo = routableSignal(SIGNAL);
    // On a busy host the guest may be done before the threads have begun; what comes then it takes asleep.
    const isQuiet = (irq: number): boolean => Atomics.load(sent, irq) === 0;
    while (!debug.includes('D') || LINES.some(isQuiet)) {
      native.signalStorm(process.pid, signo, 5);
      Atomics.add(sent, SIGNAL_IRQ, 5);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    Atomics.store(sent, IRQS, 1);
    await raisersDone;
    const lines = (): ReturnType<Machine['stats']>['lines'] => machine.stats().lines;
    await until('delivery of all that was raised', () =>
      lines().every(
        ({ irq, raised, pending, inHost }) =>
          irq === TIMER_IRQ || (raised >= Atomics.load(sent, irq) && !pending && !inHost),
      ),
    );
    const before = lines();
    machine.raise(ASK_IRQ);
    const ended = await machine.ended;
    assert.equal(ended.reason, ExitReason.Shutdown, `${ended.message}\n${ended.report}`);

    const counts = debug.subarray(debug.length - 4 * (IRQS + 1));
    const external = before.filter(({ irq }) => irq !== TIMER_IRQ);
    for (const { irq, raised, delivered, merged, discarded } of external) {
      assert.equal(raised, sent[irq], `irq ${irq}: every event that was sent was recorded`);
      assert.equal(raised, delivered + merged + discarded, `irq ${irq}: nothing lost`);
      assert.equal(counts.readInt32LE(4 * irq), delivered, `irq ${irq}: the guest handled each delivery`);
      assert.ok(delivered > 0);
    }
    assert.equal(external.length, LINES.length + 1, `lines ${external.map(({ irq }) => irq).join()}`);
    assert.equal(counts.readInt32LE(4 * IRQS), 0, 'interrupts taken while IF was clear');
  } finally {
    await machine.stop();
  }
}

/** A thread that raises lines in all ways until told to stop. */
async function raise({ nativeId, seed, counters }: Setup): Promise<void> {
  const { random } = await import('./strategiesModel.js');
  const native = loadNative()!;
  const state = native.memoryMap(nativeId);
  const sent = new Int32Array(counters);
  const below = random(seed);
  while (Atomics.load(sent, IRQS) === 0) {
    const irq = LINES[below(LINES.length)];
    if (below(2)) native.raise(state, irq);
    else if (!native.raiseBySignal(state, irq)) continue;
    Atomics.add(sent, irq, 1);
    if (below(20) === 0) Atomics.wait(sent, IRQS, 0, below(3));
  }
  native.memoryRelease(state);
  parentPort!.close();
}

if (!isMainThread && (workerData as Partial<Setup> | undefined)?.nativeId !== undefined)
  void raise(workerData as Setup);
