/**
 * Goldens: what code is made of which instructions. Each file of `goldens/` is one idea; a case is the guest's bytes and the host's
 * instructions. To accept changes after having read them: ROMULUS_ACCEPT=1 npx mocha, and look at the difference in the version control.
 * Read before: `golden.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { RomSlot } from '../../src/translator/emit/rom.js';
import type { TranslationRequest } from '../../src/translator/fragment.js';
import { START, translated } from './golden.js';

const folder = new URL('../../../test/emit/goldens/', import.meta.url);

/** The words that may stand behind a case's bytes. */
const settings: Readonly<Record<string, Partial<TranslationRequest>>> = {
  user: { cpl: 3 },
  trapped: { virtualMask: false },
  sensitive: { virtualMask: false, trapsSensitive: true },
  noSse: { xmmUsable: false },
  pageEnd: { eip: START + 0xffe },
  nextAbsent: { eip: START + 0xffe, nextPage: () => undefined },
  top: { eip: -2, bytesLeftInPage: 2 },
  ...Object.fromEntries(
    (
      [
        'EnableInterrupts',
        'DisableInterrupts',
        'GetInterruptMask',
        'SetInterruptMask',
        'GetCR3',
        'IODelay',
        'SetPxE',
        'UpdatePxE',
      ] as const
    ).map((name) => [name, { romSlotAt: (linear: number) => (linear === START + 0x100 ? slots[name] : undefined) }]),
  ),
};

const slots = {
  EnableInterrupts: RomSlot.EnableInterrupts,
  DisableInterrupts: RomSlot.DisableInterrupts,
  GetInterruptMask: RomSlot.GetInterruptMask,
  SetInterruptMask: RomSlot.SetInterruptMask,
  GetCR3: RomSlot.GetCR3,
  IODelay: RomSlot.IODelay,
  SetPxE: RomSlot.SetPxE,
  UpdatePxE: RomSlot.UpdatePxE,
} as const;

/** `; text` comment, `bytes | text | settings` a case, indented lines its translation. */
interface Case {
  readonly header: string;
  readonly expected: readonly string[];
}

function parse(text: string): { comments: string[]; cases: Case[] } {
  const lines = text.split('\n').filter((line) => line !== '');
  const comments = lines.filter((line) => line.startsWith(';'));
  const cases: { header: string; expected: string[] }[] = [];
  for (const line of lines) {
    if (line.startsWith(';')) continue;
    if (!line.startsWith(' ')) cases.push({ header: line, expected: [] });
    else cases.at(-1)?.expected.push(line.trim());
  }
  return { comments, cases };
}

function run(header: string): string[] {
  const [bytes, , words = ''] = header.split(' | ').map((part) => part.trim());
  const changes = words.split(' ').filter((word) => word !== '');
  const unknown = changes.find((word) => !(word in settings));
  assert.equal(unknown, undefined, `${header}: no setting "${unknown}"`);
  const code = [...Buffer.from(bytes.replaceAll(' ', ''), 'hex')];
  return translated(code, Object.assign({}, ...changes.map((word) => settings[word])) as Partial<TranslationRequest>);
}

describe('translations', () => {
  const files = readdirSync(folder);

  it('have goldens', () => {
    assert.ok(files.length >= 7);
  });

  for (const file of files) {
    const url = new URL(file, folder);
    const { comments, cases } = parse(readFileSync(url, 'utf8'));
    if (process.env.ROMULUS_ACCEPT === '1') {
      const texts = cases.map(({ header }) => [header, ...run(header).map((line) => `  ${line}`), ''].join('\n'));
      writeFileSync(url, [...comments, '', ...texts].join('\n'));
    }
    describe(file.replace('.txt', ''), () => {
      for (const { header, expected } of parse(readFileSync(url, 'utf8')).cases) {
        it(header, () => assert.deepEqual(run(header), expected));
      }
    });
  }
});
