/**
 * Floating point in a whole machine, on a vCPU thread: a guest that uses the FPU from its first instruction on, with the addon, and that
 * finds none without it.
 */
import assert from 'node:assert/strict';
import { Machine } from '../../../src/index.js';
import { elfFile, multibootHeader } from '../../helpers/kernels.js';
import { d } from './machine.js';

const VALUE = 0x200000;

/** Computes sqrt(1 + 48) * 3 with x87 and SSE2 after FNINIT, and exits with it through isa-debug-exit. */
const COMPUTE = [
  ...[0xdb, 0xe3],
  // mov dword [VALUE], 48; fild; fld1; faddp; fsqrt; fistp
  ...[0xc7, 0x05, ...d(VALUE), ...d(48), 0xdb, 0x05, ...d(VALUE), 0xd9, 0xe8, 0xde, 0xc1, 0xd9, 0xfa],
  ...[0xdb, 0x1d, ...d(VALUE)],
  // mov eax, 600; mov cr4, eax; mov eax, 3; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, [VALUE]; mulsd xmm0, xmm1; cvtsd2si eax, xmm0
  ...[0xb8, ...d(0x600), 0x0f, 0x22, 0xe0, 0xb8, ...d(3), 0xf2, 0x0f, 0x2a, 0xc0],
  ...[0xf2, 0x0f, 0x2a, 0x0d, ...d(VALUE), 0xf2, 0x0f, 0x59, 0xc1, 0xf2, 0x0f, 0x2d, 0xc0],
];
/** CPUID leaf 1; AND EDX, 1; MOV EAX, EDX. */
const DETECT = [0xb8, ...d(1), 0x0f, 0xa2, 0x83, 0xe2, 1, 0x89, 0xd0];
/** OUT F4, EAX. */
const EXIT = [0xe7, 0xf4, 0xf4];

async function statusOf(code: readonly number[], native: boolean): Promise<number | undefined> {
  const bytes = Buffer.concat([multibootHeader(0), Buffer.from([...code, ...EXIT])]);
  const kernel = { name: 'fpu.elf', bytes: elfFile({ entry: 0x10000c, segments: [{ bytes }] }) };
  const machine = new Machine({ kernel, memoryBytes: 16 << 20, native });
  await machine.start();
  const { status } = await machine.ended;
  // isa-debug-exit: the value, and a 1 below it
  return status === undefined ? undefined : status >> 1;
}

describe('a guest that uses floating point', () => {
  it('computes on the host\u2019s FPU', async () => {
    assert.equal(await statusOf(COMPUTE, true), 21);
    assert.equal(await statusOf(DETECT, true), 1);
  });

  it('finds no FPU without the addon', async () => {
    assert.equal(await statusOf(DETECT, false), 0);
  });
});
