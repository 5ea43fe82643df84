/**
 * The keyboard controller of a PC without a keyboard: enough of the 8042 for a kernel to test it, find nothing plugged in, and reset
 * the machine through it. Its two ports are two `PortDevice`s, for the speaker port lies between them.
 * Read before: Intel 8042 datasheet; IBM PC/AT Technical Reference, "Keyboard Controller". Read after: `debugPorts.ts`.
 */
import type { PortDevice } from './bus.js';
import type { Trigger } from './trigger.js';

/** Status register, port 0x64. */
const enum Status {
  OutputFull = 1 << 0,
  /** Self-test passed. */
  System = 1 << 2,
  /** The last write went to the command port. */
  Command = 1 << 3,
  /** Keyboard not locked. */
  Unlocked = 1 << 4,
  Timeout = 1 << 6,
}

const enum CommandByte {
  Interrupt = 1 << 0,
  System = 1 << 2,
  KeyboardDisabled = 1 << 4,
  AuxDisabled = 1 << 5,
}

const enum Command {
  ReadCommandByte = 0x20,
  WriteCommandByte = 0x60,
  DisableAux = 0xa7,
  EnableAux = 0xa8,
  AuxInterfaceTest = 0xa9,
  SelfTest = 0xaa,
  InterfaceTest = 0xab,
  DisableKeyboard = 0xad,
  EnableKeyboard = 0xae,
  ReadInputPort = 0xc0,
  ReadOutputPort = 0xd0,
  WriteOutputPort = 0xd1,
  WriteOutputBuffer = 0xd2,
  WriteAuxOutputBuffer = 0xd3,
  WriteAux = 0xd4,
  /** 0xF0 to 0xFF: the output lines whose bit is 0 go low for 6 us. */
  PulseOutput = 0xf0,
}

const enum OutputPort {
  /** Low resets the processor. */
  NotReset = 1 << 0,
  A20 = 1 << 1,
}

const SELF_TEST_PASSED = 0x55;
const INTERFACE_GOOD = 0x00;
/** Answer of an interface test: the data line is stuck high. */
const INTERFACE_DATA_HIGH = 0x04;
/** What the controller puts into the buffer when no keyboard answers: "resend", with the timeout bit. */
const NO_ANSWER = 0xfe;
/** Not locked, no manufacturing jumper. */
const INPUT_PORT = 0xa0;

export class I8042 {
  /** Port 0x60. */
  readonly dataPort: PortDevice;
  /** Port 0x64. */
  readonly commandPort: PortDevice;
  private readonly _trigger: Trigger;
  private readonly _reset: () => void;
  private _status = Status.System | Status.Unlocked;
  private _output = 0;
  private _commandByte: number = CommandByte.System | CommandByte.KeyboardDisabled | CommandByte.AuxDisabled;
  /** Bits 7..2 of the output port, as written. */
  private _outputLines = 0xcc;
  /** The command that waits for its data byte; 0 = none: data is for the keyboard. */
  private _awaiting = 0;

  /**
   * @param trigger irq 1
   * @param reset called when the guest pulls the processor's reset line
   */
  constructor(trigger: Trigger, reset: () => void) {
    this._trigger = trigger;
    this._reset = reset;
    this.dataPort = {
      width: 1,
      readPort: () => this._readData(),
      writePort: (_offset, _size, value) => this._writeData(value),
    };
    this.commandPort = {
      width: 1,
      readPort: () => this._status,
      writePort: (_offset, _size, value) => this._writeCommand(value),
    };
  }

  private _readData(): number {
    this._status &= ~(Status.OutputFull | Status.Timeout);
    this._update();
    return this._output;
  }

  private _writeCommand(command: number): void {
    this._status |= Status.Command;
    this._awaiting = 0;
    if (command >= (Command.PulseOutput as number)) {
      if (!(command & OutputPort.NotReset)) this._reset();
      return;
    }
    switch (command as Command) {
      case Command.ReadCommandByte:
        this._answer(this._commandByte);
        break;
      case Command.SelfTest:
        this._answer(SELF_TEST_PASSED);
        break;
      case Command.InterfaceTest:
        this._answer(INTERFACE_GOOD);
        break;
      case Command.AuxInterfaceTest:
        // Deviation: an AT controller does not answer, and whoever looks for a mouse port waits half a second for that.
        this._answer(INTERFACE_DATA_HIGH);
        break;
      case Command.DisableKeyboard:
        this._commandByte |= CommandByte.KeyboardDisabled;
        break;
      case Command.EnableKeyboard:
        this._commandByte &= ~CommandByte.KeyboardDisabled;
        break;
      case Command.DisableAux:
        this._commandByte |= CommandByte.AuxDisabled;
        break;
      case Command.EnableAux:
        // An AT controller has no mouse port: the bit that a PS/2 controller would clear stays, and that is how a driver sees it.
        break;
      case Command.ReadInputPort:
        this._answer(INPUT_PORT);
        break;
      case Command.ReadOutputPort:
        // Deviation: A20 is always on, whatever was written.
        this._answer(this._outputLines | OutputPort.NotReset | OutputPort.A20);
        break;
      case Command.WriteCommandByte:
      case Command.WriteOutputPort:
      case Command.WriteOutputBuffer:
      case Command.WriteAuxOutputBuffer:
      case Command.WriteAux:
        this._awaiting = command;
        break;
      default:
        // The firmware of the 8042 ignores commands that it does not have.
        break;
    }
  }

  private _writeData(value: number): void {
    this._status &= ~Status.Command;
    const command = this._awaiting;
    this._awaiting = 0;
    switch (command as Command) {
      case Command.WriteCommandByte:
        this._commandByte = value | CommandByte.AuxDisabled;
        this._update();
        break;
      case Command.WriteOutputPort:
        this._outputLines = value & ~(OutputPort.NotReset | OutputPort.A20);
        if (!(value & OutputPort.NotReset)) this._reset();
        break;
      case Command.WriteOutputBuffer:
      case Command.WriteAuxOutputBuffer:
        // Deviation as above; without the bit for it in the status register, this is no byte of a mouse.
        this._answer(value);
        break;
      case Command.WriteAux:
        // No mouse port: the byte goes nowhere.
        break;
      default:
        this._status |= Status.Timeout;
        this._answer(NO_ANSWER);
    }
  }

  private _answer(value: number): void {
    this._output = value & 0xff;
    this._status |= Status.OutputFull;
    this._update();
  }

  private _update(): void {
    this._trigger.set((this._status & Status.OutputFull) !== 0 && (this._commandByte & CommandByte.Interrupt) !== 0);
  }
}
