/**
 * One thread, no chance: a machine under one interrupt strategy and a model of what any strategy must do, driven by the same random steps
 * (mask, unmask, raise, EOI, IMR, IRET, halt, NMI). After each step both must have taken the same interrupts.
 */
import assert from 'node:assert/strict';
import { Board } from '../../../src/machine/board.js';
import { ByteRing } from '../../../src/machine/byteRing.js';
import { RunLoop } from '../../../src/machine/runLoop.js';
import { VirtualHost } from '../../../src/machine/virtualHost.js';
import { record } from '../../../src/irq/record.js';
import type { SignalMask } from '../../../src/irq/strategies/strategy.js';
import type { StrategyName } from '../../../src/irq/strategies/index.js';
import { Attention, ExitReason, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';

/** The kernel of the model's host: signals sent while the mask is closed wait, each (real-time) or as one per line (standard). */
class HostKernel {
  mask: SignalMask;
  private readonly _pending: number[] = [];

  constructor(
    private readonly _words: Int32Array,
    private readonly _isStandard: boolean,
    private readonly _sleep: () => boolean,
  ) {
    const open = (): void => {
      this._words[Word.HostMasked] = 0;
      // The lowest number first, as Linux takes them.
      for (const irq of this._pending.splice(0).sort((a, b) => a - b)) record(this._words, irq, 1);
    };
    this.mask = {
      close: () => {
        assert.equal(this._words[Word.HostMasked], 0, 'the mask is closed once');
        this._words[Word.HostMasked] = 1;
      },
      open,
      wait: () => {
        open();
        const woken = this._sleep();
        this._words[Word.HostMasked] = 1;
        return woken;
      },
    };
  }

  send(irq: number): void {
    if (this._words[Word.HostMasked] === 0) record(this._words, irq, 1);
    else if (!this._isStandard || !this._pending.includes(irq)) this._pending.push(irq);
  }
}

const CODE = 0x1000;
const HANDLER = 0x2000;
const STACK = 0x8000;
const MASTER_VECTOR = 0x20;
const NMI_VECTOR = 2;
const CASCADE = 2;
/** The line of the 8254, which ticks by itself, as a bit: always masked. */
const TIMER = 1;
const MAX_NESTING = 12;

/** Instructions by step; each stands 16 bytes behind the one before, with NOPs behind it. */
const OPS = {
  cli: [0xfa],
  sti: [0xfb],
  pushPopf: [0x9c, 0x9d],
  popfOn: [0x68, 0x02, 0x02, 0x9d],
  popfOff: [0x68, 0x02, 0x00, 0x9d],
  hlt: [0xf4],
  iret: [0xcf],
  eoiMaster: [0xb0, 0x20, 0xe6, 0x20],
  eoiSlave: [0xb0, 0x20, 0xe6, 0xa0],
  nop: [0x90],
} as const;
type Op = keyof typeof OPS;
const INSTRUCTIONS: Record<Op, number> = {
  ...{ cli: 1, sti: 2, pushPopf: 2, popfOn: 2, popfOff: 2, hlt: 1, iret: 1, eoiMaster: 2, eoiSlave: 2, nop: 1 },
};

/** The 8259 pair and IF as the data sheet and the SDM have them: edge-triggered, fully nested, fixed priorities. */
class Model {
  isEnabled = false;
  irr = 0;
  imr = 0;
  /** Lines in service, as bits, the cascade on the master included. */
  isr = 0;
  isHalted = false;
  nmi = false;
  nmiBlocked = false;
  /** IF to come back to, per handler entered. */
  readonly stack: boolean[] = [];

  /** The vector that must be delivered now, if any, and what that changes. */
  take(): number | undefined {
    let vector: number | undefined;
    if (this.nmi && !this.nmiBlocked) {
      this.nmi = false;
      this.nmiBlocked = true;
      this._enter();
      vector = NMI_VECTOR;
    }
    // An NMI turns IF off, so nothing follows it at once.
    if (!this.isEnabled) return vector;
    const irq = this._highest();
    if (irq === undefined) return vector;
    this.irr &= ~(1 << irq);
    this.isr |= 1 << irq;
    if (irq >= 8) this.isr |= 1 << CASCADE;
    this._enter();
    return MASTER_VECTOR + irq;
  }

  eoi(isSlave: boolean): void {
    const part = isSlave ? this.isr & 0xff00 : this.isr & 0xff;
    this.isr &= ~(part & -part);
  }

  private _enter(): void {
    this.stack.push(this.isEnabled);
    this.isEnabled = false;
    this.isHalted = false;
  }

  private _highest(): number | undefined {
    const open = this.irr & ~this.imr;
    for (let line = 0; line < 8; line++) {
      if (this.isr & (1 << line)) return undefined;
      if (line !== CASCADE) {
        if (open & (1 << line)) return line;
        continue;
      }
      if (this.imr & (1 << CASCADE)) continue;
      for (let irq = 8; irq < 16 && !(this.isr & (1 << irq)); irq++) if (open & (1 << irq)) return irq;
    }
    return undefined;
  }
}

/** A generator of numbers with a period long enough (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Takes `steps` random steps; throws AssertionError at the first at which machine and model differ. Returns interrupts taken. */
export function checkAgainstModel(
  interrupts: StrategyName,
  maskSignals: 'realtime' | 'standard',
  steps: number,
  seed: number,
): number {
  const state = new SharedArrayBuffer(STATE_BYTES);
  const words = new Int32Array(state);
  const host = new VirtualHost(words);
  const kernel = new HostKernel(words, maskSignals === 'standard', () => host.wait());
  Object.defineProperty(host, 'signalMask', { value: kernel.mask });
  const ring = (): ByteRing => new ByteRing(ByteRing.allocate(64));
  const board = new Board({
    ram: new SharedArrayBuffer(1 << 20),
    state,
    host,
    rom: false,
    consoleInput: ring(),
    consoleOutput: ring(),
    debugOutput: ring(),
    onOutput: () => undefined,
    onInputDrained: () => undefined,
    paused: () => false,
    interrupts,
  });
  const { cpu, phys, pic } = board;
  const loop = new RunLoop(board);

  // Real mode, CS = DS = SS = 0: each vector has its handler, which is a place full of NOPs.
  const entries = Object.fromEntries(Object.keys(OPS).map((name, index) => [name, CODE + 64 * index])) as Record<
    Op,
    number
  >;
  phys.load(CODE, new Uint8Array(0x2000).fill(0x90));
  for (const [name, bytes] of Object.entries(OPS)) phys.load(entries[name as Op], Uint8Array.from(bytes));
  for (let vector = 0; vector < 256; vector++) phys.write32(vector * 4, HANDLER + 16 * vector);
  for (const segment of [0, 1, 2, 3, 4, 5]) cpu.setSegment(segment, 0, 0, 0xffff, segment === 1 ? 0x9b : 0x93);
  words[Word.Esp] = STACK;
  for (const [ports, base] of [
    [pic.masterPorts, MASTER_VECTOR],
    [pic.slavePorts, MASTER_VECTOR + 8],
  ] as const) {
    ports.writePort(0, 1, 0x11);
    ports.writePort(1, 1, base);
    ports.writePort(1, 1, ports === pic.masterPorts ? 1 << CASCADE : CASCADE);
    ports.writePort(1, 1, 1);
    ports.writePort(1, 1, ports === pic.masterPorts ? TIMER : 0);
  }
  const model = new Model();
  model.imr = TIMER;
  const below = random(seed);
  let taken = 0;

  for (let step = 0; step < steps; step++) {
    const where = (): string => `${interrupts}, ${maskSignals}, seed ${seed}, step ${step}`;
    const choice = below(100);
    if (choice < 30) {
      let irq = 1 + below(15);
      if (irq === CASCADE) irq = 9;
      kernel.send(irq);
      model.irr |= 1 << irq;
    } else if (choice < 34) {
      const imr = TIMER | (below(4) === 0 ? below(0x10000) & 0xfffb : 0);
      pic.masterPorts.writePort(1, 1, imr & 0xff);
      pic.slavePorts.writePort(1, 1, imr >> 8);
      model.imr = imr;
    } else if (choice < 35) {
      Atomics.store(words, Word.Nmi, 1);
      Atomics.or(words, Word.Attention, Attention.Nmi);
      model.nmi = true;
    }

    // The machine's turn: it delivers first, if it must, and then executes one operation at most.
    let op: Op = 'nop';
    if (model.stack.length > MAX_NESTING) op = below(2) ? 'iret' : below(2) ? 'eoiMaster' : 'eoiSlave';
    else if (choice >= 35) {
      op = (['cli', 'sti', 'pushPopf', 'popfOn', 'popfOff', 'hlt', 'iret', 'eoiMaster', 'eoiSlave'] as const)[below(9)];
    }
    // What halts in the middle of a handler may never be woken again: its EOI would have to come first.
    if (op === 'hlt' && (!model.isEnabled || model.isr !== 0 || model.nmiBlocked)) op = 'eoiMaster';
    if (op === 'iret' && model.stack.length === 0) op = 'eoiSlave';
    if (!model.isHalted) words[Word.Eip] = entries[op];

    const isEnabledBefore = model.isEnabled;
    const expected = model.take();
    loop.run(expected !== undefined || model.isHalted ? 1 : INSTRUCTIONS[op]);
    assert.equal(words[Word.ExitReason], ExitReason.None, where());
    const eip = words[Word.Eip];
    const found = eip >= HANDLER ? (eip - HANDLER) >> 4 : undefined;
    assert.equal(found, expected, `${where()}: vector taken, IF was ${isEnabledBefore}`);
    if (expected !== undefined) {
      taken++;
    } else if (!model.isHalted) {
      apply(model, op);
    }
    assert.equal(words[Word.InterruptFlag] !== 0, model.isEnabled, `${where()}: IF after ${op}`);
    assert.equal(words[Word.Halted] !== 0, model.isHalted, `${where()}: halted`);
  }
  return taken;
}

function apply(model: Model, op: Op): void {
  switch (op) {
    case 'cli':
    case 'popfOff':
      model.isEnabled = false;
      break;
    case 'sti':
    case 'popfOn':
      model.isEnabled = true;
      break;
    case 'hlt':
      model.isHalted = true;
      break;
    case 'iret':
      model.isEnabled = model.stack.pop()!;
      model.nmiBlocked = false;
      break;
    case 'eoiMaster':
    case 'eoiSlave':
      model.eoi(op === 'eoiSlave');
      break;
    case 'pushPopf':
    case 'nop':
  }
}
