/**
 * What a trapped sensitive instruction goes through (strategy trap-and-emulate), as a monitor of 2006 had to do it: the trap says only
 * that something happened at CS:EIP, so find the segment in the guest's descriptor table, walk the guest's page tables to the code,
 * fetch it, decode it, emulate it. Each step does its work on guest memory, with nothing kept from earlier ones, and is counted.
 *
 * The result is that of the instruction executed in place. Where the hidden part of CS and its descriptor differ (the guest has written
 * its table since), the hidden part holds, as on the processor. Code at CPL 3 is not deprivileged and does not trap.
 *
 * When translated code runs, the trap is the host's: a SIGSEGV in place of the instruction (native/fault.cc), which ends here as well.
 * Read before: `binders.ts`, `../x86/sensitive.ts`, `../memory/walk.ts`. Read after: `../irq/strategies/trapAndEmulate.ts`.
 */
import { Segment } from '../x86/instruction.js';
import type { Instruction } from '../x86/instruction.js';
import { decode } from '../x86/decode.js';
import type { ByteSource } from '../x86/decode.js';
import { NOT_MAPPED, TableWalk } from '../memory/walk.js';
import type { PhysMemory } from '../memory/phys.js';
import { add64 } from '../vcpu/counters.js';
import { Descriptor } from '../vcpu/descriptor.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import { Access, Mode } from '../vcpu/vcpu.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import type { Engine, Execute, Step } from './step.js';

const CS = Word.Segments + Segment.Cs * SegmentWord.Count;
const LDTR = Word.Segments + Segment.Ldtr * SegmentWord.Count;
const SELECTOR_TI = 4;
const PAGE_MASK = ~0xfff;

export class TrapPath implements ByteSource {
  private readonly _walk: TableWalk;
  private _linear = 0;
  private _page = 0;
  private _phys = 0;
  private _fetched = 0;

  /** @param bindInPlace makes the step that executes a decoded instruction without a trap */
  constructor(
    private readonly _engine: Engine,
    private readonly _memory: PhysMemory,
    private readonly _bindInPlace: (instruction: Instruction) => Step,
  ) {
    this._walk = new TableWalk(_engine.cpu.words, _memory);
  }

  /** @returns a handler that traps at CPL 0 to 2, and executes in place at CPL 3 */
  wrap(inPlace: Execute): Execute {
    return (cpu, step) => {
      if (cpu.words[Word.Cpl] === 3) inPlace(cpu, step);
      else this._trap(cpu);
    };
  }

  byte(index: number): number {
    const linear = (this._linear + index) | 0;
    if ((linear & PAGE_MASK) !== this._page || index === 0) {
      this._page = linear & PAGE_MASK;
      const walked = this._walk.walk(linear);
      // not mapped, though it ran a moment ago: the MMU knows what fault that is
      const phys = walked === NOT_MAPPED ? this._engine.cpu.mmu.translateFetch(linear) : walked;
      this._phys = phys & PAGE_MASK;
    }
    this._fetched++;
    return this._memory.read8((this._phys | (linear & ~PAGE_MASK)) >>> 0);
  }

  private _trap(cpu: Vcpu): void {
    const words = cpu.words;
    const eip = this._engine.eip;
    add64(words, Word.Traps, 1);
    this._walk.entries = 0;
    this._fetched = 0;
    const segment = this._findSegment(cpu);
    this._linear = (segment.base + eip) | 0;
    const instruction = decode(this, segment.codeSize);
    add64(words, Word.TrapTableReads, this._walk.entries);
    add64(words, Word.TrapFetchBytes, this._fetched);
    add64(words, Word.TrapDecodes, 1);
    const step = this._bindInPlace(instruction);
    step.execute(cpu, step);
    add64(words, Word.TrapEmulations, 1);
  }

  /** The code segment, by its selector: from the descriptor table in guest memory, checked against the hidden part of CS. */
  private _findSegment(cpu: Vcpu): { base: number; codeSize: 2 | 4 } {
    const words = cpu.words;
    const hidden = { base: words[CS + SegmentWord.Base], codeSize: cpu.codeSize };
    const selector = words[CS + SegmentWord.Selector];
    if (cpu.mode !== Mode.Protected) return hidden;
    const base = (selector & SELECTOR_TI) !== 0 ? words[LDTR + SegmentWord.Base] : words[Word.GdtrBase];
    const linear = (base + (selector & 0xfff8)) | 0;
    const low = this._walk.read32(linear);
    const high = this._walk.read32((linear + 4) | 0);
    add64(words, Word.TrapSegmentReads, 2);
    if (low === undefined || high === undefined) return hidden;
    const found = new Descriptor(selector, linear, low, high);
    const codeSize = (found.access & Access.Big) !== 0 ? 4 : 2;
    return found.base === hidden.base && codeSize === hidden.codeSize ? { base: found.base, codeSize } : hidden;
  }
}
