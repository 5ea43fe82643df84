/** Kernel modules: what is read from them, and modprobe's tables. */
import assert from 'node:assert/strict';
import { aliasTable, dependencyTable, readModule, selectModules } from '../../../src/linux/modules.js';
import { kernelModule } from '../../helpers/debianArchive.js';

const module = (path: string, ...info: string[]): ReturnType<typeof readModule> => readModule(path, kernelModule(info));
const ext4 = module('kernel/fs/ext4.ko', 'softdep=pre: crc32c', 'alias=fs-ext4', 'depends=jbd2,mbcache');
const jbd2 = module('kernel/fs/jbd2.ko', 'depends=');
const mbcache = module('kernel/fs/mbcache.ko', 'depends=');
const crc = module('kernel/crypto/crc32c-generic.ko', 'alias=crc32c', 'alias=crypto-crc32c');
const rng = module('kernel/virtio-rng.ko', 'depends=virtio-ring');
const all = [ext4, crc, jbd2, rng, mbcache];

describe('kernel modules', () => {
  it('reads needs and aliases', () => {
    assert.deepEqual([ext4.name, ext4.depends, ext4.aliases], ['ext4', ['jbd2', 'mbcache', 'crc32c'], ['fs-ext4']]);
    assert.deepEqual([rng.name, rng.depends], ['virtio_rng', ['virtio_ring']]);
  });

  it('selects modules with what they need first, and none that are built in', () => {
    assert.deepEqual(selectModules(all, ['ext4', 'unheard-of']), [jbd2, mbcache, crc, ext4]);
    assert.deepEqual(selectModules(all, ['virtio-rng']), [rng]);
  });

  it('ends at modules that need each other', () => {
    const [a, b] = [module('a.ko', 'depends=b'), module('b.ko', 'depends=a')];
    assert.deepEqual(selectModules([a, b], ['a']), [b, a]);
  });

  it('writes the tables of modprobe', () => {
    assert.equal(
      dependencyTable([ext4, jbd2, mbcache]),
      'kernel/fs/ext4.ko: kernel/fs/mbcache.ko kernel/fs/jbd2.ko\nkernel/fs/jbd2.ko:\nkernel/fs/mbcache.ko:\n',
    );
    assert.equal(
      aliasTable([ext4, crc]),
      'alias fs-ext4 ext4\nalias crc32c crc32c_generic\nalias crypto-crc32c crc32c_generic\n',
    );
  });

  it('refuses what is no module', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), kernelModule(['x']).subarray(0, 90)])
      assert.throws(() => readModule('x.ko', bytes), { code: 'MODULE_DAMAGED' });
  });
});
