/**
 * Opcodes that the reg field of ModR/M extends (SDM 2, "Opcode extensions for one- and two-byte opcodes by group
 * number"), group by group. Read before: `secondary.ts`. Read after: `x87.ts`.
 */
import { BRANCH, FPU, KEEP, LOCK, PRIV, PROT, SERIAL, SIMD, UNDOC, rows } from './row.js';

export const groups = rows('i386', [
  // Grp1: 80 to 83
  ['80 /0 ib',        'ADD',         ['Eb', 'Ib'],  'MMMMMM',  LOCK],
  ['80 /1 ib',        'OR',          ['Eb', 'Ib'],  '0MM-M0',  LOCK],
  ['80 /2 ib',        'ADC',         ['Eb', 'Ib'],  'MMMMMX',  LOCK],
  ['80 /3 ib',        'SBB',         ['Eb', 'Ib'],  'MMMMMX',  LOCK],
  ['80 /4 ib',        'AND',         ['Eb', 'Ib'],  '0MM-M0',  LOCK],
  ['80 /5 ib',        'SUB',         ['Eb', 'Ib'],  'MMMMMM',  LOCK],
  ['80 /6 ib',        'XOR',         ['Eb', 'Ib'],  '0MM-M0',  LOCK],
  ['80 /7 ib',        'CMP',         ['Eb', 'Ib'],  'MMMMMM'],

  ['81 /0 iz',        'ADD',         ['Ev', 'Iz'],  'MMMMMM',  LOCK],
  ['81 /1 iz',        'OR',          ['Ev', 'Iz'],  '0MM-M0',  LOCK],
  ['81 /2 iz',        'ADC',         ['Ev', 'Iz'],  'MMMMMX',  LOCK],
  ['81 /3 iz',        'SBB',         ['Ev', 'Iz'],  'MMMMMX',  LOCK],
  ['81 /4 iz',        'AND',         ['Ev', 'Iz'],  '0MM-M0',  LOCK],
  ['81 /5 iz',        'SUB',         ['Ev', 'Iz'],  'MMMMMM',  LOCK],
  ['81 /6 iz',        'XOR',         ['Ev', 'Iz'],  '0MM-M0',  LOCK],
  ['81 /7 iz',        'CMP',         ['Ev', 'Iz'],  'MMMMMM'],

  ['82 /0 ib',        'ADD',         ['Eb', 'Ib'],  'MMMMMM',  LOCK + UNDOC],
  ['82 /1 ib',        'OR',          ['Eb', 'Ib'],  '0MM-M0',  LOCK + UNDOC],
  ['82 /2 ib',        'ADC',         ['Eb', 'Ib'],  'MMMMMX',  LOCK + UNDOC],
  ['82 /3 ib',        'SBB',         ['Eb', 'Ib'],  'MMMMMX',  LOCK + UNDOC],
  ['82 /4 ib',        'AND',         ['Eb', 'Ib'],  '0MM-M0',  LOCK + UNDOC],
  ['82 /5 ib',        'SUB',         ['Eb', 'Ib'],  'MMMMMM',  LOCK + UNDOC],
  ['82 /6 ib',        'XOR',         ['Eb', 'Ib'],  '0MM-M0',  LOCK + UNDOC],
  ['82 /7 ib',        'CMP',         ['Eb', 'Ib'],  'MMMMMM',  UNDOC],

  ['83 /0 ib',        'ADD',         ['Ev', 'Ibs'], 'MMMMMM',  LOCK],
  ['83 /1 ib',        'OR',          ['Ev', 'Ibs'], '0MM-M0',  LOCK],
  ['83 /2 ib',        'ADC',         ['Ev', 'Ibs'], 'MMMMMX',  LOCK],
  ['83 /3 ib',        'SBB',         ['Ev', 'Ibs'], 'MMMMMX',  LOCK],
  ['83 /4 ib',        'AND',         ['Ev', 'Ibs'], '0MM-M0',  LOCK],
  ['83 /5 ib',        'SUB',         ['Ev', 'Ibs'], 'MMMMMM',  LOCK],
  ['83 /6 ib',        'XOR',         ['Ev', 'Ibs'], '0MM-M0',  LOCK],
  ['83 /7 ib',        'CMP',         ['Ev', 'Ibs'], 'MMMMMM'],

  // Grp1A: 8F
  ['8F /0',           'POP',         ['Ev']],

  // Grp2: C0, C1, D0 to D3
  ['C0 /0 ib',        'ROL',         ['Eb', 'Ib'],  '-....M',  KEEP],
  ['C0 /1 ib',        'ROR',         ['Eb', 'Ib'],  '-....M',  KEEP],
  ['C0 /2 ib',        'RCL',         ['Eb', 'Ib'],  '-....X',  KEEP],
  ['C0 /3 ib',        'RCR',         ['Eb', 'Ib'],  '-....X',  KEEP],
  ['C0 /4 ib',        'SHL',         ['Eb', 'Ib'],  '-MM-MM',  KEEP],
  ['C0 /5 ib',        'SHR',         ['Eb', 'Ib'],  '-MM-MM',  KEEP],
  ['C0 /6 ib',        'SHL',         ['Eb', 'Ib'],  '-MM-MM',  KEEP + UNDOC],
  ['C0 /7 ib',        'SAR',         ['Eb', 'Ib'],  '-MM-MM',  KEEP],

  ['C1 /0 ib',        'ROL',         ['Ev', 'Ib'],  '-....M',  KEEP],
  ['C1 /1 ib',        'ROR',         ['Ev', 'Ib'],  '-....M',  KEEP],
  ['C1 /2 ib',        'RCL',         ['Ev', 'Ib'],  '-....X',  KEEP],
  ['C1 /3 ib',        'RCR',         ['Ev', 'Ib'],  '-....X',  KEEP],
  ['C1 /4 ib',        'SHL',         ['Ev', 'Ib'],  '-MM-MM',  KEEP],
  ['C1 /5 ib',        'SHR',         ['Ev', 'Ib'],  '-MM-MM',  KEEP],
  ['C1 /6 ib',        'SHL',         ['Ev', 'Ib'],  '-MM-MM',  KEEP + UNDOC],
  ['C1 /7 ib',        'SAR',         ['Ev', 'Ib'],  '-MM-MM',  KEEP],

  ['D0 /0',           'ROL',         ['Eb', '1'],   'M....M'],
  ['D0 /1',           'ROR',         ['Eb', '1'],   'M....M'],
  ['D0 /2',           'RCL',         ['Eb', '1'],   'M....X'],
  ['D0 /3',           'RCR',         ['Eb', '1'],   'M....X'],
  ['D0 /4',           'SHL',         ['Eb', '1'],   'MMM-MM'],
  ['D0 /5',           'SHR',         ['Eb', '1'],   'MMM-MM'],
  ['D0 /6',           'SHL',         ['Eb', '1'],   'MMM-MM',  UNDOC],
  ['D0 /7',           'SAR',         ['Eb', '1'],   'MMM-MM'],

  ['D1 /0',           'ROL',         ['Ev', '1'],   'M....M'],
  ['D1 /1',           'ROR',         ['Ev', '1'],   'M....M'],
  ['D1 /2',           'RCL',         ['Ev', '1'],   'M....X'],
  ['D1 /3',           'RCR',         ['Ev', '1'],   'M....X'],
  ['D1 /4',           'SHL',         ['Ev', '1'],   'MMM-MM'],
  ['D1 /5',           'SHR',         ['Ev', '1'],   'MMM-MM'],
  ['D1 /6',           'SHL',         ['Ev', '1'],   'MMM-MM',  UNDOC],
  ['D1 /7',           'SAR',         ['Ev', '1'],   'MMM-MM'],

  ['D2 /0',           'ROL',         ['Eb', 'CL'],  '-....M',  KEEP],
  ['D2 /1',           'ROR',         ['Eb', 'CL'],  '-....M',  KEEP],
  ['D2 /2',           'RCL',         ['Eb', 'CL'],  '-....X',  KEEP],
  ['D2 /3',           'RCR',         ['Eb', 'CL'],  '-....X',  KEEP],
  ['D2 /4',           'SHL',         ['Eb', 'CL'],  '-MM-MM',  KEEP],
  ['D2 /5',           'SHR',         ['Eb', 'CL'],  '-MM-MM',  KEEP],
  ['D2 /6',           'SHL',         ['Eb', 'CL'],  '-MM-MM',  KEEP + UNDOC],
  ['D2 /7',           'SAR',         ['Eb', 'CL'],  '-MM-MM',  KEEP],

  ['D3 /0',           'ROL',         ['Ev', 'CL'],  '-....M',  KEEP],
  ['D3 /1',           'ROR',         ['Ev', 'CL'],  '-....M',  KEEP],
  ['D3 /2',           'RCL',         ['Ev', 'CL'],  '-....X',  KEEP],
  ['D3 /3',           'RCR',         ['Ev', 'CL'],  '-....X',  KEEP],
  ['D3 /4',           'SHL',         ['Ev', 'CL'],  '-MM-MM',  KEEP],
  ['D3 /5',           'SHR',         ['Ev', 'CL'],  '-MM-MM',  KEEP],
  ['D3 /6',           'SHL',         ['Ev', 'CL'],  '-MM-MM',  KEEP + UNDOC],
  ['D3 /7',           'SAR',         ['Ev', 'CL'],  '-MM-MM',  KEEP],

  // Grp11: C6, C7
  ['C6 /0 ib',        'MOV',         ['Eb', 'Ib']],
  ['C7 /0 iz',        'MOV',         ['Ev', 'Iz']],

  // Grp3: F6, F7
  ['F6 /0 ib',        'TEST',        ['Eb', 'Ib'],  '0MM-M0'],
  ['F6 /1 ib',        'TEST',        ['Eb', 'Ib'],  '0MM-M0',  UNDOC],
  ['F6 /2',           'NOT',         ['Eb'],        '......',  LOCK],
  ['F6 /3',           'NEG',         ['Eb'],        'MMMMMM',  LOCK],
  ['F6 /4',           'MUL',         ['Eb'],        'M----M'],
  ['F6 /5',           'IMUL',        ['Eb'],        'M----M'],
  ['F6 /6',           'DIV',         ['Eb'],        '------'],
  ['F6 /7',           'IDIV',        ['Eb'],        '------'],
  ['F7 /0 iz',        'TEST',        ['Ev', 'Iz'],  '0MM-M0'],
  ['F7 /1 iz',        'TEST',        ['Ev', 'Iz'],  '0MM-M0',  UNDOC],
  ['F7 /2',           'NOT',         ['Ev'],        '......',  LOCK],
  ['F7 /3',           'NEG',         ['Ev'],        'MMMMMM',  LOCK],
  ['F7 /4',           'MUL',         ['Ev'],        'M----M'],
  ['F7 /5',           'IMUL',        ['Ev'],        'M----M'],
  ['F7 /6',           'DIV',         ['Ev'],        '------'],
  ['F7 /7',           'IDIV',        ['Ev'],        '------'],

  // Grp4: FE
  ['FE /0',           'INC',         ['Eb'],        'MMMMM.',  LOCK],
  ['FE /1',           'DEC',         ['Eb'],        'MMMMM.',  LOCK],

  // Grp5: FF
  ['FF /0',           'INC',         ['Ev'],        'MMMMM.',  LOCK],
  ['FF /1',           'DEC',         ['Ev'],        'MMMMM.',  LOCK],
  ['FF /2',           'CALL',        ['Ev'],        '......',  BRANCH],
  ['FF /3',           'CALLF',       ['Mp'],        '......',  BRANCH + SERIAL],
  ['FF /4',           'JMP',         ['Ev'],        '......',  BRANCH],
  ['FF /5',           'JMPF',        ['Mp'],        '......',  BRANCH + SERIAL],
  ['FF /6',           'PUSH',        ['Ev']],

  // Grp6: 0F 00
  ['0F 00 /0',        'SLDT',        ['Rv/Mw'],     '......',  PROT],
  ['0F 00 /1',        'STR',         ['Rv/Mw'],     '......',  PROT],
  ['0F 00 /2',        'LLDT',        ['Ew'],        '......',  PRIV + SERIAL + PROT],
  ['0F 00 /3',        'LTR',         ['Ew'],        '......',  PRIV + SERIAL + PROT],
  ['0F 00 /4',        'VERR',        ['Ew'],        '..M...',  PROT],
  ['0F 00 /5',        'VERW',        ['Ew'],        '..M...',  PROT],

  // Grp7: 0F 01
  ['0F 01 /0',        'SGDT',        ['Ms']],
  ['NP 0F 01 C1',     'VMCALL',      [],            'XXXXXX',  BRANCH + SERIAL, 'vmi'],
  ['0F 01 /1',        'SIDT',        ['Ms']],
  ['0F 01 /2',        'LGDT',        ['Ms'],        '......',  PRIV + SERIAL],
  ['0F 01 /3',        'LIDT',        ['Ms'],        '......',  PRIV + SERIAL],
  ['0F 01 /4',        'SMSW',        ['Rv/Mw']],
  ['0F 01 /6',        'LMSW',        ['Ew'],        '......',  PRIV + SERIAL],
  ['0F 01 /7',        'INVLPG',      ['M'],         '......',  PRIV + SERIAL, 'i486'],

  // Grp8: 0F BA
  ['0F BA /4 ib',     'BT',          ['Ev', 'Ib'],  '--.--M'],
  ['0F BA /5 ib',     'BTS',         ['Ev', 'Ib'],  '--.--M',  LOCK],
  ['0F BA /6 ib',     'BTR',         ['Ev', 'Ib'],  '--.--M',  LOCK],
  ['0F BA /7 ib',     'BTC',         ['Ev', 'Ib'],  '--.--M',  LOCK],

  // Grp9: 0F C7
  ['0F C7 /1',        'CMPXCHG8B',   ['Mq'],        '..M...',  LOCK, 'cx8'],

  // Grp15: 0F AE
  ['NP 0F AE /0',     'FXSAVE',      ['Mfx'],       '......',  FPU, 'fxsr'],
  ['NP 0F AE /1',     'FXRSTOR',     ['Mfx'],       '......',  FPU, 'fxsr'],
  ['NP 0F AE /2',     'LDMXCSR',     ['Md'],        '......',  SIMD, 'sse'],
  ['NP 0F AE /3',     'STMXCSR',     ['Md'],        '......',  SIMD, 'sse'],
  ['NP 0F AE /5 reg', 'LFENCE',      [],            '......',  0, 'sse2'],
  ['NP 0F AE /6 reg', 'MFENCE',      [],            '......',  0, 'sse2'],
  ['NP 0F AE /7 mem', 'CLFLUSH',     ['M'],         '......',  0, 'clfsh'],
  ['NP 0F AE /7 reg', 'SFENCE',      [],            '......',  0, 'sse'],

  // Grp16: 0F 18. What is no prefetch is a NOP that still names an operand.
  ['0F 18 /0',        'PREFETCHNTA', ['M'],         '......',  0, 'sse'],
  ['0F 18 /1',        'PREFETCHT0',  ['M'],         '......',  0, 'sse'],
  ['0F 18 /2',        'PREFETCHT1',  ['M'],         '......',  0, 'sse'],
  ['0F 18 /3',        'PREFETCHT2',  ['M'],         '......',  0, 'sse'],
  ['0F 18 /4 mem',    'NOP',         ['Ev'],        '......',  UNDOC, 'p6'],
  ['0F 18 /5 mem',    'NOP',         ['Ev'],        '......',  UNDOC, 'p6'],
  ['0F 18 /6 mem',    'NOP',         ['Ev'],        '......',  UNDOC, 'p6'],
  ['0F 18 /7 mem',    'NOP',         ['Ev'],        '......',  UNDOC, 'p6'],
  ['0F 18 /r reg',    'NOP',         ['Ev'],        '......',  UNDOC, 'p6'],
]);
