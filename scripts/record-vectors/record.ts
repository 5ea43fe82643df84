/**
 * Records what the host's CPU does with instructions of every row that a program may execute, and writes `test/vectors/data/`, which
 * `test/vectors/replay.test.ts` plays back. Every case runs twice and must end the same both times.
 *
 * Run after a build: `node dist/scripts/record-vectors/record.js [--check] [family...]`. With --check nothing is written: each case
 * is played under the interpreter at once and what differs is printed, by row.
 * Read before: `encode.ts`, `oracle.ts`. Read after: `../../test/vectors/replay.test.ts`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attribute, type Form } from '../../src/x86/form.js';
import { format } from '../../src/x86/format.js';
import { Reg, Segment, type Instruction } from '../../src/x86/instruction.js';
import { forms, opcodeMaps, undefinedForm } from '../../src/x86/table.js';
import { USUAL_START, VectorWriter } from '../../test/vectors/codec.js';
import { referenceEngine } from '../../test/vectors/engines.js';
import { cpuName } from '../../test/vectors/cpuName.js';
import { differences, isCr2Open, same, type Ignored, type Outcome } from '../../test/vectors/outcome.js';
import { Key, initialState, type Case, type Override } from '../../test/vectors/state.js';
import { machineOf } from '../../test/vectors/play.js';
import { below, generator, once, pick, type Next } from '../../test/vectors/values.js';
import { modes } from '../../test/vectors/world.js';
import { tryDecode } from '../../test/vectors/disassemble.js';
import { UNDEFINED_FLAGS, explain } from '../fuzz/explain.js';
import { caseOf, makeSequence } from '../fuzz/sequence.js';
import { Encoder, type Encoded } from './encode.js';
import { encode as opcodeBytes, sampledModRm } from '../../test/helpers/x86Encodings.js';
import {
  isResultUndefined,
  pushedBeforeFault,
  uncomparedImage,
  undefinedFlags,
  whyIncomparable,
  whyOutcomeOpen,
} from './undefined.js';
import { Oracle } from './oracle.js';

const FOLDER = 'test/vectors/data';
/** Cases a row. */
const INTEGER_CASES = 300;
const X87_CASES = 220;
const SIMD_CASES = 130;
const ALIGNMENT_CASES = 12;
/** Sequences of 10 to 40 instructions. */
const SEQUENCES = 6000;
/** AC and the flags that are always set. */
const ALIGNMENT_FLAGS = (1 << 18) | 0x202;
/** First byte of the second code page. */
const PAGE = 0x5000;

interface Planned {
  readonly form: Form;
  readonly test: Case;
  readonly ignored: Ignored;
  readonly instruction: Instruction;
}

type Family = (next: Next) => Generator<Planned>;

let seed = 0;

/** Mostly 32-bit flat code. */
const chooseMode = (next: Next): number => (once(next, 3) ? below(next, modes.length) : 0);

function plan(
  next: Next,
  mode: number,
  encoded: Encoded,
  more: readonly Override[],
  fpu: boolean,
): Planned | undefined {
  const { bytes, instruction, overrides } = encoded;
  const reason = whyIncomparable(instruction, bytes);
  if (reason !== undefined) return undefined;
  // one in eight lies across two pages
  const crossing = bytes.length > 1 && modes[mode].selectors[Segment.Cs] !== 0 && once(next, 8);
  const start = crossing ? PAGE - 1 - below(next, bytes.length - 1) : USUAL_START;
  const test: Case = { seed: ++seed, mode, start, code: bytes, overrides: [...overrides, ...more], fpu };
  const state = initialState(test);
  const ecx = state.registers[Reg.Ecx];
  if (isResultUndefined(instruction, ecx)) return undefined;
  const image = encoded.target >= 0 ? uncomparedImage(instruction.form.mnemonic, instruction.operandSize) : [];
  const memory = image
    .map(([from, to]) => ({ start: encoded.target + from, end: encoded.target + to }))
    .filter(({ start: from }) => from >= 0 && from < 0x10000);
  const flags = undefinedFlags(instruction, ecx);
  const ignored = memory.length > 0 ? { flags, memory } : { flags };
  return { form: instruction.form, test, ignored, instruction };
}

/** Cases of rows. */
function ofForms(list: readonly Form[], count: number, alignment = false): Family {
  return function* (next) {
    for (const form of list) {
      const fpu = (form.attributes & (Attribute.Fpu | Attribute.Simd)) !== 0 || form.mnemonic === 'WAIT';
      for (let i = 0; i < count; i++) {
        const mode = alignment ? 0 : chooseMode(next);
        const encoded = new Encoder(next, modes[mode]).encode(form);
        if (encoded === undefined) continue;
        if (alignment && encoded.instruction.memory === undefined && encoded.target < 0) continue;
        const more = alignment ? [{ key: Key.Eflags, linear: 0, value: ALIGNMENT_FLAGS | (next() & 0x8d5) }] : [];
        const planned = plan(next, mode, encoded, more, fpu);
        if (planned !== undefined) yield planned;
      }
    }
  };
}

/** Encodings that no row describes, and rows with LOCK where it is not allowed. */
function* undefinedEncodings(next: Next): Generator<Planned> {
  for (let map = 0; map < 4; map++) {
    for (let opcode = 0; opcode < 256; opcode++) {
      const modRms = opcodeMaps[map][opcode]?.hasModRm === true ? sampledModRm(opcode) : [below(next, 256)];
      for (const modRm of modRms) {
        for (const prefixes of [[], [pick(next, [0x66, 0x67, 0xf2, 0xf3])], [0xf0], [0xf0, 0x66]]) {
          const instruction = tryDecode(opcodeBytes(prefixes, map, opcode, modRm), 4);
          if (instruction?.form !== undefinedForm) continue;
          const bytes = opcodeBytes(prefixes, map, opcode, modRm).slice(0, Math.max(instruction.length, 8));
          const planned = plan(next, 0, { bytes, overrides: [], instruction, target: -1 }, [], false);
          if (planned !== undefined) yield planned;
        }
      }
    }
  }
}

const isX87 = ({ attributes }: Form): boolean => (attributes & Attribute.Fpu) !== 0;
const isSimd = ({ attributes }: Form): boolean => (attributes & Attribute.Simd) !== 0;
const integer = forms.filter((form) => !isX87(form) && !isSimd(form));
const part = (test: RegExp): readonly Form[] => integer.filter(({ opcode }) => test.test(opcode));

const families: Readonly<Record<string, Family | 'sequences'>> = {
  primary: ofForms(part(/^(?!.*\b0F)[^/]*(\/r.*)?$/), INTEGER_CASES),
  groups: ofForms(part(/^(?!.*\b0F).*\/[0-7]/), INTEGER_CASES),
  secondary: ofForms(part(/\b0F/), INTEGER_CASES),
  x87: ofForms(forms.filter(isX87), X87_CASES),
  simd: ofForms(forms.filter(isSimd), SIMD_CASES),
  undefined: undefinedEncodings,
  sequences: 'sequences',
  // FXSAVE and FXRSTOR may raise #AC or #GP (SDM 2, FXSAVE)
  alignment: ofForms(
    forms.filter(({ mnemonic }) => !/^FX(SAVE|RSTOR)$/.test(mnemonic)),
    ALIGNMENT_CASES,
    true,
  ),
};

const BATCH = 2000;

interface Done {
  readonly planned: Planned;
  readonly outcome: Outcome;
}

/** Adds what depends on the outcome to what is ignored; undefined when the case does not count. */
function settle(planned: Planned, outcome: Outcome): Done | undefined {
  const { instruction, test, ignored } = planned;
  const state = initialState(test);
  if (whyOutcomeOpen(instruction, state, outcome) !== undefined) return undefined;
  if (isCr2Open(instruction)) return { planned: { ...planned, ignored: { ...ignored, cr2: true } }, outcome };
  const bytes = pushedBeforeFault(instruction, outcome);
  if (bytes === 0) return { planned, outcome };
  const end = state.registers[Reg.Esp];
  const memory = [...(ignored.memory ?? []), { start: Math.max(0, end - bytes), end }];
  return { planned: { ...planned, ignored: { ...ignored, memory } }, outcome };
}

/** Runs all cases of a family, twice. */
async function record(oracle: Oracle, name: string, planned: readonly Planned[]): Promise<Done[]> {
  const done: Done[] = [];
  for (let at = 0; at < planned.length; at += BATCH) {
    const states = planned.slice(at, at + BATCH).map(({ test }) => initialState(test));
    const [first, second] = [await oracle.run(states), await oracle.run(states)];
    first.forEach((outcome, i) => {
      const { instruction } = planned[at + i];
      if (!same(outcome, second[i], true, 0)) throw new Error(`${name}: ${format(instruction, 0)} ended in two ways`);
    });
    first.forEach((outcome, i) => {
      const settled = settle(planned[at + i], outcome);
      if (settled !== undefined) done.push(settled);
    });
  }
  return done;
}

/** Sequences of the fuzzer, as far as their ending is not open. */
async function recordSequences(oracle: Oracle): Promise<Done[]> {
  const machine = machineOf(referenceEngine);
  const tests = Array.from({ length: SEQUENCES }, () => caseOf(makeSequence(++seed)));
  const done: Done[] = [];
  for (let at = 0; at < tests.length; at += BATCH) {
    const batch = tests.slice(at, at + BATCH);
    const states = batch.map(initialState);
    const [first, second] = [await oracle.run(states), await oracle.run(states)];
    first.forEach((outcome, i) => {
      if (!same(outcome, second[i], true, 0)) throw new Error(`the sequence ${batch[i].seed} ended in two ways`);
      const { reason, ignored } = explain(machine, batch[i], outcome, machine.run(states[i]));
      if (reason !== undefined && reason !== UNDEFINED_FLAGS) return;
      const instruction = tryDecode(batch[i].code, modes[batch[i].mode].codeSize);
      if (instruction === undefined) return;
      done.push({ planned: { form: undefinedForm, test: batch[i], ignored, instruction }, outcome });
    });
  }
  return done;
}

function check(done: readonly Done[]): void {
  const machine = machineOf(referenceEngine);
  const failures = new Map<string, { count: number; example: string }>();
  for (const { planned, outcome } of done) {
    const { form, test, ignored, instruction } = planned;
    const state = initialState(test);
    let found: string[];
    try {
      const actual = machine.run(state);
      if (same(outcome, actual, test.fpu, ignored.flags)) continue;
      found = differences(outcome, actual, test.fpu, ignored, state, machine.base);
    } catch (error) {
      found = [String(error)];
    }
    if (found.length === 0) continue;
    const key = `${form.mnemonic} ${form.opcode}`;
    const known = failures.get(key);
    if (known !== undefined) {
      known.count++;
      continue;
    }
    const code = Buffer.from(test.code).toString('hex');
    const registers = [...state.registers].map((value) => (value >>> 0).toString(16)).join(' ');
    const text = `${format(instruction, state.eip)} [${code}] mode ${test.mode} seed ${test.seed}`;
    const flags = state.eflags.toString(16);
    failures.set(key, { count: 1, example: `${text}\n    ${registers} ${flags}\n    ${found.join('\n    ')}` });
  }
  for (const [key, { count, example }] of failures) process.stdout.write(`${key}: ${count} cases\n  ${example}\n`);
}

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const onlyCheck = process.argv.includes('--check');
const oracle = new Oracle();
try {
  mkdirSync(FOLDER, { recursive: true });
  let total = 0;
  for (const [index, [name, family]] of Object.entries(families).entries()) {
    seed = (index + 1) * 10_000_000;
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const done =
      family === 'sequences'
        ? await recordSequences(oracle)
        : await record(oracle, name, [...family(generator(index + 100))]);
    if (onlyCheck) check(done);
    const writer = new VectorWriter(cpuName());
    let form: Form | undefined;
    for (const { planned: each, outcome } of done) {
      if (each.form !== form) writer.form(each.form.opcode, each.form.mnemonic);
      form = each.form;
      writer.add(each.test, outcome, each.ignored);
    }
    total += done.length;
    let size = '';
    if (!onlyCheck) {
      const file = writer.finish();
      writeFileSync(join(FOLDER, `${name}.vec`), file);
      size = `, ${file.length} bytes`;
    }
    process.stdout.write(`${name}: ${done.length} cases${size}\n`);
  }
  process.stdout.write(`${total} cases\n`);
} finally {
  oracle.close();
}
