/** A made-up archive of Debian packages on a local HTTP server, with everything about it open to be spoiled by a test. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create } from 'tar';

export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** An ar archive. (ar(5)) */
export function ar(members: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts = [Buffer.from('!<arch>\n')];
  for (const [name, bytes] of Object.entries(members)) {
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`;
    parts.push(Buffer.from(header), Buffer.from(bytes), Buffer.alloc(bytes.length % 2));
  }
  return Buffer.concat(parts);
}

/** A tar archive of files, made by the `tar` library. */
export function tar(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'romulus-tar-'));
  try {
    const tree = join(folder, 'tree');
    for (const [path, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), bytes);
    }
    const file = join(folder, 'data.tar');
    create({ cwd: tree, portable: true, sync: true, file }, Object.keys(files));
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A Debian package that dpkg-deb takes. */
export function deb(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return ar({
    'debian-binary': Buffer.from('2.0\n'),
    'control.tar': tar({ control: 'Package: made-up\n' }),
    'data.tar': tar(files),
  });
}

/** A kernel module with nothing but `.modinfo`. */
export function kernelModule(info: readonly string[]): Buffer {
  const text = Buffer.from(info.map((each) => `${each}\0`).join(''));
  const names = Buffer.from('\0.modinfo\0.shstrtab\0');
  const headers = 52 + text.length + names.length;
  const file = Buffer.alloc(headers + 3 * 40);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  file.writeUInt32LE(headers, 0x20);
  file.writeUInt16LE(40, 0x2e);
  file.writeUInt16LE(3, 0x30);
  file.writeUInt16LE(2, 0x32);
  text.copy(file, 52);
  names.copy(file, 52 + text.length);
  const section = (index: number, name: number, offset: number, size: number): void => {
    file.writeUInt32LE(name, headers + index * 40);
    file.writeUInt32LE(offset, headers + index * 40 + 0x10);
    file.writeUInt32LE(size, headers + index * 40 + 0x14);
  };
  section(1, 1, 52, text.length);
  section(2, 10, 52 + text.length, names.length);
  return file;
}

export interface MadeUpPackage {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
  readonly bytes: Buffer;
}

export const stanza = ({ name, version, depends, bytes }: MadeUpPackage): string =>
  [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: i386',
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    `Filename: pool/main/${name}_${version}_i386.deb`,
    `Size: ${bytes.length}`,
    `SHA256: ${sha256(bytes)}`,
    'Description: made up',
    ' over two lines',
    '\n',
  ].join('\n');

const RELEASE = '6.1.0-99-686';

/** What `romulus linux` wants: a kernel with two modules, its meta package, and a busybox. */
export function linuxPackages(): MadeUpPackage[] {
  const modules = `lib/modules/${RELEASE}/`;
  const kernel = deb({
    [`boot/vmlinuz-${RELEASE}`]: 'a kernel',
    [`boot/config-${RELEASE}`]: 'CONFIG_64BIT is not set',
    [`boot/System.map-${RELEASE}`]: 'c0000000 T _text',
    [`${modules}kernel/drivers/virtio/virtio.ko`]: kernelModule(['depends=', 'name=virtio']),
    [`${modules}kernel/drivers/block/virtio_blk.ko`]: kernelModule(['alias=virtio:d00000002v*', 'depends=virtio']),
    [`${modules}kernel/sound/loud.ko`]: kernelModule(['depends=virtio']),
  });
  const busybox = deb({ 'bin/busybox': 'ELF\0[\0[[\0cat\0sh\0Usage: none\0' });
  const name = `linux-image-${RELEASE}`;
  return [
    {
      name: 'linux-image-686',
      version: '6.1.99-1',
      depends: `${name} (= 6.1.99-1)`,
      bytes: deb({ README: 'nothing' }),
    },
    { name, version: '6.1.99-1', depends: 'kmod, linux-base (>= 4.3~)', bytes: kernel },
    { name: 'busybox-static', version: '1:1.35.0-4', bytes: busybox },
  ];
}

/** What may be done about a request instead of answering it; true = it was answered. */
export type Spoiler = (path: string, body: Buffer | undefined, response: ServerResponse) => boolean;

export class ArchiveServer {
  readonly files = new Map<string, Buffer>();
  readonly requests: string[] = [];
  spoil: Spoiler = () => false;
  private _server: Server | undefined;

  constructor(packages: readonly MadeUpPackage[]) {
    const list = gzipSync(packages.map(stanza).join(''));
    const root = '/dists/bookworm';
    for (const each of packages) this.files.set(`/pool/main/${each.name}_${each.version}_i386.deb`, each.bytes);
    this.files.set(`${root}/main/binary-i386/Packages.gz`, list);
    this.files.set(
      `${root}/InRelease`,
      Buffer.from(
        `Suite: oldstable\nSHA256:\n ${sha256('')} 0 main/binary-amd64/Packages.gz\n ${sha256(list)} ${list.length} main/binary-i386/Packages.gz\n`,
      ),
    );
  }

  /** @returns the archive's address */
  async open(): Promise<string> {
    this._server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '');
      this.requests.push(path);
      const body = this.files.get(path);
      if (this.spoil(path, body, response)) return;
      response.writeHead(body === undefined ? 404 : 200, { 'content-length': body?.length ?? 0 }).end(body);
    });
    await new Promise<void>((resolve) => this._server?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this._server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this._server?.closeAllConnections();
    await new Promise((resolve) => (this._server === undefined ? resolve(undefined) : this._server.close(resolve)));
    this._server = undefined;
  }
}
