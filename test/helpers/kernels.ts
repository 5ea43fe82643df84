/** Hand-made kernel images: the smallest files that each boot loader takes, with every field open to be spoiled by a test. */

export interface SegmentFields {
  readonly type?: number;
  readonly linear?: number;
  readonly phys?: number;
  readonly bytes?: Uint8Array;
  readonly sizeBytes?: number;
  /** Overrides p_filesz. */
  readonly fileBytes?: number;
}

export interface ElfFields {
  readonly elfClass?: number;
  readonly data?: number;
  readonly type?: number;
  readonly machine?: number;
  readonly entry?: number;
  readonly headerBytes?: number;
  readonly headerCount?: number;
  readonly segments?: readonly SegmentFields[];
}

/** A kernel's worth of code: `hlt` and a pattern. */
export const CODE = Uint8Array.of(0xf4, 1, 2, 3, 4, 5, 6, 7);

/** An ELF32 file; without fields it is an i386 executable with CODE at 1 MiB. */
export function elfFile(fields: ElfFields = {}): Uint8Array {
  const { elfClass = 1, data = 1, type = 2, machine = 3, entry = 0x100000 } = fields;
  const segments = fields.segments ?? [{}];
  const bodies = segments.map((segment) => segment.bytes ?? CODE);
  const tableEnd = 52 + 32 * segments.length;
  const file = new Uint8Array(tableEnd + bodies.reduce((sum, body) => sum + body.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, elfClass, data, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, 52, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, fields.headerBytes ?? 32, true);
  view.setUint16(44, fields.headerCount ?? segments.length, true);
  let offset = tableEnd;
  segments.forEach((segment, index) => {
    const body = bodies[index];
    const phys = segment.phys ?? 0x100000;
    const words = [
      segment.type ?? 1,
      offset,
      segment.linear ?? phys,
      phys,
      segment.fileBytes ?? body.length,
      segment.sizeBytes ?? body.length,
    ];
    words.forEach((word, field) => view.setUint32(52 + index * 32 + field * 4, word, true));
    file.set(body, offset);
    offset += body.length;
  });
  return file;
}

/** A multiboot header: three words, with the five address fields if given. */
export function multibootHeader(flags: number, addresses: readonly number[] = []): Uint8Array {
  const words = new Uint32Array([0x1badb002, flags, -(0x1badb002 + flags), ...addresses]);
  return new Uint8Array(words.buffer);
}

/** A multiboot ELF kernel whose segment begins with the header. */
export function multibootElf(flags = 3, fields: SegmentFields = {}): Uint8Array {
  const bytes = Buffer.concat([multibootHeader(flags), CODE]);
  return elfFile({ entry: 0x10000c, segments: [{ bytes, ...fields }] });
}

export interface BzImageFields {
  readonly version?: number;
  readonly setupSectors?: number;
  readonly loadFlags?: number;
  readonly xloadFlags?: number;
  readonly initrdAddrMax?: number;
  readonly cmdlineSize?: number;
  readonly relocatable?: boolean;
  readonly alignment?: number;
  readonly prefAddress?: number;
  readonly initSize?: number;
  readonly code?: Uint8Array;
  /** In paragraphs of 16 bytes; 0 unless told. */
  readonly sysSize?: number;
  /** Text that the header points at. */
  readonly release?: string;
}

/** A bzImage of protocol 2.12 with one setup sector. */
export function bzImage(fields: BzImageFields = {}): Uint8Array {
  const setupSectors = fields.setupSectors ?? 1;
  const setupBytes = ((setupSectors || 4) + 1) * 512;
  const code = fields.code ?? CODE;
  const file = new Uint8Array(setupBytes + code.length);
  const view = new DataView(file.buffer);
  view.setUint8(0x1f1, setupSectors);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x66eb, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, fields.version ?? 0x020c, true);
  view.setUint8(0x211, fields.loadFlags ?? 1);
  view.setUint32(0x22c, fields.initrdAddrMax ?? 0x7fffffff, true);
  view.setUint32(0x230, fields.alignment ?? 0x1000000, true);
  view.setUint8(0x234, fields.relocatable ? 1 : 0);
  view.setUint16(0x236, fields.xloadFlags ?? 0, true);
  view.setUint32(0x238, fields.cmdlineSize ?? 2047, true);
  view.setUint32(0x258, fields.prefAddress ?? 0x1000000, true);
  view.setUint32(0x260, fields.initSize ?? 0x400000, true);
  view.setUint32(0x1f4, fields.sysSize ?? 0, true);
  view.setUint32(0x24c, code.length, true);
  if (fields.release !== undefined) {
    view.setUint16(0x20e, 0x80, true);
    file.set(Buffer.from(`${fields.release}\0`), 0x280);
  }
  file.set(code, setupBytes);
  return file;
}
