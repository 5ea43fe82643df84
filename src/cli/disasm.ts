/**
 * `romulus disasm`: prints a file's instructions in Intel syntax, with the names that its symbol table gives. It takes what `run` boots
 * (ELF, multiboot images, Linux bzImages) and, with an address given, anything else as flat code.
 *
 * Read before: `../x86/decode.ts`, `../x86/format.ts`. Read after: `main.ts`.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isBzImage } from '../boot/bzimage.js';
import { isElf } from '../boot/elf.js';
import { findMultibootHeader } from '../boot/multiboot.js';
import { ConfigError } from '../errors.js';
import { readSymbols, type Symbols } from '../profile/symbols.js';
import { decode } from '../x86/decode.js';
import { format } from '../x86/format.js';
import { GuestFault } from '../x86/vectors.js';

export interface DisasmOptions {
  /** Linear address of a flat file's first byte. */
  readonly base?: number;
  /** 16-bit code. */
  readonly is16Bit?: boolean;
  /** First address to print, and the first not to. */
  readonly start?: number;
  readonly end?: number;
}

/** Bytes of code at a linear address. */
interface CodeRange {
  readonly what: string;
  readonly linear: number;
  readonly bytes: Uint8Array;
  readonly codeSize: 2 | 4;
}

/** Where a bzImage's setup code and its 32-bit kernel are put by boot loaders. (Linux: Documentation/x86/boot.rst) */
const SETUP_LINEAR = 0x90000;
const KERNEL_LINEAR = 0x100000;
const SECTOR_BYTES = 512;

const ADDRESS_LIMIT = 2 ** 32;
const CHUNK_LINES = 500;

/** @throws ConfigError `BAD_ADDRESS` */
export function parseAddress(text: string): number {
  const linear = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!(linear >= 0 && linear < ADDRESS_LIMIT))
    throw new ConfigError(
      'BAD_ADDRESS',
      `address '${text}' is not understood; give a number below 4 GiB, such as 0x7c00`,
    );
  return linear;
}

/**
 * Prints a file's code.
 *
 * @throws ConfigError `NO_FILE`, `DISASM_EMPTY`, and those of the ELF reader
 */
export function disasm(path: string, options: DisasmOptions, print: (text: string) => boolean): void {
  const file = readFile(path);
  const name = basename(path);
  const symbols = isElf(file) ? symbolsOf(file, name) : undefined;
  let isAny = false;
  for (const range of rangesOf(file, name, options)) {
    const cut = cutRange(range, options);
    if (cut.bytes.length === 0) continue;
    isAny = true;
    if (!print(`${range.what}:\n`)) return;
    if (!printRange(cut, symbols, print)) return;
  }
  if (!isAny)
    throw new ConfigError('DISASM_EMPTY', `there is no code of '${name}' to print; look at --start and --end`);
}

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = isMissing ? 'there is no such file' : (error as Error).message;
    throw new ConfigError('NO_FILE', `cannot read '${path}': ${why}`, { cause: error });
  }
}

/** A file without symbols is printed without names. */
function symbolsOf(file: Uint8Array, name: string): Symbols | undefined {
  try {
    return readSymbols(file, name);
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'NO_SYMBOLS') return undefined;
    throw error;
  }
}

function rangesOf(file: Uint8Array, name: string, options: DisasmOptions): CodeRange[] {
  const codeSize = options.is16Bit === true ? 2 : 4;
  if (options.base !== undefined) return [{ what: name, linear: options.base, bytes: file, codeSize }];
  if (isElf(file)) return elfRanges(file, name, codeSize);
  if (isBzImage(file)) {
    const setupBytes = ((file[0x1f1] || 4) + 1) * SECTOR_BYTES;
    return [
      { what: `${name}, setup code`, linear: SETUP_LINEAR, bytes: file.subarray(0, setupBytes), codeSize: 2 },
      { what: `${name}, kernel`, linear: KERNEL_LINEAR, bytes: file.subarray(setupBytes), codeSize: 4 },
    ];
  }
  const header = findMultibootHeader(file);
  if (header !== undefined && header.loadAddr !== 0) {
    const start = Math.max(0, header.offset - (header.headerAddr - header.loadAddr));
    return [{ what: name, linear: header.loadAddr, bytes: file.subarray(start), codeSize }];
  }
  return [{ what: name, linear: 0, bytes: file, codeSize }];
}

/** Executable sections; where there are none, executable segments. (System V ABI, "Sections", "Program Header") */
function elfRanges(file: Uint8Array, name: string, codeSize: 2 | 4): CodeRange[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 52 || file[4] !== 1)
    throw new ConfigError('DISASM_NOT_I386', `'${name}' is no 32-bit ELF file; give --base to read it as flat code`);
  const table = (offsetAt: number, bytesAt: number, countAt: number): number[] => {
    const offset = view.getUint32(offsetAt, true);
    const bytes = view.getUint16(bytesAt, true);
    const rows = Array.from({ length: view.getUint16(countAt, true) }, (_, index) => offset + index * bytes);
    return rows.filter((row) => row + bytes <= file.length && bytes >= 32);
  };
  const range = (what: string, linear: number, offset: number, sizeBytes: number): CodeRange => {
    return { what, linear, bytes: file.subarray(offset, offset + sizeBytes), codeSize };
  };
  const word = (at: number): number => view.getUint32(at, true);
  const sections = table(32, 46, 48);
  const names = sections[view.getUint16(50, true)] as number | undefined;
  const nameOf = (row: number): string => {
    if (names === undefined) return 'code';
    const from = word(names + 16) + word(row);
    return Buffer.from(file.subarray(from, file.indexOf(0, from))).toString('latin1');
  };
  const isCode = (row: number): boolean => word(row + 4) === 1 && (word(row + 8) & 4) !== 0;
  const code = sections.filter(isCode);
  if (code.length > 0)
    return code.map((row) => range(`${name}, ${nameOf(row)}`, word(row + 12), word(row + 16), word(row + 20)));
  const segments = table(28, 42, 44).filter((row) => word(row) === 1 && (word(row + 24) & 1) !== 0);
  return segments.map((row) => range(name, word(row + 8), word(row + 4), word(row + 16)));
}

function cutRange(range: CodeRange, { start = 0, end = ADDRESS_LIMIT }: DisasmOptions): CodeRange {
  const from = Math.min(range.bytes.length, Math.max(0, start - range.linear));
  const to = Math.max(from, Math.min(range.bytes.length, end - range.linear));
  return { ...range, linear: range.linear + from, bytes: range.bytes.subarray(from, to) };
}

/** The address as other tools write it: eight digits. */
const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

function printRange(range: CodeRange, symbols: Symbols | undefined, print: (text: string) => boolean): boolean {
  const { bytes, linear, codeSize } = range;
  const symbol = (target: number): string | undefined => {
    const place = symbols?.locate(target);
    return place && `${place.name}${place.offset === 0 ? '' : `+0x${place.offset.toString(16)}`}`;
  };
  let lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const here = linear + at;
    const place = symbols?.locate(here);
    if (place?.offset === 0) lines.push('', `${hex8(here)} <${place.name}>:`);
    const { length, text } = disassemble(bytes, at, here, codeSize, symbol);
    const encoded = Buffer.from(bytes.subarray(at, at + length))
      .toString('hex')
      .replace(/..(?=.)/g, '$& ');
    lines.push(`${hex8(here)}  ${encoded.padEnd(30)}  ${text}`);
    at += length;
    if (lines.length < CHUNK_LINES) continue;
    if (!print(`${lines.join('\n')}\n`)) return false;
    lines = [];
  }
  return print(`${lines.join('\n')}\n`);
}

/** One instruction; a byte that begins none, or one that the range cuts off, is printed as data. */
function disassemble(
  bytes: Uint8Array,
  at: number,
  linear: number,
  codeSize: 2 | 4,
  symbol: (target: number) => string | undefined,
): { length: number; text: string } {
  const data = { length: 1, text: `.byte 0x${bytes[at].toString(16)}` };
  try {
    const instruction = decode({ byte: (index) => byteAt(bytes, at + index) }, codeSize);
    if (instruction.form.mnemonic === 'UD') return data;
    return { length: instruction.length, text: format(instruction, linear, { symbol }) };
  } catch (error) {
    if (error instanceof GuestFault || error instanceof RangeError) return data;
    throw error;
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  if (index >= bytes.length) throw new RangeError('the instruction goes on behind the range');
  return bytes[index];
}
