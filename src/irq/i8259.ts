/**
 * The interrupt controller of a PC: two 8259A, the slave on the master's input 2, over the virtual PIC words of the state block.
 *
 *     signal handlers, devices ──atomic OR──► PicIrr ─┐
 *     level lines held high ────────────────► PicLevels ┴─ OR ─ AND ─► INTR ─► acknowledge(): vector
 *     IMR, ISR, priorities of both chips ───► PicOpen ──────────┘
 *
 * `PicOpen` is worked out when the guest writes a command, not when somebody asks: whether an interrupt waits is three loads, and
 * translated code can ask it too. Everything but PicIrr and its accounts belongs to the vCPU thread.
 *
 * An edge stays latched until it is acknowledged. Deviation: on the chip a request that falls before INTA is gone, and INTA then
 * gives the spurious irq 7; here only level requests and masking can make one, for an event of the host is never lost.
 * Read before: `record.ts`, `lines.ts`, `i8259Chip.ts`. Read after: `../vcpu/deliver.ts`.
 */
import type { PortDevice } from '../devices/bus.js';
import { Attention, Word } from '../vcpu/layout.js';
import type { InterruptSource } from '../vcpu/vcpu.js';
import { EventAccounts } from './accounts.js';
import { I8259Chip, Written } from './i8259Chip.js';
import { CASCADE_IRQ, type IrqLines, type LineSource } from './lines.js';
import { IRQ_COUNT } from './record.js';

const CASCADE = 1 << CASCADE_IRQ;
/** The line whose vector a chip gives when INTA finds no request. */
const SPURIOUS_LINE = 7;
/** Bit 7 of a poll's answer: there is a request. */
const POLL_REQUEST = 0x80;
/** Lines that may be level-triggered: not the timer, keyboard, cascade, clock and FPU. (Intel 82371SB datasheet, "ELCR") */
const ELCR_WRITABLE = 0xdef8;

export class I8259Pair implements InterruptSource {
  /** Ports 0x20 and 0x21. */
  readonly masterPorts: PortDevice;
  /** Ports 0xA0 and 0xA1. */
  readonly slavePorts: PortDevice;
  /** Edge/level control registers, ports 0x4D0 and 0x4D1. */
  readonly elcrPorts: PortDevice;
  readonly accounts: EventAccounts;
  private readonly _words: Int32Array;
  private readonly _lines: IrqLines;
  private readonly _master = new I8259Chip(0x08, CASCADE);
  private readonly _slave = new I8259Chip(0x70, CASCADE_IRQ);
  private readonly _sources: (LineSource | undefined)[] = new Array<LineSource | undefined>(IRQ_COUNT).fill(undefined);
  private _masterOpen = 0;
  private _slaveOpen = 0;
  private _imr = 0xffff;
  private _elcr = 0;
  /** The requests that INTR stood for when the CPU last looked: tells spurious irq 7 from 15. */
  private _seen = 0;

  constructor(words: Int32Array, lines: IrqLines) {
    this._words = words;
    this._lines = lines;
    this.accounts = new EventAccounts(words);
    this.masterPorts = this._ports(this._master, 0);
    this.slavePorts = this._ports(this._slave, 8);
    this.elcrPorts = {
      width: 1,
      readPort: (offset) => (this._elcr >> (8 * offset)) & 0xff,
      writePort: (offset, _size, value) => this._writeElcr(offset, value),
    };
    this._update();
  }

  /** Masked lines as bits, the slave's in bits 8 to 15. */
  get imr(): number {
    return this._imr;
  }

  /** Lines in service as bits. */
  get isr(): number {
    return this._master.isr | (this._slave.isr << 8);
  }

  get requested(): boolean {
    const seen = this._requests() & this._words[Word.PicOpen];
    this._seen = seen;
    return seen !== 0;
  }

  acknowledge(): number {
    const requests = this._requests() & this._words[Word.PicOpen];
    const vector = requests === 0 ? this._spurious() : this._take(requests);
    this._seen = 0;
    this._update();
    return vector;
  }

  /** Sets these lines to level-triggered in the ELCR, as firmware does for those that it routes PCI to. */
  setLevelTriggered(irqs: readonly number[]): void {
    for (const irq of irqs) this._elcr |= (1 << irq) & ELCR_WRITABLE;
    this._update();
  }

  /** Lets the device behind `irq` rest while the guest has the line masked; it is told at once how things are. */
  attachSource(irq: number, source: LineSource): void {
    this._sources[irq] = source;
    source.listen(!(this._imr & (1 << irq)));
  }

  private _requests(): number {
    return Atomics.load(this._words, Word.PicIrr) | this._words[Word.PicLevels];
  }

  private _take(requests: number): number {
    const fromSlave = requests & 0xff00;
    const line = this._master.highest((requests & 0xff) | (fromSlave ? CASCADE : 0));
    this._master.serve(line);
    if (line !== CASCADE_IRQ || !this._cascaded()) {
      // A slave's request on an input that ICW3 says has none stays with the slave, which gets no INTA.
      if (line !== CASCADE_IRQ || requests & CASCADE) this._deliver(line);
      return this._master.vectorBase + line;
    }
    const slaveLine = this._slave.highest(fromSlave >> 8);
    this._slave.serve(slaveLine);
    this._deliver(8 + slaveLine);
    return this._slave.vectorBase + slaveLine;
  }

  /** The request went between INTR and INTA. (Intel 8259A datasheet, "Interrupt Sequence": no ISR bit is set.) */
  private _spurious(): number {
    if (this._seen & 0xff00 && !(this._seen & 0xff) && this._cascaded()) {
      // The master had latched the slave's request, so it does put its input 2 in service: it needs an EOI, the slave none.
      this._master.serve(CASCADE_IRQ);
      return this._slave.vectorBase + SPURIOUS_LINE;
    }
    return this._master.vectorBase + SPURIOUS_LINE;
  }

  private _deliver(irq: number): void {
    if (Atomics.load(this._words, Word.PicIrr) & (1 << irq)) this.accounts.deliver(irq, this._lines.monotonicNs());
    else this.accounts.deliverLevel(irq);
  }

  private _cascaded(): boolean {
    return (this._master.cascaded & CASCADE) !== 0;
  }

  private _ports(chip: I8259Chip, firstIrq: number): PortDevice {
    return {
      width: 1,
      readPort: (offset) => this._read(chip, firstIrq, offset),
      writePort: (offset, _size, value) => {
        const written = offset === 0 ? chip.writeCommand(value) : chip.writeData(value);
        if (written === Written.Nothing) return;
        if (written === Written.Initialized) this._resetEdges(firstIrq);
        this._update();
      },
    };
  }

  private _read(chip: I8259Chip, firstIrq: number, offset: number): number {
    const poll = chip.takePoll();
    if (offset === 1 && !poll) return chip.imr;
    for (const source of this._sources) source?.settle();
    return poll ? this._poll(chip, firstIrq) : chip.status(this._inputs(firstIrq));
  }

  /** The request inputs of one chip; the master's input 2 is the slave's INT output. */
  private _inputs(firstIrq: number): number {
    const requests = this._requests();
    if (firstIrq === 8) return (requests >> 8) & 0xff;
    return (requests & 0xff) | ((requests >> 8) & this._slaveOpen ? CASCADE : 0);
  }

  /** A poll is an INTA without a vector: the answer names the line. */
  private _poll(chip: I8259Chip, firstIrq: number): number {
    const requests = this._inputs(firstIrq) & chip.open();
    if (requests === 0) return 0;
    const line = chip.highest(requests);
    chip.serve(line);
    // The slave's request behind input 2 remains: the guest polls the slave next.
    if (firstIrq === 8 || line !== CASCADE_IRQ || this._requests() & CASCADE) this._deliver(firstIrq + line);
    this._update();
    return POLL_REQUEST | line;
  }

  private _resetEdges(firstIrq: number): void {
    for (let irq = firstIrq; irq < firstIrq + 8; irq++) {
      this._sources[irq]?.forget();
      this.accounts.discard(irq);
    }
  }

  private _writeElcr(offset: number, value: number): void {
    const shift = 8 * offset;
    this._elcr = (this._elcr & ~(0xff << shift)) | ((value << shift) & ELCR_WRITABLE);
    this._update();
  }

  /** After any change of the chips: what may request now, by level or edge, who is listened to, and whether the CPU must look. */
  private _update(): void {
    const level = this._elcr | (this._master.levelTriggered ? 0xff : 0) | (this._slave.levelTriggered ? 0xff00 : 0);
    if (level !== this._lines.levelTriggered) this._lines.levelTriggered = level;
    this._masterOpen = this._master.open();
    this._slaveOpen = this._slave.open();
    // With a slave on input 2 nothing else can drive that input.
    const own = this._cascaded() ? this._masterOpen & ~CASCADE : this._masterOpen;
    this._words[Word.PicOpen] = own | (this._masterOpen & CASCADE ? this._slaveOpen << 8 : 0);
    this._listen(this._master.imr | (this._slave.imr << 8));
    // While IF is clear nobody need look: whatever sets it asks `requested` itself.
    if (this._words[Word.InterruptFlag] !== 0 && this._requests() & this._words[Word.PicOpen]) {
      Atomics.or(this._words, Word.Attention, Attention.Interrupt);
    }
  }

  private _listen(imr: number): void {
    const changed = imr ^ this._imr;
    if (changed === 0) return;
    this._imr = imr;
    for (let irq = 0; irq < IRQ_COUNT; irq++) {
      if (changed & (1 << irq)) this._sources[irq]?.listen(!(imr & (1 << irq)));
    }
  }
}
