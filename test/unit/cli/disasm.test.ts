/** The disassembler command: which bytes of a file are code, where they lie, and how they are printed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disasm, type DisasmOptions, parseAddress } from '../../../src/cli/disasm.js';
import { bzImage, elfFile } from '../../helpers/kernels.js';

describe('cli/disasm', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-disasm-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function lines(bytes: Uint8Array, options: DisasmOptions = {}): string[] {
    const path = join(folder, 'code.bin');
    writeFileSync(path, bytes);
    let text = '';
    disasm(path, options, (part) => {
      text += part;
      return true;
    });
    return text.trimEnd().split('\n');
  }

  it('prints flat code from its base, 32 or 16 bits', () => {
    const code = Uint8Array.of(0xb8, 0x34, 0x12, 0x00, 0x00, 0xeb, 0xf9);
    assert.deepEqual(lines(code, { base: 0x7c00 }), [
      'code.bin:',
      `00007c00  ${'b8 34 12 00 00'.padEnd(30)}  mov eax, 0x1234`,
      `00007c05  ${'eb f9'.padEnd(30)}  jmp 0x7c00`,
    ]);
    assert.match(lines(code, { base: 0x7c00, is16Bit: true })[1], /b8 34 12 +mov ax, 0x1234/);
  });

  it('prints what is no instruction, or is cut off, as bytes', () => {
    assert.match(lines(Uint8Array.of(0x0f, 0xff, 0x90), { base: 0 }).join('\n'), /\.byte/);
    assert.match(
      lines(Uint8Array.of(0x90, 0xb8, 0x01), { base: 0 }).join('\n'),
      /nop\n00000001 .*\.byte 0xb8\n00000002 /,
    );
  });

  it('keeps to the addresses asked for', () => {
    const code = new Uint8Array(16).fill(0x90);
    const printed = lines(code, { base: 0x100, start: 0x104, end: 0x106 });
    assert.deepEqual(
      printed.slice(1).map((line) => line.slice(0, 8)),
      ['00000104', '00000105'],
    );
    assert.throws(() => lines(code, { base: 0x100, start: 0x200 }), { code: 'DISASM_EMPTY' });
  });

  it('finds the code of an ELF file and of a bzImage', () => {
    const elf = elfFile({ segments: [{ bytes: Uint8Array.of(0x90, 0xf4) }] });
    new DataView(elf.buffer).setUint32(52 + 24, 5, true);
    assert.deepEqual(
      lines(elf)
        .slice(1)
        .map((line) => line.slice(0, 8)),
      ['00100000', '00100001'],
    );
    const image = lines(bzImage());
    assert.equal(image[0], 'code.bin, setup code:');
    assert(image.includes('code.bin, kernel:'));
    assert(image.some((line) => line.startsWith('00100000  f4')));
  });

  it('survives an ELF file with any header', () => {
    for (let at = 16; at < 52; at++) {
      const elf = elfFile();
      elf[at] ^= 0xff;
      try {
        lines(elf);
      } catch (error) {
        assert.match(String((error as { code?: string }).code), /^[A-Z0-9_]+$/, `byte ${at}: ${String(error)}`);
        assert.notEqual((error as { code?: string }).code, 'ERR_OUT_OF_RANGE');
      }
    }
  });

  it('parses addresses', () => {
    assert.equal(parseAddress('0x7C00'), 0x7c00);
    assert.equal(parseAddress('512'), 512);
    for (const text of ['', 'x', '-1', '0x', '0x100000000', '1.5'])
      assert.throws(() => parseAddress(text), { code: 'BAD_ADDRESS' }, text);
  });
});
