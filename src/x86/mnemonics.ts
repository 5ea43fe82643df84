/**
 * Every mnemonic of the instruction table, spelled as the SDM spells it but without operand-size suffix (`MOVS`,
 * `PUSHA`) and with the condition left to `Form.condition` (`JCC`, `SETCC`, `CMOVCC`, `FCMOVCC`). Separate from the
 * table so that whoever binds meaning to instructions can name them, checked by the compiler, without the table. Read
 * before: nothing. Read after: `form.ts`.
 */

/** 80386 to Pentium Pro, the integer and system instructions. */
export const integerMnemonics = [
  ...['AAA', 'AAD', 'AAM', 'AAS', 'ADC', 'ADD', 'AND', 'ARPL', 'BOUND', 'BSF', 'BSR', 'BSWAP', 'BT', 'BTC', 'BTR'],
  ...['BTS', 'CALL', 'CALLF', 'CBW', 'CLC', 'CLD', 'CLI', 'CLTS', 'CMC', 'CMOVCC', 'CMP', 'CMPS', 'CMPXCHG'],
  ...['CMPXCHG8B', 'CPUID', 'CWD', 'DAA', 'DAS', 'DEC', 'DIV', 'ENTER', 'HLT', 'ICEBP', 'IDIV', 'IMUL', 'IN', 'INC'],
  ...['INS', 'INT', 'INT3', 'INTO', 'INVD', 'INVLPG', 'IRET', 'JCC', 'JCXZ', 'JMP', 'JMPF', 'LAHF', 'LAR', 'LDS'],
  ...['LEA', 'LEAVE', 'LES', 'LFS', 'LGDT', 'LGS', 'LIDT', 'LLDT', 'LMSW', 'LODS', 'LOOP', 'LOOPE', 'LOOPNE', 'LSL'],
  ...['LSS', 'LTR', 'MOV', 'MOVS', 'MOVSX', 'MOVZX', 'MUL', 'NEG', 'NOP', 'NOT', 'OR', 'OUT', 'OUTS', 'PAUSE', 'POP'],
  ...['POPA', 'POPF', 'PUSH', 'PUSHA', 'PUSHF', 'RCL', 'RCR', 'RDMSR', 'RDPMC', 'RDTSC', 'RET', 'RETF', 'ROL', 'ROR'],
  ...['RSM', 'SAHF', 'SALC', 'SAR', 'SBB', 'SCAS', 'SETCC', 'SGDT', 'SHL', 'SHLD', 'SHR', 'SHRD', 'SIDT', 'SLDT'],
  ...['SMSW', 'STC', 'STD', 'STI', 'STOS', 'STR', 'SUB', 'SYSENTER', 'SYSEXIT', 'TEST', 'UD0', 'UD1', 'UD2', 'VERR'],
  ...['VERW', 'VMCALL', 'WAIT', 'WBINVD', 'WRMSR', 'XADD', 'XCHG', 'XLAT', 'XOR'],
] as const;

/** x87, Pentium Pro's FCMOVcc and FCOMI, SSE3's FISTTP, and the state images. WAIT counts as an integer instruction. */
export const x87Mnemonics = [
  ...['F2XM1', 'FABS', 'FADD', 'FADDP', 'FBLD', 'FBSTP', 'FCHS', 'FCMOVCC', 'FCOM', 'FCOMI', 'FCOMIP', 'FCOMP'],
  ...['FCOMPP', 'FCOS', 'FDECSTP', 'FDIV', 'FDIVP', 'FDIVR', 'FDIVRP', 'FFREE', 'FFREEP', 'FIADD', 'FICOM', 'FICOMP'],
  ...['FIDIV', 'FIDIVR', 'FILD', 'FIMUL', 'FINCSTP', 'FIST', 'FISTP', 'FISTTP', 'FISUB', 'FISUBR', 'FLD', 'FLD1'],
  ...['FLDCW', 'FLDENV', 'FLDL2E', 'FLDL2T', 'FLDLG2', 'FLDLN2', 'FLDPI', 'FLDZ', 'FMUL', 'FMULP', 'FNCLEX'],
  ...['FNDISI', 'FNENI', 'FNINIT', 'FNOP', 'FNSAVE', 'FNSETPM', 'FNSTCW', 'FNSTENV', 'FNSTSW', 'FPATAN', 'FPREM'],
  ...['FPREM1', 'FPTAN', 'FRNDINT', 'FRSTOR', 'FSCALE', 'FSIN', 'FSINCOS', 'FSQRT', 'FST', 'FSTP', 'FSTPNCE', 'FSUB'],
  ...['FSUBP', 'FSUBR', 'FSUBRP', 'FTST', 'FUCOM', 'FUCOMI', 'FUCOMIP', 'FUCOMP', 'FUCOMPP', 'FXAM', 'FXCH'],
  ...['FXRSTOR', 'FXSAVE', 'FXTRACT', 'FYL2X', 'FYL2XP1'],
] as const;

/** MMX, SSE, SSE2, SSE3 and SSSE3. */
export const simdMnemonics = [
  ...['ADDPD', 'ADDPS', 'ADDSD', 'ADDSS', 'ADDSUBPD', 'ADDSUBPS', 'ANDNPD', 'ANDNPS', 'ANDPD', 'ANDPS', 'CLFLUSH'],
  ...['CMPPD', 'CMPPS', 'CMPSD', 'CMPSS', 'COMISD', 'COMISS', 'CVTDQ2PD', 'CVTDQ2PS', 'CVTPD2DQ', 'CVTPD2PI'],
  ...['CVTPD2PS', 'CVTPI2PD', 'CVTPI2PS', 'CVTPS2DQ', 'CVTPS2PD', 'CVTPS2PI', 'CVTSD2SI', 'CVTSD2SS', 'CVTSI2SD'],
  ...['CVTSI2SS', 'CVTSS2SD', 'CVTSS2SI', 'CVTTPD2DQ', 'CVTTPD2PI', 'CVTTPS2DQ', 'CVTTPS2PI', 'CVTTSD2SI'],
  ...['CVTTSS2SI', 'DIVPD', 'DIVPS', 'DIVSD', 'DIVSS', 'EMMS', 'HADDPD', 'HADDPS', 'HSUBPD', 'HSUBPS', 'LDDQU'],
  ...['LDMXCSR', 'LFENCE', 'MASKMOVDQU', 'MASKMOVQ', 'MAXPD', 'MAXPS', 'MAXSD', 'MAXSS', 'MFENCE', 'MINPD', 'MINPS'],
  ...['MINSD', 'MINSS', 'MOVAPD', 'MOVAPS', 'MOVD', 'MOVDDUP', 'MOVDQ2Q', 'MOVDQA', 'MOVDQU', 'MOVHLPS', 'MOVHPD'],
  ...['MOVHPS', 'MOVLHPS', 'MOVLPD', 'MOVLPS', 'MOVMSKPD', 'MOVMSKPS', 'MOVNTDQ', 'MOVNTI', 'MOVNTPD', 'MOVNTPS'],
  ...['MOVNTQ', 'MOVQ', 'MOVQ2DQ', 'MOVSD', 'MOVSHDUP', 'MOVSLDUP', 'MOVSS', 'MOVUPD', 'MOVUPS', 'MULPD', 'MULPS'],
  ...['MULSD', 'MULSS', 'ORPD', 'ORPS', 'PABSB', 'PABSD', 'PABSW', 'PACKSSDW', 'PACKSSWB', 'PACKUSWB', 'PADDB'],
  ...['PADDD', 'PADDQ', 'PADDSB', 'PADDSW', 'PADDUSB', 'PADDUSW', 'PADDW', 'PALIGNR', 'PAND', 'PANDN', 'PAVGB'],
  ...['PAVGW', 'PCMPEQB', 'PCMPEQD', 'PCMPEQW', 'PCMPGTB', 'PCMPGTD', 'PCMPGTW', 'PEXTRW', 'PHADDD', 'PHADDSW'],
  ...['PHADDW', 'PHSUBD', 'PHSUBSW', 'PHSUBW', 'PINSRW', 'PMADDUBSW', 'PMADDWD', 'PMAXSW', 'PMAXUB', 'PMINSW'],
  ...['PMINUB', 'PMOVMSKB', 'PMULHRSW', 'PMULHUW', 'PMULHW', 'PMULLW', 'PMULUDQ', 'POR', 'PREFETCHNTA', 'PREFETCHT0'],
  ...['PREFETCHT1', 'PREFETCHT2', 'PSADBW', 'PSHUFB', 'PSHUFD', 'PSHUFHW', 'PSHUFLW', 'PSHUFW', 'PSIGNB', 'PSIGND'],
  ...['PSIGNW', 'PSLLD', 'PSLLDQ', 'PSLLQ', 'PSLLW', 'PSRAD', 'PSRAW', 'PSRLD', 'PSRLDQ', 'PSRLQ', 'PSRLW', 'PSUBB'],
  ...['PSUBD', 'PSUBQ', 'PSUBSB', 'PSUBSW', 'PSUBUSB', 'PSUBUSW', 'PSUBW', 'PUNPCKHBW', 'PUNPCKHDQ', 'PUNPCKHQDQ'],
  ...['PUNPCKHWD', 'PUNPCKLBW', 'PUNPCKLDQ', 'PUNPCKLQDQ', 'PUNPCKLWD', 'PXOR', 'RCPPS', 'RCPSS', 'RSQRTPS'],
  ...['RSQRTSS', 'SFENCE', 'SHUFPD', 'SHUFPS', 'SQRTPD', 'SQRTPS', 'SQRTSD', 'SQRTSS', 'STMXCSR', 'SUBPD', 'SUBPS'],
  ...['SUBSD', 'SUBSS', 'UCOMISD', 'UCOMISS', 'UNPCKHPD', 'UNPCKHPS', 'UNPCKLPD', 'UNPCKLPS', 'XORPD', 'XORPS'],
] as const;

export type IntegerMnemonic = (typeof integerMnemonics)[number];
export type X87Mnemonic = (typeof x87Mnemonics)[number];
export type SimdMnemonic = (typeof simdMnemonics)[number];

/** Any mnemonic of the table; `UD` is the one row that stands for every undefined encoding. Executing it raises #UD. */
export type Mnemonic = IntegerMnemonic | X87Mnemonic | SimdMnemonic | 'UD';
