/**
 * Reads the opcode notation of the table (described in `opcodes/row.ts`) into numbers. Done once at load time; used by
 * `table.ts` to fill the decoder's look-up arrays and by whoever generates instructions from rows.
 */
import type { Form } from './form.js';
import { Attribute } from './form.js';

/** Opcode maps in the order of `Encoding.map`: escape bytes before the opcode byte. */
export const mapEscapes: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

/** What selects a row by prefix. The first four are the classes that the decoder computes. */
export const enum MandatoryPrefix {
  None = 0,
  P66 = 1,
  PF3 = 2,
  PF2 = 3,
  /** The row does not look at prefixes. */
  Any = 4,
}

export interface Encoding {
  readonly prefix: MandatoryPrefix;
  /** Index into `mapEscapes`. */
  readonly map: number;
  /** Opcode byte; the first of eight with `+r`. */
  readonly opcode: number;
  readonly opcodeCount: 1 | 8;
  readonly hasModRm: boolean;
  /** Opcode extension in the reg field, else -1. */
  readonly extension: number;
  /** A fixed ModR/M byte (the first of eight with `+i`), else -1. */
  readonly modRm: number;
  readonly modRmCount: 1 | 8;
  /** Whether memory (mod != 3) and register (mod = 3) encodings belong to the row. */
  readonly memory: boolean;
  readonly register: boolean;
  /** The tokens after the ModR/M part: 'ib', 'iz', 'cb'... */
  readonly immediates: readonly string[];
  /** How many things the row fixes; where rows overlap the higher number holds. */
  readonly specificity: number;
}

const mandatoryPrefixes: Readonly<Record<string, MandatoryPrefix>> = {
  NP: MandatoryPrefix.None,
  '66': MandatoryPrefix.P66,
  F3: MandatoryPrefix.PF3,
  F2: MandatoryPrefix.PF2,
};

/**
 * Reads a row's encoding.
 *
 * @param form the row
 * @returns its opcode string as numbers
 * @throws Error naming the row when the notation is wrong
 */
export function readEncoding(form: Form): Encoding {
  const malformed = (why: string): Error => new Error(`instruction table: row "${form.opcode}": ${why}`);
  const tokens = form.opcode.split(' ');
  let specificity = 0;

  const prefix = mandatoryPrefixes[tokens[0] ?? ''] ?? MandatoryPrefix.Any;
  if (prefix !== MandatoryPrefix.Any) {
    tokens.shift();
    specificity++;
  }

  let map = 0;
  if (tokens[0] === '0F') {
    tokens.shift();
    map = 2 + ['38', '3A'].indexOf(tokens[0] ?? '');
    if (map > 1) {
      tokens.shift();
    }
  }

  const opcodeToken = /^([0-9A-F]{2})(\+r)?$/.exec(tokens.shift() ?? '');
  if (opcodeToken === null) {
    throw malformed('no opcode byte');
  }
  const opcode = Number.parseInt(opcodeToken[1] ?? '', 16);
  const opcodeCount = opcodeToken[2] === undefined ? 1 : 8;
  specificity += opcodeCount === 1 ? 1 : 0;

  let hasModRm = false;
  let extension = -1;
  let modRm = -1;
  let modRmCount: 1 | 8 = 1;
  const modRmToken = /^(?:\/([r0-7])|([0-9A-F]{2})(\+i)?)$/.exec(tokens[0] ?? '');
  if (modRmToken !== null) {
    tokens.shift();
    hasModRm = true;
    const [, slash, byte, plus] = modRmToken;
    if (byte !== undefined) {
      modRm = Number.parseInt(byte, 16);
      modRmCount = plus === undefined ? 1 : 8;
      specificity += plus === undefined ? 3 : 2;
      if (modRm < 0xc0) {
        throw malformed('a fixed ModR/M byte must have mod = 3');
      }
    } else if (slash !== undefined && slash !== 'r') {
      extension = Number(slash);
      specificity++;
    }
  }
  if (tokens[0] === 'mem' || tokens[0] === 'reg') {
    tokens.shift();
    specificity++;
  }
  const wrong = tokens.find((token) => !/^(ib|iw|iz|cb|cz|cp|mo)$/.test(token));
  if (wrong !== undefined) {
    throw malformed(`unknown token "${wrong}"`);
  }
  return {
    prefix,
    map,
    opcode,
    opcodeCount,
    hasModRm,
    extension,
    modRm,
    modRmCount,
    memory: modRm < 0 && (form.attributes & Attribute.RegisterOnly) === 0,
    register: (form.attributes & Attribute.MemoryOnly) === 0,
    immediates: tokens,
    specificity,
  };
}
