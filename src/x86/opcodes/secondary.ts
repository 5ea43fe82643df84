/**
 * Two-byte opcodes, 0F and one more (SDM 2, "Two-byte opcode map"), in opcode order: the integer and system
 * instructions. MMX and SSE rows stand in `simd.ts`, opcode extensions in `groups.ts`. Read before: `primary.ts`.
 * Read after: `groups.ts`.
 */
import { BRANCH, CONDITION, KEEP, LOCK, PRIV, PROT, SERIAL, UNDOC, rows } from './row.js';

export const secondary = rows('i386', [
  // 00: Grp6, 01: Grp7, groups.ts
  ['0F 02 /r',    'LAR',      ['Gv', 'Ew'],       '..M...',  PROT],
  ['0F 03 /r',    'LSL',      ['Gv', 'Ew'],       '..M...',  PROT],
  ['0F 06',       'CLTS',     [],                 '......',  PRIV + SERIAL],
  ['0F 08',       'INVD',     [],                 '......',  PRIV + SERIAL, 'i486'],
  ['0F 09',       'WBINVD',   [],                 '......',  PRIV + SERIAL, 'i486'],
  ['0F 0B',       'UD2',      [],                 '......',  BRANCH, 'p6'],

  // 10 to 17: simd.ts; 18: Grp16, groups.ts
  ['0F 19 /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1A /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1B /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1C /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1D /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1E /r',    'NOP',      ['Ev'],             '......',  UNDOC, 'p6'],
  ['0F 1F /r',    'NOP',      ['Ev'],             '......',  0, 'p6'],

  ['0F 20 /r',    'MOV',      ['Rd', 'Cd'],       '------',  PRIV],
  ['0F 21 /r',    'MOV',      ['Rd', 'Dd'],       '------',  PRIV],
  ['0F 22 /r',    'MOV',      ['Cd', 'Rd'],       '------',  PRIV + SERIAL],
  ['0F 23 /r',    'MOV',      ['Dd', 'Rd'],       '------',  PRIV + SERIAL],
  // 28 to 2F: simd.ts

  ['0F 30',       'WRMSR',    [],                 '......',  PRIV + SERIAL, 'p5'],
  ['0F 31',       'RDTSC',    [],                 '......',  0, 'p5'],
  ['0F 32',       'RDMSR',    [],                 '......',  PRIV, 'p5'],
  ['0F 33',       'RDPMC',    [],                 '......',  0, 'p6'],
  ['0F 34',       'SYSENTER', [],                 '......',  BRANCH + SERIAL, 'sep'],
  ['0F 35',       'SYSEXIT',  [],                 '......',  BRANCH + SERIAL + PRIV, 'sep'],

  ['0F 40+cc /r', 'CMOVCC',   ['Gv', 'Ev'],       CONDITION, 0, 'cmov'],
  // 50 to 7F: simd.ts
  ['0F 80+cc cz', 'JCC',      ['Jz'],             CONDITION, BRANCH],
  ['0F 90+cc /r', 'SETCC',    ['Eb'],             CONDITION],

  ['0F A0',       'PUSH',     ['FS']],
  ['0F A1',       'POP',      ['FS'],             '......',  SERIAL],
  ['0F A2',       'CPUID',    [],                 '......',  SERIAL, 'p5'],
  ['0F A3 /r',    'BT',       ['Ev', 'Gv'],       '--.--M'],
  ['0F A4 /r ib', 'SHLD',     ['Ev', 'Gv', 'Ib'], '-MM-MM',  KEEP],
  ['0F A5 /r',    'SHLD',     ['Ev', 'Gv', 'CL'], '-MM-MM',  KEEP],
  ['0F A8',       'PUSH',     ['GS']],
  ['0F A9',       'POP',      ['GS'],             '......',  SERIAL],
  ['0F AA',       'RSM',      [],                 'MMMMMM',  BRANCH + SERIAL, 'p5'],
  ['0F AB /r',    'BTS',      ['Ev', 'Gv'],       '--.--M',  LOCK],
  ['0F AC /r ib', 'SHRD',     ['Ev', 'Gv', 'Ib'], '-MM-MM',  KEEP],
  ['0F AD /r',    'SHRD',     ['Ev', 'Gv', 'CL'], '-MM-MM',  KEEP],
  // AE: Grp15, groups.ts
  ['0F AF /r',    'IMUL',     ['Gv', 'Ev'],       'M----M'],

  ['0F B0 /r',    'CMPXCHG',  ['Eb', 'Gb'],       'MMMMMM',  LOCK, 'i486'],
  ['0F B1 /r',    'CMPXCHG',  ['Ev', 'Gv'],       'MMMMMM',  LOCK, 'i486'],
  ['0F B2 /r',    'LSS',      ['Gv', 'Mp'],       '......',  SERIAL],
  ['0F B3 /r',    'BTR',      ['Ev', 'Gv'],       '--.--M',  LOCK],
  ['0F B4 /r',    'LFS',      ['Gv', 'Mp'],       '......',  SERIAL],
  ['0F B5 /r',    'LGS',      ['Gv', 'Mp'],       '......',  SERIAL],
  ['0F B6 /r',    'MOVZX',    ['Gv', 'Eb']],
  ['0F B7 /r',    'MOVZX',    ['Gv', 'Ew']],
  ['0F B9 /r',    'UD1',      ['Gv', 'Ev'],       '......',  BRANCH, 'p6'],
  // BA: Grp8, groups.ts
  ['0F BB /r',    'BTC',      ['Ev', 'Gv'],       '--.--M',  LOCK],
  ['0F BC /r',    'BSF',      ['Gv', 'Ev'],       '--M---'],
  ['0F BD /r',    'BSR',      ['Gv', 'Ev'],       '--M---'],
  ['0F BE /r',    'MOVSX',    ['Gv', 'Eb']],
  ['0F BF /r',    'MOVSX',    ['Gv', 'Ew']],

  ['0F C0 /r',    'XADD',     ['Eb', 'Gb'],       'MMMMMM',  LOCK, 'i486'],
  ['0F C1 /r',    'XADD',     ['Ev', 'Gv'],       'MMMMMM',  LOCK, 'i486'],
  // C2 to C6: simd.ts; C7: Grp9, groups.ts
  ['0F C8+r',     'BSWAP',    ['Zv'],             '......',  0, 'i486'],

  // D0 to FE: simd.ts
  ['0F FF /r',    'UD0',      ['Gv', 'Ev'],       '......',  BRANCH, 'p6'],
]);
