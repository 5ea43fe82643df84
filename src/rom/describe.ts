/**
 * The ROM image explained: header fields, entries, disassembly. It reads the bytes of the image and not the builder's intentions,
 * so that `romulus rom` shows what a guest would find. Read before: `image.ts`. Read after: nothing.
 */
import { decode } from '../x86/decode.js';
import { format } from '../x86/format.js';
import { calls } from './calls.js';
import type { Shape } from './calls.js';
import { checksum, Header, slotName } from './image.js';
import { INIT_SLOT, RELOC_SLOT, slotOffset } from './slots.js';

export interface RomField {
  readonly offset: number;
  readonly name: string;
  readonly value: string;
}

export interface RomEntry {
  /** Call number. */
  readonly number: number;
  readonly name: string;
  /** Of the stub, from the start of the ROM. */
  readonly offset: number;
  readonly shape: Shape;
  readonly input: string;
  readonly output: string;
  /** Why the call is absent or empty, else ''. */
  readonly note: string;
}

export interface RomDescription {
  readonly header: readonly RomField[];
  readonly entries: readonly RomEntry[];
  /** One line per instruction: offset, bytes, text. */
  readonly disassembly: readonly string[];
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

class Reader {
  private readonly _view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this._view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(offset: number): number {
    return this._view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this._view.getUint32(offset, true);
  }

  /** The NUL-terminated string at `offset`. */
  text(offset: number): string {
    const end = this.bytes.indexOf(0, offset);
    return Buffer.from(this.bytes.subarray(offset, end)).toString('latin1');
  }

  fixedText(offset: number, length: number): string {
    return Buffer.from(this.bytes.subarray(offset, offset + length)).toString('latin1');
  }
}

function header(rom: Reader): RomField[] {
  const { bytes } = rom;
  const licence = rom.u16(Header.Licence);
  const pci = rom.u16(Header.PciHeader);
  const pnp = rom.u16(Header.PnpHeader);
  const sizeBytes = bytes[Header.Length] * 512;
  const sum = checksum(bytes.subarray(0, sizeBytes));
  return [
    { offset: Header.Signature, name: 'option ROM signature', value: `0x${hex(rom.u16(Header.Signature), 4)}` },
    { offset: Header.Length, name: 'length', value: `${sizeBytes} bytes` },
    { offset: Header.VromSignature, name: 'VMI signature', value: `"${rom.fixedText(Header.VromSignature, 4)}"` },
    { offset: Header.ApiMinor, name: 'API version', value: `${bytes[Header.ApiMajor]}.${bytes[Header.ApiMinor]}` },
    { offset: Header.CallSlots, name: 'calls', value: `${bytes[Header.CallSlots]}` },
    {
      offset: Header.VirtualTop,
      name: 'linear addresses kept',
      value: rom.u32(Header.VirtualTop) === 0 ? 'none' : `from 0x${hex(rom.u32(Header.VirtualTop), 8)}`,
    },
    { offset: licence, name: 'licence', value: `"${rom.text(licence)}"` },
    {
      offset: pci,
      name: 'PCI data structure',
      value: `"${rom.fixedText(pci, 4)}" vendor 0x${hex(rom.u16(pci + 4), 4)} device 0x${hex(rom.u16(pci + 6), 4)}`,
    },
    { offset: pci + 0x12, name: 'ROM version', value: `${bytes[pci + 0x13]}.${bytes[pci + 0x12]}` },
    { offset: pnp, name: 'PnP header', value: `"${rom.fixedText(pnp, 4)}"` },
    { offset: rom.u16(pnp + 0x0e), name: 'manufacturer', value: `"${rom.text(rom.u16(pnp + 0x0e))}"` },
    { offset: rom.u16(pnp + 0x10), name: 'product', value: `"${rom.text(rom.u16(pnp + 0x10))}"` },
    {
      offset: bytes.length - 1,
      name: 'checksum',
      value: sum === 0 ? 'good: all bytes add up to 0' : `BAD: all bytes add up to 0x${hex(sum, 2)}`,
    },
  ];
}

/** Disassembles one stub: up to the instruction that leaves it. */
function disassemble(bytes: Uint8Array, label: string, start: number, size: 2 | 4): string[] {
  const lines = [`${hex(start, 4)} <${label}>`];
  for (let offset = start; ;) {
    const at = offset;
    const instruction = decode({ byte: (index) => bytes[at + index] }, size);
    const encoded = [...bytes.subarray(at, at + instruction.length)].map((byte) => hex(byte, 2)).join(' ');
    lines.push(`${hex(at, 4)}   ${encoded.padEnd(16)} ${format(instruction, at)}`);
    offset += instruction.length;
    // A stub is one VMCALL with or without a return, or one instruction that leaves; the space behind it is zeros.
    if (instruction.form.mnemonic !== 'VMCALL' || bytes[offset] === 0) return lines;
  }
}

/**
 * Explains a ROM image.
 * @param bytes what `buildImage` gives, or the same read from a guest's memory
 */
export function describeRom(bytes: Uint8Array): RomDescription {
  const rom = new Reader(bytes);
  const entries = calls.map(({ number, name, shape, input, output, note }) => {
    return { number, name, offset: slotOffset(number), shape, input, output, note };
  });
  const disassembly = [
    ...disassemble(bytes, 'entry for the BIOS, 16-bit', Header.Entry, 2),
    ...disassemble(bytes, 'vmi_init', Header.Init, 4),
    ...disassemble(bytes, 'get_reloc', Header.Reloc, 4),
    ...entries.flatMap(({ number, name, offset }) => disassemble(bytes, `${number} ${name}`, offset, 4)),
    ...[INIT_SLOT, RELOC_SLOT].flatMap((slot) => disassemble(bytes, slotName(slot), slotOffset(slot), 4)),
  ];
  return { header: header(rom), entries, disassembly };
}

/** The description as text for a terminal. */
export function formatRom(description: RomDescription): string {
  const lines = ['Header'];
  for (const { offset, name, value } of description.header)
    lines.push(`  ${hex(offset, 4)}  ${name.padEnd(24)}${value}`);
  lines.push('', 'Calls', '   no.  entry  stub     name and registers');
  for (const { number, name, offset, shape, input, output, note } of description.entries) {
    const registers = [input && `in: ${input}`, output && `out: ${output}`].filter(Boolean).join('; ');
    const text = note === '' ? registers : `(${note})`;
    lines.push(
      `  ${String(number).padStart(4)}  ${hex(offset, 4)}   ${shape.padEnd(8)} ${name.padEnd(20)}${text}`.trimEnd(),
    );
  }
  lines.push('', 'Disassembly', ...description.disassembly.map((line) => `  ${line}`), '');
  return lines.join('\n');
}
