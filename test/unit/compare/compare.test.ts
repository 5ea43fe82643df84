/** `romulus compare`: what can be asked for, what a short real run finds, and what is made of a result. */
import assert from 'node:assert/strict';
import { Command } from 'commander';
import { addCompareOptions, type CompareOptions } from '../../../src/cli/compareOptions.js';
import { charts } from '../../../src/compare/charts.js';
import { comparisonReport } from '../../../src/compare/html.js';
import { series, type Comparison } from '../../../src/compare/result.js';
import { compare } from '../../../src/compare/runner.js';
import { formatComparison, formatNs } from '../../../src/compare/text.js';
import { defaultVariants, parseVariants } from '../../../src/compare/variants.js';
import { parseWorkloads, workloads } from '../../../src/compare/workloads.js';
import { loadNative } from '../../../src/native.js';
import { guestFile } from '../../helpers/board.js';

describe('compare, what is asked for', () => {
  it('takes strategies with the kind of signal behind them', () => {
    assert.deepEqual(parseVariants('host-mask:standard, virtual-mask'), [
      { name: 'host-mask:standard', strategy: 'host-mask', maskSignals: 'standard' },
      { name: 'virtual-mask', strategy: 'virtual-mask', maskSignals: 'realtime' },
    ]);
    assert.equal(parseVariants(defaultVariants.join()).length, 4);
  });

  it('refuses nonsense with a sentence that helps', () => {
    assert.throws(() => parseVariants('virtual-mask,magic'), {
      code: 'BAD_STRATEGY',
      message: /'magic' does not exist; give virtual-mask, host-mask, trap-and-emulate/,
    });
    assert.throws(() => parseVariants('host-mask,host-mask'), { code: 'BAD_STRATEGY', message: /twice/ });
    assert.throws(() => parseVariants(''), { code: 'BAD_STRATEGY' });
    assert.throws(() => parseWorkloads('boot,dance', true), { code: 'BAD_WORKLOAD', message: /'dance'.*toggle, cli/ });
  });

  it('knows which workloads need the ROM', () => {
    assert.equal(parseWorkloads(undefined, true).length, workloads.length);
    assert.ok(!parseWorkloads(undefined, false).some(({ name }) => name === 'toggle'));
    assert.throws(() => parseWorkloads('toggle', false), {
      code: 'NEEDS_ROM',
      message: /calls of the VMI ROM.*use 'cli'/,
    });
  });

  it('parses the command line', () => {
    const parse = (...words: string[]): CompareOptions => {
      const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
      addCompareOptions(command);
      return command.parse(words, { from: 'user' }).opts();
    };
    const { strategies, rates, rounds, window, rom, engine } = parse();
    assert.deepEqual([strategies.length, rates.length, rounds, window, rom, engine], [4, 5, 3, 400, true, 'auto']);
    assert.deepEqual(parse('--rates', '10, 2000').rates, [10, 2000]);
    assert.throws(() => parse('--rates', '10,fast'), { code: 'BAD_NUMBER', message: /rate 'fast'.*1 to 1000000/ });
    assert.throws(() => parse('--rates', '2000000'), { code: 'BAD_NUMBER' });
    assert.throws(() => parse('--rounds', '0'), { code: 'BAD_NUMBER', message: /number of rounds '0'/ });
    assert.throws(() => parse('--window', '10'), { code: 'BAD_NUMBER', message: /from 50/ });
    assert.throws(() => parse('--strategies', 'x'), { code: 'BAD_STRATEGY' });
  });
});

describe('compare, a short run', function () {
  this.timeout(60_000);
  let comparison: Comparison;

  before(async () => {
    assert.ok(loadNative(), 'the addon is built');
    const steps: number[] = [];
    comparison = await compare({
      variants: parseVariants(defaultVariants.join()),
      workloads: parseWorkloads('toggle,cli,latency,storm,tick,pingpong', true),
      rounds: 1,
      windowMs: 60,
      rates: [2000],
      machine: {
        kernel: { name: 'remus.elf', bytes: guestFile('remus.elf') },
        initrd: { name: 'initrd.tar', bytes: guestFile('initrd.tar') },
        memoryBytes: 16 << 20,
        append: 'quiet',
      },
      onProgress: (done) => steps.push(done),
    });
    assert.ok(steps.length > 24 && steps.at(-1) === 1, `${steps.length} steps of progress`);
    assert.deepEqual(
      steps,
      [...steps].sort((a, b) => a - b),
    );
  });

  it('measures each strategy', () => {
    assert.deepEqual(
      comparison.variants.map(({ name }) => name),
      defaultVariants,
    );
    for (const { name, toggle, cli, tick, switchNs, bootMs } of comparison.variants) {
      assert.ok(toggle!.pairNs.median > 0 && cli!.pairNs.median > 0 && switchNs!.median > 0, name);
      assert.ok(cli!.flagOperations >= 4000 && tick!.workHz.median > 0, name);
      assert.equal(bootMs, undefined, 'boot was not asked for');
    }
  });

  it('counts what a flag operation costs the host', () => {
    const [virtual, host, standard, trap] = comparison.variants.map(({ cli }) => cli!);
    // The timer and a sleep or two are all that is left.
    assert.ok(virtual.hostCallsPer1000 < 20, `virtual-mask: ${virtual.hostCallsPer1000}`);
    assert.ok(trap.hostCallsPer1000 < 20, `trap-and-emulate: ${trap.hostCallsPer1000}`);
    assert.ok(host.hostCallsPer1000 >= 1000 && host.hostCallsPer1000 < 1200, `host-mask: ${host.hostCallsPer1000}`);
    assert.ok(standard.hostCallsPer1000 >= 1000);
    assert.equal(virtual.traps, 0);
    assert.ok(trap.traps >= trap.flagOperations);
  });

  it('loses no event and measures latency', () => {
    for (const { name, latency, storms } of comparison.variants) {
      for (const { events } of [latency!, ...storms]) {
        assert.equal(events.lost, 0, name);
        assert.equal(events.raised, events.delivered + events.merged, name);
        assert.ok(events.delivered > 0, name);
      }
      const { minNs, p50Ns, p99Ns, maxNs, count } = latency!.latency;
      assert.ok(count > 0 && minNs > 0 && minNs <= p50Ns && p50Ns <= p99Ns && p99Ns <= maxNs, name);
      assert.ok(storms[0].handledHz.median > 0 && storms[0].workHz.median > 0, name);
    }
  });

  it('prints tables with a column per strategy', () => {
    const text = formatComparison(comparison);
    const lines = text.split('\n');
    assert.match(text, /^Disable and enable interrupts$/m);
    assert.match(text, /^ {2}lost +0 +0 +0 +0$/m);
    assert.match(text, /^Storm of 2,000 events a second$/m);
    const header = lines.find((line) => line.trim().startsWith('virtual-mask'))!;
    const row = lines.find((line) => line.startsWith('  CLI, STI, one pair'))!;
    assert.equal(row.length, header.length, 'columns are aligned');
    assert.doesNotMatch(text, /undefined|NaN|boot to/);
  });

  it('draws what was measured, for light and dark pages, in one file', () => {
    const titles = charts(comparison).map(({ title }) => title);
    assert.equal(titles.length, 8, titles.join());
    const html = comparisonReport(comparison);
    assert.equal(html.match(/<svg viewBox/g)!.length, 16);
    assert.match(html, /prefers-color-scheme:dark/);
    assert.doesNotMatch(html, /(src|href)="|url\(http|undefined|NaN/);
    const copy = JSON.parse(JSON.stringify(comparison)) as Comparison;
    assert.equal(formatComparison(copy), formatComparison(comparison), 'nothing is lost in JSON');
  });

  it('says which rates the host did not reach, and stops when told', async () => {
    const settings = {
      variants: parseVariants('virtual-mask'),
      workloads: parseWorkloads('storm', true),
      rounds: 1,
      windowMs: 50,
      rates: [1_000_000],
      machine: {
        kernel: { name: 'remus.elf', bytes: guestFile('remus.elf') },
        initrd: { name: 'initrd.tar', bytes: guestFile('initrd.tar') },
        memoryBytes: 16 << 20,
        append: 'quiet',
      },
    };
    const { notes, variants } = await compare(settings);
    const reached = variants[0].storms[0].reachedHz.median;
    if (reached < 950_000) assert.match(notes.join(), /1,000,000 events a second were asked for, the host reached \d/);
    else assert.deepEqual(notes, []);
    await assert.rejects(compare({ ...settings, signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  });
});

describe('compare, numbers', () => {
  it('makes a series of rounds', () => {
    assert.equal(series([]), undefined);
    assert.deepEqual(series([3, 1, 2]), { values: [3, 1, 2], median: 2, min: 1, max: 3 });
    assert.equal(series([1, 2, 3, 10])!.median, 2.5);
  });

  it('gives times the unit that suits them', () => {
    assert.deepEqual([0, 2.25, 312, 1500, 123_456, 4_500_000, 1.5e9].map(formatNs), [
      ...['0', '2.3 ns', '312 ns', '1.5 µs', '123 µs', '4.5 ms', '1.50 s'],
    ]);
  });
});
