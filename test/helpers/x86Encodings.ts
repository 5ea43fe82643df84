/**
 * Machine code for tests of the decoder: the opcode space walked systematically, each encoding padded with bytes that
 * make displacements and immediates recognisable. Read before: nothing. Read after: `x86Oracle.ts`.
 */
import { MandatoryPrefix, mapEscapes, readEncoding } from '../../src/x86/encoding.js';
import type { Form } from '../../src/x86/form.js';
import { opcodeMaps } from '../../src/x86/table.js';

/** Prefix sequences that are tried on every opcode, and ones that combine or repeat them. */
export const singlePrefixes: readonly (readonly number[])[] = [[], [0x66], [0x67], [0xf2], [0xf3], [0xf0]];
export const prefixCombinations: readonly (readonly number[])[] = [
  ...[
    [0x66, 0x67],
    [0x66, 0xf2],
    [0xf3, 0x66],
    [0xf2, 0xf3],
    [0xf3, 0xf2],
    [0xf0, 0x66],
    [0xf0, 0xf3],
  ],
  ...[[0x26], [0x2e], [0x36], [0x3e], [0x64], [0x65], [0x64, 0x36], [0x66, 0x66], [0x65, 0x67, 0x66]],
];

/** Sixteen bytes: prefixes, escapes, opcode, ModR/M, then a pattern that differs from case to case. */
export function encode(prefixes: readonly number[], map: number, opcode: number, modRm: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const head = [...prefixes, ...(mapEscapes[map] ?? []), opcode, modRm];
  bytes.set(head);
  // After ModR/M: a SIB byte or the first of displacement and immediate. An odd multiplier visits every SIB value.
  for (let i = head.length; i < bytes.length; i++) {
    bytes[i] = (modRm * 37 + opcode * 11 + i * 59 + 5) & 0xff;
  }
  return bytes;
}

/** ModR/M bytes for a quick look at an opcode: every reg field, once with memory and once with a register. */
export function sampledModRm(salt: number): readonly number[] {
  return Array.from({ length: 16 }, (_, i) => {
    const reg = i & 7;
    const rm = (salt + i * 3) & 7;
    const mod = i < 8 ? (salt + i) % 3 : 3;
    return (mod << 6) | (reg << 3) | rm;
  });
}

const allModRm = Array.from({ length: 256 }, (_, modRm) => modRm);

/** True for bytes of a map that are not opcodes but prefixes or escapes. */
function isEscape(map: number, opcode: number): boolean {
  const prefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f];
  return map === 0 ? prefixes.includes(opcode) : map === 1 && (opcode === 0x38 || opcode === 0x3a);
}

/**
 * Every opcode of every map; with no prefix all ModR/M bytes, with others a sample (or all, if `exhaustive`).
 */
export function* opcodeSpace(exhaustive: boolean): Generator<Uint8Array> {
  for (let map = 0; map < mapEscapes.length; map++) {
    for (let opcode = 0; opcode < 256; opcode++) {
      if (isEscape(map, opcode)) {
        continue;
      }
      const hasModRm = opcodeMaps[map]?.[opcode]?.hasModRm === true;
      const sample = hasModRm ? sampledModRm(opcode) : [opcode ^ 0x5a];
      for (const prefixes of singlePrefixes) {
        const every = hasModRm && map < 2 && (prefixes.length === 0 || exhaustive);
        for (const modRm of every ? allModRm : sample) {
          yield encode(prefixes, map, opcode, modRm);
        }
      }
      for (const prefixes of prefixCombinations) {
        const [modRm = 0, other = 0] = [sample[opcode % sample.length], sample[(opcode + 8) % sample.length]];
        for (const byte of exhaustive ? sample : [modRm, other]) {
          yield encode(prefixes, map, opcode, byte);
        }
      }
    }
  }
}

/** Every SIB byte with every mod, through MOV r32, r/m32 and a segment override now and then. */
export function* sibSpace(): Generator<Uint8Array> {
  for (const mod of [0x04, 0x44, 0x84]) {
    for (let sib = 0; sib < 256; sib++) {
      const bytes = encode(sib % 5 === 0 ? [0x64] : [], 0, 0x8b, mod);
      bytes[sib % 5 === 0 ? 3 : 2] = sib;
      yield bytes;
    }
  }
}

const prefixBytes: Readonly<Record<MandatoryPrefix, readonly number[]>> = {
  [MandatoryPrefix.None]: [],
  [MandatoryPrefix.P66]: [0x66],
  [MandatoryPrefix.PF3]: [0xf3],
  [MandatoryPrefix.PF2]: [0xf2],
  [MandatoryPrefix.Any]: [],
};

/** An encoding of a row: with memory at [ebx] where the row allows memory, with the register 3 otherwise. */
export function exampleOf(form: Form): Uint8Array {
  const { prefix, map, opcode, opcodeCount, extension, modRm, memory } = readEncoding(form);
  const byModRm = modRm >= 0 ? modRm : (memory ? 0 : 0xc0) | (Math.max(extension, 0) << 3) | 3;
  // The last of eight opcodes: the first of 90+r is NOP.
  return encode(prefixBytes[prefix], map, opcode + opcodeCount - 1, byModRm);
}
