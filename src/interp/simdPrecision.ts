/**
 * Whether a SIMD result loses precision when its exponent is not limited. With overflow or underflow unmasked that is what the
 * precision flag reports for an element that is too big or too small (SDM 1, "Numeric Overflow Exception" and "Numeric Underflow
 * Exception"); the host, where both are masked, reports the rounding at the end of the range instead. So in that one case, which ends in
 * #XM, the flag is worked out here, with exact numbers.
 *
 * Separate because it is the only arithmetic in software, and rare: BigInt is quick enough. Read before: `simd.ts`.
 */

/** mantissa x 2^exponent. */
interface Exact {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Bits of an element's format. */
interface Format {
  readonly precision: number;
  readonly fractionBits: number;
  readonly exponentBits: number;
}

const single: Format = { precision: 24, fractionBits: 23, exponentBits: 8 };
const double: Format = { precision: 53, fractionBits: 52, exponentBits: 11 };

type Operation = 'ADD' | 'SUB' | 'MUL' | 'DIV' | 'CVT';

/** What MXCSR says about the ends of the range. */
export interface Range {
  readonly overflowMasked: boolean;
  readonly underflowMasked: boolean;
  readonly flushToZero: boolean;
  readonly denormalsAreZeros: boolean;
}

/** An element as an exact number; undefined for infinities and NaNs, which lose nothing. */
function element(words: ArrayLike<number>, index: number, format: Format, range: Range): Exact | undefined {
  const bits =
    format === double
      ? (BigInt(words[2 * index + 1] >>> 0) << 32n) | BigInt(words[2 * index] >>> 0)
      : BigInt(words[index] >>> 0);
  const fraction = BigInt.asUintN(format.fractionBits, bits);
  const exponent = Number(BigInt.asUintN(format.exponentBits, bits >> BigInt(format.fractionBits)));
  const bias = 2 ** (format.exponentBits - 1) - 1;
  if (exponent === 2 * bias + 1) return undefined;
  const negative = bits >> BigInt(format.fractionBits + format.exponentBits) !== 0n;
  const hidden = exponent === 0 ? 0n : 1n << BigInt(format.fractionBits);
  const magnitude = exponent === 0 && range.denormalsAreZeros ? 0n : fraction | hidden;
  return {
    mantissa: negative ? -magnitude : magnitude,
    exponent: Math.max(exponent, 1) - bias - format.fractionBits,
  };
}

/** The result, or undefined when no binary fraction holds it. */
function compute(operation: Operation, a: Exact, b: Exact): Exact | undefined {
  switch (operation) {
    case 'CVT':
      return b;
    case 'MUL':
      return { mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent };
    case 'DIV': {
      // with more bits than the divisor has every finite quotient comes out even
      const shift = 64;
      const dividend = a.mantissa << BigInt(shift);
      if (dividend % b.mantissa !== 0n) return undefined;
      return { mantissa: dividend / b.mantissa, exponent: a.exponent - b.exponent - shift };
    }
    default: {
      const exponent = Math.min(a.exponent, b.exponent);
      const left = a.mantissa << BigInt(a.exponent - exponent);
      const right = b.mantissa << BigInt(b.exponent - exponent);
      return { mantissa: operation === 'ADD' ? left + right : left - right, exponent };
    }
  }
}

function losesPrecision(result: Exact | undefined, format: Format, range: Range): boolean {
  if (result === undefined) return true;
  if (result.mantissa === 0n) return false;
  const digits = (result.mantissa < 0n ? -result.mantissa : result.mantissa).toString(2);
  const significant = digits.replace(/0+$/, '').length;
  if (significant > format.precision) return true;
  // held exactly but for the exponent's range
  const bias = 2 ** (format.exponentBits - 1) - 1;
  const exponent = result.exponent + digits.length - 1;
  const lowestBit = exponent - significant + 1;
  if (exponent > bias) return range.overflowMasked;
  if (exponent >= 1 - bias || !range.underflowMasked) return false;
  return range.flushToZero || lowestBit < 1 - bias - format.fractionBits;
}

/** Operation and operands of each element: indices into destination (0 and on) and source (`SOURCE` and on). */
type Element = readonly [Operation, number, number];
const SOURCE = 4;

function elements(kind: string, count: number): Element[] {
  const each = Array.from({ length: count }, (_, index) => index);
  switch (kind) {
    case 'ADDSUB':
      return each.map((i) => [i % 2 === 0 ? 'SUB' : 'ADD', i, SOURCE + i]);
    case 'HADD':
    case 'HSUB': {
      const operation = kind === 'HADD' ? 'ADD' : 'SUB';
      const pairs = each.filter((i) => i % 2 === 0);
      return [0, SOURCE].flatMap((first) => pairs.map((i): Element => [operation, first + i, first + i + 1]));
    }
    default:
      return each.map((i) => [kind as Operation, i, SOURCE + i]);
  }
}

/**
 * @param mnemonic an addition, subtraction, multiplication, division, or conversion of double to single precision
 * @param destination four words of the first operand @param source of the second one
 * @returns the precision flag of the whole instruction
 */
export function precisionFlag(
  mnemonic: string,
  destination: ArrayLike<number>,
  source: ArrayLike<number>,
  range: Range,
): boolean {
  const conversion = mnemonic.startsWith('CVT');
  const format = mnemonic.endsWith('D') ? double : single;
  const operandFormat = conversion ? double : format;
  const packed = conversion ? mnemonic.endsWith('PS') : mnemonic.at(-2) === 'P';
  const count = packed ? (operandFormat === double ? 2 : 4) : 1;
  const operand = (index: number): Exact | undefined =>
    index < SOURCE
      ? element(destination, index, operandFormat, range)
      : element(source, index - SOURCE, operandFormat, range);
  return elements(conversion ? 'CVT' : mnemonic.slice(0, -2), count).some(([operation, left, right]) => {
    const b = operand(right);
    const a = operation === 'CVT' ? b : operand(left);
    if (a === undefined || b === undefined) return false;
    if (operation === 'DIV' && (b.mantissa === 0n || a.mantissa === 0n)) return false;
    return losesPrecision(compute(operation, a, b), format, range);
  });
}
