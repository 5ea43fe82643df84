/** Images, overlays and snapshots on real files. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DriveOption } from '../../../../src/deviceOptions.js';
import type { BlockBackend } from '../../../../src/devices/virtio/block.js';
import { closeDrive, makeDisk, openDrive, type DriveSetup } from '../../../../src/machine/disk/openDrive.js';
import { loadNative } from '../../../../src/native.js';
import { randomNumbers } from '../../devices/fixtures.js';

const SIZE_BYTES = 200 * 512;

describe('machine/disk', () => {
  let folder = '';
  let image = '';
  let content: Buffer;
  const opened: DriveSetup[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-disk-'));
    image = join(folder, 'disk.img');
    const random = randomNumbers(3);
    content = Buffer.from(Uint8Array.from({ length: SIZE_BYTES }, () => random(256)));
    writeFileSync(image, content);
  });

  afterEach(() => {
    for (const drive of opened.splice(0)) closeDrive(drive);
    rmSync(folder, { recursive: true });
  });

  const open = (options: Omit<DriveOption, 'file'> = {}): BlockBackend => {
    const drive = openDrive({ file: image, ...options }, loadNative());
    opened.push(drive);
    return makeDisk(drive);
  };
  const closeAll = (): void => {
    for (const drive of opened.splice(0)) closeDrive(drive);
  };
  const read = (disk: BlockBackend, offsetBytes: number, sizeBytes: number): Buffer => {
    const buffer = Buffer.alloc(sizeBytes);
    disk.read(offsetBytes, [buffer.subarray(0, 100), buffer.subarray(100)]);
    return buffer;
  };

  it('reads and writes an image in place', () => {
    const disk = open();
    assert.equal(disk.sizeBytes, SIZE_BYTES);
    assert.deepEqual(read(disk, 1024, 3000), content.subarray(1024, 4024));
    disk.write(512, [Buffer.alloc(300, 1), Buffer.alloc(212, 2)]);
    disk.flush();
    const now = readFileSync(image);
    assert.ok(
      now.subarray(512, 812).every((byte) => byte === 1) && now.subarray(812, 1024).every((byte) => byte === 2),
    );
    assert.deepEqual(now.subarray(1024), content.subarray(1024));
  });

  it('says what cannot be a disk', () => {
    const refused = (file: string, code: string, message: RegExp): void =>
      assert.throws(() => openDrive({ file }, undefined), { code, message });
    refused(join(folder, 'none'), 'NO_FILE', /there is no disk image/);
    refused(folder, 'NO_FILE', /EISDIR/);
    truncateSync(image, 100);
    refused(image, 'DRIVE_SIZE', /has 100 bytes.*truncate -s %512/);
  });

  it('says how to use an image that may not be written', function () {
    // Root may write everything.
    if (process.getuid?.() === 0) this.skip();
    chmodSync(image, 0o444);
    assert.throws(() => open(), { code: 'DRIVE_READ_ONLY', message: /give readonly=on, snapshot=on or overlay=FILE/ });
    assert.deepEqual(read(open({ readonly: true }), 0, 512), content.subarray(0, 512));
  });

  it('locks what is written against everybody and what is read against writers', function () {
    if (loadNative() === undefined) this.skip();
    open();
    assert.throws(() => open(), {
      code: 'DRIVE_LOCKED',
      message: /another process has .*snapshot=on or overlay=FILE$/,
    });
    assert.throws(() => open({ readonly: true }), { code: 'DRIVE_LOCKED' });
    closeAll();
    open({ readonly: true });
    open({ snapshot: true });
    assert.throws(() => open(), { code: 'DRIVE_LOCKED' });
  });

  it('leaves nothing open when a drive cannot be opened', function () {
    if (loadNative() === undefined) this.skip();
    writeFileSync(join(folder, 'overlay'), 'something else entirely');
    assert.throws(() => open({ overlay: join(folder, 'overlay') }), { code: 'BAD_OVERLAY' });
    open();
  });

  it('reports a file that has become shorter, and a host without space', () => {
    const disk = open();
    truncateSync(image, 4096);
    assert.throws(() => read(disk, 4096, 512), { name: 'Error', message: /the file is shorter now/ });
    const full = openSync('/dev/full', 'w');
    const onFull = makeDisk({ name: '/dev/full', fd: full, sizeBytes: 4096, isReadOnly: false });
    assert.throws(() => onFull.write(0, [Buffer.alloc(512)]), /cannot write '\/dev\/full': the host has no space left/);
    closeSync(full);
  });

  for (const kind of ['snapshot', 'overlay'] as const) {
    it(`is a disk like any other with ${kind}, and leaves the image alone`, () => {
      const disk = open(kind === 'snapshot' ? { snapshot: true } : { overlay: join(folder, 'overlay') });
      const model = Buffer.from(content);
      const random = randomNumbers(9);
      for (let step = 0; step < 2000; step++) {
        const first = random(200);
        const sizeBytes = 512 * (1 + random(Math.min(30, 200 - first)));
        const offsetBytes = 512 * first;
        if (random(2)) {
          const bytes = Buffer.alloc(sizeBytes, random(256));
          bytes.copy(model, offsetBytes);
          disk.write(offsetBytes, [bytes.subarray(0, 200), bytes.subarray(200)]);
        } else {
          assert.deepEqual(read(disk, offsetBytes, sizeBytes), model.subarray(offsetBytes, offsetBytes + sizeBytes));
        }
        if (random(50) === 0) disk.flush();
      }
      assert.deepEqual(readFileSync(image), content);
    });
  }

  it('keeps an overlay for the next time, as of the last flush', () => {
    const overlay = join(folder, 'overlay');
    const disk = open({ overlay });
    disk.write(8192 + 512, [Buffer.alloc(512, 7)]);
    disk.flush();
    disk.write(40960, [Buffer.alloc(4096, 8)]);
    closeAll();
    const again = open({ overlay });
    assert.deepEqual(read(again, 8192, 512), content.subarray(8192, 8704));
    assert.ok(read(again, 8704, 512).every((byte) => byte === 7));
    assert.deepEqual(read(again, 40960, 4096), content.subarray(40960, 45056), 'never flushed');
    assert.ok(statSync(overlay).size < 3 * SIZE_BYTES);
  });

  it('refuses an overlay over an image that has changed since', () => {
    const overlay = join(folder, 'overlay');
    open({ overlay });
    closeAll();
    utimesSync(image, 1, 1);
    assert.throws(() => open({ overlay }), {
      code: 'BAD_OVERLAY',
      message: /has been changed since the overlay was made/,
    });
    writeFileSync(image, Buffer.alloc(4096));
    assert.throws(() => open({ overlay }), { code: 'BAD_OVERLAY', message: /an image of another size/ });
  });
});
