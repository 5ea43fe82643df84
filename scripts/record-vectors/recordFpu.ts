/**
 * Records what the host's CPU does with the instructions of `fpuSnippets.ts` and writes `test/vectors/fpu/*.json`, which
 * `test/unit/interp/fpu.test.ts` plays back. Needs an x86 host that runs 32-bit programs and `gcc -m32`; the tests need neither.
 * Every instruction runs twice and must do the same both times. Run after a build: `node dist/scripts/record-vectors/recordFpu.js`.
 * Read before: `fpuSnippets.ts`, `fpuRecorder.c`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FPU_ARITHMETIC,
  FPU_DATA_BYTES,
  FX_BYTES,
  changes,
  fpuInitialState,
  stateWords,
  type FpuState,
  type FpuVector,
} from '../../test/unit/interp/fpuVectors.js';
import { fpuFamilies } from './fpuSnippets.js';

const CODE_BYTES = 60;
const REQUEST_BYTES = 4 + CODE_BYTES + 32 + 4 + FX_BYTES + FPU_DATA_BYTES;
const REPLY_BYTES = 32 + 4 + 4 + FX_BYTES + FPU_DATA_BYTES;
const OUTPUT = 'test/vectors/fpu';

function build(folder: string): string {
  const program = join(folder, 'recorder');
  const flags = ['-m32', '-O1', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie', '-mno-sse'];
  execFileSync('gcc', [...flags, '-fno-stack-protector', '-o', program, 'scripts/record-vectors/fpuRecorder.c']);
  return program;
}

function request(code: readonly number[], state: FpuState): Buffer {
  const buffer = Buffer.alloc(REQUEST_BYTES);
  buffer.writeUInt32LE(code.length, 0);
  buffer.set(code, 4);
  state.registers.forEach((value, index) => buffer.writeInt32LE(value, 4 + CODE_BYTES + index * 4));
  buffer.writeUInt32LE(state.eflags, 4 + CODE_BYTES + 32);
  buffer.set(state.fx, 4 + CODE_BYTES + 36);
  buffer.set(state.data, 4 + CODE_BYTES + 36 + FX_BYTES);
  return buffer;
}

function vectorOf(code: readonly number[], seed: number, before: FpuState, reply: Buffer): FpuVector {
  const registers = changes(
    before.registers,
    Int32Array.from({ length: 8 }, (_, i) => reply.readInt32LE(i * 4)),
  );
  const eflags = reply.readUInt32LE(32) & FPU_ARITHMETIC;
  const fault = reply.readUInt32LE(36);
  const state = changes(stateWords(before.fx), stateWords(reply.subarray(40, 40 + FX_BYTES)));
  const memory = changes(before.data, reply.subarray(40 + FX_BYTES));
  return {
    code: Buffer.from(code).toString('hex'),
    seed,
    ...(fault !== 0 && { fault }),
    ...(registers.length > 0 && { registers }),
    ...(eflags !== (before.eflags & FPU_ARITHMETIC) && { eflags }),
    ...(state.length > 0 && { state }),
    ...(memory.length > 0 && { memory }),
  };
}

const folder = mkdtempSync(join(tmpdir(), 'record-vectors-'));
try {
  const program = build(folder);
  const run = (input: Buffer): Buffer => {
    const { stdout, stderr, status, signal } = spawnSync(program, { input, maxBuffer: 1 << 28 });
    if (status !== 0) throw new Error(`the recorder ended with ${signal ?? status}: ${stderr.toString()}`);
    return stdout;
  };
  mkdirSync(OUTPUT, { recursive: true });
  let seed = 0;
  for (const [family, snippets] of Object.entries(fpuFamilies)) {
    const cases: { code: readonly number[]; seed: number; state: FpuState }[] = [];
    for (const { code, count } of snippets()) {
      for (let i = 0; i < count; i++) cases.push({ code, seed: ++seed, state: fpuInitialState(seed) });
    }
    const input = Buffer.concat(cases.map(({ code, state }) => request(code, state)));
    const replies = run(input);
    if (replies.length !== cases.length * REPLY_BYTES) throw new Error(`${family}: an instruction ended the recorder`);
    if (!replies.equals(run(input))) throw new Error(`${family}: two recordings differ`);
    const lines = cases.map(({ code, seed, state }, index) =>
      JSON.stringify(vectorOf(code, seed, state, replies.subarray(index * REPLY_BYTES, (index + 1) * REPLY_BYTES))),
    );
    const processor = JSON.stringify(cpus()[0]?.model ?? 'unknown');
    writeFileSync(`${OUTPUT}/${family}.json`, `{"processor":${processor},"vectors":[\n${lines.join(',\n')}\n]}\n`);
    process.stdout.write(`${family}: ${cases.length} vectors\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
