/**
 * Records what the host's CPU does with the snippets of `snippets.ts`, a few instructions each, and writes `test/vectors/*.json`, which
 * `test/unit/interp/host.test.ts` plays back. Needs an x86 host that runs 32-bit programs and `gcc -m32`; the tests need neither.
 * Every snippet runs twice and must do the same both times. Single instructions of all rows are recorded by `record.ts`.
 * Run after a build: `node dist/scripts/record-vectors/recordSnippets.js`. Read before: `snippets.ts`, `recorder.c`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ARITHMETIC,
  COMPARED_FLAGS,
  DATA_BYTES,
  STACK_BYTES,
  initialState,
  type Vector,
  type VectorState,
} from '../../test/unit/interp/vectors.js';
import { families } from './snippets.js';

const CODE_BYTES = 60;
const REQUEST_BYTES = 4 + CODE_BYTES + 32 + 4 + DATA_BYTES + STACK_BYTES;
const REPLY_BYTES = 32 + 4 + 4 + DATA_BYTES + STACK_BYTES;

function build(folder: string): string {
  const program = join(folder, 'recorder');
  const flags = ['-m32', '-O1', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie', '-mno-sse'];
  execFileSync('gcc', [...flags, '-fno-stack-protector', '-o', program, 'scripts/record-vectors/recorder.c']);
  return program;
}

function request(code: readonly number[], state: VectorState): Buffer {
  if (code.length > CODE_BYTES - 5) throw new Error(`snippet of ${code.length} bytes: at most ${CODE_BYTES - 5} fit`);
  const buffer = Buffer.alloc(REQUEST_BYTES);
  buffer.writeUInt32LE(code.length, 0);
  buffer.set(code, 4);
  state.registers.forEach((value, index) => buffer.writeInt32LE(value, 4 + CODE_BYTES + index * 4));
  buffer.writeUInt32LE(state.eflags, 4 + CODE_BYTES + 32);
  buffer.set(state.data, 4 + CODE_BYTES + 36);
  buffer.set(state.stack, 4 + CODE_BYTES + 36 + DATA_BYTES);
  return buffer;
}

function vectorOf(code: readonly number[], seed: number, state: VectorState, reply: Buffer): Vector {
  const hex = Buffer.from(code).toString('hex');
  if (reply.readUInt32LE(36) !== 0) return { code: hex, seed, fault: 1 };
  const registers: [number, number][] = [];
  for (let index = 0; index < 8; index++) {
    const value = reply.readInt32LE(index * 4);
    if (value !== state.registers[index]) registers.push([index, value]);
  }
  const before = Buffer.concat([state.data, state.stack]);
  const memory: [number, number][] = [];
  for (let index = 0; index < before.length; index++) {
    if (reply[40 + index] !== before[index]) memory.push([index, reply[40 + index]]);
  }
  const eflags = reply.readUInt32LE(32) & COMPARED_FLAGS;
  return {
    code: hex,
    seed,
    ...(registers.length > 0 && { registers }),
    ...(eflags !== (state.eflags & ARITHMETIC) && { eflags }),
    ...(memory.length > 0 && { memory }),
  };
}

const folder = mkdtempSync(join(tmpdir(), 'record-vectors-'));
try {
  const program = build(folder);
  const run = (input: Buffer): Buffer => {
    const { stdout, stderr, status, signal } = spawnSync(program, { input, maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(`the recorder ended with ${signal ?? status}: ${stderr.toString()}`);
    return stdout;
  };
  let seed = 0;
  for (const [family, snippets] of Object.entries(families)) {
    const cases: { code: readonly number[]; seed: number; state: VectorState }[] = [];
    for (const { code, count } of snippets()) {
      for (let i = 0; i < count; i++) cases.push({ code, seed: ++seed, state: initialState(seed) });
    }
    const input = Buffer.concat(cases.map(({ code, state }) => request(code, state)));
    const replies = run(input);
    if (replies.length !== cases.length * REPLY_BYTES) throw new Error(`${family}: a snippet ended the recorder`);
    if (!replies.equals(run(input))) throw new Error(`${family}: two recordings differ`);
    const lines = cases.map(({ code, seed, state }, index) =>
      JSON.stringify(vectorOf(code, seed, state, replies.subarray(index * REPLY_BYTES, (index + 1) * REPLY_BYTES))),
    );
    writeFileSync(`test/vectors/${family}.json`, `[\n${lines.join(',\n')}\n]\n`);
    process.stdout.write(`${family}: ${cases.length} vectors\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
