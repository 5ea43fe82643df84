/** The ACPI tables, parsed back as a kernel does: checksums, pointers, registers; and the AML term by term. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACPI_TABLES_PHYS, acpiTables } from '../../../src/boot/acpi.js';
import {
  device,
  eisaId,
  integer,
  ioPorts,
  irqs,
  name,
  packageOf,
  resources,
  scope,
  text,
} from '../../../src/boot/aml.js';

const bytes = Buffer.from(acpiTables());
const sum = (part: Uint8Array): number => part.reduce((total, byte) => total + byte, 0) & 0xff;

/** The table at a physical address, as long as it says it is. */
function tableAt(phys: number): Buffer {
  const at = phys - ACPI_TABLES_PHYS;
  assert.ok(at > 0 && at < bytes.length, 'the pointer leads into the tables');
  const table = bytes.subarray(at, at + bytes.readUInt32LE(at + 4));
  assert.ok(at + table.length <= bytes.length);
  return table;
}
const signature = (table: Buffer): string => table.toString('latin1', 0, 4);

const rsdt = tableAt(bytes.readUInt32LE(16));
const fadt = tableAt(rsdt.readUInt32LE(36));
const dsdt = tableAt(fadt.readUInt32LE(40));
const facs = tableAt(fadt.readUInt32LE(36));

describe('boot/acpi', () => {
  it('has an RSDP where kernels look for it', () => {
    assert.equal(ACPI_TABLES_PHYS % 16, 0);
    assert.ok(ACPI_TABLES_PHYS >= 0xe0000 && ACPI_TABLES_PHYS + bytes.length <= 0x100000);
    assert.equal(bytes.toString('latin1', 0, 8), 'RSD PTR ');
    assert.equal(sum(bytes.subarray(0, 20)), 0);
  });

  it('chains RSDT, FADT, DSDT and FACS with good checksums', () => {
    assert.deepEqual([rsdt, fadt, dsdt, facs].map(signature), ['RSDT', 'FACP', 'DSDT', 'FACS']);
    for (const table of [rsdt, fadt, dsdt]) assert.equal(sum(table), 0, signature(table));
    assert.equal(rsdt.length, 40, 'one table');
    assert.equal(fadt.readUInt32LE(36) % 64, 0, 'the FACS is aligned');
  });

  it('names the registers in both forms', () => {
    const blocks: [number, number, number][] = [
      [56, 148, 0x600],
      [64, 172, 0x604],
      [76, 208, 0x608],
    ];
    for (const [plain, generic, port] of blocks) {
      assert.equal(fadt.readUInt32LE(plain), port);
      assert.equal(fadt[generic], 1, 'system I/O');
      assert.equal(fadt.readBigUInt64LE(generic + 4), BigInt(port));
    }
    assert.deepEqual([fadt[88], fadt[89], fadt[91]], [4, 2, 4]);
    assert.equal(fadt.readUInt16LE(46), 9, 'SCI');
    assert.equal(fadt.readUInt32LE(48), 0, 'no SMI command: always in ACPI mode');
    assert.equal(fadt.readBigUInt64LE(120), 0xcf9n);
    assert.equal(fadt[128], 6);
  });

  it('compiles to the same bytes when iasl has disassembled it', function () {
    if (spawnSync('iasl', ['-v']).status !== 0) return this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'romulus-acpi-'));
    try {
      const iasl = (...args: string[]): string => {
        const { status, stdout, stderr } = spawnSync('iasl', args, { cwd: folder, encoding: 'utf8' });
        assert.equal(status, 0, stdout + stderr);
        return stdout + stderr;
      };
      writeFileSync(join(folder, 'dsdt.aml'), dsdt);
      iasl('-d', 'dsdt.aml');
      assert.match(iasl('-p', 'again', 'dsdt.dsl'), /0 Errors, 0 Warnings/);
      const again = readFileSync(join(folder, 'again.aml'));
      assert.deepEqual(again.subarray(36), dsdt.subarray(36));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }).timeout(10_000);
});

describe('boot/aml', () => {
  it('encodes constants in their shortest form', () => {
    assert.deepEqual(integer(0), [0x00]);
    assert.deepEqual(integer(1), [0x01]);
    assert.deepEqual(integer(0xff), [0x0a, 0xff]);
    assert.deepEqual(integer(0x100), [0x0b, 0x00, 0x01]);
    assert.deepEqual(integer(0xfffe0000), [0x0c, 0x00, 0x00, 0xfe, 0xff]);
    assert.deepEqual(text('A'), [0x0d, 0x41, 0x00]);
    assert.deepEqual(eisaId('PNP0501'), [0x0c, 0x41, 0xd0, 0x05, 0x01]);
  });

  it('encodes names of one, two and more segments, from the root or not', () => {
    const zero = integer(0);
    assert.deepEqual(name('X', zero), [0x08, 0x58, 0x5f, 0x5f, 0x5f, 0x00]);
    assert.equal(String.fromCharCode(...name('\\A.B', zero)), '\x08\\\x2eA___B___\0');
    assert.equal(String.fromCharCode(...name('A.B.C', zero)), '\x08\x2f\x03A___B___C___\0');
    assert.deepEqual(scope('\\'), [0x10, 0x03, 0x5c, 0x00]);
    for (const bad of ['lower', 'TOOLONG', '1ST', 'A..B']) assert.throws(() => name(bad, zero), RangeError);
  });

  it('counts the length of a term with the length itself', () => {
    const filler = (count: number): number[] => new Array<number>(count).fill(0);
    assert.deepEqual(packageOf(filler(60)).slice(0, 3), [0x12, 62, 1]);
    assert.deepEqual(packageOf(filler(61)).slice(0, 3), [0x12, 63, 1]);
    assert.deepEqual(packageOf(filler(62)).slice(0, 4), [0x12, 0x41, 0x04, 1], '65 bytes: two for the length');
    assert.deepEqual(packageOf(filler(5000)).slice(0, 5), [0x12, 0x8c, 0x38, 0x01, 1], '5004 bytes: three');
    assert.deepEqual(device('D').slice(0, 3), [0x5b, 0x82, 0x05]);
  });

  it('ends a resource template with an end tag', () => {
    const template = resources(ioPorts(0x3f8, 8), irqs(4));
    assert.deepEqual(template, [
      ...[0x11, 0x10, 0x0a, 13],
      ...[0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08],
      ...[0x22, 0x10, 0x00],
      ...[0x79, 0x00],
    ]);
  });
});
