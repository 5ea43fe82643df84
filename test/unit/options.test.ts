/** The options table: what the API takes and refuses, and the texts of the command line. */
import assert from 'node:assert/strict';
import { checkMachineOptions, machineOptions, parseMemorySize, parseSignalRoute } from '../../src/options.js';

const MIB = 2 ** 20;

describe('options', () => {
  it('parses memory sizes', () => {
    const sizes = ['8M', '128m', '512', '1G', '3G', '131072K', '8192k'].map(parseMemorySize);
    assert.deepEqual(sizes, [8 * MIB, 128 * MIB, 512 * MIB, 1024 * MIB, 3072 * MIB, 128 * MIB, 8 * MIB]);
  });

  for (const text of [
    '',
    'M',
    '7M',
    '4G',
    '3073M',
    '1.5G',
    '-8M',
    '8MB',
    '0x800000',
    '8193K',
    ' 8M',
    '99999999999999G',
  ])
    it(`refuses the memory size '${text}'`, () => {
      assert.throws(() => parseMemorySize(text), {
        name: 'ConfigError',
        code: 'BAD_MEMORY_SIZE',
        message: /^memory size '.*' is not possible; give a whole number .* from 8M to 3G/,
      });
    });

  it('parses signal routes', () => {
    assert.deepEqual(parseSignalRoute('USR1=irq5'), { signal: 'SIGUSR1', irq: 5 });
    assert.deepEqual(parseSignalRoute('sigusr2=IRQ10'), { signal: 'SIGUSR2', irq: 10 });
    assert.deepEqual(parseSignalRoute('INT=15'), { signal: 'SIGINT', irq: 15 });
    assert.deepEqual(parseSignalRoute('RTMIN+2=irq5'), { signal: 'SIGRTMIN+2', irq: 5 });
    assert.deepEqual(parseSignalRoute('RTMAX=irq5'), { signal: 'SIGRTMIN+30', irq: 5 });
  });

  const routes: [string, string][] = [
    ['USR1', 'BAD_SIGNAL_ROUTE'],
    ['USR1=', 'BAD_SIGNAL_ROUTE'],
    ['USR1=five', 'BAD_SIGNAL_ROUTE'],
    ['=irq5', 'BAD_SIGNAL_ROUTE'],
    ['NOSUCH=irq5', 'SIGNAL_UNKNOWN'],
    ['toString=irq5', 'SIGNAL_UNKNOWN'],
    ['KILL=irq5', 'SIGNAL_REFUSED'],
    ['STOP=irq5', 'SIGNAL_REFUSED'],
    ['SEGV=irq5', 'SIGNAL_REFUSED'],
    ['USR1=irq16', 'BAD_IRQ'],
    ['USR1=irq2', 'BAD_IRQ'],
  ];
  for (const [text, code] of routes)
    it(`refuses the signal route '${text}'`, () => {
      assert.throws(() => parseSignalRoute(text), { name: 'ConfigError', code, message: /[;,] / });
    });

  it('refuses to show fragments that the interpreter does not make', () => {
    for (const asked of [{ perfMap: true }, { dumpFragments: 'f' }])
      assert.throws(() => checkMachineOptions({ kernel: 'k', engine: 'interpreter', ...asked }), {
        code: 'NO_FRAGMENTS',
      });
    checkMachineOptions({ kernel: 'k', engine: 'interpreter', perfMap: false });
    assert.throws(() => checkMachineOptions({ kernel: 'k', dumpFragments: '' }), { code: 'BAD_OPTION' });
  });

  it('takes good machine options', () => {
    checkMachineOptions({ kernel: 'vmlinuz' });
    checkMachineOptions({
      kernel: { name: 'k', bytes: new Uint8Array(1) },
      initrd: undefined,
      append: '',
      memoryBytes: 8 * MIB,
      signals: [{ signal: 'SIGUSR1', irq: 5 }],
      rom: false,
      native: false,
      perfMap: true,
      dumpFragments: 'fragments.txt',
      signal: new AbortController().signal,
    });
    assert.deepEqual(
      machineOptions.map(({ key }) => key),
      [
        ...[
          'kernel',
          'bios',
          'initrd',
          'append',
          'memoryBytes',
          'signals',
          'drives',
          'devices',
          'serial',
          'rom',
          'native',
        ],
        ...[
          'engine',
          'pageFaults',
          'translations',
          'perfMap',
          'dumpFragments',
          'interrupts',
          'maskSignals',
          'profileHz',
          'trace',
          'signal',
        ],
      ],
    );
  });

  const bad: [string, Record<string, unknown>, string, RegExp][] = [
    ['an unknown key', { memory: 1 }, 'UNKNOWN_OPTION', /'memory'; a machine takes kernel, /],
    ['no kernel', {}, 'NO_KERNEL', /give a path or/],
    ['a kernel and a BIOS', { kernel: 'k', bios: 'b' }, 'BIOS_AND_KERNEL', /'bios' and 'kernel' exclude each other/],
    ['a BIOS with a command line', { bios: 'b', append: 'x' }, 'BIOS_AND_KERNEL', /'bios' and 'append'/],
    ['no module in a list', { kernel: 'k', initrd: [] }, 'BAD_OPTION', /'initrd' must be/],
    ['a trace of nothing', { kernel: 'k', trace: { items: [] } }, 'BAD_TRACE', /give some of in_asm/],
    ['a trace of something else', { kernel: 'k', trace: { items: ['mmu'] } }, 'BAD_TRACE', /cannot trace 'mmu'/],
    ['a trace as text', { kernel: 'k', trace: 'int' }, 'BAD_OPTION', /'trace' must be/],
    ['an empty path', { kernel: '' }, 'BAD_OPTION', /'kernel' must be a path .* an empty string/],
    ['a kernel of the wrong kind', { kernel: 7 }, 'BAD_OPTION', /type number/],
    ['a kernel without bytes', { kernel: { name: 'k' } }, 'BAD_OPTION', /'kernel' must be/],
    ['an initrd that is null', { kernel: 'k', initrd: null }, 'BAD_OPTION', /'initrd' must be .* null/],
    ['append as a number', { kernel: 'k', append: 1 }, 'BAD_OPTION', /'append' must be a string/],
    ['rom as a string', { kernel: 'k', rom: 'yes' }, 'BAD_OPTION', /'rom' must be a boolean/],
    ['memory as text', { kernel: 'k', memoryBytes: '128M' }, 'BAD_MEMORY_SIZE', /8 MiB to 3 GiB in bytes/],
    ['memory not in pages', { kernel: 'k', memoryBytes: 8 * MIB + 1 }, 'BAD_MEMORY_SIZE', /multiple of 4096/],
    ['memory as NaN', { kernel: 'k', memoryBytes: NaN }, 'BAD_MEMORY_SIZE', /NaN/],
    ['signals that are no array', { kernel: 'k', signals: 'SIGUSR1' }, 'BAD_OPTION', /an array of/],
    ['a signal route of null', { kernel: 'k', signals: [null] }, 'BAD_OPTION', /signal of a route/],
    [
      'an interrupt strategy that is none',
      { kernel: 'k', interrupts: 'mask' },
      'BAD_STRATEGY',
      /mask does not exist; give virtual-mask, host-mask or trap/,
    ],
    [
      'a kind of signal that is none',
      { kernel: 'k', maskSignals: 'slow' },
      'BAD_SIGNAL_KIND',
      /give realtime or standard/,
    ],
    ['a way of page faults that is none', { kernel: 'k', pageFaults: 'x' }, 'BAD_PAGE_FAULTS', /give reflect or exit/],
    ['a profile of no samples', { kernel: 'k', profileHz: 0 }, 'BAD_PROFILE_RATE', /give 1 to 20000/],
    ['a fractional irq', { kernel: 'k', signals: [{ signal: 'SIGUSR1', irq: 1.5 }] }, 'BAD_IRQ', /irq 1.5/],
    [
      'a signal routed twice',
      { kernel: 'k', signals: [1, 3].map((irq) => ({ signal: 'SIGUSR1', irq })) },
      'BAD_SIGNAL_ROUTE',
      /routed twice/,
    ],
    ['an abort signal that is none', { kernel: 'k', signal: {} }, 'BAD_OPTION', /an AbortSignal/],
  ];
  for (const [what, options, code, message] of bad)
    it(`refuses ${what}`, () => {
      assert.throws(() => checkMachineOptions(options), { name: 'ConfigError', code, message });
    });
});
