/**
 * MMX, SSE, SSE2, SSE3 and SSSE3 instructions that compute: each runs on the host through a stub (`fpuStub.ts`), with all exceptions
 * masked; what the guest's MXCSR leaves unmasked is worked out here from the flags that come back. (SDM 1, "SIMD Floating-Point
 * Exceptions"; SDM 2, one heading per mnemonic)
 *
 * Operands go through `Word.FpuDestination` and `Word.FpuSource`, so that one stub serves all registers and memory, and a result that
 * must not be written never reaches a register. Read before: `fpuState.ts`, `fpuStub.ts`. Read after: `simdMove.ts`.
 */
import { Cr4 } from '../x86/control.js';
import { Attribute } from '../x86/form.js';
import { OperandKind, type Instruction, type Operand } from '../x86/instruction.js';
import type { SimdMnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { ARITHMETIC_FLAGS, setArithmeticFlags } from '../vcpu/flags.js';
import { FxWord } from '../vcpu/fxsave.js';
import { Word } from '../vcpu/layout.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { loadOperand } from './fpuMemory.js';
import { checkSimd, enterMmx, pendingException, slot, storeMmx } from './fpuState.js';
import { Place, simdStub } from './fpuStub.js';
import { precisionFlag } from './simdPrecision.js';
import type { Binder, Execute } from './step.js';

/** Bits of MXCSR; the exception flags stand in bits 0 to 5, their masks in bits 7 to 12. */
const enum Mxcsr {
  Flags = 0x3f,
  /** Invalid, denormal, zero divide: found before anything is computed. */
  BeforeComputation = 0x07,
  Overflow = 1 << 3,
  Underflow = 1 << 4,
  Precision = 1 << 5,
  DenormalsAreZeros = 1 << 6,
  Masks = 0x1f80,
  FlushToZero = 1 << 15,
}

/** Instructions that read MXCSR and can raise exceptions. */
const NUMERIC = /^(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP|HADD|HSUB|ADDSUB)[PS][SD]$|^U?COMIS[SD]$|^CVT/;
/** Those of them whose result can be too small for the format, and hold single or double precision, one or all of the register. */
const CAN_UNDERFLOW = /^(ADD|SUB|MUL|DIV|HADD|HSUB|ADDSUB)([PS])([SD])$|^CVT(?:PD2|SD2)([PS])(S)$/;

/** First word of XMM(`index`). */
export function xmm(index: number): number {
  return FxWord.Xmm + index * 4;
}

export function copyXmm(cpu: Vcpu, to: number, from: number): void {
  const words = cpu.words;
  words[to] = words[from];
  words[to + 1] = words[from + 1];
  words[to + 2] = words[from + 2];
  words[to + 3] = words[from + 3];
}

export const isKind = (operand: Operand | undefined, kind: OperandKind): boolean => operand?.kind === kind;

/** Whether an operand of this kind is there. */
export function uses(instruction: Instruction, kind: OperandKind): boolean {
  return instruction.operands.some((operand) => operand.kind === kind);
}

/** 16-byte memory operands must be aligned, but for the instructions made for the others. */
export function mustAlign(instruction: Instruction): boolean {
  const memory = instruction.operands.find((operand) => operand.kind === OperandKind.Memory);
  return memory?.size === 16 && (instruction.form.attributes & Attribute.Unaligned) === 0;
}

/** The instruction's availability: CPUID announces what the helper has, and MXCSR and XMM need CR4.OSFXSR. */
export function available(instruction: Instruction, engine: { readonly cpu: Vcpu }): boolean {
  const fpu = engine.cpu.hooks.fpu;
  const { feature } = instruction.form;
  return fpu !== undefined && (feature !== 'sse3' || fpu.sse3) && (feature !== 'ssse3' || fpu.ssse3);
}

export const undefinedInstruction: Execute = () => {
  throw new GuestFault(Vector.UD, undefined);
};

/**
 * Flags of a result that is too small and exact: with underflow unmasked that is an underflow too, which the host, where it is masked,
 * does not report (SDM 1, "Numeric Underflow Exception (#U)").
 * @param isDouble element format @param elements how many at `Word.FpuDestination`
 */
function hasTinyElement(cpu: Vcpu, isDouble: boolean, elements: number): boolean {
  const words = cpu.words;
  for (let i = 0; i < elements; i++) {
    const high = words[Word.FpuDestination + (isDouble ? 2 * i + 1 : i)];
    const low = isDouble ? words[Word.FpuDestination + 2 * i] : 0;
    const exponent = isDouble ? 0x7ff00000 : 0x7f800000;
    if ((high & exponent) === 0 && ((high & ~exponent & 0x7fffffff) | low) !== 0) return true;
  }
  return false;
}

/** What is computed where: for the exceptions of an instruction that can underflow. */
interface Numeric {
  readonly mnemonic: string;
  readonly isDouble: boolean;
  /** Elements of the result; 0 when it cannot underflow. */
  readonly elements: number;
}

/**
 * The exceptions of one instruction when not all are masked: its flags go into MXCSR.
 * @param destination first word of the first operand, as before the instruction @param raised what the host reported
 * @throws GuestFault #XM, or #UD without CR4.OSXMMEXCPT
 */
function raise(cpu: Vcpu, numeric: Numeric, destination: number, raised: number): void {
  const words = cpu.words;
  const control = words[FxWord.Mxcsr];
  const unmasked = (~control >> 7) & Mxcsr.Flags;
  let flags = raised;
  if ((unmasked & Mxcsr.Underflow) !== 0 && hasTinyElement(cpu, numeric.isDouble, numeric.elements)) {
    flags |= Mxcsr.Underflow;
  }
  if (numeric.elements > 0 && (flags & unmasked & (Mxcsr.Overflow | Mxcsr.Underflow)) !== 0) {
    const range = {
      overflowMasked: (unmasked & Mxcsr.Overflow) === 0,
      underflowMasked: (unmasked & Mxcsr.Underflow) === 0,
      flushToZero: (control & Mxcsr.FlushToZero) !== 0,
      denormalsAreZeros: (control & Mxcsr.DenormalsAreZeros) !== 0,
    };
    const source = words.subarray(Word.FpuSource, Word.FpuSource + 4);
    const inexact = precisionFlag(numeric.mnemonic, words.subarray(destination, destination + 4), source, range);
    flags = inexact ? flags | Mxcsr.Precision : flags & ~Mxcsr.Precision;
  }
  if ((flags & unmasked & Mxcsr.BeforeComputation) !== 0) flags &= Mxcsr.BeforeComputation;
  words[FxWord.Mxcsr] = control | flags;
  if ((flags & unmasked) !== 0) {
    throw new GuestFault((words[Word.Cr4] & Cr4.OSXMMEXCPT) !== 0 ? Vector.XM : Vector.UD, undefined);
  }
}

function placeOf(operand: Operand | undefined): Place {
  switch (operand?.kind) {
    case OperandKind.Xmm:
      return Place.Xmm;
    case OperandKind.Mmx:
      return Place.Mmx;
    case OperandKind.Register:
      return Place.General;
    default:
      return Place.None;
  }
}

/** A memory operand takes the place of the register that the form could have had there. */
function memoryPlace(instruction: Instruction): Place {
  const code = instruction.form.operands[1];
  if (code.startsWith('W')) return Place.Xmm;
  return code.startsWith('Q') ? Place.Mmx : Place.General;
}

/** Puts a register operand into the words at `word`. */
function fetch(cpu: Vcpu, place: Place, index: number, word: number): void {
  const words = cpu.words;
  switch (place) {
    case Place.Xmm:
      copyXmm(cpu, word, xmm(index));
      break;
    case Place.Mmx:
      words[word] = words[slot(index)];
      words[word + 1] = words[slot(index) + 1];
      break;
    case Place.General:
      words[word] = words[index];
      break;
    default:
  }
}

/** Does the instruction through its stub. */
const bindStub: Binder = (instruction, _step, engine) => {
  const fpu = engine.cpu.hooks.fpu;
  if (fpu === undefined || !available(instruction, engine)) return undefinedInstruction;
  const { form, operands } = instruction;
  const [first, second] = operands;
  const fromMemory = isKind(second, OperandKind.Memory);
  const memorySize = fromMemory ? second.size : 0;
  const destination = placeOf(first);
  const source = fromMemory ? memoryPlace(instruction) : placeOf(second);
  const result = form.flagsWritten !== 0 ? Place.Flags : destination;
  const immediate = operands.find((operand) => operand.kind === OperandKind.Immediate)?.value ?? -1;
  const numeric = NUMERIC.test(form.mnemonic);
  const key = `${form.opcode} ${immediate}`;
  const stub = fpu.stub(key, () => simdStub(form, destination, source, result, immediate, numeric));
  const run = fpu.run;

  const needsXmm = uses(instruction, OperandKind.Xmm);
  // a quadword of memory in place of an MMX register leaves the x87 state alone in conversions to XMM
  const needsMmx = uses(instruction, OperandKind.Mmx);
  const aligned = mustAlign(instruction);
  const to = first.value;
  const from = second.value;
  const underflow = CAN_UNDERFLOW.exec(form.mnemonic);
  const isDouble = underflow?.[3] === 'D';
  const packed = (underflow?.[2] ?? underflow?.[4]) === 'P';
  const elements = underflow === null ? 0 : packed ? (isDouble ? 2 : 4) : 1;
  const shape: Numeric = { mnemonic: form.mnemonic, isDouble, elements };

  return (cpu, s) => {
    checkSimd(cpu, needsXmm);
    const words = cpu.words;
    if (needsMmx && pendingException(cpu, s)) return;
    if (fromMemory) loadOperand(cpu, s, memorySize, aligned, Word.FpuSource);
    if (needsMmx) enterMmx(cpu);
    if (!fromMemory) fetch(cpu, source, from, Word.FpuSource);
    fetch(cpu, destination, to, Word.FpuDestination);
    words[Word.FpuStub] = stub;
    if (numeric) {
      const control = words[FxWord.Mxcsr];
      const masked = (control & Mxcsr.Masks) === Mxcsr.Masks;
      const underflowUnmasked = (control & (Mxcsr.Underflow << 7)) === 0;
      // results are not flushed to zero when underflow is unmasked
      const ignored = underflowUnmasked ? Mxcsr.Flags | Mxcsr.FlushToZero : Mxcsr.Flags;
      words[Word.FpuStatus] = (control | Mxcsr.Masks) & ~ignored;
      run();
      const raised = words[Word.FpuStatus] & Mxcsr.Flags;
      if (masked) words[FxWord.Mxcsr] = control | raised;
      else raise(cpu, shape, result === Place.Xmm ? xmm(to) : Word.FpuDestination, raised);
    } else {
      run();
    }
    switch (result) {
      case Place.Xmm:
        copyXmm(cpu, xmm(to), Word.FpuDestination);
        break;
      case Place.Mmx:
        storeMmx(cpu, to, words[Word.FpuDestination], words[Word.FpuDestination + 1]);
        break;
      case Place.General:
        words[to] = words[Word.FpuDestination];
        break;
      default:
        setArithmeticFlags(cpu, words[Word.FpuFlags], ARITHMETIC_FLAGS);
    }
  };
};

/** Everything that `simdMove.ts` does not do by itself. */
export const computed = [
  ...['ADDPD', 'ADDPS', 'ADDSD', 'ADDSS', 'ADDSUBPD', 'ADDSUBPS', 'CMPPD', 'CMPPS', 'CMPSD', 'CMPSS', 'COMISD'],
  ...['COMISS', 'CVTDQ2PD', 'CVTDQ2PS', 'CVTPD2DQ', 'CVTPD2PI', 'CVTPD2PS', 'CVTPI2PD', 'CVTPI2PS', 'CVTPS2DQ'],
  ...['CVTPS2PD', 'CVTPS2PI', 'CVTSD2SI', 'CVTSD2SS', 'CVTSI2SD', 'CVTSI2SS', 'CVTSS2SD', 'CVTSS2SI', 'CVTTPD2DQ'],
  ...['CVTTPD2PI', 'CVTTPS2DQ', 'CVTTPS2PI', 'CVTTSD2SI', 'CVTTSS2SI', 'DIVPD', 'DIVPS', 'DIVSD', 'DIVSS', 'HADDPD'],
  ...['HADDPS', 'HSUBPD', 'HSUBPS', 'MAXPD', 'MAXPS', 'MAXSD', 'MAXSS', 'MINPD', 'MINPS', 'MINSD', 'MINSS', 'MOVDDUP'],
  ...['MOVMSKPD', 'MOVMSKPS', 'MOVSHDUP', 'MOVSLDUP', 'MULPD', 'MULPS', 'MULSD', 'MULSS', 'PABSB', 'PABSD', 'PABSW'],
  ...['PACKSSDW', 'PACKSSWB', 'PACKUSWB', 'PADDB', 'PADDD', 'PADDQ', 'PADDSB', 'PADDSW', 'PADDUSB', 'PADDUSW', 'PADDW'],
  ...['PALIGNR', 'PAVGB', 'PAVGW', 'PCMPEQB', 'PCMPEQD', 'PCMPEQW', 'PCMPGTB', 'PCMPGTD', 'PCMPGTW', 'PEXTRW'],
  ...['PHADDD', 'PHADDSW', 'PHADDW', 'PHSUBD', 'PHSUBSW', 'PHSUBW', 'PINSRW', 'PMADDUBSW', 'PMADDWD', 'PMAXSW'],
  ...['PMAXUB', 'PMINSW', 'PMINUB', 'PMOVMSKB', 'PMULHRSW', 'PMULHUW', 'PMULHW', 'PMULLW', 'PMULUDQ', 'PSADBW'],
  ...['PSHUFB', 'PSHUFD', 'PSHUFHW', 'PSHUFLW', 'PSHUFW', 'PSIGNB', 'PSIGND', 'PSIGNW', 'PSLLD', 'PSLLDQ', 'PSLLQ'],
  ...['PSLLW', 'PSRAD', 'PSRAW', 'PSRLD', 'PSRLDQ', 'PSRLQ', 'PSRLW', 'PSUBB', 'PSUBD', 'PSUBQ', 'PSUBSB', 'PSUBSW'],
  ...['PSUBUSB', 'PSUBUSW', 'PSUBW', 'PUNPCKHBW', 'PUNPCKHDQ', 'PUNPCKHQDQ', 'PUNPCKHWD', 'PUNPCKLBW', 'PUNPCKLDQ'],
  ...['PUNPCKLQDQ', 'PUNPCKLWD', 'RCPPS', 'RCPSS', 'RSQRTPS', 'RSQRTSS', 'SHUFPD', 'SHUFPS', 'SQRTPD', 'SQRTPS'],
  ...['SQRTSD', 'SQRTSS', 'SUBPD', 'SUBPS', 'SUBSD', 'SUBSS', 'UCOMISD', 'UCOMISS', 'UNPCKHPD', 'UNPCKHPS'],
  ...['UNPCKLPD', 'UNPCKLPS'],
] as const satisfies readonly SimdMnemonic[];

type Computed = (typeof computed)[number];

export const simdBinders = Object.fromEntries(computed.map((mnemonic) => [mnemonic, bindStub])) as Record<
  Computed,
  Binder
>;
