/**
 * Code bytes for the decoder: reads through CS and the page tables, with the faults that fetching can raise. Separate from the
 * interpreter because the decoder knows only `ByteSource`. Read before: `../x86/decode.ts`. Read after: `interpreter.ts`.
 */
import type { ByteSource } from '../x86/decode.js';
import { Segment } from '../x86/instruction.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import type { PhysMemory } from '../memory/phys.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';

const CS_LIMIT = Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Limit;
const PAGE_MASK = ~0xfff;

export class CodeFetch implements ByteSource {
  /** True once a byte of the next page was read: what comes out must not be kept with the first page. */
  crossed = false;

  private _eip = 0;
  private _linear = 0;
  private _phys = 0;
  private _nextPhys = 0;

  constructor(
    private readonly _cpu: Vcpu,
    private readonly _memory: PhysMemory,
  ) {}

  /**
   * Begins an instruction.
   * @param eip its offset in CS
   * @param linear its linear address
   * @param phys its physical address
   */
  begin(eip: number, linear: number, phys: number): void {
    this.crossed = false;
    this._eip = eip;
    this._linear = linear;
    this._phys = phys;
  }

  byte(index: number): number {
    const offset = (this._eip + index) >>> 0;
    if (offset > this._cpu.words[CS_LIMIT] >>> 0) throw new GuestFault(Vector.GP, 0);
    const linear = (this._linear + index) | 0;
    if (((linear ^ this._linear) & PAGE_MASK) === 0) return this._memory.read8(this._phys + index);
    if (!this.crossed) {
      this.crossed = true;
      this._nextPhys = this._cpu.mmu.translateFetch(linear & PAGE_MASK);
    }
    return this._memory.read8(this._nextPhys + (linear & ~PAGE_MASK));
  }
}
