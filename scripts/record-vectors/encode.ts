/**
 * Instructions made from rows of the instruction table: prefixes, ModR/M, SIB, displacement and immediates chosen at random, with the
 * registers and memory that they need to be worth executing (pointers into the data windows, selectors that exist, dividends that fit).
 * Read before: `../../src/x86/encoding.ts`, `../../test/vectors/world.ts`. Read after: `record.ts`, `../fuzz/sequence.ts`.
 */
import { MandatoryPrefix, mapEscapes, readEncoding, type Encoding } from '../../src/x86/encoding.js';
import { Attribute, type Form } from '../../src/x86/form.js';
import { Reg, Segment, type Instruction } from '../../src/x86/instruction.js';
import { OperandSource, operandSpecs, sizeInBytes } from '../../src/x86/operands.js';
import { tryDecode } from '../../test/vectors/disassemble.js';
import { Key, type Override } from '../../test/vectors/state.js';
import { below, edgeValue, once, pick, type Next } from '../../test/vectors/values.js';
import {
  CODE,
  DATA_END,
  DATA_MIDDLE,
  READ_ONLY,
  STACK_END,
  STACK_MIDDLE,
  baseOfSelector,
  segmentBase,
  selectorPool,
  windows,
  type Mode,
} from '../../test/vectors/world.js';

export interface Encoded {
  readonly bytes: Uint8Array;
  readonly overrides: readonly Override[];
  readonly instruction: Instruction;
  /** Linear address that the memory operand was aimed at, or -1. */
  readonly target: number;
}

const encodings = new Map<Form, Encoding>();

function encodingOf(form: Form): Encoding {
  let encoding = encodings.get(form);
  if (encoding === undefined) encodings.set(form, (encoding = readEncoding(form)));
  return encoding;
}

const segmentPrefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const mandatoryByte: Readonly<Record<MandatoryPrefix, number>> = {
  [MandatoryPrefix.None]: 0,
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
  [MandatoryPrefix.Any]: 0,
};

const little = (value: number, sizeBytes: number): number[] =>
  Array.from({ length: sizeBytes }, (_, i) => (value >>> (8 * i)) & 0xff);

/** 16-bit addressing forms by r/m: base and index. */
const pairs16: readonly (readonly [Reg, Reg])[] = [
  [Reg.Ebx, Reg.Esi],
  [Reg.Ebx, Reg.Edi],
  [Reg.Ebp, Reg.Esi],
  [Reg.Ebp, Reg.Edi],
  [Reg.Esi, Reg.None],
  [Reg.Edi, Reg.None],
  [Reg.Ebp, Reg.None],
  [Reg.Ebx, Reg.None],
];

const MXCSR_BITS = 0xffff;
/** Bits that POPF and IRET may set without changing what the host compares: arithmetic, TF, DF, AC, ID. */
const POPPED_FLAGS = 0x240dd5;
const TF = 1 << 8;
const AC = 1 << 18;

export interface EncoderOptions {
  /** Memory operands by absolute addresses and untouched registers only: what a sequence of instructions wants. */
  readonly steady?: boolean;
}

/** Makes one instruction; everything random comes from `next`. */
export class Encoder {
  private _overrides: Override[] = [];
  private _target = -1;
  private _addressSize: 2 | 4 = 4;
  private _operandSize: 2 | 4 = 4;
  private _segment = -1;

  constructor(
    private readonly _next: Next,
    private readonly _mode: Mode,
    private readonly _options: EncoderOptions = {},
  ) {}

  /**
   * @param form the row
   * @returns an instruction of that row, or undefined when none of a few tries decodes to it
   */
  encode(form: Form): Encoded | undefined {
    for (let tries = 0; tries < 8; tries++) {
      this._overrides = [];
      this._target = -1;
      this._segment = -1;
      const bytes = Uint8Array.from(this._bytes(form));
      const instruction = tryDecode(bytes, this._mode.codeSize);
      if (instruction?.form === form && instruction.length === bytes.length) {
        this._prepare(form, instruction);
        return { bytes, overrides: this._overrides, instruction, target: this._target };
      }
    }
    return undefined;
  }

  private _set(register: number, value: number): void {
    this._overrides.push({ key: register, linear: 0, value: value | 0 });
  }

  /** Sets a doubleword of memory, if a window holds it. */
  private _store(linear: number, value: number): void {
    const held = windows.some(({ start, sizeBytes }) => linear >= start && linear + 4 <= start + sizeBytes);
    if (held) this._overrides.push({ key: Key.Memory, linear, value: value | 0 });
  }

  private _bytes(form: Form): number[] {
    const next = this._next;
    const encoding = encodingOf(form);
    const specs = form.operands.map((code) => operandSpecs[code]);
    const prefixes: number[] = [];
    const codeSize = this._mode.codeSize;
    const other = codeSize === 4 ? 2 : 4;
    this._operandSize = codeSize;
    this._addressSize = codeSize;
    const mayResize = encoding.prefix === MandatoryPrefix.Any || encoding.prefix >= MandatoryPrefix.PF3;
    if (mayResize && once(next, 3)) {
      prefixes.push(0x66);
      this._operandSize = other;
    }
    const isString = (form.attributes & Attribute.Repeatable) !== 0;
    const usesMemory = encoding.hasModRm || isString || encoding.immediates.includes('mo') || form.mnemonic === 'XLAT';
    if (once(next, usesMemory ? 5 : 25)) {
      prefixes.push(0x67);
      this._addressSize = other;
    }
    if (once(next, usesMemory ? 6 : 40)) {
      this._segment = below(next, 6);
      prefixes.push(segmentPrefixes[this._segment]);
    }
    if (encoding.prefix === MandatoryPrefix.Any) {
      if (isString ? once(next, 2) : once(next, 60)) prefixes.push(pick(next, [0xf2, 0xf3]));
    }
    let memory = encoding.memory && (!encoding.register || once(next, 2));
    if (specs.some((spec) => spec.source === OperandSource.ModIgnored)) memory = false;
    if ((form.attributes & Attribute.Lockable) !== 0 && memory && once(next, 6)) prefixes.push(0xf0);
    const mandatory = mandatoryByte[encoding.prefix];
    if (mandatory !== 0) prefixes.push(mandatory);
    if (encoding.prefix !== MandatoryPrefix.Any && encoding.prefix < MandatoryPrefix.PF3) this._operandSize = codeSize;
    const opcode = encoding.opcode + (encoding.opcodeCount === 8 ? below(next, 8) : 0);
    const bytes = [...shuffle(prefixes, next), ...mapEscapes[encoding.map], opcode];
    if (encoding.hasModRm) bytes.push(...this._modRm(form, encoding, memory));
    for (const token of encoding.immediates) bytes.push(...this._immediate(form, token));
    return bytes;
  }

  private _modRm(form: Form, encoding: Encoding, memory: boolean): number[] {
    const next = this._next;
    if (encoding.modRm >= 0) return [encoding.modRm + (encoding.modRmCount === 8 ? below(next, 8) : 0)];
    const field = encoding.extension >= 0 ? encoding.extension : this._register();
    if (!memory) return [0xc0 | (field << 3) | this._register()];
    const spec = form.operands.map((code) => operandSpecs[code]).find((s) => s.source <= OperandSource.MemoryOnly);
    const sizeBytes = Math.max(1, sizeInBytes(spec?.memorySize ?? 1, this._operandSize));
    this._target = this._choose(form, sizeBytes);
    return this._addressSize === 4 ? this._memory32(field) : this._memory16(field);
  }

  /** A register number; not ESP's, mostly. */
  private _register(): number {
    const number = below(this._next, 8);
    if (number !== Reg.Esp || once(this._next, 8)) return number;
    return this._options.steady === true ? Reg.Eax : below(this._next, 4);
  }

  /** A linear address for an operand. */
  private _choose(form: Form, sizeBytes: number): number {
    const next = this._next;
    const wantsAlignment = sizeBytes >= 16 && (form.attributes & Attribute.Unaligned) === 0;
    const alignment = wantsAlignment ? 16 : Math.min(4, sizeBytes & -sizeBytes);
    const start = windows[0].start;
    const room = Math.max(1, Math.floor((windows[0].sizeBytes - Math.min(sizeBytes, 128)) / alignment));
    const aligned = sizeBytes >= 256 ? start : start + below(next, room) * alignment;
    const inside = sizeBytes > 1 ? 1 + below(next, Math.min(sizeBytes, 64) - 1) : 1;
    switch (below(next, 32)) {
      case 0:
      case 1:
      case 2:
        return DATA_MIDDLE - inside;
      case 3:
        return READ_ONLY - inside;
      case 4:
        return READ_ONLY + below(next, 48);
      case 5:
        return DATA_END - inside;
      case 6:
        return DATA_END - sizeBytes;
      case 7:
        return STACK_END - inside;
      case 8:
        return edgeValue(next);
      case 9:
      case 10:
      case 11:
        return start + below(next, 200);
      default:
        return aligned;
    }
  }

  private _offset(segment: number): number {
    const selector = this._segment >= 0 ? this._mode.selectors[this._segment] : this._mode.selectors[segment];
    return (this._target - baseOfSelector(selector)) | 0;
  }

  private _memory32(field: number): number[] {
    const next = this._next;
    const shape = this._options.steady === true && !once(next, 4) ? 0 : below(next, 6);
    const index = pick(next, [Reg.Eax, Reg.Ecx, Reg.Edx, Reg.Ebx, Reg.Ebp, Reg.Esi, Reg.Edi]);
    let base = below(next, 8);
    const scale = below(next, 4);
    const mod = 1 + below(next, 2);
    const disp8 = (edgeValue(next) << 24) >> 24;
    if (shape === 0) return [(field << 3) | 5, ...little(this._offset(Segment.Ds), 4)];
    const onStack = base === Reg.Esp || base === Reg.Ebp;
    const offset = this._offset(onStack && shape !== 5 ? Segment.Ss : Segment.Ds);
    if (shape === 5) {
      // index and displacement alone
      const value = pick(next, [0, 1, 4, 0x10, -8, edgeValue(next)]);
      this._set(index, value);
      return [(field << 3) | 4, (scale << 6) | (index << 3) | 5, ...little(offset - (value << scale), 4)];
    }
    if (shape <= 2 && base === Reg.Esp) base = Reg.Ebx;
    const wanted = shape <= 2 ? this._offset(base === Reg.Ebp ? Segment.Ss : Segment.Ds) : offset;
    let rest = wanted;
    const sib: number[] = [];
    if (shape > 2) {
      const own = shape === 4 && base !== Reg.Esp ? base : index;
      if (shape === 4 || base === index) {
        // the same register twice: the displacement does the work
        const value = pick(next, [0, 1, 0x100, edgeValue(next)]);
        this._set(own, value);
        if (base !== own) this._set(base, value);
        return [
          ...[0x80 | (field << 3) | 4, (scale << 6) | (own << 3) | base],
          ...little(wanted - value - (value << scale), 4),
        ];
      }
      const value = pick(next, [0, 1, 2, 8, -1, edgeValue(next)]);
      this._set(index, value);
      rest = (rest - (value << scale)) | 0;
      sib.push((scale << 6) | (index << 3) | base);
    }
    const rm = shape > 2 ? 4 : base;
    if (once(next, 3) && base !== Reg.Ebp) {
      this._set(base, rest);
      return [(field << 3) | rm, ...sib];
    }
    if (mod === 1) {
      this._set(base, rest - disp8);
      return [0x40 | (field << 3) | rm, ...sib, disp8 & 0xff];
    }
    const displacement = edgeValue(next);
    this._set(base, rest - displacement);
    return [0x80 | (field << 3) | rm, ...sib, ...little(displacement, 4)];
  }

  private _memory16(field: number): number[] {
    const next = this._next;
    const rm = below(next, 8);
    const mod = below(next, 3);
    if (this._options.steady === true || (mod === 0 && rm === 6)) {
      return [(field << 3) | 6, ...little(this._offset(Segment.Ds), 2)];
    }
    const [base, index] = pairs16[rm];
    const offset = this._offset(base === Reg.Ebp ? Segment.Ss : Segment.Ds);
    const displacement = mod === 0 ? 0 : mod === 1 ? (edgeValue(next) << 24) >> 24 : edgeValue(next);
    const second = index === Reg.None ? 0 : edgeValue(next);
    const high = edgeValue(next) & 0xffff0000;
    if (index !== Reg.None) this._set(index, second);
    this._set(base, high | ((offset - displacement - second) & 0xffff));
    return [(mod << 6) | (field << 3) | rm, ...little(displacement, mod)];
  }

  private _immediate(form: Form, token: string): number[] {
    const next = this._next;
    const size = this._operandSize;
    switch (token) {
      case 'ib':
        if (form.mnemonic === 'ENTER') return [once(next, 4) ? below(next, 32) : below(next, 4)];
        if (form.mnemonic === 'INT') return [pick(next, [0, 1, 3, 4, 5, 13, 0x20, 0x7f, 0x81, 0xff])];
        if ((form.mnemonic === 'AAM' || form.mnemonic === 'AAD') && once(next, 2)) return [10];
        return [once(next, 3) ? below(next, 34) : edgeValue(next) & 0xff];
      case 'iw':
        return little(once(next, 4) ? edgeValue(next) : below(next, 16) * 4, 2);
      case 'iz':
        return little(edgeValue(next), size);
      case 'cb':
        return [once(next, 4) ? edgeValue(next) & 0xff : below(next, 0x60)];
      case 'cz':
        return little(once(next, 6) ? edgeValue(next) : below(next, 0x180) - 0x80, size);
      case 'cp':
        return [...little(this._codeOffset(), size), ...little(pick(next, selectorPool), 2)];
      case 'mo':
        this._target = this._choose(form, form.attributes & Attribute.ByteSized ? 1 : size);
        return little(this._offset(Segment.Ds), this._addressSize);
      default:
        throw new Error(`the generator does not know the token ${token}`);
    }
  }

  /** An offset to jump to. */
  private _codeOffset(): number {
    if (once(this._next, 6)) return edgeValue(this._next);
    return CODE + 0x200 + below(this._next, 0x200) - segmentBase(this._mode, Segment.Cs);
  }

  private _selector(): number {
    return pick(this._next, selectorPool) | (once(this._next, 3) ? edgeValue(this._next) & 0xffff0000 : 0);
  }

  /** Sets the r/m operand's contents: a register, or memory at the target. */
  private _rm(instruction: Instruction, which: number, value: number): void {
    const operand = instruction.operands[which];
    if (instruction.memory !== undefined) this._store(this._target, value);
    else if (operand.size > 1 && operand.value !== (Reg.Esp as number)) this._set(operand.value, value);
  }

  /** Puts values where ESP will point. */
  private _stack(values: readonly number[], sizeBytes: number): void {
    if (this._options.steady === true) return;
    const esp = STACK_MIDDLE - 16 + 4 * below(this._next, 6) + (once(this._next, 12) ? below(this._next, 4) : 0);
    this._set(Reg.Esp, esp);
    values.forEach((value, i) => this._store(esp + i * sizeBytes, value));
  }

  private _flags(): number {
    const trap = once(this._next, 8) ? TF : 0;
    const alignment = once(this._next, 12) ? AC : 0;
    return (this._next() & POPPED_FLAGS & ~TF & ~AC) | trap | alignment | 0x202;
  }

  /** What the instruction needs to do more than fault. */
  private _prepare(form: Form, instruction: Instruction): void {
    const next = this._next;
    const { operandSize } = instruction;
    switch (form.mnemonic) {
      case 'DIV':
      case 'IDIV':
        if (this._options.steady === true || once(next, 3)) break;
        if (instruction.operands[0].size === 1) this._set(Reg.Eax, edgeValue(next) & (once(next, 2) ? 0x3ff : 0x7f));
        else this._set(Reg.Edx, pick(next, [0, 0, 1, -1, below(next, 16)]));
        break;
      case 'MOV':
        if (form.operands[0] === 'Sw') this._rm(instruction, 1, this._selector());
        break;
      case 'POP':
        if (instruction.operands[0].size === 2 && /^[CDEFGS]S$/.test(form.operands[0]))
          this._stack([this._selector()], 4);
        break;
      case 'LAR':
      case 'LSL':
        this._rm(instruction, 1, this._selector());
        break;
      case 'VERR':
      case 'VERW':
        this._rm(instruction, 0, this._selector());
        break;
      case 'ARPL':
        this._rm(instruction, 0, below(next, 8) | (once(next, 2) ? edgeValue(next) : 0));
        break;
      case 'LDS':
      case 'LES':
      case 'LFS':
      case 'LGS':
      case 'LSS':
        this._store(this._target + operandSize, this._selector());
        break;
      case 'CALLF':
      case 'JMPF':
        if (instruction.memory === undefined) break;
        this._store(this._target, this._codeOffset());
        this._store(this._target + operandSize, this._selector());
        break;
      case 'CALL':
      case 'JMP':
        if (instruction.operands[0].size >= 2 && form.operands[0] === 'Ev')
          this._rm(instruction, 0, this._codeOffset());
        break;
      case 'RET':
        this._stack([this._codeOffset()], 4);
        break;
      case 'RETF':
        this._stack([this._codeOffset(), this._selector()], operandSize);
        break;
      case 'IRET':
        this._stack([this._codeOffset(), this._selector(), this._flags()], operandSize);
        break;
      case 'POPF':
        this._stack([this._flags()], 4);
        break;
      case 'LOOP':
      case 'LOOPE':
      case 'LOOPNE':
      case 'JCXZ':
        if (this._options.steady !== true) this._set(Reg.Ecx, pick(next, [0, 1, 2, 0x10000, 0x10001, edgeValue(next)]));
        break;
      case 'CMPXCHG':
        if (this._options.steady !== true && once(next, 2)) {
          const value = edgeValue(next);
          this._set(Reg.Eax, value);
          if (instruction.memory === undefined) this._set(instruction.operands[0].value & 3, value);
          else this._store(this._target, value);
        }
        break;
      case 'CMPXCHG8B':
        if (this._options.steady !== true && once(next, 2)) {
          const [low, high] = [edgeValue(next), edgeValue(next)];
          this._set(Reg.Eax, low);
          this._set(Reg.Edx, high);
          this._store(this._target, low);
          this._store(this._target + 4, high);
        }
        break;
      case 'BT':
      case 'BTS':
      case 'BTR':
      case 'BTC':
        // the bit string reaches far beyond the operand
        if (
          this._options.steady !== true &&
          instruction.memory !== undefined &&
          form.operands[1] === 'Gv' &&
          !once(next, 6)
        ) {
          this._set(instruction.operands[1].value, below(next, 512) - 256);
        }
        break;
      case 'XLAT':
        if (this._options.steady === true) break;
        this._target = this._choose(form, 1);
        this._set(Reg.Ebx, this._offset(Segment.Ds) - below(next, 64));
        break;
      case 'MASKMOVQ':
      case 'MASKMOVDQU':
        this._target = this._choose(form, form.mnemonic === 'MASKMOVQ' ? 8 : 16);
        this._set(Reg.Edi, this._offset(Segment.Ds));
        break;
      case 'LDMXCSR':
        if (!once(next, 5)) this._store(this._target, next() & MXCSR_BITS & (once(next, 2) ? 0x1fff : -1));
        break;
      case 'FXRSTOR':
        if (!once(next, 5)) this._store(this._target + 24, next() & MXCSR_BITS);
        break;
      default:
        if ((form.attributes & Attribute.Repeatable) !== 0) this._strings(form, instruction);
    }
  }

  /** Pointers and count of a string instruction. */
  private _strings(form: Form, { prefixes, operandSize }: Instruction): void {
    const next = this._next;
    const size = (form.attributes & Attribute.ByteSized) !== 0 ? 1 : operandSize;
    const high = (): number => (this._addressSize === 2 ? edgeValue(next) & 0xffff0000 : 0);
    const mask = this._addressSize === 2 ? 0xffff : -1;
    this._target = this._choose(form, size);
    this._set(Reg.Esi, (this._offset(Segment.Ds) & mask) | high());
    const override = this._segment;
    this._segment = -1;
    this._target = this._choose(form, size);
    this._set(Reg.Edi, (this._offset(Segment.Es) & mask) | high());
    this._segment = override;
    if (prefixes === 0 && !once(next, 3)) return;
    const count = once(next, 8) ? pick(next, [0x40, 0x400, 0x2000, edgeValue(next)]) : below(next, 7);
    this._set(Reg.Ecx, (count & mask) | high());
  }
}

function shuffle(prefixes: readonly number[], next: Next): number[] {
  // a mandatory F2 or F3 may stand anywhere; two of them would not mean the same
  const list = [...prefixes];
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(next, i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
