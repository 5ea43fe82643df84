/**
 * One 8259A: command words, masks, priorities. It knows nothing of the other chip, of where requests come from or of the state
 * block; the pair (`i8259.ts`) gives it requests and asks which of them win.
 * Read before: Intel 8259A datasheet. Read after: `i8259.ts`.
 */

/** ICW1, port 0 with bit 4 set. (Intel 8259A datasheet, "Initialization Command Word Format") */
const enum Icw1 {
  /** ICW4 follows. */
  Ic4 = 1 << 0,
  /** Single: no cascade, ICW3 does not follow. */
  Single = 1 << 1,
  /** Level-triggered mode for all inputs. */
  Ltim = 1 << 3,
  Select = 1 << 4,
}

const enum Icw4 {
  AutoEoi = 1 << 1,
  SpecialFullyNested = 1 << 4,
}

/** OCW3, port 0 with bits 4..3 = 01. */
const enum Ocw3 {
  ReadIsr = 1 << 0,
  ReadRegister = 1 << 1,
  Poll = 1 << 2,
  Select = 1 << 3,
  SpecialMask = 1 << 5,
  EnableSpecialMask = 1 << 6,
}

/** OCW2 commands: its bits 7..5, R SL EOI. */
const enum Ocw2 {
  ClearRotateInAutoEoi = 0,
  NonSpecificEoi = 1,
  NoOperation = 2,
  SpecificEoi = 3,
  SetRotateInAutoEoi = 4,
  RotateOnNonSpecificEoi = 5,
  SetPriority = 6,
  RotateOnSpecificEoi = 7,
}

const enum Expect {
  Operation,
  Icw2,
  Icw3,
  Icw4,
}

/** What a command write did, for the pair. */
export const enum Written {
  Nothing,
  /** Masks, priorities or service changed. */
  Changed,
  /** ICW1: the edge sense circuit was reset. */
  Initialized,
}

export class I8259Chip {
  /** Masked lines. All of them until the guest speaks: there is no BIOS that would want any. */
  imr = 0xff;
  isr = 0;
  /** Bits 7..3 of the vectors. */
  vectorBase: number;
  /** ICW3: on the master, which inputs are slaves. */
  slaves: number;
  levelTriggered = false;
  private _single = false;
  /** The line of lowest priority; the next one has the highest. */
  private _lowest = 7;
  private _autoEoi = false;
  private _rotateInAutoEoi = false;
  private _specialMask = false;
  private _specialFullyNested = false;
  private _readIsr = false;
  private _poll = false;
  private _expect = Expect.Operation;
  private _icw1 = 0;

  /**
   * @param vectorBase where a PC BIOS leaves this chip's vectors
   * @param slaves the inputs that have a slave, as bits
   */
  constructor(vectorBase: number, slaves: number) {
    this.vectorBase = vectorBase;
    this.slaves = slaves;
  }

  /** Inputs that a slave drives and answers for. */
  get cascaded(): number {
    return this._single ? 0 : this.slaves;
  }

  /** True when the next read is a poll; it is one only once. */
  takePoll(): boolean {
    const poll = this._poll;
    this._poll = false;
    return poll;
  }

  /** The register that a read of port 0 shows. */
  status(irr: number): number {
    return this._readIsr ? this.isr : irr;
  }

  /**
   * Inputs whose request would win now: unmasked and above everything in service. In special mask mode a masked line in
   * service holds nobody back; in special fully nested mode a slave in service does not hold back its own further requests.
   */
  open(): number {
    if (this._expect !== Expect.Operation) return 0;
    const serving = this._specialMask ? this.isr & ~this.imr : this.isr;
    if (serving === 0) return 0xff & ~this.imr;
    let open = 0;
    for (let rank = 1; rank <= 8; rank++) {
      const bit = 1 << ((this._lowest + rank) & 7);
      if (serving & bit) {
        if (this._specialFullyNested && this.cascaded & bit) open |= bit;
        break;
      }
      open |= bit;
    }
    return open & ~this.imr;
  }

  /** The line of highest priority among `lines` (bits, not 0). */
  highest(lines: number): number {
    let line = (this._lowest + 1) & 7;
    while (!(lines & (1 << line))) line = (line + 1) & 7;
    return line;
  }

  /** Puts `line` in service, as INTA does. */
  serve(line: number): void {
    if (!this._autoEoi) {
      this.isr |= 1 << line;
    } else if (this._rotateInAutoEoi) {
      this._lowest = line;
    }
  }

  writeCommand(value: number): Written {
    if (value & Icw1.Select) return this._initialize(value);
    if (value & Ocw3.Select) {
      if (value & Ocw3.EnableSpecialMask) this._specialMask = (value & Ocw3.SpecialMask) !== 0;
      if (value & Ocw3.ReadRegister) this._readIsr = (value & Ocw3.ReadIsr) !== 0;
      this._poll = (value & Ocw3.Poll) !== 0;
      return value & Ocw3.EnableSpecialMask ? Written.Changed : Written.Nothing;
    }
    return this._operate(value >> 5, value & 7);
  }

  writeData(value: number): Written {
    switch (this._expect) {
      case Expect.Icw2:
        this.vectorBase = value & 0xf8;
        this._expect = this._single ? this._afterIcw3() : Expect.Icw3;
        return Written.Changed;
      case Expect.Icw3:
        this.slaves = value;
        this._expect = this._afterIcw3();
        return Written.Changed;
      case Expect.Icw4:
        // Deviation: bit 0 (MCS-80 mode) is taken for 8086 mode, for the PC's processor understands no CALL from an INTA cycle.
        this._autoEoi = (value & Icw4.AutoEoi) !== 0;
        this._specialFullyNested = (value & Icw4.SpecialFullyNested) !== 0;
        this._expect = Expect.Operation;
        return Written.Changed;
      default:
        this.imr = value;
        return Written.Changed;
    }
  }

  /** Intel 8259A datasheet, "Initialization Command Words 1 and 2": what ICW1 resets. */
  private _initialize(icw1: number): Written {
    this._icw1 = icw1;
    this._single = (icw1 & Icw1.Single) !== 0;
    this.levelTriggered = (icw1 & Icw1.Ltim) !== 0;
    this.imr = 0;
    this.isr = 0;
    this._lowest = 7;
    this._specialMask = false;
    this._readIsr = false;
    this._poll = false;
    this._rotateInAutoEoi = false;
    this._autoEoi = false;
    this._specialFullyNested = false;
    this._expect = Expect.Icw2;
    return Written.Initialized;
  }

  private _afterIcw3(): Expect {
    return this._icw1 & Icw1.Ic4 ? Expect.Icw4 : Expect.Operation;
  }

  private _operate(command: Ocw2, level: number): Written {
    switch (command) {
      case Ocw2.NonSpecificEoi:
      case Ocw2.RotateOnNonSpecificEoi: {
        // A masked line in service is invisible to it in special mask mode. (Intel 8259A datasheet, "End of Interrupt")
        const serving = this._specialMask ? this.isr & ~this.imr : this.isr;
        if (serving === 0) return Written.Nothing;
        const line = this.highest(serving);
        this.isr &= ~(1 << line);
        if (command === Ocw2.RotateOnNonSpecificEoi) this._lowest = line;
        return Written.Changed;
      }
      case Ocw2.SpecificEoi:
        this.isr &= ~(1 << level);
        return Written.Changed;
      case Ocw2.RotateOnSpecificEoi:
        this.isr &= ~(1 << level);
        this._lowest = level;
        return Written.Changed;
      case Ocw2.SetPriority:
        this._lowest = level;
        return Written.Changed;
      case Ocw2.SetRotateInAutoEoi:
      case Ocw2.ClearRotateInAutoEoi:
        this._rotateInAutoEoi = command === Ocw2.SetRotateInAutoEoi;
        return Written.Nothing;
      default:
        return Written.Nothing;
    }
  }
}
