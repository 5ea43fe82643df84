/**
 * Writes `native/layout.h` from `src/vcpu/layout.ts`, so that the state block is laid out in one place only: run by
 * `npm run build:layout` after a change there. The header is committed because the addon is compiled at install time, before any
 * TypeScript is; `test/unit/native/layout.test.ts` fails when it is stale.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as phys from '../src/memory/phys.js';
import { calls } from '../src/rom/calls.js';
import { SLOT_SHIFT, SLOTS_OFFSET } from '../src/rom/slots.js';
import * as stubs from '../src/translator/stubs.js';
import * as layout from '../src/vcpu/layout.js';

/** ROM calls that native code knows (native/shortcut.cc, native/romCall.cc). */
const nativeCalls = ['IRET', 'SYSEXIT', 'UpdateKernelStack', 'SetPxE', 'UpdatePxE', 'InvalPage', 'GetCycleCounter'];

/** Bytes of one word of the state block. */
const WORD_BYTES = 4;

/** What a const enum is at run time (preserveConstEnums): names to values and values to names. */
type EnumObject = Readonly<Record<string, number | string>>;

function members(name: string, file: object = layout): [string, number][] {
  const object = (file as Readonly<Record<string, EnumObject>>)[name];
  if (object === undefined) throw new Error(`there is no enum ${name} any more: correct scripts/layout.ts`);
  const entries = Object.entries(object).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return entries.sort(([, first], [, second]) => first - second);
}

function section(comment: string, namespace: string, type: string, entries: readonly [string, number][]): string[] {
  return [
    `/* ${comment} */`,
    `namespace ${namespace} {`,
    ...entries.map(([name, value]) => `constexpr ${type} ${name} = ${value};`),
    `}  // namespace ${namespace}`,
    '',
  ];
}

/** Returns the whole text of the header. */
export function layoutHeader(): string {
  const words = members('Word').filter(([name]) => name !== 'Count');
  return [
    '/*',
    ' * What C++ has to know of TypeScript: the vCPU state block above all. Generated from src/vcpu/layout.ts, which also says what',
    ' * each word means, and the files named below: change those, then run `npm run build:layout`.',
    ' */',
    '#ifndef ROMULUS_LAYOUT_H',
    '#define ROMULUS_LAYOUT_H',
    '',
    '#ifdef __ASSEMBLER__',
    '',
    '/* Byte offsets into the state block, for switch.S. */',
    ...words.map(([name, index]) => `#define WORD_${name} ${index * WORD_BYTES}`),
    ...members('XlateExit').map(([name, value]) => `#define XLATE_EXIT_${name} ${value}`),
    '',
    '#else',
    '',
    '#include <cstddef>',
    '#include <cstdint>',
    '',
    'namespace romulus {',
    '',
    '/* Size of one state block in bytes. */',
    `constexpr std::size_t kStateBytes = ${layout.STATE_BYTES};`,
    `constexpr std::uint32_t kFlushedPages = ${layout.FLUSHED_PAGES};`,
    `constexpr std::uint64_t kAway = 0x${layout.AWAY_HIGH.toString(16)}ull << 32;`,
    '',
    ...section(
      'Byte offsets into the state block.',
      'word',
      'std::size_t',
      words.map(([name, index]) => [name, index * WORD_BYTES]),
    ),
    ...section(
      "Byte offsets into one segment register's cache.",
      'segment_word',
      'std::size_t',
      members('SegmentWord').map(([name, index]) => [name, index * WORD_BYTES]),
    ),
    ...section(
      'Words of `word::KnownSegments`, by their distance from the first of a segment.',
      'known_word',
      'std::size_t',
      members('KnownWord').map(([name, index]) => [name, index * WORD_BYTES]),
    ),
    ...section('Bits of word::Attention.', 'attention', 'std::int32_t', members('Attention')),
    ...section('Values of word::ExitReason.', 'exit_reason', 'std::int32_t', members('ExitReason')),
    ...section('Values of word::XlateExit.', 'xlate_exit', 'std::int32_t', members('XlateExit')),
    ...section('Values of word::Strategy.', 'strategy', 'std::int32_t', members('Strategy')),
    ...section('Values of word::MaskSignals.', 'mask_signals', 'std::int32_t', members('MaskSignals')),
    ...section(
      'Bits of a page in Translator::direct (src/memory/phys.ts).',
      'direct',
      'std::uint8_t',
      members('Direct', phys),
    ),
    ...section('Offsets into the code buffer (src/translator/stubs.ts).', 'stub', 'std::uint64_t', [
      ...members('Stub', stubs),
      ['End', stubs.STUBS_BYTES],
    ]),
    ...section('The ROM (src/rom/slots.ts, calls.ts).', 'rom', 'std::uint32_t', [
      ['SlotsOffset', SLOTS_OFFSET],
      ['SlotBytes', 1 << SLOT_SHIFT],
      ...nativeCalls.map((wanted): [string, number] => [
        `${wanted}Call`,
        calls.findIndex(({ name }) => name === wanted),
      ]),
    ]),
    '}  // namespace romulus',
    '',
    '#endif /* __ASSEMBLER__ */',
    '',
    '#endif',
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../../native/layout.h', import.meta.url), layoutHeader());
}
