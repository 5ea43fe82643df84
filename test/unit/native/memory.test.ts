import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadAddon, loadNative } from '../../../src/native.js';
import { STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { code, run } from './vcpuThread.js';

const native = loadNative()!;

describe('native/memory', () => {
  it('is loaded, and says why when it is not', () => {
    assert.ok(native, 'the addon must be built for these tests: npm run build:native');
    const missing = loadAddon(new URL('file:///nowhere/romulus.node'));
    assert.equal(missing.native, undefined);
    assert.match('failure' in missing ? missing.failure : '', /not built .*npm run build:native/);
    const folder = mkdtempSync(join(tmpdir(), 'romulus-'));
    const file = join(folder, 'broken.node');
    writeFileSync(file, 'not a shared object');
    const broken = loadAddon(pathToFileURL(file));
    rmSync(folder, { recursive: true });
    assert.match('failure' in broken ? broken.failure : '', /does not load/);
  });

  it('maps the same zeroed pages into every view', () => {
    const id = native.memoryCreate(STATE_BYTES * 4, 'romulus-test');
    const first = native.memoryMap(id);
    const second = native.memoryMap(id);
    assert.equal(first.byteLength, STATE_BYTES * 4);
    assert.ok(new Uint8Array(first).every((byte) => byte === 0));
    new Uint8Array(first)[4097] = 0x5a;
    assert.equal(new Uint8Array(second)[4097], 0x5a);
    native.memoryRelease(first);
    native.memoryRelease(second);
    native.memoryClose(id);
  });

  it('unmaps when the owner has closed and the last view is released, in either order', () => {
    const before = native.liveMappings();
    const viewsFirst = native.memoryCreate(STATE_BYTES);
    const view = native.memoryMap(viewsFirst);
    assert.equal(native.liveMappings(), before + 1);
    native.memoryRelease(view);
    assert.equal(view.byteLength, 0);
    assert.equal(native.liveMappings(), before + 1);
    native.memoryClose(viewsFirst);
    assert.equal(native.liveMappings(), before);

    const ownerFirst = native.memoryCreate(STATE_BYTES);
    const late = native.memoryMap(ownerFirst);
    native.memoryClose(ownerFirst);
    assert.equal(
      code(() => native.memoryMap(ownerFirst)),
      'EBADF',
    );
    new Uint8Array(late)[0] = 1;
    assert.equal(native.liveMappings(), before + 1);
    native.memoryRelease(late);
    assert.equal(native.liveMappings(), before);
  });

  it('counts views of worker threads, released or left to the end of the thread', async () => {
    const before = native.liveMappings();
    const id = native.memoryCreate(STATE_BYTES);
    const words = new Int32Array(native.memoryMap(id));
    assert.equal(await run(id, { task: 'write', value: 41, release: true }).result, 0);
    assert.equal(words[Word.Eax], 41);
    assert.equal(await run(id, { task: 'write', value: 42, release: false }).result, STATE_BYTES / 4);
    assert.equal(words[Word.Eax], 42);
    native.memoryRelease(words.buffer);
    assert.equal(native.liveMappings(), before + 1);
    native.memoryClose(id);
    assert.equal(native.liveMappings(), before);
  });

  it('makes room for many megabytes without touching them', () => {
    const id = native.memoryCreate(0xc0000000, 'romulus-large');
    const bytes = new Uint8Array(native.memoryMap(id));
    bytes[0xbfffffff] = 7;
    assert.equal(bytes[0xbfffffff], 7);
    native.memoryRelease(bytes.buffer);
    native.memoryClose(id);
  });

  it('refuses bad arguments before anything has happened', () => {
    const before = native.liveMappings();
    for (const sizeBytes of [0, -4096, 100, 4096.5, NaN, 2 ** 32]) {
      assert.equal(
        code(() => native.memoryCreate(sizeBytes)),
        'BAD_ARGUMENT',
        String(sizeBytes),
      );
    }
    assert.equal(
      code(() => native.memoryMap(0)),
      'BAD_ARGUMENT',
    );
    assert.equal(
      code(() => native.memoryClose(0x7ffffff0)),
      'EBADF',
    );
    assert.equal(
      code(() => native.memoryRelease(new ArrayBuffer(8))),
      'EINVAL',
    );
    assert.equal(
      code(() => native.memoryRelease(new SharedArrayBuffer(8))),
      'BAD_ARGUMENT',
    );
    assert.equal(native.liveMappings(), before);
  });

  it('refuses to release a buffer twice', () => {
    const id = native.memoryCreate(STATE_BYTES);
    const view = native.memoryMap(id);
    native.memoryRelease(view);
    assert.equal(
      code(() => native.memoryRelease(view)),
      'EINVAL',
    );
    native.memoryClose(id);
  });
});
