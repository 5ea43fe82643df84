/**
 * A fragment while it is being made: the assembler, the tables that go with the code, and what all families of instructions share: guest
 * addresses, transfers of control, exits, code out of line. Read before: `../asm64.ts`. Read after: `native.ts`.
 */
import { SegmentWord, Word } from '../../vcpu/layout.js';
import {
  OperandKind,
  Reg,
  Segment,
  type Instruction,
  type MemoryOperand,
  type Operand,
} from '../../x86/instruction.js';
import { Asm64, Condition, Host, segmentWord, type Address } from '../asm64.js';
import { LinkKind, mayCross, SIDE_WORDS, type TranslationRequest } from '../fragment.js';

/** Emits one guest instruction; `eip`, `next` and `flagsDead` of the emitter are set. */
export type Emit = (emitter: Emitter, instruction: Instruction) => void;

/**
 * Decides how an instruction is translated.
 * @param nextEip EIP of the instruction behind it
 * @returns undefined to leave it to the interpreter
 */
export type Plan = (instruction: Instruction, request: TranslationRequest, nextEip: number) => Emit | undefined;

/** Emitters of `deferring`, and whether they see to ESP as an operand themselves. */
const deferringEmits = new Map<Emit, boolean>();

/**
 * Registers an emitter that may run while the host's RSP is not yet where the guest's ESP is (`Emitter.moveStack`): it reaches the stack by
 * `Emitter.stack` and `Emitter.address` only.
 * @param handlesEsp it may do so even when an operand is ESP itself
 */
export function deferring(emit: Emit, handlesEsp = false): Emit {
  deferringEmits.set(emit, handlesEsp);
  return emit;
}

/** Whether an instruction can be emitted with a move of ESP pending. */
function defers(emit: Emit, { operands }: Instruction): boolean {
  const handlesEsp = deferringEmits.get(emit);
  if (handlesEsp === undefined) return false;
  const isEsp = ({ kind, size, value }: Operand): boolean =>
    kind === OperandKind.Register && size !== 1 && value === (Reg.Esp as number);
  return handlesEsp || !operands.some(isEsp);
}

/** The segments that a request takes to be flat and writable. Reads through CS are rare: they are the interpreter's. */
export function isFlat(segment: Segment): boolean {
  return segment === Segment.Es || segment === Segment.Ss || segment === Segment.Ds;
}

/** The word pair that keeps translated code from a segment that it cannot reach through. */
export function awayWord(segment: Segment.Fs | Segment.Gs): number {
  return segment === Segment.Fs ? Word.FsAway : Word.GsAway;
}

const PAGE_MASK = ~0xfff;
/** The one-byte privileged instruction; native/fault.cc knows it by this. */
const HLT = 0xf4;

/**
 * A list of words, used again by each fragment: an array of its own for each would lie outside of V8's heap, where it stays until V8 sees a
 * reason to look.
 */
class WordList {
  length = 0;
  words = new Int32Array(1 << 10);

  push(word: number): void {
    if (this.length === this.words.length) {
      const grown = new Int32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    this.words[this.length++] = word;
  }

  /** A view of the words so far. */
  view(): Int32Array {
    return this.words.subarray(0, this.length);
  }
}

const sideWords = new WordList();
const linkWords = new WordList();

const absolute: Address = { base: Host.None, index: Host.None, scale: 0, displacement: 0 };

export class Emitter {
  readonly asm: Asm64;
  readonly request: TranslationRequest;
  /** As in `Fragment`. */
  readonly side = sideWords;
  readonly links = linkWords;
  /** The guest instruction being emitted, and the one behind it. */
  eip = 0;
  next = 0;
  /** No arithmetic flag matters behind the instruction being emitted. */
  flagsDead = false;

  /** Guest ESP less RSP: pushes and pops in a row move RSP once, at their end. */
  private _pending = 0;
  private readonly _page: number;
  private readonly _outOfLine: (() => void)[] = [];
  /** Jumps to each target inside the page. */
  private readonly _chains = new Map<number, number[]>();

  constructor(asm: Asm64, request: TranslationRequest) {
    this.asm = asm;
    this.request = request;
    this._page = request.eip & PAGE_MASK;
    asm.position = 0;
    sideWords.length = 0;
    linkWords.length = 0;
  }

  /** Emits one instruction; `eip`, `next` and `flagsDead` are set. */
  instruction(emit: Emit, instruction: Instruction): void {
    if (!defers(emit, instruction)) this.settleStack();
    this.mark();
    emit(this, instruction);
  }

  /** Begins a side entry of the current instruction. */
  mark(): void {
    const { side, asm } = this;
    const last = side.length - SIDE_WORDS;
    // an instruction without code leaves its place to the next one
    if (last >= 0 && side.words[last] === asm.position) {
      side.words[last + 1] = this.eip;
      side.words[last + 2] = this._pending;
    } else {
      side.push(asm.position);
      side.push(this.eip);
      side.push(this._pending);
    }
  }

  /** Has `emit` called behind the fragment's end, for code that is seldom run. */
  later(emit: () => void): void {
    this._outOfLine.push(emit);
  }

  /** Emits what `later` has collected, and what that collects: it is jumped to with RSP where the guest's ESP is. */
  finish(): void {
    if (this._pending !== 0) throw new Error('the fragment ends with a move of ESP pending');
    for (const emit of this._outOfLine) emit();
  }

  /** The offset part of a guest's operand, as a host operand. */
  effective(memory: MemoryOperand): Address {
    return {
      base: memory.base === Reg.None ? Host.None : memory.base,
      index: memory.index === Reg.None ? Host.None : memory.index,
      scale: memory.scale,
      displacement: memory.base === Reg.Esp ? (memory.displacement + this._pending) | 0 : memory.displacement,
    };
  }

  /**
   * The guest's operand as a host operand for `guest`. FS and GS take r11, sometimes r10, and a few instructions before, which keep the
   * flags and fault where the segment is not flat but for its base.
   */
  address(memory: MemoryOperand): Address {
    const plain = this.effective(memory);
    if (memory.segment !== Segment.Fs && memory.segment !== Segment.Gs) return plain;
    const base = (segmentWord(memory.segment) + SegmentWord.Base) * 4;
    this.asm.loadState64(Host.R11, awayWord(memory.segment));
    this.asm.load(Host.R11, { base: Host.R15, index: Host.R11, scale: 0, displacement: base });
    if (plain.index < 0 && plain.base >= 0) return { ...plain, index: Host.R11, scale: 0 };
    if (plain.base < 0) return { ...plain, base: Host.R11 };
    this.asm.lea(Host.R10, plain);
    return { base: Host.R10, index: Host.R11, scale: 0, displacement: 0 };
  }

  /**
   * An instruction with an operand in guest memory: the window's GS base and a 32-bit address.
   * @param prefix operand-size or mandatory prefix, 0 = none
   */
  guest(prefix: number, lock: boolean, opcode: readonly number[], reg: number, address: Address): void {
    const asm = this.asm;
    asm.bytes(0x65, 0x67);
    if (prefix !== 0) asm.byte(prefix);
    if (lock) asm.byte(0xf0);
    asm.rex(false, reg, address.index, address.base);
    for (let index = 0; index < opcode.length; index++) asm.byte(opcode[index]);
    asm.modRm(reg, address);
  }

  /** @returns [ESP + displacement] */
  stack(displacement: number): Address {
    return { ...absolute, base: Host.Rsp, displacement: (displacement + this._pending) | 0 };
  }

  /** MOV r32, or r16, from guest memory; a 16-bit load into r8 to r11 leaves their upper half. */
  load(reg: number, address: Address, sizeBytes: 2 | 4 = 4): void {
    this.guest(sizeBytes === 2 ? 0x66 : 0, false, [0x8b], reg, address);
  }

  store(address: Address, reg: number, sizeBytes: 2 | 4 = 4): void {
    this.guest(sizeBytes === 2 ? 0x66 : 0, false, [0x89], reg, address);
  }

  storeImmediate(address: Address, value: number, sizeBytes: 2 | 4 = 4): void {
    this.guest(sizeBytes === 2 ? 0x66 : 0, false, [0xc7], 0, address);
    if (sizeBytes === 4) this.asm.int32(value);
    else this.asm.bytes(value & 0xff, (value >> 8) & 0xff);
  }

  /** Adds to ESP, flags kept: not at once, as each move waits for the last one. The side table knows, should an instruction fault. */
  moveStack(deltaBytes: number): void {
    this._pending = (this._pending + deltaBytes) | 0;
  }

  /** Makes RSP the guest's ESP, flags kept: before control leaves the fragment, or an instruction uses ESP as such. */
  settleStack(): void {
    if (this._pending !== 0) this.asm.leaBase(Host.Rsp, Host.Rsp, this._pending);
    this._pending = 0;
  }

  /** Jumps to a stub with r8d = `eip`. */
  leave(kind: LinkKind.Miss | LinkKind.Attention | LinkKind.Interpret, eip: number): void {
    this.settleStack();
    this.asm.moveImmediate(Host.R8, eip);
    this._stub(kind);
  }

  /** Ends the fragment in an instruction that a process may not execute, for the guest's sensitive instruction at `eip`. */
  trap(eip: number): void {
    this.settleStack();
    this.eip = eip;
    this.mark();
    this.asm.byte(HLT);
  }

  private _stub(kind: LinkKind): void {
    this._link(this.asm.jump(), kind, 0, 0);
  }

  private _link(hostOffset: number, kind: LinkKind, targetEip: number, missOffset: number): void {
    const { links } = this;
    links.push(hostOffset);
    links.push(kind);
    links.push(targetEip);
    links.push(missOffset);
  }

  /** Jumps to the guest code whose EIP is in r8d, through the window's jump table. */
  jumpThroughTable(): void {
    const { asm } = this;
    this.settleStack();
    asm.load(Host.R9, { base: Host.R14, index: Host.R8, scale: 2, displacement: 0 });
    asm.lea64(Host.R9, { base: Host.R9, index: Host.R13, scale: 0, displacement: 0 });
    asm.jumpRegister(Host.R9);
  }

  /** Goes on at `target`: a chain inside the page, else the jump table. */
  transfer(target: number): void {
    this.settleStack();
    if (this._isChained(target)) this._chain(this.asm.jump(), target);
    else this._farTransfer(target);
  }

  /** Goes on at `target` if the condition holds, else behind. */
  transferIf(condition: number, target: number): void {
    this.settleStack();
    const at = this.asm.jumpIf(condition);
    if (this._isChained(target)) {
      this._chain(at, target);
      return;
    }
    this.later(() => {
      this.asm.bind(at);
      this._farTransfer(target);
    });
  }

  private _isChained(target: number): boolean {
    return (target & PAGE_MASK) === this._page && !mayCross(target);
  }

  private _farTransfer(target: number): void {
    this.asm.moveImmediate(Host.R8, target);
    this.jumpThroughTable();
  }

  private _chain(hostOffset: number, targetEip: number): void {
    const waiting = this._chains.get(targetEip);
    if (waiting !== undefined) {
      waiting.push(hostOffset);
      return;
    }
    const places = [hostOffset];
    this._chains.set(targetEip, places);
    this.later(() => {
      const missOffset = this.asm.position;
      for (const place of places) {
        this.asm.bind(place);
        this._link(place, LinkKind.Chain, targetEip, missOffset);
      }
      this.leave(LinkKind.Miss, targetEip);
    });
  }

  /** Puts the host's stack into RSP, guest's into r8, and the flags on the host's stack. */
  saveFlags(): void {
    this.asm.move64(Host.R8, Host.Rsp);
    this.asm.loadState64(Host.Rsp, Word.HostStack);
    this.asm.pushFlags();
  }

  /** Undoes `saveFlags`. */
  restoreFlags(): void {
    this.asm.popFlags();
    this.asm.move64(Host.Rsp, Host.R8);
  }

  /**
   * The poll: leaves with `Attention` when somebody has set the attention word.
   * @param flagsDead the arithmetic flags do not matter here @param eip of the boundary that this is
   */
  poll(flagsDead: boolean, eip: number): void {
    const { asm } = this;
    this.settleStack();
    if (flagsDead) {
      asm.compareStateZero(Word.Attention);
      const out = asm.jumpIf(Condition.NotEqual);
      this.later(() => {
        asm.bind(out);
        this.leave(LinkKind.Attention, eip);
      });
      return;
    }
    asm.move(Host.R9, Host.Rcx);
    asm.loadState(Host.Rcx, Word.Attention);
    const none = asm.jumpIfEcxZero();
    const out = asm.jump();
    asm.bindShort(none);
    asm.move(Host.Rcx, Host.R9);
    this.later(() => {
      asm.bind(out);
      asm.move(Host.Rcx, Host.R9);
      this.leave(LinkKind.Attention, eip);
    });
  }

  /**
   * Makes sure that the host's FPU holds the guest's state; the code behind it may take that for granted up to the fragment's end.
   * @param flagsDead the arithmetic flags do not matter here @param eip of the fragment
   */
  ensureFpu(flagsDead: boolean, eip: number): void {
    const { asm } = this;
    let load: number;
    if (flagsDead) {
      asm.compareStateZero(Word.FpuLive);
      load = asm.jumpIf(Condition.Equal);
    } else {
      asm.move(Host.R9, Host.Rcx);
      asm.loadState(Host.Rcx, Word.FpuLive);
      const notLive = asm.jumpIfEcxZero();
      asm.move(Host.Rcx, Host.R9);
      const live = asm.jumpShort();
      asm.bindShort(notLive);
      asm.move(Host.Rcx, Host.R9);
      load = asm.jump();
      asm.bindShort(live);
    }
    const back = asm.position;
    this.later(() => {
      asm.bind(load);
      asm.bind(asm.leaRelative(Host.R9), back);
      asm.moveImmediate(Host.R8, eip);
      this._stub(LinkKind.FpuLoad);
    });
  }

  /**
   * IF is turned on: leaves if the interrupt controller asks for an interrupt. The controller's words are nearly always 0 where it matters,
   * so that the flags need not be saved.
   * @param eip of the boundary that this is @param kind how to leave
   */
  checkInterrupts(flagsDead: boolean, eip: number, kind: LinkKind.Attention | LinkKind.Interpret): void {
    const { asm } = this;
    this.settleStack();
    if (flagsDead) {
      const out = this._testInterrupts();
      this.later(() => {
        asm.bind(out);
        this.leave(kind, eip);
      });
      return;
    }
    asm.move(Host.R9, Host.Rcx);
    asm.loadState(Host.Rcx, Word.PicIrr);
    const noRequest = asm.jumpIfEcxZero();
    const request = asm.jump();
    asm.bindShort(noRequest);
    asm.loadState(Host.Rcx, Word.PicLevels);
    const noLevel = asm.jumpIfEcxZero();
    const level = asm.jump();
    asm.bindShort(noLevel);
    asm.move(Host.Rcx, Host.R9);
    const back = asm.position;
    this.later(() => {
      asm.bind(request);
      asm.bind(level);
      asm.move(Host.Rcx, Host.R9);
      this.saveFlags();
      const out = this._testInterrupts();
      this.restoreFlags();
      asm.bind(asm.jump(), back);
      asm.bind(out);
      this.restoreFlags();
      this.leave(kind, eip);
    });
  }

  /**
   * Leaves the instruction to the interpreter unless the upper 16 bits of a register, a scratch one or ECX, are 0. No flag changes.
   * R10 is lost.
   */
  leaveUnlessShort(register: Host): void {
    const { asm, eip } = this;
    asm.move(Host.R10, Host.Rcx);
    if (register !== Host.Rcx) asm.move(Host.Rcx, register);
    // BSWAP ECX: the upper half is in CX
    asm.bytes(0x0f, 0xc9);
    asm.moveWord(Host.Rcx, Host.Rcx);
    const short = asm.jumpIfEcxZero();
    const long = asm.jump();
    asm.bindShort(short);
    asm.move(Host.Rcx, Host.R10);
    this.later(() => {
      asm.bind(long);
      asm.move(Host.Rcx, Host.R10);
      this.leave(LinkKind.Interpret, eip);
    });
  }

  /** As `checkInterrupts` where the flags are dead, but only for the bits that are set in `mask`: all or none. */
  checkInterruptsUnder(mask: number, eip: number): void {
    const { asm } = this;
    asm.loadState(Host.R9, Word.PicIrr);
    asm.orState(Host.R9, Word.PicLevels);
    asm.andState(Host.R9, Word.PicOpen);
    asm.and(Host.R9, mask);
    const out = asm.jumpIf(Condition.NotEqual);
    this.later(() => {
      asm.bind(out);
      this.leave(LinkKind.Attention, eip);
    });
  }

  /** (PicIrr | PicLevels) & PicOpen. @returns the jump that is taken when it is not 0 */
  private _testInterrupts(): number {
    const { asm } = this;
    asm.loadState(Host.R9, Word.PicIrr);
    asm.orState(Host.R9, Word.PicLevels);
    asm.testState(Word.PicOpen, Host.R9);
    return asm.jumpIf(Condition.NotEqual);
  }
}
