import assert from 'node:assert/strict';
import { Decoder, DecoderOptions, FlowControl, Instruction as IcedInstruction, RflagsBits } from 'iced-x86';
import { decode } from '../../../src/x86/decode.js';
import { MandatoryPrefix, mapEscapes, readEncoding } from '../../../src/x86/encoding.js';
import { Attribute, Flag, type Form } from '../../../src/x86/form.js';
import { integerMnemonics, simdMnemonics, x87Mnemonics } from '../../../src/x86/mnemonics.js';
import { OperandSource, operandSpecs, type OperandCode } from '../../../src/x86/operands.js';
import { rows } from '../../../src/x86/opcodes/row.js';
import { forms, opcodeMaps, undefinedForm } from '../../../src/x86/table.js';
import { exampleOf, opcodeSpace } from '../../helpers/x86Encodings.js';

const name = (form: Form): string => `${form.opcode} ${form.mnemonic}`;
const has = (form: Form, attribute: Attribute): boolean => (form.attributes & attribute) !== 0;
const sourcesOf = (form: Form): OperandSource[] => form.operands.map((code) => operandSpecs[code].source);

/** Names of the rows for which `wrong` holds. */
const rowsWhere = (wrong: (form: Form) => boolean): string[] => forms.filter(wrong).map(name);

/** The tail of the opcode notation that an operand calls for. */
function tokenOf(code: OperandCode): string | undefined {
  const tokens: Partial<Record<OperandCode, string>> = {
    ...{ Ib: 'ib', Ibs: 'ib', Iw: 'iw', Iz: 'iz', Jb: 'cb', Jz: 'cz', Ap: 'cp', Ob: 'mo', Ov: 'mo' },
  };
  return tokens[code];
}

describe('x86/table', () => {
  it('gives every row an encoding of its own', () => {
    assert.equal(new Set(forms.map(({ opcode }) => opcode)).size, forms.length);
  });

  it('decodes an example of every row to that row', () => {
    const decoded = forms.map((form) => {
      const bytes = exampleOf(form);
      return name(decode({ byte: (index) => bytes[index] ?? 0 }, 4).form);
    });
    assert.deepEqual(decoded, forms.map(name));
  });

  it('uses every mnemonic that is declared, and no other', () => {
    const used = new Set<string>(forms.map(({ mnemonic }) => mnemonic));
    const declared = new Set<string>([...integerMnemonics, ...x87Mnemonics, ...simdMnemonics]);
    assert.deepEqual([...used].sort(), [...declared].sort());
    assert.equal(declared.size, integerMnemonics.length + x87Mnemonics.length + simdMnemonics.length);
  });

  it('writes the immediates of its opcode notation and of its operands alike', () => {
    const wrong = rowsWhere((form) => {
      const fromOperands = form.operands.map(tokenOf).filter((token) => token !== undefined);
      return readEncoding(form).immediates.join() !== fromOperands.join();
    });
    assert.deepEqual(wrong, []);
  });

  it('has a ModR/M byte exactly where an operand or an opcode extension needs one', () => {
    const inModRm = [
      ...[OperandSource.RegisterOrMemory, OperandSource.MemoryOnly, OperandSource.RegisterOnly],
      ...[OperandSource.ModIgnored, OperandSource.RegField],
    ];
    const wrong = rowsWhere((form) => {
      const { hasModRm, extension, modRm } = readEncoding(form);
      return hasModRm !== (extension >= 0 || modRm >= 0 || sourcesOf(form).some((source) => inModRm.includes(source)));
    });
    assert.deepEqual(wrong, []);
  });

  it('extends the opcode by the reg field or names a register in it, never both', () => {
    const both = rowsWhere((form) => {
      const { extension, modRm } = readEncoding(form);
      return (extension >= 0 || modRm >= 0) && sourcesOf(form).includes(OperandSource.RegField);
    });
    assert.deepEqual(both, []);
  });

  it('adds a register to the opcode byte exactly where an operand reads it', () => {
    const wrong = rowsWhere(
      (form) => (readEncoding(form).opcodeCount === 8) !== sourcesOf(form).includes(OperandSource.OpcodeBits),
    );
    assert.deepEqual(wrong, []);
  });

  it('keeps written and undefined flags apart and within the arithmetic flags', () => {
    const all = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF;
    const wrong = rowsWhere(
      ({ flagsRead, flagsWritten, flagsUndefined }) =>
        (flagsWritten & flagsUndefined) !== 0 || ((flagsRead | flagsWritten | flagsUndefined) & ~all) !== 0,
    );
    assert.deepEqual(wrong, []);
  });

  it('numbers the conditions of the conditional rows', () => {
    for (const mnemonic of ['JCC', 'SETCC', 'CMOVCC'] as const) {
      const conditions = new Set(forms.filter((form) => form.mnemonic === mnemonic).map(({ condition }) => condition));
      assert.deepEqual(
        [...conditions].sort((a, b) => a - b),
        Array.from({ length: 16 }, (_, i) => i),
      );
    }
    const fcmov = forms.filter((form) => form.mnemonic === 'FCMOVCC').map(({ condition }) => condition);
    assert.deepEqual(fcmov, [2, 4, 6, 10, 3, 5, 7, 11]);
    assert.deepEqual(
      rowsWhere(({ condition, mnemonic }) => condition >= 0 !== mnemonic.endsWith('CC')),
      [],
    );
  });

  it('reads the flags that a condition names', () => {
    const readBy = (opcode: string): number | undefined => forms.find((form) => form.opcode === opcode)?.flagsRead;
    assert.equal(readBy('70 cb'), Flag.OF);
    assert.equal(readBy('77 cb'), Flag.CF | Flag.ZF);
    assert.equal(readBy('7A cb'), Flag.PF);
    assert.equal(readBy('7C cb'), Flag.SF | Flag.OF);
    assert.equal(readBy('0F 9F /r'), Flag.ZF | Flag.SF | Flag.OF);
  });

  it('marks attributes that contradict each other on no row', () => {
    assert.deepEqual(
      rowsWhere((form) => has(form, Attribute.MemoryOnly) && has(form, Attribute.RegisterOnly)),
      [],
    );
    assert.deepEqual(
      rowsWhere((form) => has(form, Attribute.Fpu) && has(form, Attribute.Simd)),
      [],
    );
    assert.deepEqual(
      rowsWhere((form) => has(form, Attribute.Lockable) && sourcesOf(form)[0] !== OperandSource.RegisterOrMemory)
        // The one whose destination is always memory.
        .filter((row) => row !== '0F C7 /1 CMPXCHG8B'),
      [],
    );
  });

  it('lists implicit operands for string instructions alone', () => {
    assert.deepEqual(
      rowsWhere((form) => has(form, Attribute.Repeatable) !== sourcesOf(form).includes(OperandSource.Implicit)),
      [],
    );
    assert.deepEqual(
      rowsWhere(
        (form) =>
          has(form, Attribute.Repeatable) && has(form, Attribute.ByteSized) !== /[XY]b/.test(form.operands.join()),
      ),
      [],
    );
  });

  it('marks the x87 escapes and nothing but x87 instructions as FPU', () => {
    const isEscape = (form: Form): boolean => {
      const { map, opcode } = readEncoding(form);
      return map === 0 && opcode >= 0xd8 && opcode <= 0xdf;
    };
    assert.deepEqual(
      rowsWhere((form) => isEscape(form) !== has(form, Attribute.Fpu)),
      ['NP 0F AE /0 FXSAVE', 'NP 0F AE /1 FXRSTOR'],
    );
  });

  it('agrees with the oracle on flags, privilege, control flow, LOCK and REP', () => {
    const cases = [...opcodeSpace(false)];
    const options = DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD | DecoderOptions.ForceReservedNop;
    const decoder = new Decoder(32, Buffer.concat(cases), options);
    const theirs = new IcedInstruction();
    const differences = new Set<string>();
    const bits: readonly (readonly [RflagsBits, Flag])[] = [
      ...([
        [RflagsBits.OF, Flag.OF],
        [RflagsBits.SF, Flag.SF],
        [RflagsBits.ZF, Flag.ZF],
      ] as const),
      ...([
        [RflagsBits.AF, Flag.AF],
        [RflagsBits.PF, Flag.PF],
        [RflagsBits.CF, Flag.CF],
      ] as const),
    ];
    const flags = (rflags: number): number =>
      bits.reduce<number>((mask, [theirBit, ourBit]) => (rflags & theirBit ? mask | ourBit : mask), 0);
    cases.forEach((bytes, index) => {
      decoder.position = index * 16;
      decoder.decodeOut(theirs);
      const { form } = decode({ byte: (i) => bytes[i] ?? 0 }, 4);
      if (theirs.isInvalid || form === undefinedForm) {
        return;
      }
      const check = (what: string, ours: unknown, expected: unknown): void => {
        if (ours !== expected) {
          differences.add(`${form.mnemonic}: ${what}`);
        }
      };
      if (!has(form, Attribute.MayKeepFlags) || has(form, Attribute.Repeatable)) {
        const written = theirs.rflagsWritten | theirs.rflagsCleared | theirs.rflagsSet;
        check('flags read', form.flagsRead, flags(theirs.rflagsRead));
        check('flags written', form.flagsWritten, flags(written));
        check('flags undefined', form.flagsUndefined, flags(theirs.rflagsUndefined));
      }
      const code = theirs.opCode;
      check('privilege', has(form, Attribute.Privileged) || has(form, Attribute.IoSensitive), theirs.isPrivileged);
      check('branch', has(form, Attribute.Branch), theirs.flowControl !== FlowControl.Next);
      check('LOCK', has(form, Attribute.Lockable), code.canUseLockPrefix);
      check('REP', has(form, Attribute.Repeatable), code.canUseRepPrefix || code.canUseRepnePrefix);
      code.free();
    });
    theirs.free();
    decoder.free();
    assert.deepEqual(
      [...differences].sort(),
      [
        // EFLAGS is pushed: for the life of flags that is a read.
        ...['ICEBP: flags read', 'INT3: flags read', 'INT: flags read', 'INTO: flags read'],
        // #UD outside system management mode, whatever the privilege level.
        'RSM: privilege',
        // A ROM call may read EFLAGS.
        'VMCALL: flags read',
      ].sort(),
    );
  });

  it('has room for four prefix classes only where a row names a prefix', () => {
    const encodings = forms.map(readEncoding);
    opcodeMaps.forEach((map, number) => {
      map.forEach((entry, opcode) => {
        if (entry !== undefined) {
          const named = encodings.some(
            (encoding) =>
              encoding.map === number &&
              encoding.opcode <= opcode &&
              opcode < encoding.opcode + encoding.opcodeCount &&
              encoding.prefix !== MandatoryPrefix.Any,
          );
          assert.equal(entry.byPrefix, named, `${mapEscapes[number]?.join(' ') ?? ''} ${opcode.toString(16)}`);
          assert.equal(entry.slots.length, entry.stride * (named ? 4 : 1));
        }
      });
    });
  });

  it('refuses rows that it cannot read, naming them', () => {
    const [form] = rows('i386', [['FF /9', 'NOP', []]]);
    assert.throws(() => readEncoding(form ?? assert.fail()), /row "FF \/9": unknown token "\/9"/);
    assert.throws(() => rows('i386', [['90', 'NOP', [], 'OSZAPC']]), /row 90 has flags "OSZAPC"/);
  });
});
