/**
 * The host's own CPU as something to ask: a native 32-bit process that runs cases and says how they ended. Building it needs `gcc -m32`,
 * running it an x86 host whose kernel takes 32-bit programs.
 *
 * Messages to the process: two words, kind and length, then the contents. Kinds: 0 = send all answers now; 1 = memory region (start,
 * length, writable, contents); 2 = LDT entry (`struct user_desc`); 3 = case. `oracle.c` has the layout of cases and answers.
 * Read before: `../../test/vectors/state.ts`. Read after: `record.ts`, `../fuzz/fuzz.ts`.
 */
import { execFileSync, spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Segment } from '../../src/x86/instruction.js';
import { Vector } from '../../src/x86/vectors.js';
import { Ending, errorOf, type Outcome } from '../../test/vectors/outcome.js';
import { Fx, type State } from '../../test/vectors/state.js';
import { FOREIGN_START, baseOf, regions, segments } from '../../test/vectors/world.js';

const enum Message {
  Flush,
  Region,
  Descriptor,
  Case,
}

const SOURCE = fileURLToPath(new URL('../../../scripts/record-vectors/oracle.c', import.meta.url));
const FLAGS = [
  ...['-m32', '-O2', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie', '-mno-sse'],
  ...['-fno-stack-protector', '-fno-tree-loop-distribute-patterns'],
  `-Wl,-Ttext-segment=0x${FOREIGN_START.toString(16)},-z,noexecstack,--build-id=none`,
];

/** Fixed parts of a case and an answer in bytes. */
const CASE_BYTES = 8 * 4 + 8 + 12 + 4 + Fx.Bytes;
const ANSWER_BYTES = 5 * 4 + 8 * 4 + 8 + 12 + Fx.Bytes;
/** Order in which messages hold selectors: CS, SS, DS, ES, FS, GS. */
const selectorOrder = [Segment.Cs, Segment.Ss, Segment.Ds, Segment.Es, Segment.Fs, Segment.Gs];

const SIGVTALRM = 26;
const SIGSYS = 31;

function message(kind: Message, contents: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(kind, 0);
  head.writeUInt32LE(contents.length, 4);
  return Buffer.concat([head, contents]);
}

const wordsOf = (...values: readonly number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);

/** A `struct user_desc` (modify_ldt(2)): entry, base, limit, then bits. */
function descriptorOf({ selector, base, limit, access }: (typeof segments)[number]): Buffer {
  const isCode = (access & 8) !== 0;
  const pages = (access & 0x8000) !== 0;
  const bits =
    ((access & 0x4000) !== 0 ? 1 : 0) |
    ((((access >> 2) & 1) | (isCode ? 2 : 0)) << 1) |
    ((access & 2) === 0 ? 8 : 0) |
    (pages ? 0x10 : 0) |
    ((access & 0x80) === 0 ? 0x20 : 0);
  return wordsOf(selector >> 3, base, pages ? limit >>> 12 : limit, bits);
}

function caseOf(state: State): Buffer {
  const patchBytes = state.patches.reduce((sum, patch) => sum + 4 + patch.bytes.length, 0);
  const buffer = Buffer.alloc(8 + CASE_BYTES + patchBytes);
  buffer.writeUInt32LE(Message.Case, 0);
  buffer.writeUInt32LE(CASE_BYTES + patchBytes, 4);
  let at = 8;
  for (const value of state.registers) at = buffer.writeInt32LE(value, at);
  at = buffer.writeUInt32LE(state.eflags, at);
  at = buffer.writeUInt32LE(state.eip, at);
  for (const segment of selectorOrder) at = buffer.writeUInt16LE(state.selectors[segment], at);
  at = buffer.writeUInt32LE(state.patches.length, at);
  buffer.set(state.fx, at);
  at += Fx.Bytes;
  for (const { linear, bytes } of state.patches) {
    at = buffer.writeUInt16LE(linear, at);
    at = buffer.writeUInt16LE(bytes.length, at);
    buffer.set(bytes, at);
    at += bytes.length;
  }
  return buffer;
}

function vectorOf(signal: number, trap: number): number {
  if (signal === SIGSYS) return Ending.SystemCall;
  return signal === SIGVTALRM ? Ending.Endless : trap;
}

function outcomeOf(answer: Buffer): Outcome {
  const vector = vectorOf(answer.readUInt32LE(4), answer.readUInt32LE(8));
  const registers = Int32Array.from({ length: 8 }, (_, i) => answer.readInt32LE(20 + i * 4));
  const selectors = Array.from({ length: 6 }, () => 0);
  selectorOrder.forEach((segment, i) => (selectors[segment] = answer.readUInt16LE(60 + i * 2)));
  const memory: number[] = [];
  for (let at = ANSWER_BYTES; at < answer.length;) {
    const linear = answer.readUInt16LE(at);
    const sizeBytes = answer.readUInt16LE(at + 2);
    for (let i = 0; i < sizeBytes; i += 4) memory.push(linear + i, answer.readInt32LE(at + 4 + i));
    at += 4 + sizeBytes;
  }
  return {
    vector,
    error: errorOf(vector, answer.readUInt32LE(12)),
    cr2: vector === (Vector.PF as number) ? answer.readInt32LE(16) : 0,
    registers,
    eflags: answer.readUInt32LE(52),
    eip: answer.readInt32LE(56),
    selectors,
    fx: new Uint8Array(answer.subarray(72, 72 + Fx.End)),
    memory: Int32Array.from(memory),
  };
}

/** Says that the native process died of a case, which nothing a case does should make it. */
export class OracleDied extends Error {}

export class Oracle {
  private readonly _folder: string;
  private readonly _program: string;
  private _process: ChildProcessByStdio<Writable, Readable, null> | undefined;
  private _received: Buffer[] = [];
  private _receivedBytes = 0;
  private _wake: () => void = () => undefined;

  /** Compiles the process. */
  constructor() {
    this._folder = mkdtempSync(join(tmpdir(), 'romulus-oracle-'));
    this._program = join(this._folder, 'oracle');
    execFileSync('gcc', [...FLAGS, '-o', this._program, SOURCE]);
  }

  /** Whether this host runs the process, which is a 32-bit program. */
  get runs(): boolean {
    return spawnSync(this._program, [], { input: '', stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
  }

  private _start(): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn(this._program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this._process = child;
    this._received = [];
    this._receivedBytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      this._received.push(chunk);
      this._receivedBytes += chunk.length;
      this._wake();
    });
    child.stdin.on('error', () => undefined);
    child.on('close', () => {
      if (this._process === child) this._process = undefined;
      this._wake();
    });
    for (const region of regions) {
      const head = wordsOf(region.start, region.sizeBytes, region.writable ? 1 : 0);
      child.stdin.write(message(Message.Region, Buffer.concat([head, baseOf(region)])));
    }
    for (const segment of segments) {
      if ((segment.selector & 4) !== 0) child.stdin.write(message(Message.Descriptor, descriptorOf(segment)));
    }
    return child;
  }

  /**
   * Runs cases, each from its state to its first exception.
   * @throws OracleDied when one of them ended the process; the next call starts a new one
   */
  async run(states: readonly State[]): Promise<Outcome[]> {
    const child = this._process ?? this._start();
    child.stdin.write(Buffer.concat([...states.map(caseOf), message(Message.Flush, Buffer.alloc(0))]));
    const outcomes: Outcome[] = [];
    while (outcomes.length < states.length) {
      while (this._receivedBytes === 0) {
        if (this._process !== child) throw new OracleDied(`the native process died after ${outcomes.length} answers`);
        await new Promise<void>((resolve) => (this._wake = resolve));
      }
      const bytes = Buffer.concat(this._received);
      let at = 0;
      while (at + 4 <= bytes.length && at + bytes.readUInt32LE(at) <= bytes.length) {
        const length = bytes.readUInt32LE(at);
        outcomes.push(outcomeOf(bytes.subarray(at, at + length)));
        at += length;
      }
      const rest = bytes.subarray(at);
      this._received = [rest];
      this._receivedBytes = 0;
      if (outcomes.length < states.length && rest.length > 0) {
        // an answer that is not complete yet: wait for more before looking again
        if (this._process !== child) throw new OracleDied(`the native process died after ${outcomes.length} answers`);
        await new Promise<void>((resolve) => (this._wake = resolve));
      }
    }
    return outcomes;
  }

  /** Ends the process; the next call of `run` starts a new one. A case may have written to what is the process's own. */
  restart(): void {
    this._process?.stdin.end();
    this._process = undefined;
  }

  /** Ends the process and removes the program. */
  close(): void {
    this.restart();
    rmSync(this._folder, { recursive: true, force: true });
  }
}
