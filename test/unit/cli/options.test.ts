/** From the words of the command line to the options of a run. */
import assert from 'node:assert/strict';
import { Command } from 'commander';
import { addRunOptions, parseTimeout, type RunOptions, toRunOptions } from '../../../src/cli/options.js';
import { ConfigError } from '../../../src/errors.js';

function parse(...words: string[]): RunOptions {
  const command = new Command('run').exitOverride().configureOutput({ outputError: () => undefined });
  addRunOptions(command);
  command.parse(words, { from: 'user' });
  return toRunOptions(command);
}

describe('cli/options', () => {
  it('leaves everything to the defaults that is not given', () => {
    assert.deepEqual(parse(), {});
  });

  it('parses every option', () => {
    const line =
      '--kernel k --initrd i --append a=b -m 64M --signal USR1=irq5 --signal USR2=6 --no-rom --no-native --stats --debugcon log --timeout 1.5 -v';
    assert.deepEqual(parse(...line.split(' ')), {
      kernel: 'k',
      initrd: 'i',
      append: 'a=b',
      memoryBytes: 64 * 2 ** 20,
      signals: [
        { signal: 'SIGUSR1', irq: 5 },
        { signal: 'SIGUSR2', irq: 6 },
      ],
      rom: false,
      native: false,
      stats: true,
      debugcon: 'log',
      timeoutMs: 1500,
      verbose: true,
    });
  });

  it('takes a command line that begins with a dash or is empty', () => {
    assert.equal(parse('--append', '-v').append, '-v');
    assert.equal(parse('--append', '').append, '');
  });

  it('passes the errors of the table on', () => {
    assert.throws(() => parse('-m', '4M'), { code: 'BAD_MEMORY_SIZE' });
    assert.throws(() => parse('--signal', 'KILL=irq5'), { code: 'SIGNAL_REFUSED' });
    assert.throws(() => parse('--signal', 'USR1=irq5', '--signal', 'USR1=irq6'), { code: 'BAD_SIGNAL_ROUTE' });
    assert.throws(() => parse('--kernel', ''), { code: 'BAD_OPTION' });
    assert.throws(() => parse('--nosuch'), { code: 'commander.unknownOption' });
  });

  it('parses timeouts', () => {
    assert.deepEqual(['1', '0.25', '2147483'].map(parseTimeout), [1000, 250, 2147483000]);
    for (const text of ['0', '-1', 'x', '', '1e3', 'Infinity', '2147484'])
      assert.throws(
        () => parseTimeout(text),
        (error) => error instanceof ConfigError && error.code === 'BAD_TIMEOUT',
      );
  });
});
