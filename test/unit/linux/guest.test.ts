/** A guest made of packages: from a made-up archive on this host, from the cache, and when things go wrong on the way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cache } from '../../../src/linux/cache.js';
import { prepareLinux, type LinuxGuest, type LinuxOptions, type Root } from '../../../src/linux/guest.js';
import { resolveRoot } from '../../../src/linux/root.js';
import type { Task } from '../../../src/linux/progress.js';
import { ArchiveServer, linuxPackages } from '../../helpers/debianArchive.js';

/** A path without a keyring: the made-up archive is not signed. */
const NO_KEYS = '/nonexistent';
/** Looks like a keyring, and has no key. (RFC 4880, 4.2) */
const PUBLIC_KEY_PACKET = Buffer.of(0x99, 0, 0);

describe('prepareLinux', () => {
  let folder = '';
  let server: ArchiveServer;
  let mirror = '';
  let cache: Cache;
  let abort: AbortController;
  let said: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-guest-'));
    server = new ArchiveServer(linuxPackages());
    mirror = await server.open();
    cache = new Cache(join(folder, 'cache'));
    abort = new AbortController();
    said = [];
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  const task = (): Task => ({
    progress: (what) => void said.push(what),
    warn: (text) => void said.push(text),
    signal: abort.signal,
  });
  const prepare = (options: Partial<LinuxOptions> = {}): Promise<LinuxGuest> =>
    prepareLinux(cache, { mirror, usualKeyring: NO_KEYS, session: 'shell', ...options }, task());
  const leftovers = (): string[] => readdirSync(cache.path('tmp'));
  const cachedDeb = (): string => cache.path('packages', 'linux-image-6.1.0-99-686_6.1.99-1_i386.deb');
  const list = ({ initrd }: LinuxGuest): string[] => {
    assert.ok(typeof initrd === 'object');
    // Names stand behind headers of 110 bytes that begin with the magic number.
    return initrd.bytes === undefined
      ? []
      : Buffer.from(initrd.bytes)
          .toString('latin1')
          .split('070701')
          .slice(1)
          .map((entry) => entry.slice(104).split('\0')[0] ?? '');
  };

  it('fetches, unpacks and packs what the meta package names', async () => {
    const guest = await prepare();
    assert.equal(guest.name, 'Linux 6.1.0-99-686');
    assert.equal(readFileSync(guest.kernel as string, 'utf8'), 'a kernel');
    assert.match(guest.append, /console=ttyS0 .*noisapnp .*quiet rdinit=\/romulus\/init ROMULUS_SESSION=shell/);
    const files = list(guest);
    for (const file of [
      'dev/console',
      'bin/cat',
      'romulus/busybox',
      'romulus/init',
      'lib/modules/6.1.0-99-686/kernel/drivers/block/virtio_blk.ko',
    ])
      assert.ok(files.includes(file), file);
    assert.ok(!files.some((file) => file.includes('loud')), 'modules that no guest needs are left out');
    const table = readFileSync(join(guest.kernel as string, '../lib/modules/6.1.0-99-686/modules.dep'), 'utf8');
    assert.equal(
      table,
      'kernel/drivers/virtio/virtio.ko:\nkernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko\n',
    );
    assert.ok(said.some((text) => /signature is NOT checked/.test(text)));
    assert.deepEqual(leftovers(), []);
  });

  it('does without the network once it has everything, and packs the same bytes', async () => {
    const first = await prepare();
    await server.close();
    said = [];
    assert.deepEqual(await prepare(), first);
    assert.deepEqual(said, []);
  });

  it('reads packages without dpkg-deb too', async () => {
    const { PATH } = process.env;
    process.env.PATH = '';
    try {
      assert.equal((await prepare()).name, 'Linux 6.1.0-99-686');
    } finally {
      process.env.PATH = PATH;
    }
  });

  it('looks for newer packages when asked to', async () => {
    await prepare();
    const before = server.requests.length;
    await prepare({ refresh: true });
    assert.deepEqual(
      server.requests.slice(before).map((path) => path.split('/').pop()),
      ['InRelease', 'Packages.gz'],
    );
  });

  it('fetches a damaged package of the cache anew', async () => {
    const { kernel } = await prepare();
    rmSync(join(kernel as string, '..'), { recursive: true });
    writeFileSync(cachedDeb(), readFileSync(cachedDeb()).fill(0, 100, 120));
    said = [];
    await prepare();
    assert.ok(said.some((text) => /cached file of linux-image.* is damaged/.test(text)));
    assert.equal(server.requests.filter((path) => path.includes('linux-image-6')).length, 2);
  });

  it('tries a damaged download once more, then refuses it', async () => {
    let spoiled = 0;
    server.spoil = (path, body, response) => {
      if (!path.includes('linux-image-6') || body === undefined || spoiled++ > 0) return false;
      response.end(Buffer.alloc(body.length));
      return true;
    };
    await prepare();
    await cache.clear();
    spoiled = -100;
    await assert.rejects(prepare(), { code: 'DOWNLOAD_DAMAGED', message: /--refresh/ });
    assert.deepEqual([leftovers(), readdirSync(cache.path()).includes('packages')], [[], false]);
  });

  it('keeps nothing of a download that breaks off', async () => {
    server.spoil = (path, body, response) => {
      if (!path.endsWith('.deb') || body === undefined) return false;
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, body.length / 2), () => response.destroy());
      return true;
    };
    await assert.rejects(prepare(), { code: 'DOWNLOAD_FAILED', message: /check the network/ });
    assert.deepEqual(leftovers(), []);
    server.spoil = () => false;
    await prepare();
  });

  it('ends at once when it is interrupted, with nothing half-made', async () => {
    server.spoil = (path, _body, response) => {
      if (!path.endsWith('.deb')) return false;
      response.writeHead(200).write('half');
      setImmediate(() => abort.abort(new Error('interrupted')));
      return true;
    };
    await assert.rejects(prepare(), /interrupted/);
    assert.deepEqual(leftovers(), []);
  });

  it('names what is wrong with an archive', async () => {
    const spoilList = (name: string, bytes?: Buffer): void => {
      const path = [...server.files.keys()].find((each) => each.endsWith(name)) ?? '';
      if (bytes === undefined) server.files.delete(path);
      else server.files.set(path, bytes);
    };
    spoilList('Packages.gz', Buffer.from('other'));
    await assert.rejects(prepare(), { code: 'DOWNLOAD_DAMAGED', message: /Packages\.gz/ });
    spoilList('InRelease', Buffer.from('Suite: x\n'));
    await assert.rejects(prepare(), { code: 'NO_ARCHIVE' });
    spoilList('InRelease');
    await assert.rejects(prepare(), { code: 'DOWNLOAD_FAILED', message: /404/ });
    await server.close();
    await assert.rejects(prepare(), { code: 'DOWNLOAD_FAILED', message: /check the network/ });
    await assert.rejects(prepare({ mirror: 'ftp://host.example' }), { code: 'BAD_MIRROR' });
  });

  it('refuses an archive that its keys have not signed', async function () {
    if (spawnSync('gpgv', ['--version']).error !== undefined) this.skip(); // no gpgv on this host
    const keyring = join(folder, 'keys.gpg');
    writeFileSync(keyring, PUBLIC_KEY_PACKET);
    await assert.rejects(prepare({ keyring }), { code: 'ARCHIVE_UNTRUSTED', message: /--keyring/ });
    await prepare();
    const before = server.requests.length;
    await assert.rejects(prepare({ keyring }), { code: 'ARCHIVE_UNTRUSTED' });
    assert.equal(
      server.requests.length,
      before + 1,
      'the list that was not checked does not serve a call that asks for it',
    );
  });

  it('takes the keys that are named for a demand', async () => {
    const file = (name: string, bytes: string | Buffer): string => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    const cases: [string, RegExp][] = [
      [join(folder, 'none'), /the keyring '.*none' is not there/],
      [folder, /cannot read the keyring '.*': it is a folder/],
      [file('empty', ''), /'.*empty' is no keyring that gpgv takes; give a file of public keys/],
      [file('text', 'hello'), /'.*text' is no keyring that gpgv takes/],
      [file('keys.asc', '-----BEGIN PGP PUBLIC KEY BLOCK-----'), /armoured text; .*gpg --dearmor/],
    ];
    for (const [keyring, message] of cases)
      for (const files of [{}, { kernel: '/k', initrd: '/i' }])
        await assert.rejects(prepare({ keyring, ...files }), { code: 'BAD_KEYRING', message });
    assert.deepEqual(server.requests, []);
    const keyring = file('keys.gpg', PUBLIC_KEY_PACKET);
    await assert.rejects(prepare({ keyring, mirror: undefined }), { code: 'KEYRING_WITHOUT_MIRROR' });
    const { PATH } = process.env;
    process.env.PATH = '';
    try {
      await assert.rejects(prepare({ keyring }), { code: 'PROGRAM_MISSING', message: /'gpgv' is needed to check/ });
    } finally {
      process.env.PATH = PATH;
    }
  });

  it('names what is damaged in the cache, and the one folder to remove', async () => {
    const { kernel } = await prepare();
    const kernels = join(kernel as string, '..');
    const busybox = cache.path('busybox', readdirSync(cache.path('busybox'))[0] ?? '');
    const modules = join(kernels, 'lib/modules/6.1.0-99-686');
    const remove = (path: string): void => rmSync(path, { recursive: true });
    const cases: [folder: string, spoil: () => void, found: string][] = [
      [busybox, () => remove(join(busybox, 'busybox')), "busybox' is missing"],
      [busybox, () => truncateSync(join(busybox, 'busybox')), "busybox' is empty"],
      [busybox, () => writeFileSync(join(busybox, 'busybox'), 'text'), 'has no list of commands'],
      [kernels, () => remove(kernel as string), "vmlinux' is missing"],
      [kernels, () => (remove(kernel as string), mkdirSync(kernel as string)), "vmlinux' is no file"],
      [kernels, () => remove(join(kernels, 'lib')), "modules.dep' is missing"],
      [kernels, () => truncateSync(join(modules, 'modules.dep')), "modules.dep' is empty"],
      [kernels, () => remove(join(modules, 'kernel/drivers/virtio/virtio.ko')), "virtio.ko' is missing"],
      [kernels, () => truncateSync(join(modules, 'kernel/drivers/block/virtio_blk.ko')), "virtio_blk.ko' is empty"],
    ];
    for (const [entry, spoil, found] of cases) {
      spoil();
      await assert.rejects(prepare(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'CACHE_DAMAGED', error.message);
        assert.ok(error.message.includes(found), error.message);
        assert.ok(error.message.includes(`remove the folder '${entry}'`), error.message);
        return true;
      });
      remove(entry);
      await prepare();
      assert.ok(existsSync(entry));
    }
  });

  it("takes the user's kernel, initial RAM disk and parameters", async () => {
    const guest = await prepare({ kernel: '/k', initrd: '/i', append: 'quiet debug' });
    assert.deepEqual([guest.kernel, guest.initrd, server.requests], ['/k', '/i', []]);
    assert.match(guest.append, /quiet debug$/);
    assert.doesNotMatch(guest.append, /rdinit|ROMULUS|noisapnp/);
  });

  it("packs the user's folder as root, with our files beside its own", async () => {
    const root = join(folder, 'root');
    mkdirSync(join(root, 'usr/lib'), { recursive: true });
    symlinkSync('usr/lib', join(root, 'lib'));
    writeFileSync(join(root, 'hello'), 'x');
    const files = list(await prepare({ root: { folder: root } }));
    for (const file of ['hello', 'lib', 'usr/lib/modules/6.1.0-99-686/modules.dep', 'romulus/init', 'romulus/bin/cat'])
      assert.ok(files.includes(file), file);
    assert.ok(!files.includes('bin/cat'));
    assert.equal(new Set(files).size, files.length, 'no path twice');
  });

  it('tells folders from disk images', async () => {
    const image = join(folder, 'disk.img');
    writeFileSync(image, '');
    const resolve = (root: string): Promise<Root> => resolveRoot(cache, root, {}, task());
    assert.deepEqual(await resolve(folder), { folder });
    const root = await resolve(image);
    assert.deepEqual(root, { drive: { file: image } });
    const guest = await prepare({ root });
    assert.deepEqual(guest.drives, [{ file: image }]);
    assert.match(guest.append, / ROMULUS_ROOT=\/dev\/vda$/);
    await assert.rejects(resolve('/nonexistent'), { code: 'BAD_ROOT', message: /does not exist/ });
    await assert.rejects(resolve('/dev/null'), { code: 'BAD_ROOT', message: /neither a folder nor a disk image/ });
  });
});
