/** What a person sees of a vCPU when its machine ended badly, or asks for at the terminal: registers, as text. */
import { SegmentWord, Word } from '../vcpu/layout.js';

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, '0');

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];
const FLAGS: readonly (readonly [number, string])[] = [
  [0, 'CF'],
  [2, 'PF'],
  [4, 'AF'],
  [6, 'ZF'],
  [7, 'SF'],
  [8, 'TF'],
  [10, 'DF'],
  [11, 'OF'],
  [14, 'NT'],
  [16, 'RF'],
  [17, 'VM'],
];

/** The registers of a state block in a few lines. */
export function describeRegisters(words: Int32Array): string {
  const register = (name: string, word: number): string => `${name}=${hex(words[word])}`;
  const eflags = words[Word.Eflags];
  const flags = FLAGS.filter(([bit]) => (eflags >>> bit) & 1).map(([, name]) => name);
  if (words[Word.InterruptFlag]) flags.push('IF');
  const segments = SEGMENTS.map((name, index) => {
    const at = Word.Segments + index * SegmentWord.Count;
    const [selector, base, limit, access] = [0, 1, 2, 3].map((field) => words[at + field]);
    return `${name.padEnd(4)} ${hex(selector, 4)} base=${hex(base)} limit=${hex(limit)} access=${hex(access, 4)}`;
  });
  return [
    `eip=${hex(words[Word.Eip])} cpl=${words[Word.Cpl]} eflags=${hex(eflags)} [${flags.join(' ')}]${words[Word.Halted] ? ' halted' : ''}`,
    `${register('eax', Word.Eax)} ${register('ebx', Word.Ebx)} ${register('ecx', Word.Ecx)} ${register('edx', Word.Edx)}`,
    `${register('esi', Word.Esi)} ${register('edi', Word.Edi)} ${register('ebp', Word.Ebp)} ${register('esp', Word.Esp)}`,
    `${register('cr0', Word.Cr0)} ${register('cr2', Word.Cr2)} ${register('cr3', Word.Cr3)} ${register('cr4', Word.Cr4)}`,
    `gdtr=${hex(words[Word.GdtrBase])}+${hex(words[Word.GdtrLimit], 4)} idtr=${hex(words[Word.IdtrBase])}+${hex(words[Word.IdtrLimit], 4)}`,
    ...segments,
    `pic irr=${hex(words[Word.PicIrr], 4)} attention=${hex(words[Word.Attention], 2)}`,
  ].join('\n');
}
