/**
 * Translations as text: guest bytes in, x86-64 disassembly by iced-x86 out, with words of the state block by name and links by what they
 * lead to. Read before: `../../src/translator/frontend.ts`. Read after: `emit.test.ts`.
 */
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import { LinkKind, linksOf, sideOf, type Fragment, type TranslationRequest } from '../../src/translator/fragment.js';
import { translate } from '../../src/translator/frontend.js';
import { Word } from '../../src/vcpu/layout.js';

/** Where test code stands: at the start of a page. */
export const START = 0x10000;

/** A request for `code` at CPL 0, everything usable, no ROM. */
export function request(code: readonly number[], changes: Partial<TranslationRequest> = {}): TranslationRequest {
  const eip = changes.eip ?? START;
  const bytesLeftInPage = changes.bytesLeftInPage ?? 0x1000 - (eip & 0xfff);
  return {
    eip,
    source: { byte: (index) => code[index] ?? 0xf4 },
    bytesLeftInPage,
    nextPage: () => ({ byte: (index) => code[bytesLeftInPage + index] ?? 0xf4 }),
    cpl: 0,
    xmmUsable: true,
    romSlotAt: () => undefined,
    virtualMask: true,
    trapsSensitive: false,
    maxInstructions: 64,
    ...changes,
  };
}

const named: ReadonlyMap<number, string> = new Map(
  Object.entries({
    Attention: Word.Attention,
    CodeBase: Word.CodeBase,
    Cr0: Word.Cr0,
    Cr3: Word.Cr3,
    Eflags: Word.Eflags,
    FpuLive: Word.FpuLive,
    HostStack: Word.HostStack,
    InterruptFlag: Word.InterruptFlag,
    PicIrr: Word.PicIrr,
    PicLevels: Word.PicLevels,
    PicOpen: Word.PicOpen,
    FsAway: Word.FsAway,
    FsBase: Word.Segments + 4 * 4 + 1,
    GsAway: Word.GsAway,
    GsBase: Word.Segments + 5 * 4 + 1,
    DsSelector: Word.Segments + 3 * 4,
  }).map(([name, word]) => [word * 4, name]),
);

const stubNames: Readonly<Partial<Record<LinkKind, string>>> = {
  [LinkKind.Miss]: 'miss',
  [LinkKind.Attention]: 'attention',
  [LinkKind.Interpret]: 'interpret',
  [LinkKind.FpuLoad]: 'fpuLoad',
};

/** One line a host instruction. @param exits with the code out of line */
export function disassemble(fragment: Fragment, exits = true): string[] {
  const decoder = new Decoder(64, fragment.code, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.spaceAfterOperandSeparator = true;
  const lines: string[] = [];
  const firstExit = Math.min(
    fragment.code.length,
    ...linksOf(fragment).map(({ kind, missOffset }) => (kind === LinkKind.Chain ? missOffset : fragment.code.length)),
  );
  while (decoder.canDecode) {
    const start = decoder.position;
    if (!exits && start >= firstExit) break;
    const instruction = decoder.decode();
    if (instruction.isInvalid) throw new Error(`invalid host code at ${start}`);
    const end = decoder.position;
    const link = linksOf(fragment).find(({ hostOffset }) => hostOffset >= start && hostOffset < end);
    const base = formatter.format(instruction);
    instruction.free();
    const stub = link && stubNames[link.kind];
    const chained = link?.kind === LinkKind.Chain ? `-> ${(link.targetEip >>> 0).toString(16)}` : undefined;
    const text = link
      ? `${base.split(' ')[0]} ${chained ?? stub ?? '?'}`
      : base.replace(/\[r15\+(0x[0-9A-F]+|[0-9]+)\]/, (_all, digits: string) => {
          const offset = Number(digits);
          return `[${named.get(offset) ?? `state+${offset}`}]`;
        });
    lines.push(text);
  }
  formatter.free();
  decoder.free();
  return lines;
}

/** The translation of `code`, without its exits to the interpreter behind a HLT that ends it. */
export function translated(code: readonly number[], changes: Partial<TranslationRequest> = {}): string[] {
  const fragment = translate(request([...code, 0xf4], changes));
  if (fragment === undefined) return [];
  const lines = disassemble(fragment);
  const end = lines.indexOf('jmp interpret');
  return end < 0 ? lines : [...lines.slice(0, end - 1), ...lines.slice(end + 1)];
}

/** The side entries: host offset, and guest offset from `START`. */
export function sides(fragment: Fragment): (readonly [host: number, guest: number])[] {
  return sideOf(fragment).map(({ hostOffset, guestEip }) => [hostOffset, guestEip - START]);
}
