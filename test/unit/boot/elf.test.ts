/** The ELF loader: what it takes, and one refusal per way in which a file can be wrong. */
import assert from 'node:assert/strict';
import { isElf, parseElf } from '../../../src/boot/elf.js';
import { ConfigError } from '../../../src/errors.js';
import { CODE, elfFile, type ElfFields } from '../../helpers/kernels.js';

const refuses = (file: Uint8Array, code: string, message: RegExp): void => {
  assert.throws(
    () => parseElf(file, 'k'),
    (error) => {
      assert(error instanceof ConfigError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /^kernel 'k' .*[;:] /, 'names the file and says what to do');
      return true;
    },
  );
};

describe('boot/elf', () => {
  it('reads an i386 executable', () => {
    const kernel = parseElf(elfFile({ segments: [{ sizeBytes: 0x3000 }] }), 'k');
    assert.equal(kernel.entryPhys, 0x100000);
    assert.equal(kernel.segments.length, 1);
    const [segment] = kernel.segments;
    assert.deepEqual([segment.phys, segment.sizeBytes, [...segment.bytes]], [0x100000, 0x3000, [...CODE]]);
  });

  it('leaves out segments that are empty or not to be loaded', () => {
    const kernel = parseElf(elfFile({ segments: [{ type: 4 }, {}, { bytes: new Uint8Array(0), sizeBytes: 0 }] }), 'k');
    assert.equal(kernel.segments.length, 1);
  });

  it('takes a linear entry point of a higher-half kernel as well as a physical one', () => {
    const segments = [{ phys: 0x100000, linear: 0xc0100000, sizeBytes: 0x1000 }];
    assert.equal(parseElf(elfFile({ entry: 0xc0100004, segments }), 'k').entryPhys, 0x100004);
    assert.equal(parseElf(elfFile({ entry: 0x100004, segments }), 'k').entryPhys, 0x100004);
  });

  it('knows an ELF file by its magic', () => {
    assert.equal(isElf(elfFile()), true);
    assert.equal(isElf(Uint8Array.of(0x7f, 0x45)), false);
    assert.equal(isElf(new Uint8Array(100)), false);
  });

  it('refuses every truncation of a good file', () => {
    const file = elfFile();
    for (let length = 4; length < file.length; length++)
      refuses(file.subarray(0, length), 'KERNEL_TRUNCATED', new RegExp(`the file has ${length} bytes`));
  });

  const wrong: [string, ElfFields, string, RegExp][] = [
    ['a 64-bit file', { elfClass: 2, machine: 62 }, 'KERNEL_64_BIT', /build the kernel with -m32/],
    ['an x32 file', { machine: 62 }, 'KERNEL_64_BIT', /64-bit/],
    ['an unknown class', { elfClass: 7 }, 'KERNEL_DAMAGED', /ELF class is 7/],
    ['an ARM file', { machine: 40 }, 'KERNEL_WRONG_MACHINE', /built for ARM/],
    ['an unknown machine', { machine: 999 }, 'KERNEL_WRONG_MACHINE', /ELF machine 999/],
    ['big-endian data', { data: 2 }, 'KERNEL_WRONG_MACHINE', /a big-endian machine; .* build it for i386/],
    ['an object file', { type: 1 }, 'KERNEL_NOT_EXECUTABLE', /relocatable object/],
    ['a shared object', { type: 3 }, 'KERNEL_NOT_EXECUTABLE', /shared object/],
    ['a core dump', { type: 4 }, 'KERNEL_NOT_EXECUTABLE', /core dump/],
    ['another type', { type: 77 }, 'KERNEL_NOT_EXECUTABLE', /type 77/],
    ['no program headers', { headerCount: 0 }, 'KERNEL_NOT_EXECUTABLE', /without program headers/],
    ['nothing to load', { segments: [{ type: 4 }] }, 'KERNEL_NOT_EXECUTABLE', /nothing to load/],
    ['an interpreter', { segments: [{}, { type: 3 }] }, 'KERNEL_NOT_EXECUTABLE', /dynamically linked/],
    ['a dynamic section', { segments: [{}, { type: 2 }] }, 'KERNEL_NOT_EXECUTABLE', /dynamically linked/],
    ['program headers of another size', { headerBytes: 56 }, 'KERNEL_DAMAGED', /56 bytes long/],
    ['a table behind the end', { headerCount: 4000 }, 'KERNEL_TRUNCATED', /program headers end at/],
    ['more file than memory', { segments: [{ sizeBytes: 4 }] }, 'KERNEL_DAMAGED', /segment 0 has more bytes/],
    [
      'file bytes behind the end',
      { segments: [{ fileBytes: 0xfffffff0, sizeBytes: 0xfffffff0 }] },
      'KERNEL_TRUNCATED',
      /segment 0 ends at/,
    ],
    ['an entry point nowhere', { entry: 0x5000 }, 'KERNEL_DAMAGED', /entry point 0x5000/],
  ];
  for (const [what, fields, code, message] of wrong)
    it(`refuses ${what}`, () => refuses(elfFile(fields), code, message));
});
