/**
 * The bytes of the option ROM: headers that BIOSes and kernels look at, then one slot of code per call. The code is position
 * independent, because a guest runs it wherever it has mapped the ROM (Linux: PAGE_OFFSET + physical address).
 *
 *     0x000  option ROM and VMI header     55 AA, length, "cVmi", API 3.0, offsets of the parts below
 *     0x020  PCI data structure            "PCIR", vendor 0x15AD, device 0x0801
 *     0x040  PnP header                    "$PnP", manufacturer and product
 *     0x080  vmi_init, get_reloc           a near jump each, 8 bytes apart
 *     0x090  strings                       licence, manufacturer, product
 *     0x400  slots, 16 bytes each          slot n = call n; the last two: vmi_init and get_reloc
 *     0xFFF  checksum                      the sum of all bytes is 0 mod 256
 *
 * A stub does its work with VMCALL (0F 01 C1), on which the interpreter hands over to `rom.ts`; the call's number follows from
 * where the instruction stands, so that no register is needed for it. (VMI spec, "VMI ROM header"; Linux: check_vmi_rom() of 2.6.32; PCI
 * Firmware Specification 3.0, "PCI Expansion ROM"; Plug and Play BIOS Specification 1.0A, "Option ROM header")
 */
import { calls } from './calls.js';
import type { Shape } from './calls.js';
import { INIT_SLOT, RELOC_SLOT, slotOffset } from './slots.js';

/** Size of the image in bytes: one page, so that it can be read-only to the guest as a whole. */
export const ROM_BYTES = 4096;

/** Offsets of the header's fields (vmi.h: struct vrom_header). */
export const enum Header {
  Signature = 0x00,
  /** In units of 512 bytes. */
  Length = 0x02,
  /** 16-bit entry point for the BIOS. */
  Entry = 0x03,
  VromSignature = 0x08,
  ApiMinor = 0x0c,
  ApiMajor = 0x0d,
  CallSlots = 0x0e,
  /** Lowest linear address that the ROM keeps for itself; 0 = none. */
  VirtualTop = 0x10,
  Licence = 0x16,
  PciHeader = 0x18,
  PnpHeader = 0x1a,
  Init = 0x80,
  Reloc = 0x88,
}

const PCI_OFFSET = 0x20;
const PCI_BYTES = 0x18;
const PNP_OFFSET = 0x40;
const PNP_BYTES = 0x20;
const STRINGS_OFFSET = 0x90;

export const API_MAJOR = 3;
export const API_MINOR = 0;
export const ROM_VERSION_MAJOR = 0;
export const ROM_VERSION_MINOR = 1;
export const PCI_VENDOR = 0x15ad;
export const PCI_DEVICE = 0x0801;
/** Linux takes "GPL" and "GPL v2" and refuses the ROM otherwise. */
export const LICENCE = 'GPL v2';
export const MANUFACTURER = 'Romulus';
export const PRODUCT = 'VMI ROM';

/** Class "generic system peripheral, other" (PCI Code and ID Assignment Specification). */
const PCI_CLASS = [0x00, 0x80, 0x08];

const VMCALL = [0x0f, 0x01, 0xc1];
const RET = 0xc3;
const RETF = 0xcb;
const UD2 = [0x0f, 0x0b];
const JMP_REL32 = 0xe9;

const stubs: Readonly<Record<Shape, readonly number[]>> = {
  callOut: [...VMCALL, RET],
  jump: VMCALL,
  noOp: [RET],
  absent: UD2,
};

/** @returns the name of what stands in slot `slot`. */
export function slotName(slot: number): string {
  if (slot === INIT_SLOT) return 'vmi_init';
  if (slot === RELOC_SLOT) return 'get_reloc';
  return slot < calls.length ? calls[slot].name : `unused slot ${slot}`;
}

/** Writes into the image at ascending offsets. */
class Writer {
  readonly bytes = new Uint8Array(ROM_BYTES);
  private readonly _view = new DataView(this.bytes.buffer);

  put(offset: number, values: Iterable<number>): void {
    for (const value of values) this.bytes[offset++] = value;
  }

  put16(offset: number, value: number): void {
    this._view.setUint16(offset, value, true);
  }

  put32(offset: number, value: number): void {
    this._view.setUint32(offset, value, true);
  }

  /** @returns the offset behind the terminating NUL. */
  text(offset: number, text: string): number {
    this.put(offset, Buffer.from(text, 'latin1'));
    return offset + text.length + 1;
  }

  /** Sets the byte at `at` so that the range sums to 0 mod 256. */
  checksum(start: number, sizeBytes: number, at: number): void {
    this.bytes[at] = 0;
    this.bytes[at] = -checksum(this.bytes.subarray(start, start + sizeBytes));
  }
}

/** @returns the 8-bit sum of `bytes`. */
export function checksum(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

function writePci(image: Writer): void {
  image.text(PCI_OFFSET, 'PCIR');
  image.put16(PCI_OFFSET + 0x04, PCI_VENDOR);
  image.put16(PCI_OFFSET + 0x06, PCI_DEVICE);
  image.put16(PCI_OFFSET + 0x0a, PCI_BYTES);
  image.put(PCI_OFFSET + 0x0d, PCI_CLASS);
  image.put16(PCI_OFFSET + 0x10, ROM_BYTES / 512);
  image.put(PCI_OFFSET + 0x12, [ROM_VERSION_MINOR, ROM_VERSION_MAJOR]);
  // Code type 0 (PC-AT compatible); indicator: this is the last image.
  image.put(PCI_OFFSET + 0x14, [0x00, 0x80]);
}

function writePnp(image: Writer, manufacturer: number, product: number): void {
  image.text(PNP_OFFSET, '$PnP');
  // Structure revision 1.0 and length in units of 16 bytes.
  image.put(PNP_OFFSET + 0x04, [0x01, PNP_BYTES / 16]);
  image.put16(PNP_OFFSET + 0x0e, manufacturer);
  image.put16(PNP_OFFSET + 0x10, product);
  image.put(PNP_OFFSET + 0x12, [...PCI_CLASS].reverse());
  image.checksum(PNP_OFFSET, PNP_BYTES, PNP_OFFSET + 0x09);
}

function writeEntry(image: Writer, offset: number, slot: number): void {
  image.put(offset, [JMP_REL32]);
  image.put32(offset + 1, slotOffset(slot) - (offset + 5));
  image.put(slotOffset(slot), stubs.callOut);
}

/** Builds the option ROM. @returns `ROM_BYTES` bytes, the same each time. */
export function buildImage(): Uint8Array {
  const image = new Writer();
  image.put(Header.Signature, [0x55, 0xaa, ROM_BYTES / 512]);
  // Nothing to set up for a BIOS: a far return.
  image.put(Header.Entry, [RETF]);
  image.put(Header.VromSignature, Buffer.from('cVmi', 'latin1'));
  image.put(Header.ApiMinor, [API_MINOR, API_MAJOR, calls.length]);
  image.put32(Header.VirtualTop, 0);
  image.put16(Header.Licence, STRINGS_OFFSET);
  image.put16(Header.PciHeader, PCI_OFFSET);
  image.put16(Header.PnpHeader, PNP_OFFSET);

  const manufacturer = image.text(STRINGS_OFFSET, LICENCE);
  const product = image.text(manufacturer, MANUFACTURER);
  image.text(product, PRODUCT);
  writePci(image);
  writePnp(image, manufacturer, product);

  for (const call of calls) image.put(slotOffset(call.number), stubs[call.shape]);
  for (let slot = calls.length; slot < INIT_SLOT; slot++) image.put(slotOffset(slot), stubs.absent);
  writeEntry(image, Header.Init, INIT_SLOT);
  writeEntry(image, Header.Reloc, RELOC_SLOT);

  image.checksum(0, ROM_BYTES, ROM_BYTES - 1);
  return image.bytes;
}
