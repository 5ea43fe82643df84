/**
 * The host's FPU for one vCPU: memory for stubs through the addon, filled as instructions are met. Made and disposed of on the vCPU
 * thread. Read before: `../interp/fpuStub.ts`, `../native.ts`. Read after: `board.ts`.
 */
import { HostError } from '../errors.js';
import type { Native } from '../native.js';
import type { FpuHelper } from '../vcpu/vcpu.js';

/**
 * Size of the stubs' memory, touched as far as it is filled. All there can be: about 900 x87 stubs, 300 SIMD ones, and 34 SIMD forms
 * with 256 immediates, of less than 96 bytes.
 */
const CODE_BYTES = 1 << 20;
/** Stubs start at cache lines' quarters. */
const ALIGNMENT = 16;

export class HostFpu implements FpuHelper {
  readonly run: () => void;
  readonly sse3: boolean;
  readonly ssse3: boolean;

  private readonly _buffer: ArrayBuffer;
  private readonly _code: Uint8Array;
  private readonly _offsets = new Map<string, number>();
  private _used = 0;

  /**
   * @param words the state block
   * @throws HostError when the host forbids executable mappings
   */
  constructor(
    private readonly _native: Native,
    words: Int32Array,
  ) {
    const id = _native.memoryCreate(CODE_BYTES, 'romulus-fpu');
    this._buffer = _native.memoryMap(id);
    _native.memoryClose(id);
    this._code = new Uint8Array(this._buffer);
    try {
      this.run = _native.fpuOpen(this._buffer, words);
    } catch (error) {
      _native.memoryRelease(this._buffer);
      throw error;
    }
    const { sse3, ssse3 } = _native.fpuFeatures();
    this.sse3 = sse3;
    this.ssse3 = ssse3;
  }

  stub(key: string, make: () => readonly number[]): number {
    const known = this._offsets.get(key);
    if (known !== undefined) return known;
    const bytes = make();
    const offset = this._used;
    if (offset + bytes.length > CODE_BYTES) {
      throw new HostError('ENOSPC', `the ${CODE_BYTES} bytes for floating-point stubs are full: raise CODE_BYTES`);
    }
    this._code.set(bytes, offset);
    this._offsets.set(key, offset);
    this._used = (offset + bytes.length + ALIGNMENT - 1) & -ALIGNMENT;
    return offset;
  }

  /** Gives the mappings back; `run` does nothing from then on. */
  dispose(): void {
    this._native.fpuClose(this.run);
    this._native.memoryRelease(this._buffer);
  }
}
