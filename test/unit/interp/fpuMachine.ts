/**
 * A `TestMachine` with the host's FPU, for tests of floating point: CR4 as an operating system sets it, and exception handlers at known
 * addresses. Needs the addon, as the other tests in `test/unit/native` do. Read before: `machine.ts`.
 */
import assert from 'node:assert/strict';
import { HostFpu } from '../../../src/machine/hostFpu.js';
import { loadNative } from '../../../src/native.js';
import { FxHalf, FxWord, resetFpu } from '../../../src/vcpu/fxsave.js';
import { Word } from '../../../src/vcpu/layout.js';
import { Cr0, Cr4 } from '../../../src/x86/control.js';
import { CODE, TestMachine } from './machine.js';

/** Handler of vector n is at `HANDLERS` + 16 n. */
export const HANDLERS = 0x18000;
const VECTORS = 32;

export class FpuMachine extends TestMachine {
  private readonly _fpu: HostFpu;
  /** Levels of FERR#, in order. */
  readonly ferr: boolean[] = [];

  /** @param parameters those of `TestMachine` */
  constructor(...parameters: ConstructorParameters<typeof TestMachine>) {
    super(...parameters);
    const native = loadNative();
    assert.ok(native, 'the addon must be built for these tests: npm run build:native');
    this._fpu = new HostFpu(native, this.words);
    this.cpu.hooks = { ...this.cpu.hooks, fpu: this._fpu, ferr: (asserted) => void this.ferr.push(asserted) };
    this.enterSystem();
  }

  /** Flat protected mode with everything on that floating point needs, and the FPU as after a reset and FNINIT. */
  enterSystem(): void {
    this.enterFlat();
    this.words[Word.Cr0] |= Cr0.NE | Cr0.MP;
    this.words[Word.Cr4] = Cr4.OSFXSR | Cr4.OSXMMEXCPT;
    for (let vector = 0; vector < VECTORS; vector++) this.gate(vector, HANDLERS + 16 * vector);
    resetFpu(this.cpu);
    this.cpu.halves[FxHalf.Fcw] = 0x37f;
    this.cpu.bytes[Word.Fxsave * 4 + 4] = 0;
  }

  /** Executes one instruction. @returns the vector of its exception, or -1 */
  execute(code: readonly number[]): number {
    this.place(code);
    this.interpreter.step();
    const eip = this.words[Word.Eip];
    return eip >= HANDLERS && eip < HANDLERS + 16 * VECTORS ? (eip - HANDLERS) / 16 : -1;
  }

  /** Executes instructions one after the other; asserts that none raises an exception. */
  executeAll(...codes: readonly (readonly number[])[]): void {
    for (const code of codes) {
      assert.equal(this.execute(code), -1, `exception of ${Buffer.from(code).toString('hex')}`);
      assert.equal(this.words[Word.Eip], CODE + code.length);
    }
  }

  get fcw(): number {
    return this.cpu.halves[FxHalf.Fcw];
  }

  set fcw(value: number) {
    this.cpu.halves[FxHalf.Fcw] = value;
  }

  get fsw(): number {
    return this.cpu.halves[FxHalf.Fsw];
  }

  set fsw(value: number) {
    this.cpu.halves[FxHalf.Fsw] = value;
  }

  get mxcsr(): number {
    return this.words[FxWord.Mxcsr];
  }

  set mxcsr(value: number) {
    this.words[FxWord.Mxcsr] = value;
  }

  /** ST(`index`) as sign and exponent, high and low word. */
  st(index: number): [number, number, number] {
    const at = FxWord.St + index * 4;
    return [this.words[at + 2] & 0xffff, this.words[at + 1] >>> 0, this.words[at] >>> 0];
  }

  dispose(): void {
    this._fpu.dispose();
  }
}
