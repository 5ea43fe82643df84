/**
 * Names of guest addresses: from the symbol table of an ELF kernel, or from a System.map as `nm` writes it. Read before: `sampler.ts`.
 * Read after: `folded.ts`.
 */
import { ConfigError } from '../errors.js';

const HEADER_BYTES = 52;
const SECTION_BYTES = 40;
const SYMBOL_BYTES = 16;
const SECTION_SYMTAB = 2;
/** st_info & 15: no type (assembly labels), function. (System V ABI, "Symbol Table") */
const TYPE_NONE = 0;
const TYPE_FUNCTION = 2;
/** Section numbers from here on are not sections. */
const RESERVED_SECTIONS = 0xff00;
/** An address further behind a symbol than this does not belong to it. */
const MAX_SYMBOL_BYTES = 1 << 20;

interface Symbol {
  readonly linear: number;
  /** 0 = unknown. */
  readonly sizeBytes: number;
  readonly name: string;
}

export class Symbols {
  /** By address. */
  private readonly _sorted: readonly Symbol[];

  constructor(symbols: readonly Symbol[]) {
    // Of several names for one place, a function with a size says most.
    const sorted = [...symbols].sort((a, b) => a.linear - b.linear || b.sizeBytes - a.sizeBytes);
    this._sorted = sorted.filter((symbol, index) => index === 0 || symbol.linear !== sorted[index - 1].linear);
  }

  get count(): number {
    return this._sorted.length;
  }

  /** @returns the name of the function at a linear address, or undefined */
  find(linear: number): string | undefined {
    return this.locate(linear)?.name;
  }

  /** @returns the function at a linear address and how far into it the address lies, or undefined */
  locate(linear: number): { readonly name: string; readonly offset: number } | undefined {
    let low = 0;
    let high = this._sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this._sorted[middle].linear <= linear) low = middle + 1;
      else high = middle;
    }
    const symbol = this._sorted[low - 1] as Symbol | undefined;
    if (symbol === undefined) return undefined;
    const offset = linear - symbol.linear;
    return offset < (symbol.sizeBytes || MAX_SYMBOL_BYTES) ? { name: symbol.name, offset } : undefined;
  }
}

/**
 * Reads the names in a file: an ELF file's symbol table, or a System.map.
 *
 * @param name how errors call the file
 * @throws ConfigError `NO_SYMBOLS` where there are none
 */
export function readSymbols(file: Uint8Array, name: string): Symbols {
  const isElf = file.length > HEADER_BYTES && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c;
  const symbols = new Symbols(isElf ? elfSymbols(file) : mapSymbols(file));
  if (symbols.count > 0) return symbols;
  const why = isElf
    ? 'its symbol table was stripped'
    : "it is neither ELF nor a System.map (lines such as 'c0100000 T start')";
  throw new ConfigError('NO_SYMBOLS', `'${name}' names no functions: ${why}; give a System.map with --symbols`);
}

function elfSymbols(file: Uint8Array): Symbol[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const sectionOffset = view.getUint32(32, true);
  const sectionCount = view.getUint16(48, true);
  const symbols: Symbol[] = [];
  const inFile = (offset: number, bytes: number): boolean => offset + bytes <= file.length;
  for (let index = 0; index < sectionCount; index++) {
    const header = sectionOffset + index * SECTION_BYTES;
    if (!inFile(header, SECTION_BYTES) || view.getUint32(header + 4, true) !== SECTION_SYMTAB) continue;
    const table = view.getUint32(header + 16, true);
    const tableBytes = view.getUint32(header + 20, true);
    const stringHeader = sectionOffset + view.getUint32(header + 24, true) * SECTION_BYTES;
    if (!inFile(table, tableBytes) || !inFile(stringHeader, SECTION_BYTES)) continue;
    const strings = view.getUint32(stringHeader + 16, true);
    for (let at = table; at + SYMBOL_BYTES <= table + tableBytes; at += SYMBOL_BYTES) {
      const type = view.getUint8(at + 12) & 15;
      const section = view.getUint16(at + 14, true);
      const name = text(file, strings + view.getUint32(at, true));
      if ((type !== TYPE_FUNCTION && type !== TYPE_NONE) || section === 0 || section >= RESERVED_SECTIONS) continue;
      // Local labels of the assembler and the compiler.
      if (name === '' || name.startsWith('.L') || /^\d/.test(name)) continue;
      symbols.push({ linear: view.getUint32(at + 4, true), sizeBytes: view.getUint32(at + 8, true), name });
    }
  }
  return symbols;
}

function text(file: Uint8Array, offset: number): string {
  const end = file.indexOf(0, offset);
  return end < 0 ? '' : Buffer.from(file.buffer, file.byteOffset + offset, end - offset).toString('latin1');
}

/** Lines `address type name`; functions have type t, T, w or W. (nm(1)) */
function mapSymbols(file: Uint8Array): Symbol[] {
  const symbols: Symbol[] = [];
  for (const line of Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1').split('\n')) {
    const [, address, name] = /^([0-9a-f]{8}) [tTwW] (\S+)/.exec(line) ?? [];
    if (name !== undefined) symbols.push({ linear: parseInt(address, 16), sizeBytes: 0, name });
  }
  return symbols;
}
