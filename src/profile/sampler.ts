/**
 * The profiler's half on the vCPU thread: at each NMI of its timer it notes where the guest is, whatever IF says, and counts how often
 * each place was found. Names come later and elsewhere (`symbols.ts`). The guest never learns of it.
 *
 * Callers are found by frame pointers. A kernel compiled without them uses EBP for anything, so a chain is believed only as long as
 * it climbs the stack and each return address stands behind a CALL; otherwise the sample is of one place.
 * Read before: `../machine/runLoop.ts`. Read after: `symbols.ts`.
 */
import { add64 } from '../vcpu/counters.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { NOT_MAPPED, TableWalk } from '../memory/walk.js';
import type { PhysMemory } from '../memory/phys.js';
import { Segment } from '../x86/instruction.js';

/** What the vCPU was doing. */
export type SampleKind = 'kernel' | 'user' | 'rom' | 'idle';

/** A place, how often it was found there, and who had called it. */
export interface Sample {
  readonly kind: SampleKind;
  /** Linear addresses, outermost caller first, the sampled one last; empty when idle. */
  readonly stack: readonly number[];
  readonly count: number;
}

/** All samples of a machine's run. */
export interface Profile {
  /** Samples asked for a second. */
  readonly rateHz: number;
  readonly samples: readonly Sample[];
}

/** Callers followed at most. */
const MAX_DEPTH = 64;
/** A frame further up than this belongs to no stack. */
const MAX_FRAME_BYTES = 64 * 1024;
const CS_BASE = Word.Segments + Segment.Cs * SegmentWord.Count + SegmentWord.Base;

export class Sampler {
  private readonly _walk: TableWalk;
  private readonly _found = new Map<string, { kind: SampleKind; stack: number[]; count: number }>();

  /** @param rom where the ROM lies in physical memory; undefined = there is none */
  constructor(
    private readonly _cpu: Vcpu,
    private readonly _phys: PhysMemory,
    private readonly _rom: { readonly base: number; readonly sizeBytes: number } | undefined,
    private readonly _rateHz: number,
  ) {
    this._walk = new TableWalk(_cpu.words, _phys);
  }

  /** Takes one sample. The vCPU stands between two instructions. */
  sample(): void {
    const words = this._cpu.words;
    add64(words, Word.Samples, 1);
    const linear = (words[Word.Eip] + words[CS_BASE]) >>> 0;
    const kind = this._kind(linear);
    const stack = kind === 'idle' ? [] : [...this._callers().reverse(), linear];
    const key = `${kind} ${stack.join(' ')}`;
    const found = this._found.get(key);
    if (found === undefined) this._found.set(key, { kind, stack, count: 1 });
    else found.count++;
  }

  profile(): Profile {
    return { rateHz: this._rateHz, samples: [...this._found.values()] };
  }

  private _kind(linear: number): SampleKind {
    const words = this._cpu.words;
    if (words[Word.Halted] !== 0) return 'idle';
    if (words[Word.Cpl] === 3) return 'user';
    const phys = this._walk.walk(linear | 0);
    const rom = this._rom;
    return rom !== undefined && phys >= rom.base && phys < rom.base + rom.sizeBytes ? 'rom' : 'kernel';
  }

  /** Return addresses by frame pointers, innermost first. */
  private _callers(): number[] {
    const words = this._cpu.words;
    const callers: number[] = [];
    let frame = words[Word.Ebp] >>> 0;
    let below = words[Word.Esp] >>> 0;
    while (callers.length < MAX_DEPTH && frame >= below && frame - below < MAX_FRAME_BYTES && (frame & 3) === 0) {
      const next = this._walk.read32(frame | 0);
      const returnTo = this._walk.read32((frame + 4) | 0);
      if (next === undefined || returnTo === undefined || !this._isBehindCall(returnTo)) break;
      callers.push(returnTo >>> 0);
      below = frame + 8;
      frame = next >>> 0;
    }
    return callers;
  }

  /** Whether the bytes before an address are a CALL: E8 rel32, or FF /2 with 0 to 5 bytes behind its ModR/M. (SDM 2, CALL) */
  private _isBehindCall(linear: number): boolean {
    const bytes: number[] = [];
    for (let back = 7; back > 0; back--) {
      const phys = this._walk.walk((linear - back) | 0);
      if (phys === NOT_MAPPED) return false;
      bytes.push(this._phys.read8(phys));
    }
    if (bytes[2] === 0xe8) return true;
    return [2, 3, 4, 6, 7].some((length) => bytes[7 - length] === 0xff && ((bytes[8 - length] >> 3) & 7) === 2);
  }
}
