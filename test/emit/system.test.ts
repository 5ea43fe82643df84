/**
 * What only CPL 0 does, translated and interpreted side by side: EFLAGS with IF, segment registers, ROM calls, and how an interrupt that waits
 * for IF gets its turn. Read before: `rig.ts`.
 */
import assert from 'node:assert/strict';
import { RomSlot } from '../../src/translator/emit/rom.js';
import { calls } from '../../src/rom/calls.js';
import { slotAt, slotOffset } from '../../src/rom/slots.js';
import { read64 } from '../../src/vcpu/counters.js';
import { SegmentWord, Word } from '../../src/vcpu/layout.js';
import { Segment } from '../../src/x86/instruction.js';
import { FpuMachine, HANDLERS } from '../unit/interp/fpuMachine.js';
import { CODE, DATA, ROM_START, STACK_TOP, d } from '../unit/interp/machine.js';
import { generator } from '../unit/interp/vectors.js';
import { TranslatedMachine } from './rig.js';

const HLT = 0xf4;
const FLAGS = 0xcd5;

describe('CPL 0, translated', () => {
  let translated: TranslatedMachine;
  let interpreted: FpuMachine;
  before(() => {
    translated = new TranslatedMachine();
    interpreted = new FpuMachine();
  });
  after(() => {
    translated.dispose();
    interpreted.dispose();
  });

  /** Starts `machine` at `code` with flags and registers that follow from `seed`. */
  function start(
    machine: FpuMachine,
    code: readonly number[],
    seed: number,
    prepare: (machine: FpuMachine) => void,
  ): void {
    const next = generator(seed);
    machine.enterSystem();
    const { words, phys } = machine;
    words[Word.Halted] = 0;
    words[Word.Attention] = 0;
    words[Word.InterruptFlag] = 0;
    machine.requested = false;
    words[Word.PicIrr] = 0;
    words[Word.PicOpen] = 0;
    for (let register = Word.Eax; register <= Word.Edi; register++) words[register] = next();
    words[Word.Esp] = STACK_TOP;
    words[Word.Esi] = DATA;
    words[Word.Edi] = DATA + 64;
    machine.eflags = next() & FLAGS;
    for (let vector = 0; vector < 32; vector++) phys.load(HANDLERS + 16 * vector, Uint8Array.of(HLT));
    phys.load(DATA, new Uint8Array(256));
    phys.load(STACK_TOP - 64, new Uint8Array(128));
    machine.place([...code, HLT]);
    prepare(machine);
  }

  function stateOf(machine: FpuMachine): object {
    const { words, phys, eflags } = machine;
    return {
      eflags,
      registers: words.slice(Word.Eax, Word.Edi + 1),
      eip: words[Word.Eip] >>> 0,
      interrupts: words[Word.InterruptFlag],
      segments: words.slice(Word.Segments, Word.Segments + 6 * SegmentWord.Count),
      data: phys.bytes.slice(DATA, DATA + 256),
      stack: phys.bytes.slice(STACK_TOP - 64, STACK_TOP + 64),
    };
  }

  /** Runs `code` under both engines with several seeds. @returns the translated machine's state of the last one */
  function compare(code: readonly number[], prepare: (machine: FpuMachine) => void = () => undefined, seeds = 8): void {
    const { enters } = translated.translator.statistics();
    for (let seed = 1; seed <= seeds; seed++) {
      start(translated, code, seed, prepare);
      translated.runToHalt();
      start(interpreted, code, seed, prepare);
      for (let left = 100; left > 0 && interpreted.words[Word.Halted] === 0; left--) interpreted.interpreter.run(100);
      assert.deepEqual(stateOf(translated), stateOf(interpreted));
    }
    assert.ok(translated.translator.statistics().enters > enters, 'nothing was translated');
  }

  it('pushes and pops all of EFLAGS', () => {
    for (const flags of [0x2, 0xcd7, 0x202, 0x3202, 0x4002, 0x40002, 0x200002, 0x246, 0x20002, 0xffff0000 | 0]) {
      // push flags; popf; pushf; popf; pushf; pop eax
      compare([0x68, ...d(flags), 0x9d, 0x9c, 0x9d, 0x9c, 0x58], undefined, 2);
    }
  });

  it('shows the arithmetic flags that the last instruction left', () => {
    // add eax, ebx; pushf; adc ecx, edx; pushf; popf; sbb eax, ecx; setcc dl
    compare([0x01, 0xd8, 0x9c, 0x11, 0xd1, 0x9c, 0x9d, 0x19, 0xc8, 0x0f, 0x92, 0xc2], undefined, 32);
  });

  const descriptors: readonly (readonly [name: string, low: number, high: number])[] = [
    ['flat data', 0x0000ffff, 0x00cf9300],
    ['flat data with the free bit', 0x0000ffff, 0x00df9300],
    ['flat data of ring 3', 0x0000ffff, 0x00cff300],
    ['not accessed', 0x0000ffff, 0x00cf9200],
    ['read-only', 0x0000ffff, 0x00cf9100],
    ['expand-down', 0x0000ffff, 0x00cf9700],
    ['code', 0x0000ffff, 0x00cf9b00],
    ['with a base', 0x1000ffff, 0x00cf9300],
    ['with a limit', 0x0000fffe, 0x00cf9300],
    ['16 bits wide', 0x0000ffff, 0x008f9300],
    ['absent', 0x0000ffff, 0x00cf1300],
    ['a system segment', 0x0000ffff, 0x00cf8300],
  ];

  for (const [name, low, high] of descriptors) {
    it(`loads DS and FS with a descriptor that is ${name}`, () => {
      for (const rpl of [0, 3]) {
        const selector = 0x28 | rpl;
        const prepare = (machine: FpuMachine): void => machine.descriptor(5, low, high);
        // mov bx, selector; mov fs, bx; push selector; pop ds; mov eax, fs; mov ecx, ds
        const code = [0x66, 0xbb, selector, 0, 0x8e, 0xe3, 0x6a, selector, 0x1f, 0x8c, 0xe0, 0x8c, 0xd9];
        compare(code, prepare, 4);
      }
    });
  }

  it('loads null, selectors outside the table and of the other table as the interpreter does', () => {
    for (const selector of [0, 3, 0x100, 0xfff8, 0x14, 0x17, 0x10, 0x13]) {
      const bytes = [selector & 0xff, selector >> 8];
      for (const modRm of [0xdb, 0xe3, 0xeb, 0xc3]) compare([0x66, 0xbb, ...bytes, 0x8e, modRm], undefined, 2);
      // push 0; pop gs; push selector; pop gs: null over null
      compare([0x6a, 0, 0x0f, 0xa9, 0x68, ...bytes, 0, 0, 0x0f, 0xa9], undefined, 2);
    }
  });

  it('uses FS with the base that it has now', () => {
    const prepare = (machine: FpuMachine): void => machine.cpu.setSegment(Segment.Fs, 0x33, 0x20, -1, 0xc0f3);
    // mov fs:[esi+4], eax; add ecx, fs:[esi+4]; mov fs:[edi], bx; push dword fs:[esi+4]
    compare([0x64, 0x89, 0x46, 4, 0x64, 0x03, 0x4e, 4, 0x64, 0x66, 0x89, 0x1f, 0x64, 0xff, 0x76, 4], prepare);
  });

  it('repeats a string instruction however often', () => {
    for (const count of [0, 1, 0xffff, 0x10000, 0x10001, 0x23456]) {
      // mov ecx, count; mov edi, 100000; rep stosb; the same for repe scasb
      compare(
        [0xb9, ...d(count), 0xbf, ...d(0x100000), 0xf3, 0xaa, 0xbf, ...d(0x100000), 0xb9, ...d(count), 0xf3, 0xae],
        undefined,
        2,
      );
    }
  });

  it('turns IF on and off', () => {
    // cli; pushf; sti; nop; pushf; cli; sti; pop eax
    compare([0xfa, 0x9c, 0xfb, 0x90, 0x9c, 0xfa, 0xfb, 0x58]);
  });

  describe('an interrupt that waits for IF', () => {
    /** Runs `code` once with a request pending. @returns EIP where the run loop was asked for */
    function stopsAt(code: readonly number[], open = 1): number {
      start(translated, code, 1, ({ words }) => {
        words[Word.PicIrr] = 1;
        words[Word.PicOpen] = open;
      });
      translated.requested = open !== 0;
      translated.translator.run(1000);
      return translated.words[Word.Eip] - CODE;
    }

    it('gets its turn behind the instruction that follows STI', () => {
      assert.equal(stopsAt([0xfb, 0x40, 0x40, 0x40]), 2);
      // where the flags are dead: sti; inc eax; add eax, ebx
      assert.equal(stopsAt([0xfb, 0x40, 0x01, 0xd8]), 2);
    });

    it('gets it behind STI and HLT', () => {
      assert.equal(stopsAt([0xfb, 0xf4]), 2);
      assert.equal(translated.words[Word.Halted], 1);
    });

    it('gets it right behind POPF', () => {
      assert.equal(stopsAt([0x68, ...d(0x202), 0x9d, 0x40, 0x40]), 6);
    });

    it('does not get it when it is masked', () => {
      assert.equal(stopsAt([0xfb, 0x40, 0x68, ...d(0x202), 0x9d, 0x40], 0), 10);
    });

    it('does not get it when POPF leaves IF off', () => {
      assert.equal(stopsAt([0x68, ...d(0x2), 0x9d, 0x40]), 8);
    });
  });

  it('leaves a loop when attention is asked for', () => {
    for (const code of [
      [0xeb, 0xfe],
      [0x48, 0x75, 0xfd, 0xeb, 0xfb],
      [0x83, 0xc0, 1, 0xeb, 0xfb],
      // call to a ret, for ever
      [0xe8, 2, 0, 0, 0, 0xeb, 0xf9, 0xc3],
    ]) {
      start(translated, code, 1, () => undefined);
      translated.words[Word.Attention] = 1;
      assert.equal(translated.translator.run(10), 0);
      translated.words[Word.Attention] = 0;
      // set by a timer signal, as there is nobody else to do it while the loop runs on this thread
      translated.attentionAfter(2_000_000);
      translated.translator.run(1_000_000_000);
      assert.notEqual(translated.words[Word.Attention], 0);
    }
  });
});

describe('ROM calls as intrinsics', () => {
  it('have the numbers of the call table and may be replaced by what they do', () => {
    const names = {
      GetLDT: RomSlot.GetLDT,
      GetTR: RomSlot.GetTR,
      GetCR0: RomSlot.GetCR0,
      GetCR2: RomSlot.GetCR2,
      GetCR3: RomSlot.GetCR3,
      GetCR4: RomSlot.GetCR4,
      WBINVD: RomSlot.WBINVD,
      EnableInterrupts: RomSlot.EnableInterrupts,
      DisableInterrupts: RomSlot.DisableInterrupts,
      GetInterruptMask: RomSlot.GetInterruptMask,
      SetInterruptMask: RomSlot.SetInterruptMask,
      IODelay: RomSlot.IODelay,
      SetLazyMode: RomSlot.SetLazyMode,
      SetPxE: RomSlot.SetPxE,
      UpdatePxE: RomSlot.UpdatePxE,
    };
    for (const [name, number] of Object.entries(names)) {
      const row = calls.find((call) => call.number === (number as number));
      assert.equal(row?.name, name);
      assert.ok(row.inline, `${name} may not be replaced`);
    }
  });

  describe('of page-table entries', () => {
    const ENTRY = 0x8000;
    let machine: TranslatedMachine;
    before(() => {
      machine = new TranslatedMachine();
      machine.translator.setRom(ROM_START, 0x1000, slotAt, () => true);
    });
    after(() => machine.dispose());

    /** Calls `slot` with these registers, the entry being `old`. @returns what the calls of the ROM itself were */
    function call(slot: RomSlot, old: number, registers: readonly [eax: number, ecx: number, edx: number]): number[] {
      const { words, phys, romCalls } = machine;
      machine.enterSystem();
      words[Word.Halted] = 0;
      words[Word.Esp] = STACK_TOP;
      [words[Word.Eax], words[Word.Ecx], words[Word.Edx]] = registers;
      phys.write32(ENTRY, old);
      phys.load(ROM_START + slotOffset(slot), Uint8Array.of(0x0f, 0x01, 0xc1, 0xc3));
      machine.place([0xe8, ...d(ROM_START + slotOffset(slot) - CODE - 5), HLT]);
      romCalls.length = 0;
      machine.runToHalt();
      assert.equal(words[Word.Esp], STACK_TOP);
      return [...romCalls];
    }

    it('store an entry, and tell of a change where there was one', () => {
      const { words, phys } = machine;
      for (const old of [0, 0x5000, 0x5001, 0x5067]) {
        const changes = words[Word.TableChanges];
        assert.deepEqual(call(RomSlot.SetPxE, old, [0x1063, 1, ENTRY]), []);
        assert.equal(phys.read32(ENTRY), 0x1063);
        assert.equal(words[Word.TableChanges] - changes, old & 1);
      }
      assert.equal(read64(words, Word.RomCalls + 2 * RomSlot.SetPxE), 4);
    });

    it('tell of a change that the guest has made', () => {
      const { words, phys } = machine;
      const changes = words[Word.TableChanges];
      assert.deepEqual(call(RomSlot.UpdatePxE, 0x5067, [ENTRY, 0, 1]), []);
      assert.equal(phys.read32(ENTRY), 0x5067);
      assert.equal(words[Word.TableChanges] - changes, 1);
    });

    it('are called where they tell an address', () => {
      assert.deepEqual(call(RomSlot.SetPxE, 0, [0x1063, 0x7011, ENTRY]), [slotOffset(RomSlot.SetPxE)]);
      assert.deepEqual(call(RomSlot.UpdatePxE, 0, [ENTRY, 0, 0x7011]), [slotOffset(RomSlot.UpdatePxE)]);
    });
  });
});
