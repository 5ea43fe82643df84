/**
 * Random sequences of instructions. A sequence is a list of items, so that it can be shrunk: branches name the item that they go to, and
 * bytes are laid out afterwards. Branches go forward, so that most sequences end; loops are `program.ts`' business.
 * Read before: `../record-vectors/encode.ts`. Read after: `program.ts`, `explain.ts`, `shrink.ts`.
 */
import { Attribute, type Form } from '../../src/x86/form.js';
import { OperandKind, Segment, type Instruction } from '../../src/x86/instruction.js';
import { forms } from '../../src/x86/table.js';
import { Key, type Case, type Override } from '../../test/vectors/state.js';
import { below, edgeValue, generator, once, pick } from '../../test/vectors/values.js';
import { DATA_MIDDLE, EXPAND_DOWN, modes, type Mode } from '../../test/vectors/world.js';
import { Encoder } from '../record-vectors/encode.js';
import { uncomparedImage, undefinedFlags, whyIncomparable } from '../record-vectors/undefined.js';

export interface Item {
  readonly bytes: readonly number[];
  /** For a relative branch: the item it goes to (its index when made) and the bytes of its displacement, which come last. */
  readonly branch?: { readonly to: number; readonly sizeBytes: number };
  /** For a store into code: the item that is written, where in it, and where in `bytes` the address stands. */
  readonly store?: { readonly to: number; readonly offset: number; readonly addressAt: number };
  readonly id: number;
}

export interface Sequence {
  readonly seed: number;
  readonly mode: number;
  readonly start: number;
  readonly items: readonly Item[];
  readonly overrides: readonly Override[];
  readonly fpu: boolean;
}

/** Mnemonics that end most sequences: once in a while. */
const ENDING =
  /^(INT|INT3|INTO|BOUND|HLT|IRET|RETF?|CALLF|JMPF|UD[012]?|IN|OUT|INS|OUTS|CLI|STI|WAIT|L[DEFGS]S|XLAT|ENTER|LEAVE|POPF|DIV|IDIV|AAM)$/;

const isX87 = ({ attributes }: Form): boolean => (attributes & Attribute.Fpu) !== 0;
const isSimd = ({ attributes }: Form): boolean => (attributes & Attribute.Simd) !== 0;

const usable = forms.filter(({ mnemonic }) => uncomparedImage(mnemonic, 4).length === 0);
export const quiet = (form: Form): boolean =>
  !ENDING.test(form.mnemonic) && (form.attributes & Attribute.Privileged) === 0;
export const integerForms = usable.filter((form) => !isX87(form) && !isSimd(form) && quiet(form));
export const endingForms = usable.filter((form) => !quiet(form));
const x87Forms = usable.filter(isX87);
const simdForms = usable.filter(isSimd);

/** What a sequence is made of. */
export const flavours: readonly (readonly (readonly Form[])[])[] = [
  [integerForms],
  [integerForms],
  [integerForms],
  [integerForms, x87Forms, x87Forms],
  [integerForms, simdForms, simdForms],
  [x87Forms, simdForms],
];

export const little = (value: number, sizeBytes: number): number[] =>
  Array.from({ length: sizeBytes }, (_, i) => (value >>> (8 * i)) & 0xff);

/** An instruction that does at run time what an override does before. Undefined where none can. */
export function setup({ key, linear, value }: Override, mode: Mode): number[] | undefined {
  const wide = mode.codeSize === 2 ? [0x66] : [];
  if (key < Key.Eflags) return [...wide, 0xb8 + key, ...little(value, 4)];
  if (key !== Key.Memory || mode.selectors[Segment.Ds] === EXPAND_DOWN) return undefined;
  const address = mode.codeSize === 2 ? [0x06, ...little(linear, 2)] : [0x05, ...little(linear, 4)];
  return [...wide, 0xc7, ...address, ...little(value, 4)];
}

/**
 * Flags that may be undefined behind an instruction, given those that may be before it. A count in CL is not known: the flags may or may not
 * be written.
 */
export function openBehind(open: number, instruction: Instruction): number {
  const { form } = instruction;
  const keeps = (form.attributes & Attribute.MayKeepFlags) !== 0;
  return (open & ~(keeps ? 0 : form.flagsWritten)) | undefinedFlags(instruction, 3) | (keeps ? form.flagsUndefined : 0);
}

/** Bytes that a sequence may have: less than what a case's code may be long. */
const MAX_BYTES = 250;

/** One sequence in so many is nothing but random bytes. */
const RAW_ONE_IN = 12;

/** Makes the sequence of a seed. */
export function makeSequence(seed: number): Sequence {
  const next = generator(seed);
  const modeIndex = once(next, 4) ? below(next, modes.length) : 0;
  const mode = modes[modeIndex];
  const flavour = pick(next, flavours);
  const encoder = new Encoder(next, mode);
  const steady = new Encoder(next, mode, { steady: true });
  const items: Item[] = [];
  if (once(next, RAW_ONE_IN)) {
    // bytes that nobody has chosen
    for (let id = 0; id < 8; id++) items.push({ bytes: Array.from({ length: 5 }, () => next() & 0xff), id });
    return { seed, mode: modeIndex, start: 0x4100, items, overrides: [], fpu: once(next, 2) };
  }
  const count = 10 + below(next, 31);
  let sizeBytes = 0;
  /** Flags that may be undefined now, and at items that branches go to. */
  let open = 0;
  const joins = new Map<number, number>();

  for (let tries = 0; items.length < count && tries < 4 * count; tries++) {
    if (once(next, 150)) {
      const bytes = Array.from({ length: 1 + below(next, 6) }, () => next() & 0xff);
      sizeBytes += bytes.length;
      items.push({ bytes, id: items.length });
      continue;
    }
    const form = pick(next, once(next, 40) ? endingForms : pick(next, flavour));
    const encoded = (once(next, 2) ? steady : encoder).encode(form);
    if (encoded === undefined || whyIncomparable(encoded.instruction, encoded.bytes) !== undefined) continue;
    const { instruction } = encoded;
    if ((form.flagsRead & open) !== 0) continue;
    const before = encoded.overrides.map((override) => setup(override, mode)).filter((bytes) => bytes !== undefined);
    const length = before.reduce((sum, bytes) => sum + bytes.length, encoded.bytes.length);
    if (sizeBytes + length > MAX_BYTES) break;
    sizeBytes += length;
    for (const bytes of before) items.push({ bytes, id: items.length });

    const id = items.length;
    const relative = instruction.operands.find(({ kind }) => kind === OperandKind.Relative);
    if (relative !== undefined && !once(next, 40)) {
      const to = id + 1 + below(next, 5);
      items.push({ bytes: [...encoded.bytes], branch: { to, sizeBytes: relative.size }, id });
      joins.set(to, (joins.get(to) ?? 0) | open);
    } else {
      items.push({ bytes: [...encoded.bytes], id });
    }
    open = openBehind(open, instruction);
    for (const [to, mask] of joins) if (to <= items.length) open |= mask;
  }

  const overrides: Override[] = [];
  for (const register of [3, 5, 6, 7]) {
    if (once(next, 2)) overrides.push({ key: register, linear: 0, value: DATA_MIDDLE - 0x40 + below(next, 0x80) });
  }
  if (once(next, 60)) overrides.push({ key: Key.Eflags, linear: 0, value: (next() & 0x8d5) | 0x40202 });
  if (once(next, 3)) overrides.push({ key: 1, linear: 0, value: once(next, 2) ? below(next, 40) : edgeValue(next) });
  const fpu = flavour.length > 1;
  return { seed, mode: modeIndex, start: once(next, 4) ? 0x5000 - below(next, 60) : 0x4100, items, overrides, fpu };
}

/** Lays a sequence out. */
export function caseOf({ seed, mode, start, items, overrides, fpu }: Sequence): Case {
  const starts: number[] = [];
  let at = 0;
  for (const { bytes } of items) {
    starts.push(at);
    at += bytes.length;
  }
  const code = new Uint8Array(at);
  const last = items.length - 1;
  items.forEach(({ bytes, branch, store, id: own }, index) => {
    code.set(bytes, starts[index]);
    if (store !== undefined) {
      const target = items.findIndex(({ id }) => id >= store.to);
      code.set(little(start + starts[target < 0 ? last : target] + store.offset, 4), starts[index] + store.addressAt);
    }
    if (branch === undefined) return;
    const isBack = branch.to <= own;
    const target = items.findIndex(({ id }, other) => (isBack || other > index) && id >= branch.to);
    const end = starts[index] + bytes.length;
    const distance = (target < 0 ? at : starts[target]) - end;
    if (branch.sizeBytes > 1 || Math.abs(distance) < 0x80)
      code.set(little(distance, branch.sizeBytes), end - branch.sizeBytes);
  });
  return { seed, mode, start, code, overrides, fpu };
}

/** Adds a seed to a generator's, so that runs with neighbouring seeds share nothing. */
export const sequenceSeed = (run: number, index: number): number => (Math.imul(run, 0x85ebca6b) + index) >>> 0;
