/**
 * Stubs: the few host instructions around one guest floating-point instruction, as x86-64 bytes. A stub gets the state block in RDI,
 * loads the operands from it, executes the guest's instruction and stores the results there. Where the bytes go and who jumps to them is
 * the helper's business (`FpuHelper`).
 *
 * x87 instructions have two: the *exact* one loads and stores the whole image with FXRSTOR and FXSAVE, so that stack faults and
 * unmasked exceptions come out as the processor makes them; the *quick* one (about ten times faster) loads just the operands, for when all
 * exceptions are masked and the registers it names are as they should be.
 *
 * Neither lets an exception trap on the host. SIMD code runs with all exceptions masked. FNCLEX does not wait, so that a pending x87
 * exception that came out of the guest's masks is in the image, and gone from the host, before any waiting instruction. The host's own
 * control words and empty stack are back when a stub returns; XMM and MMX registers belong to the callee (System V ABI).
 *
 * Read before: `../vcpu/fxsave.ts`. Read after: `fpu.ts`, `simd.ts`.
 */
import { MandatoryPrefix, mapEscapes, readEncoding, type Encoding } from '../x86/encoding.js';
import type { Form } from '../x86/form.js';
import { FxHalf, FxWord } from '../vcpu/fxsave.js';
import { Word } from '../vcpu/layout.js';

type Bytes = readonly number[];

const encodings = new Map<Form, Encoding>();

/** `readEncoding`, remembered: it parses text, and is wanted for each floating-point instruction that is decoded. */
export function encodingOf(form: Form): Encoding {
  let encoding = encodings.get(form);
  if (encoding === undefined) encodings.set(form, (encoding = readEncoding(form)));
  return encoding;
}

const disp32 = (offset: number): Bytes => [offset & 0xff, (offset >> 8) & 0xff, 0, 0];
/** An instruction with the ModR/M byte for [RDI + disp32] and `reg` in its reg field, at a word of the state block. */
const at = (opcode: Bytes, reg: number, word: number): Bytes => [...opcode, 0x87 | (reg << 3), ...disp32(word * 4)];

const RET: Bytes = [0xc3];
/** Eight bytes of stack, at RSP: the host's control words. */
const ENTER: Bytes = [0x48, 0x83, 0xec, 8];
const LEAVE: Bytes = [0x48, 0x83, 0xc4, 8];
const FNSTCW_STACK: Bytes = [0xd9, 0x3c, 0x24];
const FLDCW_STACK: Bytes = [0xd9, 0x2c, 0x24];
const STMXCSR_STACK: Bytes = [0x0f, 0xae, 0x5c, 0x24, 4];
const LDMXCSR_STACK: Bytes = [0x0f, 0xae, 0x54, 0x24, 4];
const FNCLEX: Bytes = [0xdb, 0xe2];
const FNSTSW_AX: Bytes = [0xdf, 0xe0];
const EMMS: Bytes = [0x0f, 0x77];
/** TEST AL, 3F; JZ over the FNCLEX that follows: it takes longer than all the rest. */
const CLEAR_IF_RAISED: Bytes = [0xa8, 0x3f, 0x74, 0x02, ...FNCLEX];

const FXRSTOR = at([0x0f, 0xae], 1, Word.Fxsave);
const FXSAVE = at([0x0f, 0xae], 0, Word.Fxsave);
/** FLDCW from the image; the field is the first of it. */
const FLDCW_GUEST = at([0xd9], 5, FxHalf.Fcw / 2);
const STORE_STATUS = at([0x89], 0, Word.FpuStatus);
/** MOV EAX, flags; PUSH RAX; POPFQ. */
const LOAD_FLAGS: Bytes = [...at([0x8b], 0, Word.FpuFlags), 0x50, 0x9d];
/** PUSHFQ; POP RCX; MOV flags, ECX. */
const STORE_FLAGS: Bytes = [0x9c, 0x59, ...at([0x89], 1, Word.FpuFlags)];

/** FLD and FSTP of a register's slot as an 80-bit memory operand: neither raises anything but stack faults. */
export const loadSt = (index: number): Bytes => at([0xdb], 5, FxWord.St + 4 * index);
export const storeSt = (index: number): Bytes => at([0xdb], 7, FxWord.St + 4 * index);
/** FSTP ST(0). */
export const DROP: Bytes = [0xdd, 0xd8];
/** Takes the status word while the operation's condition bits are in it: FSTP would change C1. */
export const TAKE_STATUS: Bytes = [...FNSTSW_AX, ...STORE_STATUS];
export const TAKE_FLAGS: Bytes = STORE_FLAGS;
/** An x87 instruction with its memory operand at `Word.FpuSource`. @param reg its reg field */
export const x87Memory = (opcode: number, reg: number): Bytes => at([opcode], reg, Word.FpuSource);

/** @param middle what is to be done on an empty stack, to leave it empty, `TAKE_STATUS` in it */
export function quickStub(middle: Bytes): Bytes {
  return [
    ...ENTER,
    ...FNSTCW_STACK,
    // whoever used the host's x87 before may have left flags
    ...FNSTSW_AX,
    ...CLEAR_IF_RAISED,
    ...FLDCW_GUEST,
    ...middle,
    ...CLEAR_IF_RAISED,
    ...FLDCW_STACK,
    ...LEAVE,
    ...RET,
  ];
}

/**
 * @param operation the guest's instruction
 * @param flags it reads or writes arithmetic flags
 */
export function exactStub(operation: Bytes, flags: boolean): Bytes {
  return [
    ...ENTER,
    ...FNSTCW_STACK,
    ...STMXCSR_STACK,
    ...FXRSTOR,
    ...(flags ? LOAD_FLAGS : []),
    ...operation,
    ...(flags ? STORE_FLAGS : []),
    ...FXSAVE,
    ...FNCLEX,
    ...EMMS,
    ...FLDCW_STACK,
    ...LDMXCSR_STACK,
    ...LEAVE,
    ...RET,
  ];
}

/** Where a SIMD stub finds an operand or leaves its result. */
export const enum Place {
  None,
  General,
  Mmx,
  Xmm,
  Flags,
}

const simdLoads: Readonly<Record<Place, (register: number, word: number) => Bytes>> = {
  [Place.None]: () => [],
  [Place.General]: (register, word) => at([0x8b], register, word),
  [Place.Mmx]: (register, word) => at([0x0f, 0x6f], register, word),
  [Place.Xmm]: (register, word) => at([0x0f, 0x10], register, word),
  [Place.Flags]: () => [],
};

const simdStores: Readonly<Record<Place, Bytes>> = {
  [Place.None]: [],
  [Place.General]: at([0x89], 0, Word.FpuDestination),
  [Place.Mmx]: at([0x0f, 0x7f], 0, Word.FpuDestination),
  [Place.Xmm]: at([0x0f, 0x11], 0, Word.FpuDestination),
  [Place.Flags]: STORE_FLAGS,
};

const mandatoryPrefixes: Readonly<Record<MandatoryPrefix, Bytes>> = {
  [MandatoryPrefix.None]: [],
  [MandatoryPrefix.P66]: [0x66],
  [MandatoryPrefix.PF3]: [0xf3],
  [MandatoryPrefix.PF2]: [0xf2],
  [MandatoryPrefix.Any]: [],
};

/**
 * A SIMD instruction on register 0 (`Word.FpuDestination`) and register 1 (`Word.FpuSource`) of their kinds; MXCSR comes from and goes
 * to `Word.FpuStatus`.
 * @param first kind of the first operand @param second kind of the second one @param result kind of the result
 * @param immediate the immediate byte, or -1 @param usesMxcsr it can raise exceptions
 */
export function simdStub(
  form: Form,
  first: Place,
  second: Place,
  result: Place,
  immediate: number,
  usesMxcsr: boolean,
): Bytes {
  const { prefix, map, opcode, extension } = encodingOf(form);
  // with an extension the one register stands in the r/m field
  const modRm = extension >= 0 ? 0xc0 | (extension << 3) : 0xc1;
  const touchesMmx = first === Place.Mmx || second === Place.Mmx;
  return [
    ...ENTER,
    ...simdLoads[first](0, Word.FpuDestination),
    ...simdLoads[second](1, Word.FpuSource),
    ...(usesMxcsr ? [...STMXCSR_STACK, ...at([0x0f, 0xae], 2, Word.FpuStatus)] : []),
    ...mandatoryPrefixes[prefix],
    ...mapEscapes[map],
    opcode,
    modRm,
    ...(immediate >= 0 ? [immediate] : []),
    ...simdStores[result],
    ...(usesMxcsr ? [...at([0x0f, 0xae], 3, Word.FpuStatus), ...LDMXCSR_STACK] : []),
    ...(touchesMmx ? EMMS : []),
    ...LEAVE,
    ...RET,
  ];
}
