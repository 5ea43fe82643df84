/**
 * The front end: guest bytes in, a fragment out. It scans a run of instructions, decides how each is translated, and puts the checks of a
 * fragment where they cost least: the poll for attention and, before floating-point code, the one that the guest's FPU state is loaded.
 *
 * A fragment goes on behind conditional jumps that are not taken; it ends with an unconditional transfer, before an instruction for the
 * interpreter, before one that crosses into the next page (which is a fragment of its own), or when it has its fill. Only fragments with a backward or indirect transfer
 * poll, before the first such transfer: a loop has at least one of them.
 *
 * Read before: `fragment.ts`, `liveness.ts`, `emit/plan.ts`. Read after: `engine.ts`.
 */
import { decode, type ByteSource } from '../x86/decode.js';
import type { Instruction } from '../x86/instruction.js';
import { isSensitive } from '../x86/sensitive.js';
import { GuestFault } from '../x86/vectors.js';
import { Asm64 } from './asm64.js';
import { Flow, flowOf, relativeTarget } from './emit/branch.js';
import { Emitter, type Emit } from './emit/emitter.js';
import { usesFpu, usesXmm } from './emit/fpu.js';
import { planOf } from './emit/plan.js';
import { LinkKind, type Fragment, type Interpreted, type TranslationRequest } from './fragment.js';
import { deadFlags } from './liveness.js';

/** A fragment's fill of conditional jumps: code behind each is likely to be a fragment of its own as well. */
const MAX_SIDE_EXITS = 4;
/** More guest instructions than this would not fit the assembler's buffer for sure. */
const MAX_INSTRUCTIONS = 256;

/** Thrown by `PageSource` where the page ends; one value, as no stack trace is wanted. */
const CROSSES = new Error('the instruction crosses into the next page');

/** The bytes of one instruction, up to the end of the page, or of the next page where that is given. */
class PageSource implements ByteSource {
  offset = 0;
  /** Bytes that have been looked at, from the first one on. */
  read = 0;
  nextPage: ByteSource | undefined;

  constructor(
    private readonly _source: ByteSource,
    private readonly _size: number,
  ) {}

  byte(index: number): number {
    const at = this.offset + index;
    if (at < this._size) {
      if (at >= this.read) this.read = at + 1;
      return this._source.byte(at);
    }
    if (this.nextPage === undefined) throw CROSSES;
    return this.nextPage.byte(at - this._size);
  }
}

interface Item {
  readonly eip: number;
  readonly next: number;
  readonly instruction: Instruction;
  readonly emit: Emit;
}

interface Scan {
  readonly items: readonly Item[];
  /** What follows the last item is for the interpreter. */
  readonly interpreted: Interpreted | undefined;
  /** The last item transfers control unconditionally. */
  readonly closed: boolean;
  /** The first instruction crosses into the next page, and there is no other. */
  readonly crosses: boolean;
  readonly end: number;
  readonly bytesRead: number;
}

/** @returns the instruction; `CROSSES`; or undefined where decoding it is a fault, which the interpreter will meet */
function decodeAt(source: PageSource): Instruction | Error | undefined {
  try {
    return decode(source, 4);
  } catch (error) {
    if (error === CROSSES) return CROSSES;
    if (error instanceof GuestFault) return undefined;
    throw error;
  }
}

const isSti = (item: Item | undefined): boolean => item?.instruction.form.mnemonic === 'STI';

/**
 * STI takes effect behind the next instruction, which therefore must follow in the same fragment: the next one may poll at its start. Where
 * it does not, the interpreter runs both.
 */
function checkShadow(result: Scan, traps: boolean): Scan {
  const { items, interpreted: follower } = result;
  const last = items.at(-1);
  if (last === undefined || !isSti(last) || follower !== undefined) return result;
  const interpreted = { guestEip: last.eip, mnemonic: 'STI', traps } as const;
  return { ...result, items: items.slice(0, -1), interpreted, closed: false, end: last.next };
}

/** Decodes and plans, up to where the fragment ends. @returns undefined when not even the first instruction can be fetched */
function scan(request: TranslationRequest): Scan | undefined {
  const source = new PageSource(request.source, request.bytesLeftInPage);
  const limit = Math.min(request.maxInstructions, MAX_INSTRUCTIONS);
  const items: Item[] = [];
  const traps = request.trapsSensitive && request.cpl === 0;
  let crosses = false;
  const scanned = (end: number, closed: boolean, interpreted?: Interpreted): Scan =>
    checkShadow({ items, interpreted, closed, crosses, end, bytesRead: source.read }, traps);
  let eip = request.eip | 0;
  let sideExits = 0;
  for (;;) {
    let decoded = decodeAt(source);
    if (decoded === CROSSES) {
      if (items.length !== 0) return scanned(eip, false);
      source.nextPage = request.nextPage();
      if (source.nextPage === undefined) return undefined;
      crosses = true;
      decoded = decodeAt(source);
    }
    const instruction = decoded instanceof Error ? undefined : decoded;
    const next = (eip + (instruction?.length ?? 0)) | 0;
    const emit = instruction && planOf(instruction, request, next);
    if (instruction === undefined || emit === undefined) {
      return scanned(next, false, {
        guestEip: eip,
        mnemonic: instruction?.form.mnemonic ?? '(too long)',
        traps: traps && instruction !== undefined && isSensitive(instruction),
      });
    }
    items.push({ eip, next, instruction, emit });
    source.offset += instruction.length;
    eip = next;
    const flow = flowOf(emit);
    if (flow === Flow.Conditional) sideExits++;
    const closed = flow === Flow.Direct || flow === Flow.Indirect;
    const full = items.length >= limit || sideExits >= MAX_SIDE_EXITS || source.offset >= request.bytesLeftInPage;
    if (closed || full) return scanned(next, closed);
  }
}

/** A backward or indirect transfer: one of them is in every loop. */
function mayLoop({ eip, next, instruction, emit }: Item): boolean {
  const flow = flowOf(emit);
  if (flow === Flow.Next) return false;
  return flow === Flow.Indirect || relativeTarget(instruction, next) >>> 0 <= eip >>> 0;
}

/**
 * @param dead for each boundary, whether the flags are dead there
 * @returns before which item to poll, or -1: the last cheap place before the first transfer that may loop, or right before that one
 */
function pollPlace({ items, end }: Scan, dead: readonly boolean[]): number {
  let transfer = 0;
  while (transfer < items.length && !mayLoop(items[transfer])) transfer++;
  if (transfer === items.length) transfer = -1;
  // going on from the last address to the first is going back, too
  let first = transfer < 0 && end === 0 ? items.length - 1 : transfer;
  // the boundary behind STI is none for interrupts
  const isShadowed = (place: number): boolean => place > 0 && isSti(items[place - 1]);
  while (isShadowed(first)) first--;
  for (let place = first; place >= 0; place--) if (dead[place] && !isShadowed(place)) return place;
  return first;
}

/** The transfer that closes a loop over the fragment itself, and how often to emit the loop's body. */
interface Loop {
  /** Item of the transfer. */
  readonly end: number;
  readonly copies: number;
}

/** Guest instructions of all copies of a loop's body. */
const UNROLLED = 32;
/** With four, short loops take the same time wherever they lie; with fewer, up to a third more where branches fall badly (docs/performance.md). */
const MAX_COPIES = 4;

/**
 * A short loop over the fragment itself is unrolled: the poll is passed once in a few turns, and fewer jumps are taken.
 * @returns undefined when there is no such loop, or it is too long
 */
function findLoop(items: readonly Item[], maxInstructions: number): Loop | undefined {
  const end = items.findIndex(({ instruction, next, emit }) => {
    const { mnemonic } = instruction.form;
    const closes = mnemonic === 'JCC' || (mnemonic === 'JMP' && flowOf(emit) === Flow.Direct);
    return closes && relativeTarget(instruction, next) === items[0].eip;
  });
  const copies = Math.min(MAX_COPIES, Math.floor(UNROLLED / (end + 1)));
  if (end < 0 || copies < 2 || maxInstructions < UNROLLED || items.some(isSti)) return undefined;
  return { end, copies };
}

const assembler = new Asm64();

/** @param flagsDead no arithmetic flag matters behind it */
function emitItem(emitter: Emitter, item: Item, flagsDead: boolean): void {
  emitter.eip = item.eip;
  emitter.next = item.next;
  emitter.flagsDead = flagsDead;
  emitter.instruction(item.emit, item.instruction);
}

/**
 * Emits all copies of a loop's body but the last one.
 * @returns the jumps that lead out of the loop, to behind its last copy
 */
function emitCopies(
  emitter: Emitter,
  items: readonly Item[],
  { end, copies }: Loop,
  dead: readonly boolean[],
  poll: () => void,
  place: number,
): number[] {
  const exits: number[] = [];
  for (let copy = 1; copy < copies; copy++) {
    for (let index = 0; index < end; index++) {
      if (copy === 1 && index === place) poll();
      emitItem(emitter, items[index], dead[index + 1]);
    }
    if (copy === 1 && end === place) poll();
    const { form } = items[end].instruction;
    emitter.settleStack();
    // the opposite condition
    if (form.mnemonic === 'JCC') exits.push(emitter.asm.jumpIf(form.condition ^ 1));
  }
  return exits;
}

/**
 * Translates the code at `request.eip`.
 * @returns a fragment, which may be no more than an exit to the interpreter (`interpretsFirst`); undefined when the instruction goes on in
 *   a page that nothing can be fetched from now
 */
export function translate(request: TranslationRequest): Fragment | undefined {
  const scanned = scan(request);
  if (scanned === undefined) return undefined;
  const { items, interpreted, closed, end } = scanned;
  const emitter = new Emitter(assembler, request);
  const dead = deadFlags(items);
  const poll = pollPlace(scanned, dead);
  const fpu = items.some(({ instruction }) => usesFpu(instruction.form));
  emitter.eip = request.eip | 0;
  emitter.mark();
  if (fpu) emitter.ensureFpu(dead[0], emitter.eip);
  const liveEntry = fpu ? assembler.position : 0;
  const pollHere = (): void => emitter.poll(dead[poll], items[poll].eip);
  const loop = findLoop(items, request.maxInstructions);
  const exits = loop === undefined ? [] : emitCopies(emitter, items, loop, dead, pollHere, poll);
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (index === poll && loop === undefined) pollHere();
    emitItem(emitter, item, dead[index + 1]);
    if (index === loop?.end) for (const at of exits) assembler.bind(at);
  }
  if (interpreted?.traps === true) emitter.trap(interpreted.guestEip);
  else if (interpreted !== undefined) emitter.leave(LinkKind.Interpret, interpreted.guestEip);
  else if (!closed) emitter.transfer(end);
  emitter.finish();
  return {
    code: assembler.code(),
    guestStart: request.eip | 0,
    guestEnd: end,
    bytesRead: scanned.bytesRead,
    instructions: items.length,
    usesFpu: fpu,
    usesXmm: fpu && items.some(({ instruction }) => usesXmm(instruction.form)),
    liveEntry,
    side: emitter.side.view(),
    links: emitter.links.view(),
    interpreted,
    crosses: scanned.crosses,
    interpretsFirst: items.length === 0,
  };
}
