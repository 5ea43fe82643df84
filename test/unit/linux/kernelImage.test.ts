/** Unpacking a kernel once: by the method it is packed with, and the image itself where that does not work. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { unpackKernelImage } from '../../../src/linux/kernelImage.js';
import { bzImage, elfFile } from '../../helpers/kernels.js';

const { signal } = new AbortController();
const kernel = elfFile();

describe('linux/kernelImage', () => {
  it('unpacks gzip', async () => {
    assert.deepEqual(new Uint8Array(await unpackKernelImage(bzImage({ code: gzipSync(kernel) }), signal)), kernel);
  });

  it("unpacks xz by the host's xz, with the size behind it cut off", async function () {
    const packed = spawnSync('xz', ['-c'], { input: kernel });
    if (packed.status !== 0) return this.skip();
    const code = Buffer.concat([packed.stdout, Buffer.of(kernel.length, 0, 0, 0)]);
    assert.deepEqual(new Uint8Array(await unpackKernelImage(bzImage({ code }), signal)), kernel);
  });

  it('gives back what it cannot unpack, and what is inside if that is no ELF file', async () => {
    const images = [
      bzImage({ code: Buffer.from('\xfd7zXZ\0 and nothing of the kind', 'latin1') }),
      bzImage({ code: Uint8Array.of(0x1f, 0x8b, 1) }),
      bzImage({ code: gzipSync('no kernel') }),
      bzImage(),
      Buffer.from('a kernel'),
    ];
    for (const image of images) assert.equal(await unpackKernelImage(image, signal), image);
  });

  it('stops when it is told to', async () => {
    const aborted = AbortSignal.abort(new Error('interrupted'));
    const code = Buffer.from('\xfd7zXZ\0 and nothing of the kind', 'latin1');
    await assert.rejects(unpackKernelImage(bzImage({ code }), aborted), /interrupted/);
  });
});
