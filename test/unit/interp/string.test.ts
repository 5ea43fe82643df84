/** Repeated string instructions: whole pages at once, and every reason to stop in the middle. (SDM 2, "REP/REPE/REPNE") */
import assert from 'node:assert/strict';
import { Attention, Word } from '../../../src/vcpu/layout.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Vector } from '../../../src/x86/vectors.js';
import { CODE, TestMachine } from './machine.js';
import { generator } from './vectors.js';

const SOURCE = 0x100000;
const DESTINATION = 0x140000;
const HANDLER = 0x18000;
const REP_MOVSB = [0xf3, 0xa4];
const REP_MOVSD = [0xf3, 0xa5];

let m: TestMachine;
beforeEach(() => {
  m = new TestMachine();
});

function fill(phys: number, sizeBytes: number): Uint8Array {
  const next = generator(sizeBytes);
  const bytes = Uint8Array.from({ length: sizeBytes }, () => next() & 0xff);
  m.phys.load(phys, bytes);
  return bytes;
}

/** Points ESI, EDI and ECX, then executes `code` until it has passed. */
function runAll(code: readonly number[], from: number, to: number, count: number): void {
  m.words[Word.Esi] = from;
  m.words[Word.Edi] = to;
  m.words[Word.Ecx] = count;
  m.place([...code, 0xf4]);
  for (let i = 0; i < 100 && m.words[Word.Halted] === 0; i++) m.interpreter.run(10);
  assert.equal(m.words[Word.Halted], 1);
}

describe('REP MOVS', () => {
  it('copies many pages whatever the alignment', () => {
    const bytes = fill(SOURCE + 5, 30000);
    runAll(REP_MOVSB, SOURCE + 5, DESTINATION + 11, 30000);
    assert.deepEqual(m.phys.bytes.subarray(DESTINATION + 11, DESTINATION + 30011), bytes);
    m.words[Word.Halted] = 0;
    runAll(REP_MOVSD, SOURCE + 5, DESTINATION + 2, 7500);
    assert.deepEqual(m.phys.bytes.subarray(DESTINATION + 2, DESTINATION + 30002), bytes);
    assert.deepEqual([m.words[Word.Esi], m.words[Word.Edi]], [SOURCE + 30005, DESTINATION + 30002]);
  });

  it('repeats a pattern when the destination lies inside the source', () => {
    m.phys.load(SOURCE, Uint8Array.from([1, 2, 3]));
    runAll(REP_MOVSB, SOURCE, SOURCE + 3, 9000);
    for (let i = 0; i < 9003; i++) assert.equal(m.phys.read8(SOURCE + i), 1 + (i % 3), String(i));
  });

  it('moves down onto itself like memmove', () => {
    const bytes = fill(SOURCE + 40, 9000);
    runAll(REP_MOVSB, SOURCE + 40, SOURCE, 9000);
    assert.deepEqual(m.phys.bytes.subarray(SOURCE, SOURCE + 9000), bytes);
  });

  it('stops at the limit of a segment with everything before it done', () => {
    m.gate(Vector.GP, HANDLER);
    fill(SOURCE, 64);
    m.cpu.setSegment(Segment.Es, 0x10, DESTINATION, 9, 0x4093);
    m.words[Word.Esi] = SOURCE;
    m.words[Word.Edi] = 0;
    m.words[Word.Ecx] = 8;
    m.run(REP_MOVSD, 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Esi], m.words[Word.Edi]], [6, SOURCE + 8, 8]);
    assert.equal(m.phys.read32(DESTINATION + 4), m.phys.read32(SOURCE + 4));
  });

  it('reads a device window element by element and stops when attention is asked for', () => {
    let reads = 0;
    m.phys.addMmio(0x800000, 0x1000, {
      read: () => {
        if (++reads === 3) m.words[Word.Attention] = Attention.Timer;
        return reads;
      },
      write: () => undefined,
    });
    m.words[Word.Esi] = 0x800000;
    m.words[Word.Edi] = DESTINATION;
    m.words[Word.Ecx] = 8;
    assert.equal(m.run(REP_MOVSD, 10), 1);
    assert.deepEqual([m.words[Word.Eip], m.words[Word.Ecx], m.words[Word.Esi]], [CODE, 5, 0x80000c]);
    m.words[Word.Attention] = 0;
    m.interpreter.run(1);
    assert.deepEqual([m.words[Word.Eip], m.words[Word.Ecx], reads], [CODE + 2, 0, 8]);
    assert.equal(m.phys.read32(DESTINATION + 28), 8);
  });
});

describe('REP STOS', () => {
  it('fills many pages in every size', () => {
    m.words[Word.Eax] = 0x44332211;
    runAll([0xf3, 0xab], 0, DESTINATION + 1, 5000);
    for (let i = 0; i < 20000; i += 4) assert.equal(m.phys.read32(DESTINATION + 1 + i), 0x44332211);
    m.words[Word.Halted] = 0;
    runAll([0x66, 0xf3, 0xab], 0, DESTINATION + 3, 4000);
    for (let i = 0; i < 8000; i += 2) assert.equal(m.phys.read16(DESTINATION + 3 + i), 0x2211);
    m.words[Word.Halted] = 0;
    runAll([0xf3, 0xaa], 0, DESTINATION, 9001);
    assert.ok(m.phys.bytes.subarray(DESTINATION, DESTINATION + 9001).every((byte) => byte === 0x11));
    assert.equal(m.words[Word.Edi], DESTINATION + 9001);
  });
});

describe('REPNE SCAS and REPE CMPS', () => {
  it('find a byte and the first difference', () => {
    m.phys.load(DESTINATION, Uint8Array.from(Buffer.from('kernel\0')));
    m.words[Word.Eax] = 0;
    runAll([0xf2, 0xae], 0, DESTINATION, 100);
    assert.deepEqual([m.words[Word.Edi], m.words[Word.Ecx]], [DESTINATION + 7, 93]);
    m.words[Word.Halted] = 0;
    m.phys.load(SOURCE, Uint8Array.from(Buffer.from('kerNel\0')));
    runAll([0xf3, 0xa6], SOURCE, DESTINATION, 7);
    assert.deepEqual([m.words[Word.Esi], m.words[Word.Ecx]], [SOURCE + 4, 3]);
  });
});
