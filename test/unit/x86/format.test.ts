import assert from 'node:assert/strict';
import {
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  Instruction as IcedInstruction,
  MemorySizeOptions,
} from 'iced-x86';
import { decode } from '../../../src/x86/decode.js';
import { Attribute } from '../../../src/x86/form.js';
import { format, type FormatOptions } from '../../../src/x86/format.js';
import type { Instruction } from '../../../src/x86/instruction.js';
import { forms } from '../../../src/x86/table.js';
import { exampleOf, opcodeSpace, sibSpace } from '../../helpers/x86Encodings.js';

function decodeBytes(bytes: ArrayLike<number>, size: 2 | 4): Instruction {
  return decode({ byte: (index) => bytes[index] ?? 0 }, size);
}

/** Text of bytes written in hexadecimal. */
function text(hexBytes: string, size: 2 | 4 = 4, eip = 0, options: FormatOptions = {}): string {
  return format(decodeBytes(Buffer.from(hexBytes.replaceAll(' ', ''), 'hex'), size), eip, options);
}

/** Text of an x87 instruction without the ST(0) that some write and some leave out. */
const withoutSt0 = (line: string): string => line.replaceAll('st(0)', 'st').replace(/ st, /, ' ').replace(/, st$/, '');

describe('x86/format', () => {
  it('prints operands in Intel order with sizes and hexadecimal numbers', () => {
    assert.equal(text('8b 44 b3 10'), 'mov eax, dword ptr [ebx+esi*4+0x10]');
    assert.equal(text('66 c7 45 f8 34 12'), 'mov word ptr [ebp-0x8], 0x1234');
    assert.equal(text('83 c0 ff'), 'add eax, 0xffffffff');
    assert.equal(text('88 25 78 56 34 f2'), 'mov byte ptr [0xf2345678], ah');
    assert.equal(text('8b 82 00 80', 2), 'mov ax, word ptr [bp+si-0x8000]');
    assert.equal(text('6b c3 05'), 'imul eax, ebx, 0x5');
    assert.equal(text('0f 22 c0'), 'mov cr0, eax');
    assert.equal(text('8e d8'), 'mov ds, ax');
    assert.equal(text('64 a1 00 00 00 00'), 'mov eax, dword ptr fs:[0x0]');
    assert.equal(text('0f 01 10'), 'lgdt fword ptr [eax]');
  });

  it('names by size and condition', () => {
    assert.deepEqual(
      ['98', '66 98', '99', 'cf', '66 cf', '9c', '60', 'e3 00', '67 e3 00'].map((bytes) => text(bytes)),
      ['cwde', 'cbw', 'cdq', 'iretd', 'iret', 'pushfd', 'pushad', 'jecxz 0x2', 'jcxz 0x3'],
    );
    assert.equal(text('0f 4f c1'), 'cmovg eax, ecx');
    assert.equal(text('0f 92 c0'), 'setb al');
    assert.equal(text('db d9'), 'fcmovnu st, st(1)');
  });

  it('prints branch targets from the offset of the instruction, modulo the operand size', () => {
    assert.equal(text('eb fe', 4, 0xc0100000), 'jmp 0xc0100000');
    assert.equal(text('e8 fb ff ff ff', 4, 0xc0100000), 'call 0xc0100000');
    assert.equal(text('70 10', 2, 0xfff8), 'jo 0xa');
    assert.equal(text('9a 78 56 34 12 10 00'), 'call far 0x10:0x12345678');
  });

  it('asks for symbols', () => {
    const symbol = (target: number): string | undefined => (target === 0xc0100000 ? 'start' : undefined);
    assert.equal(text('eb fe', 4, 0xc0100000, { symbol }), 'jmp start');
    assert.equal(text('eb fe', 4, 0x100000, { symbol }), 'jmp 0x100000');
  });

  it('prints string instructions short, or in full when a prefix changes their operands', () => {
    assert.equal(text('f3 a5'), 'rep movsd');
    assert.equal(text('66 f3 ab'), 'rep stosw');
    assert.equal(text('f3 a6'), 'repe cmpsb');
    assert.equal(text('f2 ae'), 'repne scasb');
    assert.equal(text('64 a5'), 'movs dword ptr es:[edi], dword ptr fs:[esi]');
    assert.equal(text('67 ac'), 'lods al, byte ptr [si]');
    assert.equal(text('2e 6e'), 'outs dx, byte ptr cs:[esi]');
  });

  it('prints prefixes that nothing else shows', () => {
    assert.equal(text('f0 ff 00'), 'lock inc dword ptr [eax]');
    assert.equal(text('f3 c3'), 'rep ret');
    assert.equal(text('66 c3'), 'data16 ret');
    assert.equal(text('66 c3', 2), 'data32 ret');
    assert.equal(text('67 e2 fd'), 'addr16 loop 0x0');
    assert.equal(text('64 d7'), 'fs xlat');
    assert.equal(text('2e 75 00'), 'cs jne 0x3');
    assert.equal(text('66 0f 6f c1'), 'movdqa xmm0, xmm1');
  });

  it('says so where nothing is defined', () => {
    assert.equal(text('0f 04'), '(undefined)');
  });

  it('prints every row of the table', () => {
    for (const form of forms) {
      for (const size of [2, 4] as const) {
        const printed = format(decodeBytes(exampleOf(form), size), 0);
        assert.match(printed, /^[a-z][a-z0-9 ]*( ([a-z0-9()+*:,-]|0x|ptr|\[|\]| )+)?$/, form.opcode);
        assert.doesNotMatch(printed, /undefined|\[\]|, ,/, form.opcode);
      }
    }
  });

  it('prints what the oracle prints, but for matters of taste', () => {
    const formatter = new Formatter(FormatterSyntax.Intel);
    formatter.hexPrefix = '0x';
    formatter.hexSuffix = '';
    formatter.uppercaseHex = false;
    formatter.addLeadingZeroToHexNumbers = false;
    formatter.spaceAfterOperandSeparator = true;
    formatter.memorySizeOptions = MemorySizeOptions.Always;
    formatter.smallHexNumbersInDecimal = false;
    formatter.branchLeadingZeros = false;
    formatter.showBranchSize = false;
    formatter.alwaysShowScale = true;
    formatter.usePseudoOps = false;
    const theirs = new IcedInstruction();
    const differing = new Set<string>();
    const cases = [...opcodeSpace(false), ...sibSpace()];
    let compared = 0;
    for (const bitness of [32, 16] as const) {
      const options = DecoderOptions.ForceReservedNop | DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD;
      const decoder = new Decoder(bitness, Buffer.concat(cases), options);
      cases.forEach((bytes, index) => {
        decoder.position = index * 16;
        decoder.ip = 0n;
        decoder.decodeOut(theirs);
        const ours = decodeBytes(bytes, bitness === 32 ? 4 : 2);
        // Prefixes and string instructions are printed in our own way.
        const isOwnWay = ours.prefixes !== 0 || (ours.form.attributes & Attribute.Repeatable) !== 0;
        if (theirs.isInvalid || ours.form.mnemonic === 'UD' || isOwnWay) {
          return;
        }
        compared++;
        const isFpu = (ours.form.attributes & Attribute.Fpu) !== 0;
        const [left, right] = [format(ours, 0), formatter.format(theirs)].map(isFpu ? withoutSt0 : String);
        if (left !== right) {
          differing.add(`${ours.form.mnemonic} ${ours.form.operands.join()}`);
        }
      });
      decoder.free();
    }
    formatter.free();
    theirs.free();
    assert.ok(compared > 100_000);
    assert.deepEqual(
      [...differing].sort(),
      [
        // The oracle writes the offset before the selector.
        ...['CALLF Ap', 'JMPF Ap'],
        // No size is meant; the oracle was told to call the hints reserved NOPs and to name their registers.
        ...['CLFLUSH M', 'NOP Ev', 'PREFETCHNTA M', 'PREFETCHT0 M', 'PREFETCHT1 M', 'PREFETCHT2 M'],
        // A register of which the low word is read.
        ...['LAR Gv,Ew', 'LSL Gv,Ew'],
        // Names: int1, ret far, fwait, xlatb.
        ...['ICEBP ', 'RETF ', 'RETF Iw', 'WAIT ', 'XLAT '],
      ].sort(),
    );
  });
});
