/**
 * The board: every part of one machine, wired in one visible order on the vCPU's thread. It knows nothing of threads or of the addon:
 * given plain buffers and a `VirtualHost` it is a whole machine for a test.
 *
 * Read before: docs/how-it-works.md. Read after: `runLoop.ts`, which runs it.
 */
import { AccountsPort } from '../devices/accounts.js';
import { ACPI_PORT_BASE, ACPI_PORT_COUNT, ACPI_SCI_IRQ, AcpiPower } from '../devices/acpiPower.js';
import { PortBus, type PortDevice } from '../devices/bus.js';
import { DebugConsole, DebugExit, PostPort, ResetControl, SystemControlA } from '../devices/debugPorts.js';
import { I8042 } from '../devices/i8042.js';
import { I8254 } from '../devices/i8254.js';
import { Mc146818 } from '../devices/mc146818.js';
import { PCI_CONFIG_PORT, PCI_CONFIG_PORTS, PCI_IO_BYTES, PCI_IO_START, PCI_MEMORY_BYTES } from '../devices/pci/bus.js';
import { PCI_IRQS, PCI_MEMORY_START, PciBus } from '../devices/pci/bus.js';
import { HOST_BRIDGE_SLOT, makeHostBridge } from '../devices/pci/hostBridge.js';
import { PVPANIC_PORT, Pvpanic } from '../devices/pvpanic.js';
import { type SerialBackend, Uart16550 } from '../devices/uart16550.js';
import { VirtioMmio, VIRTIO_MMIO_BYTES } from '../devices/virtio/mmioTransport.js';
import { VirtioPci } from '../devices/virtio/pciTransport.js';
import { Interpreter } from '../interp/interpreter.js';
import type { Tracer } from '../interp/trace.js';
import { HostError } from '../errors.js';
import { I8259Pair } from '../irq/i8259.js';
import { Latencies } from '../irq/latency.js';
import { IrqLines } from '../irq/lines.js';
import { record } from '../irq/record.js';
import { makeStrategy, type StrategyName } from '../irq/strategies/index.js';
import type { InterruptStrategy } from '../irq/strategies/strategy.js';
import { log } from '../log.js';
import { Mmu } from '../memory/mmu.js';
import { PhysMemory } from '../memory/phys.js';
import { Sampler } from '../profile/sampler.js';
import { Rom } from '../rom/rom.js';
import { ALARM_IRQ } from '../rom/time.js';
import { Deadlines } from '../time/deadlines.js';
import { ExitReason, Word } from '../vcpu/layout.js';
import { Vcpu, type FpuHelper } from '../vcpu/vcpu.js';
import type { TranslatorHost } from '../translator/host.js';
import { Translator, type TranslatorOptions } from '../translator/engine.js';
import { slotAt } from '../rom/slots.js';
import type { ByteRing } from './byteRing.js';
import { Ending } from './ending.js';
import type { VcpuHost } from './host.js';
import { irqOfMmio, VIRTIO_MMIO_START, VIRTIO_MMIO_STRIDE_BYTES } from './plugs.js';
import { describeRegisters } from './report.js';
import type { VirtioDevices } from './virtioDevices.js';

export interface BoardParts {
  readonly ram: ArrayBufferLike;
  /** The state block, `STATE_BYTES` long, zeroed. */
  readonly state: ArrayBufferLike;
  readonly host: VcpuHost;
  /** The host's FPU; without it the processor has none. */
  readonly fpu?: FpuHelper | undefined;
  /** What the translator needs of the host; without it the interpreter runs everything. */
  readonly translator?: ((phys: PhysMemory) => TranslatorHost | undefined) | undefined;
  readonly translatorOptions?: TranslatorOptions | undefined;
  /** Whether the VMI ROM is plugged in. */
  readonly rom: boolean;
  readonly consoleInput: ByteRing;
  readonly consoleOutput: ByteRing;
  readonly debugOutput: ByteRing;
  /** Where COM1 leads instead of the console; takes one byte. */
  readonly serialOutput?: ((byte: number) => void) | undefined;
  /** The size of the terminal behind the console, in characters; 0 = not known. */
  readonly terminalSize?: (() => { readonly columns: number; readonly rows: number }) | undefined;
  /** The virtio devices, in the order of their places. */
  readonly virtio?: VirtioDevices | undefined;
  /** Writes down what the CPU does. */
  readonly tracer?: Tracer | undefined;
  /** There is output for a reader that had run out of it. */
  readonly onOutput: () => void;
  /** There is room for a writer of input that had run out of it. */
  readonly onInputDrained: () => void;
  /** Whether the machine is to stay paused. */
  readonly paused: () => boolean;
  /** How the guest's IF reaches the host. Default virtual-mask. */
  readonly interrupts?: StrategyName;
  /** Shared memory for the histograms of `Latencies`; undefined = they are not kept. */
  readonly latencies?: ArrayBufferLike | undefined;
  /** Samples of the profiler a second; undefined = there is no profiler. */
  readonly profileHz?: number | undefined;
}

const enum Irq {
  Timer = 0,
  Keyboard = 1,
  Com1 = 4,
  Clock = 8,
  Coprocessor = 13,
}

export class Board {
  readonly host: VcpuHost;
  readonly phys: PhysMemory;
  readonly cpu: Vcpu;
  readonly interpreter: Interpreter;
  /** Undefined: the interpreter runs everything. */
  readonly translator: Translator | undefined;
  /** What runs the guest: the translator or the interpreter. */
  readonly engine: Interpreter | Translator;
  readonly pic: I8259Pair;
  readonly deadlines: Deadlines;
  readonly ports = new PortBus();
  readonly pci: PciBus;
  readonly uart: Uart16550;
  readonly rom: Rom | undefined;
  readonly ending: Ending;
  readonly strategy: InterruptStrategy;
  readonly latencies: Latencies | undefined;
  readonly sampler: Sampler | undefined;
  readonly paused: () => boolean;

  private readonly _parts: BoardParts;
  /** The UART had no room for a byte of the console's input. */
  private _inputHeld = -1;

  constructor(parts: BoardParts) {
    this._parts = parts;
    this.host = parts.host;
    this.paused = parts.paused;

    // The CPU and its memory.
    const words = new Int32Array(parts.state);
    this.phys = new PhysMemory(parts.ram);
    this.cpu = new Vcpu(parts.state, new Mmu(this.phys, words));
    this.ending = new Ending(words);
    this.deadlines = new Deadlines(this.host.clock, this.host.timer);

    // Interrupts.
    const lines = new IrqLines(words, () => this.host.monotonicNs());
    this.pic = new I8259Pair(words, lines);
    const pit = new I8254(lines.trigger(Irq.Timer), this.deadlines);
    this.pic.attachSource(Irq.Timer, pit);

    // The devices of a PC.
    const reset = (): void => this.ending.end(ExitReason.Reboot);
    const keyboard = new I8042(lines.trigger(Irq.Keyboard), reset);
    this.uart = new Uart16550(lines.trigger(Irq.Com1), this._consoleBackend(), this.deadlines);
    this._attach('8259 master', 0x20, 2, this.pic.masterPorts);
    this._attach('8254 timer', 0x40, 4, pit);
    this._attach('8042 data', 0x60, 1, keyboard.dataPort);
    this._attach('speaker', 0x61, 1, pit.speakerPort);
    this._attach('8042 command', 0x64, 1, keyboard.commandPort);
    this._attach('CMOS clock', 0x70, 2, new Mc146818(lines.trigger(Irq.Clock), this.deadlines, this.phys.sizeBytes));
    this._attach('POST code', 0x80, 1, new PostPort());
    this._attach('system control A', 0x92, 1, new SystemControlA(reset));
    this._attach('8259 slave', 0xa0, 2, this.pic.slavePorts);
    this._attach('debug console', 0xe9, 1, new DebugConsole((byte) => this._debugPut(byte)));
    this._attach('isa-debug-exit', 0xf4, 4, new DebugExit((status) => this._debugExit(status)));
    this._attach('16550 COM1', 0x3f8, 8, this.uart);
    this._attach('8259 ELCR', 0x4d0, 2, this.pic.elcrPorts);
    this._attach(
      'pvpanic',
      PVPANIC_PORT,
      1,
      new Pvpanic(
        () => this.ending.end(ExitReason.Panicked),
        () => log.machine('the guest kernel panicked and goes on with a crash kernel'),
      ),
    );
    const powerOff = (): void => this.ending.end(ExitReason.Shutdown);
    this._attach(
      'ACPI power',
      ACPI_PORT_BASE,
      ACPI_PORT_COUNT,
      new AcpiPower(lines.trigger(ACPI_SCI_IRQ), this.deadlines, powerOff),
    );
    this._attach('event accounts', 0x6a0, 8, new AccountsPort(this.pic.accounts));
    this.pci = this._makePciBus(lines, reset);
    this._plugVirtio(lines);

    // The ROM, and what runs the guest.
    const rom = new Rom(
      this.cpu,
      {
        clock: this.host.clock,
        deadlines: this.deadlines,
        // An event, as a host signal is one: a pulse would be lost where the guest has made the line level-triggered.
        raiseAlarm: () => record(words, ALARM_IRQ, this.host.monotonicNs()),
        shutdown: powerOff,
        reboot: reset,
      },
      this.phys.sizeBytes,
    );
    this.rom = parts.rom ? rom : undefined;
    this.interpreter = new Interpreter(this.cpu, this.phys, parts.tracer);
    parts.tracer?.attach(this.cpu);
    if (parts.rom) {
      rom.place(this.phys);
      this.interpreter.setRom(rom.base, rom.sizeBytes);
    }
    const translatorHost = parts.translator?.(this.phys);
    this.translator = translatorHost && new Translator(this.interpreter, translatorHost, parts.translatorOptions);
    if (parts.rom) this.translator?.setRom(rom.base, rom.sizeBytes, slotAt, () => rom.active);
    this.engine = this.translator ?? this.interpreter;
    const coprocessor = lines.trigger(Irq.Coprocessor);
    this.cpu.hooks = {
      ports: this.ports,
      pic: this.pic,
      rom,
      tsc: this.host.clock,
      fpu: parts.fpu,
      ferr: (asserted) => coprocessor.set(asserted),
    };
    this.cpu.reset();

    // What the guest's IF does to the host, and who watches.
    this.strategy = makeStrategy(parts.interrupts ?? 'virtual-mask');
    words[Word.Strategy] = this.strategy.number;
    this.strategy.install({
      cpu: this.cpu,
      mask: this.host.signalMask,
      trapSensitive: () => this.interpreter.trapSensitive(),
    });
    this.latencies = parts.latencies === undefined ? undefined : new Latencies(parts.latencies);
    this.sampler = parts.profileHz === undefined ? undefined : this._startSampler(parts.profileHz);
  }

  /** The rings have changed: input may have come, output may have room again. */
  serveRings(): void {
    this._feedInput();
    this.uart.writable();
    const { virtio, terminalSize } = this._parts;
    const size = terminalSize?.();
    if (size !== undefined) virtio?.console?.resize(size.columns, size.rows);
    virtio?.console?.serve();
  }

  /** Registers and last ROM calls, for reports. */
  report(): string {
    const calls = this.rom?.recentCalls() ?? [];
    const hex = (value: number): string => value.toString(16).padStart(8, '0');
    const list = calls.map(
      (call) => `  ${call.name.padEnd(20)} eip=${hex(call.eip)} esp=${hex(call.esp)} eax=${hex(call.eax)}`,
    );
    return [describeRegisters(this.cpu.words), ...(list.length ? ['last ROM calls, oldest first:', ...list] : [])].join(
      '\n',
    );
  }

  /** Logs what the guest used and nobody has: nothing of that is an error on a PC, and all of it is worth knowing. */
  logUse(): void {
    if (!log.bus.enabled) return;
    for (const { name, accesses } of this.ports.ranges()) if (accesses) log.bus('%s: %d accesses', name, accesses);
    for (const { port, accesses } of this.ports.unclaimed())
      log.bus('no device at port 0x%s: %d accesses', port.toString(16), accesses);
    for (const [msr, accesses] of this.cpu.unknownMsrs) log.bus('no MSR 0x%s: %d accesses', msr.toString(16), accesses);
  }

  private _startSampler(rateHz: number): Sampler {
    if (this.host.startSampling === undefined)
      throw new HostError(
        'NO_ADDON',
        "the profiler needs a timer of the host that interrupts the guest at any time, which is the native addon's; run " +
          '`romulus doctor` to see why it is not there',
      );
    this.host.startSampling(1e9 / rateHz);
    return new Sampler(this.cpu, this.phys, this.rom, rateHz);
  }

  private _attach(name: string, base: number, count: number, device: PortDevice): void {
    this.ports.attach(name, base, count, device);
  }

  /** The PCI bus, with the host bridge; its lines are level-triggered, as firmware that routes PCI to them sets them. */
  private _makePciBus(lines: IrqLines, reset: () => void): PciBus {
    const pci = new PciBus((irq) => lines.trigger(irq), new ResetControl(reset));
    pci.plug(HOST_BRIDGE_SLOT, makeHostBridge());
    this._attach('PCI configuration', PCI_CONFIG_PORT, PCI_CONFIG_PORTS, pci.configPorts);
    this._attach('PCI I/O window', PCI_IO_START, PCI_IO_BYTES, pci.ioWindow);
    this.phys.addMmio(PCI_MEMORY_START, PCI_MEMORY_BYTES, pci.memoryWindow);
    this.pic.setLevelTriggered(PCI_IRQS);
    return pci;
  }

  private _plugVirtio(lines: IrqLines): void {
    let slot = HOST_BRIDGE_SLOT;
    let mmioCount = 0;
    for (const { device, transport } of this._parts.virtio?.plugs ?? []) {
      if (transport === 'pci') {
        const card = new VirtioPci(device, this.phys);
        this.pci.plug(++slot, card.function, card.bars);
        this.pci.connectInterrupt(slot, card.function);
      } else {
        const index = mmioCount++;
        const registers = new VirtioMmio(device, this.phys, lines.trigger(irqOfMmio(index)));
        this.phys.addMmio(VIRTIO_MMIO_START + index * VIRTIO_MMIO_STRIDE_BYTES, VIRTIO_MMIO_BYTES, registers);
      }
    }
  }

  private _consoleBackend(): SerialBackend {
    const { consoleOutput, onOutput, serialOutput } = this._parts;
    if (serialOutput !== undefined) {
      return {
        transmit: (byte) => {
          serialOutput(byte);
          return true;
        },
        receivable: () => undefined,
      };
    }
    return {
      transmit: (byte) => {
        const taken = consoleOutput.push(byte);
        if (consoleOutput.takeReaderWaits()) onOutput();
        return taken;
      },
      receivable: () => this._feedInput(),
    };
  }

  private _feedInput(): void {
    const { consoleInput, onInputDrained, serialOutput, virtio } = this._parts;
    // What is typed goes to the virtio console as soon as a driver listens there.
    if (serialOutput !== undefined || virtio?.console?.isConsoleOpen === true) return;
    const one = new Uint8Array(1);
    // What is typed before the guest listens waits in the ring; so does what is piped in before it has booted.
    while (this.uart.wantsInput) {
      if (this._inputHeld < 0) this._inputHeld = consoleInput.shift();
      if (this._inputHeld < 0 && !consoleInput.awaitBytes()) break;
      if (this._inputHeld < 0) continue;
      one[0] = this._inputHeld;
      if (this.uart.receive(one) === 0) break;
      this._inputHeld = -1;
    }
    if (consoleInput.takeWriterWaits()) onInputDrained();
  }

  private _debugPut(byte: number): void {
    const { debugOutput, onOutput } = this._parts;
    // A debug console has no way to say "wait": what the main thread has not fetched by now is lost.
    debugOutput.push(byte);
    if (debugOutput.takeReaderWaits()) onOutput();
  }

  private _debugExit(status: number): void {
    // A process returns eight bits of it, as QEMU's does.
    this.ending.end(ExitReason.Shutdown, `the guest asked for exit status ${status & 0xff}`, status & 0xff);
  }
}
