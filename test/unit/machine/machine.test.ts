/** The public API with real threads, real signals and Remus as the guest; with the addon and without. */
import assert from 'node:assert/strict';
import { ConfigError, ExitReason, Machine, type MachineOptions } from '../../../src/index.js';
import { loadNative } from '../../../src/native.js';
import { guestFile } from '../../helpers/board.js';

const REMUS = {
  kernel: { name: 'remus.elf', bytes: guestFile('remus.elf') },
  initrd: { name: 'initrd.tar', bytes: guestFile('initrd.tar') },
};

/** Collects what the console shows and waits for parts of it. */
class Screen {
  text = '';
  private _seen = 0;

  constructor(private readonly _machine: Machine) {
    _machine.console.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
  }

  async shows(part: string): Promise<void> {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const at = this.text.indexOf(part, this._seen);
      if (at >= 0) {
        this._seen = at + part.length;
        return;
      }
      if (Date.now() > deadline)
        throw new Error(`no '${part}' on the console:\n${this.text}\n${this._machine.status()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

const make = (options: Partial<MachineOptions> = {}): { machine: Machine; screen: Screen } => {
  const machine = new Machine({ ...REMUS, memoryBytes: 32 << 20, ...options });
  return { machine, screen: new Screen(machine) };
};

const halt = async (machine: Machine): Promise<void> => {
  machine.console.write('halt\n');
  const ended = await machine.ended;
  assert.equal(ended.reason, ExitReason.Shutdown, `${ended.message}\n${ended.report}`);
  assert.equal(ended.status, 0);
};

for (const native of [true, false]) {
  describe(`machine/machine ${native ? 'with' : 'without'} the addon`, () => {
    it('boots Remus to its prompt, runs a command and powers off with status 0', async () => {
      const { machine, screen } = make({ native });
      await machine.start();
      await screen.shows('VMI ROM');
      await screen.shows('remus# ');
      machine.console.write('echo it works\n');
      await screen.shows('\nit works');
      await halt(machine);
    });

    it('runs two machines side by side', async () => {
      const both = [make({ native }), make({ native, rom: false })];
      await Promise.all(both.map(({ machine }) => machine.start()));
      await Promise.all(both.map(({ screen }) => screen.shows('remus# ')));
      await Promise.all(both.map(({ machine }) => halt(machine)));
    });

    it('delivers raised lines to the guest and accounts for each', async () => {
      const { machine, screen } = make({ native });
      await machine.start();
      await screen.shows('remus# ');
      for (let i = 0; i < 100; i++) machine.raise(5);
      await new Promise((resolve) => setTimeout(resolve, 50));
      machine.raise(5);
      machine.console.write('irqstat\n');
      await screen.shows('  5 ');
      await halt(machine);
      const line = machine.stats().lines.find(({ irq }) => irq === 5)!;
      assert.equal(line.raised, 101);
      assert.equal(line.delivered + line.merged + line.pending, 101);
      assert.ok(line.delivered >= 2);
    });

    it('stops when told, even a guest that loops with interrupts off', async () => {
      // cli; 1: jmp 1b, as a multiboot kernel
      const { machine } = make({
        native,
        kernel: { name: 'loop', bytes: multiboot([0xfa, 0xeb, 0xfe]) },
        initrd: undefined,
      });
      await machine.start();
      await new Promise((resolve) => setTimeout(resolve, 30));
      const ended = await machine.stop();
      assert.equal(ended.reason, ExitReason.Stopped);
      assert.match(ended.report!, /eip=00100011 /, 'it says where the guest was');
      assert.equal((await machine.stop()).reason, ExitReason.Stopped, 'a second stop changes nothing');
    });

    it('stops time in pause and goes on in resume', async () => {
      const { machine, screen } = make({ native });
      await machine.start();
      await screen.shows('remus# ');
      const paused = new Promise<void>((resolve) => machine.once('paused', resolve));
      machine.pause();
      await paused;
      const before = machine.stats().instructions;
      await new Promise((resolve) => setTimeout(resolve, 60));
      assert.equal(machine.stats().instructions, before);
      machine.resume();
      machine.console.write('echo back\n');
      await screen.shows('\nback');
      await halt(machine);
    });

    it('stops by AbortSignal and by await using', async () => {
      const abort = new AbortController();
      const { machine } = make({ native, signal: abort.signal });
      await machine.start();
      abort.abort();
      assert.equal((await machine.ended).reason, ExitReason.Stopped);
      const second = make({ native }).machine;
      await second.start();
      await second[Symbol.asyncDispose]();
      assert.equal((await second.ended).reason, ExitReason.Stopped);
    });

    it('reports a triple fault with registers', async () => {
      // lidt of an empty table, then int3
      const code = [0x0f, 0x01, 0x1d, 0x40, 0x00, 0x10, 0x00, 0xcc];
      const { machine } = make({ native, kernel: { name: 'fault', bytes: multiboot(code) }, initrd: undefined });
      await machine.start();
      const ended = await machine.ended;
      assert.equal(ended.reason, ExitReason.TripleFault);
      assert.equal(ended.status, 70);
      assert.match(ended.report!, /eip=00100017/);
    });

    it('ends with status 70 when the guest kernel says that it has panicked', async () => {
      // mov dx, pvpanic; mov al, panicked; out dx, al; and a loop that nobody leaves
      const code = [0x66, 0xba, 0x05, 0x05, 0xb0, 0x01, 0xee, 0xeb, 0xfe];
      const { machine } = make({ native, kernel: { name: 'panic', bytes: multiboot(code) }, initrd: undefined });
      await machine.start();
      const ended = await machine.ended;
      assert.equal(ended.reason, ExitReason.Panicked);
      assert.equal(ended.status, 70);
      assert.match(ended.message, /the guest kernel panicked/);
    });

    it('refuses a kernel that is none, and is over then', async () => {
      const { machine } = make({ native, kernel: { name: 'text', bytes: Buffer.from('hello') }, initrd: undefined });
      await assert.rejects(machine.start(), (error: ConfigError) => error.code === 'KERNEL_NOT_RECOGNISED');
      await machine.ended;
      await assert.rejects(machine.start(), (error: ConfigError) => error.code === 'ALREADY_STARTED');
    });
  });
}

describe('machine/machine', () => {
  it('makes a host signal a guest interrupt', async () => {
    const { machine, screen } = make({ signals: [{ signal: 'SIGUSR1', irq: 5 }] });
    await machine.start();
    await screen.shows('remus# ');
    process.kill(process.pid, 'SIGUSR1');
    machine.console.write('irqstat\n');
    await screen.shows('  5 ');
    await halt(machine);
    const statistics = machine.stats();
    assert.equal(statistics.hostSignals, 1);
    assert.equal(statistics.lines.find(({ irq }) => irq === 5)!.delivered, 1);
  });

  it('gives back every mapping, route and thread', async () => {
    const native = loadNative()!;
    const before = native.liveMappings();
    for (let i = 0; i < 3; i++) {
      const { machine } = make({ signals: [{ signal: 'SIGUSR2', irq: 5 }] });
      await machine.start();
      await machine.stop();
    }
    assert.equal(native.liveMappings(), before);
    assert.equal(native.liveRoutes(), 0);
    assert.equal(native.liveVcpus(), 0);
  });

  it('refuses bad options before anything is opened', () => {
    const bad = (options: Partial<MachineOptions>): string => {
      try {
        make(options);
      } catch (error) {
        return (error as ConfigError).code;
      }
      return 'none';
    };
    assert.equal(bad({ memoryBytes: 1 }), 'BAD_MEMORY_SIZE');
    assert.equal(bad({ memoryBytes: NaN }), 'BAD_MEMORY_SIZE');
    assert.equal(bad({ memoryBytes: 4 * 2 ** 30 }), 'BAD_MEMORY_SIZE');
    assert.equal(bad({ memoryBytes: (16 << 20) + 1 }), 'BAD_MEMORY_SIZE');
    assert.equal(bad({ signals: [{ signal: 'SIGUSR1', irq: 2 }] }), 'BAD_IRQ');
    assert.equal(bad({ signals: [{ signal: 'SIGUSR1', irq: 16 }] }), 'BAD_IRQ');
    assert.equal(bad({ memory: 1 } as Partial<MachineOptions>), 'UNKNOWN_OPTION');
    for (const nothing of [undefined, null, 'kernel'])
      assert.throws(() => new Machine(nothing as unknown as MachineOptions), { code: 'BAD_OPTION' });
  });

  it('names a kernel file that is not there', async () => {
    const { machine } = make({ kernel: '/nowhere/kernel' });
    await assert.rejects(machine.start(), /kernel '\/nowhere\/kernel': there is no such file/);
    await machine.stop();
  });
});

/** A flat multiboot image (a.out kludge) loaded and entered at 1 MiB + 16; 0x40 bytes in, zeros. */
function multiboot(code: readonly number[]): Uint8Array {
  const image = Buffer.alloc(0x80);
  const flags = 0x10000;
  const start = 0x100000;
  const header = [
    0x1badb002,
    flags,
    -(0x1badb002 + flags) >>> 0,
    start + 0x40,
    start,
    start + 0x80,
    start + 0x80,
    start,
  ];
  // The header stands behind the code, where the loader looks for it too.
  header.forEach((word, index) => image.writeUInt32LE(word >>> 0, 0x40 + 4 * index));
  image.set(code, 0x10);
  image.writeUInt32LE(start + 0x10, 0x40 + 4 * 7);
  return image;
}

describe('machine/machine with page faults', () => {
  for (const pageFaults of ['reflect', 'exit'] as const) {
    it(`contains what programs do wrong, and pages on demand: ${pageFaults}`, async () => {
      const { machine, screen } = make({ engine: 'translator', pageFaults });
      await machine.start();
      await screen.shows('remus# ');
      machine.console.write('fault\n');
      await screen.shows('all ');
      await screen.shows('remus# ');
      await halt(machine);
      assert.doesNotMatch(screen.text, /NOT contained/i);
      assert.ok((screen.text.match(/ contained\s*$/gm) ?? []).length >= 40, screen.text);
      const { reflections, exits } = machine.translatorStatistics()!;
      assert.ok(pageFaults === 'reflect' ? reflections > exits.fault : reflections === 0 && exits.fault > 0);
    });
  }
});

describe('machine/machine with page-table calls of the ROM', () => {
  it('makes as many under either engine', async () => {
    const made: Readonly<Record<string, number>>[] = [];
    for (const engine of ['interpreter', 'translator'] as const) {
      const { machine } = make({ engine, append: 'quiet run="ls; cat motd; fault; ps; halt"' });
      await machine.start();
      const { reason, message } = await machine.ended;
      assert.equal(reason, ExitReason.Shutdown, message);
      const { romCalls } = machine.stats();
      const names = ['SetPxE', 'UpdatePxE', 'InvalPage', 'AllocatePage', 'ReleasePage'];
      made.push(
        Object.fromEntries(romCalls.filter(({ name }) => names.includes(name)).map((row) => [row.name, row.calls])),
      );
    }
    assert.ok(made[0].SetPxE > 500 && made[0].InvalPage > 20, JSON.stringify(made[0]));
    // Who of parent and child writes to a page first is the tick's to say; the last one takes it over, with one call of each of two kinds.
    const settled = made.map(({ SetPxE, InvalPage, ...others }) => ({ ...others, rest: SetPxE - InvalPage }));
    assert.deepEqual(settled[1], settled[0]);
    assert.ok(Math.abs(made[1].InvalPage - made[0].InvalPage) <= 4, JSON.stringify(made));
  });
});
