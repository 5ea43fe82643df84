/**
 * Segment registers. Reading one is a load from the state block. Loading DS, ES, FS or GS at CPL 0 is done in place where the descriptor is
 * that of a flat, writable segment, as kernels have it at every entry and exit; FS and GS also where it is the one that native code has loaded
 * last, as that of a kernel's data of its own (a base, but no limit), and null. All else is left, to native/shortcut.cc first: other
 * descriptors, DS and ES with null, SS with its shadow.
 * (SDM 2, MOV, POP; SDM 3A, "Segment Descriptors")
 * Read before: `stack.ts`. Read after: `string.ts`.
 */
import { AWAY_HIGH, KnownWord, SegmentWord, Word } from '../../vcpu/layout.js';
import { OperandKind, Segment } from '../../x86/instruction.js';
import { Condition, Host, segmentWord } from '../asm64.js';
import { LinkKind } from '../fragment.js';
import { awayWord, deferring, type Emit, type Emitter, type Plan } from './emitter.js';

/** Bits 32 to 63 of a present, accessed, writable 32-bit data segment from 0 to 4 GiB, but for the bits in `FREE`. */
const FLAT_HIGH = 0x00cf9300;
/** DPL and the bit that is the system's own. */
const FREE = (3 << 13) | (1 << 20);
const FLAT_LOW = 0xffff;
const DPL_SHIFT = 13;
/** Selector: index and table, table alone. */
const NOT_NULL = 0xfffc;
const TABLE = 4;
/** Access rights as `SegmentWord.Access` has them, of bits 32 to 63 shifted down by 8. */
const ACCESS = 0xf0ff;

/** MOV from a segment register: the selector, zero-extended. */
export const emitSelector = deferring((emitter, { operands: [destination, source], memory }) => {
  const { asm } = emitter;
  const word = segmentWord(source.value) + SegmentWord.Selector;
  if (memory !== undefined) {
    asm.loadState(Host.R8, word);
    emitter.store(emitter.address(memory), Host.R8, 2);
  } else {
    if (destination.size === 2) asm.byte(0x66);
    asm.loadState(destination.value, word);
  }
});

/** Puts the arithmetic flags away in the state block; EAX is free until `bringFlags`. Nothing may fault in between. */
function keepFlags({ asm }: Emitter): void {
  asm.storeState(Word.XlateScratch, Host.Rax);
  // LAHF; SETO AL
  asm.bytes(0x9f, 0x0f, 0x90, 0xc0);
  asm.storeState(Word.XlateScratch + 1, Host.Rax);
}

function bringFlags({ asm }: Emitter): void {
  asm.loadState(Host.Rax, Word.XlateScratch + 1);
  // ADD AL, 7F makes OF of the 1 in AL; SAHF the others
  asm.bytes(0x04, 0x7f, 0x9e);
  asm.loadState(Host.Rax, Word.XlateScratch);
}

/** Loads a segment register with the selector in r8d; flags are kept. */
function loadSegment(emitter: Emitter, segment: number): void {
  const { asm, eip } = emitter;
  const cache = segmentWord(segment);
  const mayBeNull = segment === Segment.Fs || segment === Segment.Gs;
  const slow: number[] = [];
  const notFlat: number[] = [];
  keepFlags(emitter);
  asm.testImmediate(Host.R8, NOT_NULL);
  const isNull = asm.jumpIf(Condition.Equal);
  asm.testImmediate(Host.R8, TABLE);
  slow.push(asm.jumpIf(Condition.NotEqual));
  asm.move(Host.R10, Host.R8);
  asm.orImmediate(Host.R10, 7);
  asm.compareState(Host.R10, Word.GdtrLimit);
  slow.push(asm.jumpIf(Condition.Above));
  asm.andImmediate(Host.R10, ~7);
  bringFlags(emitter);

  // these two can fault, as the interpreter's would
  asm.loadState(Host.R11, Word.GdtrBase);
  const descriptor = { base: Host.R10, index: Host.R11, scale: 0, displacement: 0 };
  emitter.load(Host.R9, descriptor);
  emitter.load(Host.R10, { ...descriptor, displacement: 4 });

  keepFlags(emitter);
  asm.compareImmediate(Host.R9, FLAT_LOW);
  notFlat.push(asm.jumpIf(Condition.NotEqual));
  asm.move(Host.R11, Host.R10);
  asm.andImmediate(Host.R11, ~FREE);
  asm.compareImmediate(Host.R11, FLAT_HIGH);
  notFlat.push(asm.jumpIf(Condition.NotEqual));
  // RPL <= DPL; CPL is 0
  asm.move(Host.R9, Host.R10);
  asm.shiftRight(Host.R9, DPL_SHIFT);
  asm.andImmediate(Host.R9, 3);
  asm.move(Host.R11, Host.R8);
  asm.andImmediate(Host.R11, 3);
  asm.compare(Host.R11, Host.R9);
  slow.push(asm.jumpIf(Condition.Above));
  asm.shiftRight(Host.R10, 8);
  asm.andImmediate(Host.R10, ACCESS);
  asm.storeState(cache + SegmentWord.Selector, Host.R8);
  asm.storeState(cache + SegmentWord.Access, Host.R10);
  // the low half of `away` is always 0
  const reach = (limit: number, away: number): void => {
    asm.setState(cache + SegmentWord.Limit, limit);
    asm.setState(awayWord(segment) + 1, away);
    asm.setState(Word.XlateRefresh, 1);
  };
  if (mayBeNull) {
    asm.setState(cache + SegmentWord.Base, 0);
    reach(-1, 0);
  }
  const loaded = asm.position;
  bringFlags(emitter);

  emitter.later(() => {
    asm.bind(isNull);
    if (mayBeNull) {
      asm.storeState(cache + SegmentWord.Selector, Host.R8);
      asm.setState(cache + SegmentWord.Base, 0);
      asm.setState(cache + SegmentWord.Access, 0);
      reach(0, AWAY_HIGH);
      asm.bind(asm.jump(), loaded);
      for (const at of notFlat) asm.bind(at);
      const known = Word.KnownSegments + (segment - Segment.Fs) * KnownWord.Count;
      for (const [register, word] of [
        [Host.R8, KnownWord.Selector],
        [Host.R9, KnownWord.Low],
        [Host.R10, KnownWord.High],
      ] as const) {
        asm.compareState(register, known + word);
        slow.push(asm.jumpIf(Condition.NotEqual));
      }
      asm.storeState(cache + SegmentWord.Selector, Host.R8);
      asm.loadState(Host.R9, known + KnownWord.Base);
      asm.storeState(cache + SegmentWord.Base, Host.R9);
      asm.loadState(Host.R9, known + KnownWord.Access);
      asm.storeState(cache + SegmentWord.Access, Host.R9);
      reach(-1, 0);
      asm.bind(asm.jump(), loaded);
    } else {
      for (const at of notFlat) asm.bind(at);
    }
    for (const at of slow) asm.bind(at);
    bringFlags(emitter);
    emitter.leave(LinkKind.Interpret, eip);
  });
}

const canLoad = (segment: number, cpl: number): boolean =>
  cpl === 0 && segment !== (Segment.Ss as number) && segment !== (Segment.Cs as number);

const emitLoad: Emit = (emitter, { operands: [destination, source], memory }) => {
  if (memory === undefined) emitter.asm.moveWord(Host.R8, source.value);
  else {
    emitter.load(Host.R8, emitter.address(memory), 2);
    emitter.asm.moveWord(Host.R8, Host.R8);
  }
  loadSegment(emitter, destination.value);
};

/** MOV to a segment register. */
export const planLoad: Plan = ({ operands: [destination] }, { cpl }) =>
  destination.kind === OperandKind.Segment && canLoad(destination.value, cpl) ? emitLoad : undefined;

const emitPop: Emit = (emitter, { operands: [destination], operandSize }) => {
  emitter.load(Host.R8, emitter.stack(0), operandSize);
  emitter.asm.moveWord(Host.R8, Host.R8);
  loadSegment(emitter, destination.value);
  emitter.moveStack(operandSize);
};

/** POP of a segment register. */
export const planPopSegment: Plan = ({ operands: [destination] }, { cpl }) =>
  canLoad(destination.value, cpl) ? emitPop : undefined;
