/**
 * The plots of a report, as SVG made by ECharts without a browser. Each is drawn for a light and for a dark page; variants keep their
 * colour, line and symbol in all of them, so that they can be told apart in print and without colour vision.
 *
 * Read before: `result.ts`. Read after: `html.ts`.
 */
import * as echarts from 'echarts';
import type { LatencySummary } from '../irq/latency.js';
import type { Comparison, VariantResult } from './result.js';
import { formatNs, group } from './text.js';

export interface Chart {
  readonly title: string;
  /** What is plotted and how to read it. */
  readonly caption: string;
  readonly light: string;
  readonly dark: string;
}

interface Theme {
  readonly text: string;
  readonly soft: string;
  readonly grid: string;
  /** By variant. */
  readonly colours: readonly string[];
}

/** Okabe and Ito's palette, which people of any colour vision can tell apart; brightened for the dark page. */
const LIGHT: Theme = {
  text: '#1b1f24',
  soft: '#59636e',
  grid: '#d8dee4',
  colours: ['#0072b2', '#d55e00', '#b8860b', '#007a5a', '#8a5a9e', '#56606b'],
};
const DARK: Theme = {
  text: '#e6edf3',
  soft: '#9198a1',
  grid: '#30363d',
  colours: ['#5ab4f0', '#ff8f4a', '#e8c24a', '#3fc79a', '#cf9be0', '#a8b3bf'],
};
const LINES = ['solid', 'dashed', 'dotted', [8, 3, 2, 3], 'solid', 'dashed'] as const;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'pin'] as const;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const WIDTH = 620;

type Option = echarts.EChartsCoreOption;

function draw(make: (theme: Theme) => Option, height: number): { light: string; dark: string } {
  const render = (theme: Theme): string => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
    chart.setOption({
      animation: false,
      backgroundColor: 'transparent',
      color: [...theme.colours],
      textStyle: { fontFamily: FONT, color: theme.text },
      ...make(theme),
    });
    const svg = chart.renderToSVGString();
    chart.dispose();
    // As wide as the page allows.
    return svg.replace(
      /^<svg width="(\d+)" height="(\d+)"/,
      (_all, width: string, tall: string) => `<svg viewBox="0 0 ${width} ${tall}" role="img"`,
    );
  };
  return { light: render(LIGHT), dark: render(DARK) };
}

const axis = (theme: Theme, name: string, extra: object = {}): object => ({
  name,
  nameLocation: 'middle',
  nameTextStyle: { color: theme.soft, fontSize: 13 },
  axisLabel: { color: theme.soft, fontSize: 12 },
  axisLine: { lineStyle: { color: theme.soft } },
  splitLine: { lineStyle: { color: theme.grid } },
  minorSplitLine: { show: false },
  ...extra,
});

const legend = (theme: Theme, names: readonly string[]): object => ({
  data: [...names],
  top: 0,
  left: 0,
  itemWidth: 28,
  itemGap: 26,
  textStyle: { color: theme.text, fontSize: 13 },
});

/** Horizontal bars: one group per row, one bar per variant, the value written at its end. */
function bars(
  variants: readonly VariantResult[],
  rows: readonly { readonly label: string; readonly of: (variant: VariantResult) => number | undefined }[],
  axisName: string,
  format: (value: number) => string,
): { light: string; dark: string } {
  const used = rows.filter(({ of }) => variants.some((variant) => of(variant) !== undefined));
  const height = 110 + used.length * (variants.length * 24 + 26);
  return draw(
    (theme) => ({
      legend: legend(
        theme,
        variants.map(({ name }) => name),
      ),
      grid: { left: 96, right: 84, top: 40, bottom: 52 },
      xAxis: axis(theme, axisName, { type: 'value', nameGap: 32, axisLabel: { color: theme.soft, formatter: format } }),
      yAxis: {
        type: 'category',
        inverse: true,
        data: used.map(({ label }) => label),
        axisLabel: { color: theme.text, fontSize: 13, width: 88, overflow: 'break' },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: theme.soft } },
      },
      series: variants.map((variant) => ({
        type: 'bar',
        name: variant.name,
        barMaxWidth: 20,
        barCategoryGap: '25%',
        data: used.map(({ of }) => of(variant) ?? null),
        label: {
          show: true,
          position: 'right',
          color: theme.text,
          fontSize: 12,
          formatter: ({ value }: { value: unknown }) => (typeof value === 'number' ? format(value) : ''),
        },
      })),
    }),
    height,
  );
}

/** Curves over the rate of a storm. */
function overRate(
  { variants, settings }: Comparison,
  axisName: string,
  of: (variant: VariantResult, index: number) => number | undefined,
  format: (value: number) => string,
  extra: object = {},
): { light: string; dark: string } {
  return draw(
    (theme) => ({
      legend: legend(
        theme,
        variants.map(({ name }) => name),
      ),
      grid: { left: 84, right: 30, top: 44, bottom: 54 },
      xAxis: axis(theme, 'events sent a second', {
        type: 'category',
        boundaryGap: false,
        nameGap: 32,
        data: settings.rates.map(group),
      }),
      yAxis: axis(theme, axisName, {
        type: 'value',
        nameGap: 62,
        axisLabel: { color: theme.soft, fontSize: 12, formatter: format },
        ...extra,
      }),
      series: variants.map((variant, column) => ({
        type: 'line',
        name: variant.name,
        symbol: SYMBOLS[column % SYMBOLS.length],
        symbolSize: 9,
        lineStyle: { width: 2.5, type: LINES[column % LINES.length] },
        data: settings.rates.map((_rate, index) => of(variant, index) ?? null),
      })),
    }),
    340,
  );
}

/** Parts of an octave that the distribution is drawn in. */
const BINS_PER_DOUBLING = 4;

/** Share of events by latency, over a logarithmic axis. */
function distribution(
  variants: readonly VariantResult[],
  of: (variant: VariantResult) => LatencySummary | undefined,
): { light: string; dark: string } | undefined {
  const known = variants.flatMap((variant, column) => {
    const latency = of(variant);
    return latency ? [{ name: variant.name, column, latency }] : [];
  });
  if (known.length === 0) return undefined;
  const binOf = (ns: number): number => Math.floor(Math.log2(Math.max(ns, 1)) * BINS_PER_DOUBLING);
  const first = Math.min(...known.map(({ latency }) => binOf(latency.minNs))) - 1;
  const last = Math.max(...known.map(({ latency }) => binOf(latency.p999Ns))) + 2;
  const curves = known.map(({ name, column, latency }) => {
    const shares = new Array<number>(last - first + 1).fill(0);
    for (const bucket of latency.buckets) {
      const bin = binOf((bucket.fromNs + bucket.toNs) / 2);
      if (bin >= first && bin <= last) shares[bin - first] += (100 * bucket.count) / latency.count;
    }
    const points = shares.map((share, index) => [2 ** ((first + index + 0.5) / BINS_PER_DOUBLING) / 1000, share]);
    return { name, column, points, p50: latency.p50Ns };
  });
  return draw(
    (theme) => ({
      legend: legend(
        theme,
        curves.map(({ name }) => name),
      ),
      grid: { left: 64, right: 30, top: 44, bottom: 54 },
      xAxis: axis(theme, 'latency, µs (logarithmic)', {
        type: 'log',
        nameGap: 32,
        min: 2 ** (first / BINS_PER_DOUBLING) / 1000,
        max: 2 ** ((last + 1) / BINS_PER_DOUBLING) / 1000,
        axisLabel: {
          color: theme.soft,
          fontSize: 12,
          showMinLabel: false,
          showMaxLabel: false,
          formatter: (value: number) => group(value),
        },
      }),
      yAxis: axis(theme, 'share of events, %', { type: 'value', nameGap: 40 }),
      series: curves.map(({ name, column, points, p50 }) => ({
        type: 'line',
        name,
        showSymbol: false,
        symbol: SYMBOLS[column % SYMBOLS.length],
        smooth: 0.2,
        data: points,
        lineStyle: { width: 2.5, type: LINES[column % LINES.length], color: theme.colours[column % LINES.length] },
        itemStyle: { color: theme.colours[column % LINES.length] },
        areaStyle: { opacity: 0.08, color: theme.colours[column % LINES.length] },
        markLine: {
          symbol: 'none',
          silent: true,
          label: { show: false },
          lineStyle: { color: theme.colours[column % LINES.length], type: LINES[column % LINES.length], width: 1.2 },
          data: [{ xAxis: p50 / 1000 }],
        },
      })),
    }),
    360,
  );
}

/** The plots for which the comparison has values. */
export function charts(comparison: Comparison): readonly Chart[] {
  const { variants } = comparison;
  const found: (Chart | undefined)[] = [];
  const has = (of: (variant: VariantResult) => unknown): boolean =>
    variants.some((variant) => of(variant) !== undefined);
  if (has(({ toggle, cli }) => toggle ?? cli)) {
    found.push({
      title: 'Cost of disabling and enabling interrupts',
      caption: 'One pair, median of the rounds. Shorter is better.',
      ...bars(
        variants,
        [
          { label: 'ROM calls', of: ({ toggle }) => toggle?.pairNs.median },
          { label: 'CLI, STI', of: ({ cli }) => cli?.pairNs.median },
        ],
        'time of one pair',
        formatNs,
      ),
    });
    found.push({
      title: 'Host system calls per 1,000 flag operations',
      caption: "Counted by the addon on the virtual CPU's thread, the timer's included; two operations make a pair.",
      ...bars(
        variants,
        [
          { label: 'ROM calls', of: ({ toggle }) => toggle?.hostCallsPer1000 },
          { label: 'CLI, STI', of: ({ cli }) => cli?.hostCallsPer1000 },
        ],
        'system calls',
        (value) => (value === 0 || value >= 10 ? group(value) : value.toFixed(2)),
      ),
    });
  }
  const busy = distribution(variants, ({ latency }) => latency?.latency);
  if (busy)
    found.push({
      title: 'Injection latency while the guest computes',
      caption:
        "From just before the signal is sent to the first instruction of the guest's handler, 1,000 events a second. Vertical " +
        'lines are medians. Further left is better, narrower is steadier.',
      ...busy,
    });
  const idle = distribution(variants, ({ idle: asleep }) => asleep?.latency);
  if (idle)
    found.push({
      title: 'Injection latency while the guest sleeps',
      caption: 'The same with the guest in HLT: the host has to wake the thread first.',
      ...idle,
    });
  if (has(({ storms }) => storms[0])) {
    found.push({
      title: 'Interrupts handled against events sent',
      caption: 'What is not handled has merged with an event of the same line that was still pending; nothing is lost.',
      ...overRate(
        comparison,
        'interrupts handled a second',
        ({ storms }, index) => storms[index]?.handledHz.median,
        group,
      ),
    });
    if (has(({ tick }) => tick))
      found.push({
        title: 'Guest work done under storm',
        caption: 'Computation of a user program, as a share of what it does under the same strategy without a storm.',
        ...overRate(
          comparison,
          'share of undisturbed work, %',
          ({ storms, tick }, index) =>
            tick && storms[index] && (100 * storms[index].workHz.median) / tick.workHz.median,
          (value) => `${Math.round(value)}`,
          { min: 0, max: (range: { max: number }) => Math.max(100, Math.ceil(range.max / 10) * 10) },
        ),
      });
    found.push({
      title: 'Median latency under storm',
      caption: 'From the sending of the event that the delivery is for, which is the first of those that merged.',
      ...overRate(comparison, 'p50 latency', ({ storms }, index) => storms[index]?.latency?.p50Ns, formatNs, {
        type: 'log',
      }),
    });
  }
  if (has(({ bootMs, switchNs }) => bootMs ?? switchNs)) {
    if (has(({ switchNs }) => switchNs))
      found.push({
        title: 'Switch to another process',
        caption: 'Two processes of Remus hand the CPU to each other. Shorter is better.',
        ...bars(variants, [{ label: 'one switch', of: ({ switchNs }) => switchNs?.median }], 'time', formatNs),
      });
    if (has(({ bootMs }) => bootMs))
      found.push({
        title: 'Boot',
        caption: 'From the start of the machine, its thread included, to the prompt of Remus.',
        ...bars(variants, [{ label: 'boot', of: ({ bootMs }) => bootMs && bootMs.median * 1e6 }], 'time', formatNs),
      });
  }
  if (has(({ cpu }) => cpu))
    found.push({
      title: "CPU time of the virtual CPU's thread",
      caption: 'All workloads together: in the program, and in the host kernel on its behalf.',
      ...bars(
        variants,
        [
          { label: 'user', of: ({ cpu }) => cpu && cpu.userMs * 1e6 },
          { label: 'system', of: ({ cpu }) => cpu && cpu.systemMs * 1e6 },
        ],
        'CPU time',
        formatNs,
      ),
    });
  return found.filter((chart) => chart !== undefined);
}
