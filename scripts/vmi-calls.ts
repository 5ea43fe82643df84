/**
 * Writes docs/vmi-calls.md: the page of all ROM calls, made of the call table and of the `@vmi` line in each handler's comment, so
 * that the page cannot say anything else than the code. `npm run docs:vmi` writes it; a unit test fails when it is stale.
 * Run from the project's root.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { calls } from '../src/rom/calls.js';
import type { RomCall } from '../src/rom/calls.js';
import { Relocation, relocationOf } from '../src/rom/relocation.js';
import { slotOffset } from '../src/rom/slots.js';

const SOURCES = join('src', 'rom');
export const PAGE = join('docs', 'vmi-calls.md');

const relocationNames: Readonly<Record<Relocation, string>> = {
  [Relocation.NONE]: 'NONE',
  [Relocation.CALL_REL]: 'CALL_REL',
  [Relocation.JUMP_REL]: 'JUMP_REL',
  [Relocation.NOP]: 'NOP',
};

const INTRODUCTION = `# ROM calls

Written by \`npm run docs:vmi\` from \`src/rom/calls.ts\` and the handlers' comments; do not edit.

The numbers, names and registers are those of the VMI, API major 3. A guest finds the ROM by probing, asks \`get_reloc\` how to reach each
call, and gets one of four answers:

| answer | stub | the guest |
| --- | --- | --- |
| CALL_REL | \`VMCALL; RET\` | calls the stub |
| JUMP_REL | \`VMCALL\` | jumps to the stub and never comes back |
| NOP | \`RET\` | deletes the call |
| NONE | \`UD2\` | keeps its own native instructions |

\`VMCALL\` (0F 01 C1) hands over to the handler. Arguments are passed in EAX, EDX, ECX and then on the stack, where the caller removes
them; results are in EAX or EDX:EAX. Calls clobber at most EAX, ECX, EDX and the flags; the interrupt-flag calls (29 to 32) touch nothing but
their result. *Inline* marks calls that an engine may replace by the operation itself, as it touches the vCPU's state and at most one word of memory.

A pointer that is not mapped gives the guest its own #PF, raised at the stub's VMCALL. A call that breaks the contract (a page outside
RAM, an alarm that does not exist) ends the machine with a message.
`;

/** Collects the `@vmi Name: text` lines of all handlers, by call name. */
function descriptions(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(SOURCES).sort()) {
    const source = readFileSync(join(SOURCES, file), 'utf8');
    for (const [comment] of source.matchAll(/\/\*\*[^]*?\*\//g)) {
      const text = comment.replace(/^\/\*\*|\*\/$/g, '').replace(/^ *\* ?/gm, ' ');
      const line = /@vmi ([\w, ]+): ([^@]*)/.exec(text);
      if (line === null) continue;
      for (const name of line[1].split(', ')) {
        if (found.has(name)) throw new Error(`${file}: a second @vmi line for ${name}; keep one`);
        found.set(name, line[2].trim().replace(/\s+/g, ' '));
      }
    }
  }
  return found;
}

function row(call: RomCall, text: string): string {
  const entry = `0x${slotOffset(call.number).toString(16)}`;
  const relocation = relocationNames[relocationOf(call.number)];
  const cells = [call.number, call.name, call.input, call.output, relocation, entry, call.inline ? 'yes' : '', text];
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
}

/**
 * Makes the page.
 * @returns Markdown. @throws Error when a handler has no `@vmi` line, or a line no handler.
 */
export function vmiCallsPage(): string {
  const texts = descriptions();
  const rows = calls.map((call) => {
    const text = texts.get(call.name);
    if ((text !== undefined) !== (call.handler !== undefined)) {
      throw new Error(
        `ROM call ${call.name}: a call with a handler needs an @vmi line in ${SOURCES}, one without must not have any`,
      );
    }
    texts.delete(call.name);
    return row(call, text ?? `${call.shape === 'absent' ? 'Not present' : 'Nothing to do'}: ${call.note}.`);
  });
  if (texts.size > 0) throw new Error(`@vmi lines for unknown calls: ${[...texts.keys()].join(', ')}`);
  const head = [
    '| no. | call | in | out | answer | entry | inline | what it does |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  return [INTRODUCTION, ...head, ...rows, ''].join('\n');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(PAGE, vmiCallsPage());
}
