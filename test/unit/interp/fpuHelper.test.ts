/**
 * The memory for stubs: what the addon maps, gives back and refuses. Needs the addon.
 */
import assert from 'node:assert/strict';
import { ConfigError, HostError } from '../../../src/errors.js';
import { HostFpu } from '../../../src/machine/hostFpu.js';
import { loadNative } from '../../../src/native.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';

const native = loadNative()!;
/** INC dword [RDI]; RET. */
const INCREMENT = [0xff, 0x07, 0xc3];

describe('HostFpu', () => {
  it('runs stubs on a state block of the addon and on one of JavaScript', () => {
    const id = native.memoryCreate(STATE_BYTES, 'romulus-test');
    const mapped = native.memoryMap(id);
    native.memoryClose(id);
    for (const buffer of [mapped, new SharedArrayBuffer(STATE_BYTES), new ArrayBuffer(STATE_BYTES)]) {
      const words = new Int32Array(buffer);
      const fpu = new HostFpu(native, words);
      words[Word.FpuStub] = fpu.stub('other', () => [0xc3]);
      fpu.run();
      assert.equal(words[0], 0);
      words[Word.FpuStub] = fpu.stub('increment', () => INCREMENT);
      fpu.run();
      assert.equal(words[0], 1);
      fpu.dispose();
    }
    native.memoryRelease(mapped);
  });

  it('makes the bytes of a stub once', () => {
    const fpu = new HostFpu(native, new Int32Array(new SharedArrayBuffer(STATE_BYTES)));
    let made = 0;
    const make = (): readonly number[] => {
      made++;
      return INCREMENT;
    };
    assert.equal(fpu.stub('a', make), fpu.stub('a', make));
    assert.notEqual(fpu.stub('a', make), fpu.stub('b', make));
    assert.equal(made, 2);
    fpu.dispose();
  });

  it('says when its memory is full instead of writing beyond it', () => {
    const fpu = new HostFpu(native, new Int32Array(new SharedArrayBuffer(STATE_BYTES)));
    const large = new Array<number>(0x90000).fill(0xc3);
    fpu.stub('first', () => large);
    assert.throws(() => fpu.stub('second', () => large), HostError);
    fpu.dispose();
  });

  it('gives its mappings back, and does nothing afterwards', () => {
    const before = native.liveMappings();
    const words = new Int32Array(new SharedArrayBuffer(STATE_BYTES));
    const fpu = new HostFpu(native, words);
    words[Word.FpuStub] = fpu.stub('increment', () => INCREMENT);
    assert.equal(native.liveMappings(), before + 1);
    fpu.dispose();
    assert.equal(native.liveMappings(), before);
    fpu.run();
    assert.equal(words[0], 0);
  });

  it('refuses buffers that are none of the addon\u2019s, of odd size, or no whole state block', () => {
    const words = new Int32Array(new SharedArrayBuffer(STATE_BYTES));
    assert.throws(() => native.fpuOpen(new ArrayBuffer(4096), words), HostError);
    assert.throws(() => native.fpuOpen(new ArrayBuffer(5000), words), ConfigError);
    assert.throws(() => native.fpuOpen(new ArrayBuffer(4096), words.subarray(1)), ConfigError);
    assert.throws(() => native.fpuClose(() => undefined), HostError);
  });
});
