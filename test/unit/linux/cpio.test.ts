/** cpio archives: the same bytes for the same entries, and what another program reads in them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpio, FileType, type CpioEntry } from '../../../src/linux/cpio.js';

const entries: readonly CpioEntry[] = [
  { path: 'dev', type: FileType.Directory, mode: 0o755 },
  { path: 'dev/console', type: FileType.CharacterDevice, mode: 0o600, device: { major: 5, minor: 1 } },
  { path: 'init', type: FileType.Regular, mode: 0o755, bytes: Buffer.from('#!/bin/sh\n') },
  { path: 'ä', type: FileType.Regular, mode: 0o4711, bytes: Buffer.from('x') },
  { path: 'bin', type: FileType.SymbolicLink, mode: 0o777, bytes: Buffer.from('usr/bin') },
];

describe('cpio', () => {
  it('writes the recorded bytes', () => {
    const archive = cpio(entries);
    assert.equal(archive.length, 736);
    assert.equal(
      createHash('sha256').update(archive).digest('hex'),
      '476ee57c3edbcb98c155bd46a85255ada28cf04b6708009d083f08590b4aa48e',
    );
    assert.deepEqual(cpio(entries), archive);
  });

  it('writes what the host cpio lists', function () {
    const { status, stdout, error } = spawnSync('cpio', ['-itvn', '--quiet'], {
      input: cpio(entries),
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    });
    if (error !== undefined) this.skip(); // no cpio on this host; the recorded bytes were checked against one
    assert.equal(status, 0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' '));
    assert.deepEqual(lines, [
      'drwxr-xr-x 2 0 0 0 Jan 1 1970 dev',
      'crw------- 1 0 0 5, 1 Jan 1 1970 dev/console',
      '-rwxr-xr-x 1 0 0 10 Jan 1 1970 init',
      '-rws--x--x 1 0 0 1 Jan 1 1970 ä',
      'lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin -> usr/bin',
    ]);
  });

  it('pads names and contents to four bytes', () => {
    for (let sizeBytes = 0; sizeBytes < 6; sizeBytes++) {
      const archive = cpio([
        { path: 'a'.repeat(sizeBytes + 1), type: FileType.Regular, mode: 0, bytes: new Uint8Array(sizeBytes) },
      ]);
      assert.equal(archive.length % 4, 0);
      assert.equal(archive.toString('latin1', archive.length - 14, archive.length - 4), 'TRAILER!!!');
    }
  });
});
