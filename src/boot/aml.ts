/**
 * Writes AML, the byte code of ACPI's namespace: as much of it as describes devices that do nothing but exist. Each function gives
 * the bytes of one term; terms are put together by nesting the calls, as ASL nests.
 *
 * Separate from what is described (`dsdt.ts`) because it is the language alone. References are to the ACPI Specification 6.5, chapter
 * 20 "ACPI Machine Language" and 6.4 "Resource Data Types for ACPI". Read after: `dsdt.ts`.
 */

/** Bytes of a term. */
export type Aml = readonly number[];

/** Opcodes. (20.3 "AML Byte Stream Byte Values") */
const enum Op {
  Zero = 0x00,
  One = 0x01,
  Name = 0x08,
  BytePrefix = 0x0a,
  WordPrefix = 0x0b,
  DWordPrefix = 0x0c,
  StringPrefix = 0x0d,
  Scope = 0x10,
  Buffer = 0x11,
  Package = 0x12,
  DualNamePrefix = 0x2e,
  MultiNamePrefix = 0x2f,
  Root = 0x5c,
  ExtPrefix = 0x5b,
  /** After ExtPrefix. */
  Device = 0x82,
}

const SEGMENT_LENGTH = 4;

const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const doubleword = (value: number): number[] => [...word(value), ...word(value >>> 16)];

/** A term with its length in front, which counts itself. (20.2.4 "Package Length Encoding") */
function withLength(body: Aml): number[] {
  for (let lengthBytes = 1; lengthBytes <= 4; lengthBytes++) {
    const total = body.length + lengthBytes;
    const limit = lengthBytes === 1 ? 1 << 6 : 1 << (4 + 8 * (lengthBytes - 1));
    if (total >= limit) continue;
    if (lengthBytes === 1) return [total, ...body];
    const length = [((lengthBytes - 1) << 6) | (total & 0xf)];
    for (let i = 0; i < lengthBytes - 1; i++) length.push((total >>> (4 + 8 * i)) & 0xff);
    return [...length, ...body];
  }
  throw new RangeError(`an AML term of ${body.length} bytes is too long: 2^28 is the most`);
}

/**
 * A name: `\` for the root, segments of one to four characters joined by dots. (20.2.2 "Name Objects Encoding")
 *
 * @throws RangeError for what is no name
 */
function nameString(path: string): number[] {
  const isRooted = path.startsWith('\\');
  const rest = isRooted ? path.slice(1) : path;
  const segments = rest === '' ? [] : rest.split('.');
  for (const segment of segments)
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`'${path}' is no name of the ACPI namespace`);
  const bytes: number[] = isRooted ? [Op.Root] : [];
  if (segments.length === 0) bytes.push(0);
  else if (segments.length === 2) bytes.push(Op.DualNamePrefix);
  else if (segments.length > 2) bytes.push(Op.MultiNamePrefix, segments.length);
  for (const segment of segments) bytes.push(...Buffer.from(segment.padEnd(SEGMENT_LENGTH, '_'), 'latin1'));
  return bytes;
}

/** An integer constant of at most 32 bits, in its shortest form. (20.2.3 "Data Objects Encoding") */
export function integer(value: number): Aml {
  if (value === 0) return [Op.Zero];
  if (value === 1) return [Op.One];
  if (value <= 0xff) return [Op.BytePrefix, value];
  if (value <= 0xffff) return [Op.WordPrefix, ...word(value)];
  return [Op.DWordPrefix, ...doubleword(value)];
}

/** A string constant of ASCII characters. */
export function text(value: string): Aml {
  return [Op.StringPrefix, ...Buffer.from(value, 'latin1'), 0];
}

/**
 * A Plug and Play identifier such as `PNP0A03`, compressed: three letters of five bits, four hexadecimal digits, the highest byte first.
 * (19.6.37 "EISAID")
 */
export function eisaId(id: string): Aml {
  const letters = [0, 1, 2].reduce((sum, at) => (sum << 5) | (id.charCodeAt(at) & 0x1f), 0);
  const number = Number.parseInt(id.slice(3), 16);
  return integer(Buffer.from([letters >> 8, letters & 0xff, number >> 8, number & 0xff]).readUInt32LE());
}

/** `Name(path, value)`. */
export function name(path: string, value: Aml): Aml {
  return [Op.Name, ...nameString(path), ...value];
}

/** `Scope(path) { terms }`. */
export function scope(path: string, ...terms: readonly Aml[]): Aml {
  return [Op.Scope, ...withLength([...nameString(path), ...terms.flat()])];
}

/** `Device(path) { terms }`. */
export function device(path: string, ...terms: readonly Aml[]): Aml {
  return [Op.ExtPrefix, Op.Device, ...withLength([...nameString(path), ...terms.flat()])];
}

/** `Package() { elements }`, at most 255 of them. */
export function packageOf(...elements: readonly Aml[]): Aml {
  return [Op.Package, ...withLength([elements.length, ...elements.flat()])];
}

/** `ResourceTemplate() { descriptors }`: a buffer of them with an end tag, whose checksum 0 means "not checked". (6.4.2.9 "End Tag") */
export function resources(...descriptors: readonly Aml[]): Aml {
  const bytes = [...descriptors.flat(), 0x79, 0];
  return [Op.Buffer, ...withLength([...integer(bytes.length), ...bytes])];
}

/** Fixed ports, 16 address lines decoded. (6.4.2.5 "I/O Port Descriptor") */
export function ioPorts(base: number, count: number): Aml {
  return [0x47, 1, ...word(base), ...word(base), 1, count];
}

/** Interrupt lines of the 8259 pair, high true and edge sensitive. (6.4.2.1 "IRQ Descriptor") */
export function irqs(...lines: readonly number[]): Aml {
  return [0x22, ...word(lines.reduce((mask, irq) => mask | (1 << irq), 0))];
}

const enum WindowType {
  Memory = 0,
  Io = 1,
  Bus = 2,
}

/** Both ends of a window are fixed, and the device passes it on to what is behind it. (6.4.3.5 "Address Space Resource Descriptors") */
const WINDOW_FLAGS = 0x0c;

/** Bus numbers that a bridge passes on. (6.4.3.5.3 "Word Address Space Descriptor") */
export function busWindow(first: number, last: number): Aml {
  return wordWindow(WindowType.Bus, 0, first, last);
}

/** Ports that a bridge passes on: the entire range, ISA ports and others. */
export function ioWindow(first: number, last: number): Aml {
  return wordWindow(WindowType.Io, 3, first, last);
}

/** Memory addresses that a bridge passes on: not cacheable, writable. (6.4.3.5.2 "DWord Address Space Descriptor") */
export function memoryWindow(first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap(doubleword);
  return [0x87, ...word(3 + fields.length), WindowType.Memory, WINDOW_FLAGS, 1, ...fields];
}

/** Granularity, first, last, translation, length. */
function wordWindow(type: WindowType, typeFlags: number, first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap(word);
  return [0x88, ...word(3 + fields.length), type, WINDOW_FLAGS, typeFlags, ...fields];
}
