/**
 * A comparison as one HTML file that needs nothing else: plots, tables, how it was measured. Read before: `charts.ts`, `text.ts`.
 */
import { escapeHtml } from '../profile/flameGraph.js';
import { charts } from './charts.js';
import type { Comparison, VariantResult } from './result.js';
import { formatNs, tables } from './text.js';

const STYLE = `:root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#59636e;--line:#d8dee4;--card:#f6f8fa}
.dark{display:none}
@media screen and (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--soft:#9198a1;--line:#30363d;--card:#161b22}
.light{display:none}.dark{display:block}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--fg);background:var(--bg)}
main{max-width:1180px;margin:0 auto;padding:2.2rem 1.4rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.3rem;margin:2.6rem 0 .8rem}
h3{font-size:1.05rem;margin:0 0 .15rem}p{margin:.4rem 0}.soft,figcaption{color:var(--soft)}figcaption{font-size:.9rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(235px,1fr));gap:.9rem;margin:1.5rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.9rem 1rem}
.card h3{overflow-wrap:anywhere}.card dl{display:grid;grid-template-columns:1fr auto;gap:.15rem .8rem;margin:.5rem 0 0}
.card dt{color:var(--soft)}.card dd{margin:0;font-variant-numeric:tabular-nums;font-weight:600;text-align:right}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:1.6rem 1.8rem}
figure{margin:0;break-inside:avoid}figure svg{width:100%;height:auto;display:block;margin-top:.5rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.93rem}
th,td{padding:.32rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal}tbody th{padding-top:1rem;text-align:left}
.note{border-left:4px solid #d29922;padding:.1rem .9rem;margin:.5rem 0}
@media print{body{font-size:10pt}main{max-width:none;padding:0}.plots{grid-template-columns:1fr 1fr}.card{background:none}
.cards{grid-template-columns:repeat(4,1fr)}.card{padding:.5rem .6rem}th,td{padding:.2rem .4rem}td:first-child{min-width:11em}
tr{break-inside:avoid}h2{break-after:avoid}}`;

const READING = `<p><b>virtual-mask</b> keeps the interrupt flag in a word of the virtual CPU; signals are always accepted and recorded.
<b>host-mask</b> makes each change of the flag a <code>sigprocmask</code> call on the virtual CPU's thread, and events wait in the host
kernel: real-time signals in a queue, standard ones (<code>:standard</code>) merged into one. <b>trap-and-emulate</b> lets each sensitive
instruction trap: find the segment, walk the page tables, fetch, decode, emulate.</p>
<p>Events are signals that a thread of the same process sends to the virtual CPU's thread at the given rate. <b>Injection latency</b> runs
from the clock reading immediately before the sender's system call to the clock reading at which the virtual CPU stands at the first
instruction of the guest's handler, the interrupt frame pushed; where events have merged it is that of the first of them. It includes
the time for which the guest had interrupts disabled. Percentiles are exact to 3&nbsp;%.</p>
<p>Raised = delivered + merged + lost; an 8259 holds one request per line, so what comes while one is pending merges. Host system calls
are counted where the addon makes them. All variants take turns within each round, and all machines but the one measured stand
still.</p>`;

function card(variant: VariantResult): string {
  const rows: [string, string | undefined][] = [
    ['ROM call pair', variant.toggle && formatNs(variant.toggle.pairNs.median)],
    ['CLI, STI pair', variant.cli && formatNs(variant.cli.pairNs.median)],
    ['host calls per 1,000', (variant.cli ?? variant.toggle)?.hostCallsPer1000.toFixed(2)],
    ['latency p50', variant.latency && formatNs(variant.latency.latency.p50Ns)],
    ['latency p99', variant.latency && formatNs(variant.latency.latency.p99Ns)],
  ];
  const shown = rows.filter(([, value]) => value !== undefined);
  const list = shown.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('');
  return `<div class="card"><h3>${escapeHtml(variant.name)}</h3><dl>${list}</dl></div>`;
}

/** The whole file. */
export function comparisonReport(comparison: Comparison): string {
  const { host, settings, variants } = comparison;
  const plots = charts(comparison).map(
    ({ title, caption, light, dark }) =>
      `<figure><h3>${escapeHtml(title)}</h3><figcaption>${escapeHtml(caption)}</figcaption>` +
      `<div class="light">${light}</div><div class="dark">${dark}</div></figure>`,
  );
  const rows = tables(comparison).flatMap(({ title, rows: tableRows }) => [
    `<tr><th colspan="${variants.length + 1}" scope="rowgroup">${escapeHtml(title)}</th></tr>`,
    ...tableRows.map(
      ({ label, cells }) =>
        `<tr><td>${escapeHtml(label)}</td>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`,
    ),
  ]);
  const notes = comparison.notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n');
  const when = comparison.startedAt.slice(0, 16).replace('T', ' ');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Romulus: interrupt strategies compared</title>
<style>${STYLE}</style>
<main>
<h1>Interrupt strategies compared</h1>
<p class="soft">${escapeHtml(host.cpu)}, ${host.cores} cores, ${escapeHtml(host.kernel)}, Node ${escapeHtml(host.node)}.
${when} UTC, ${settings.rounds} rounds of ${settings.windowMs} ms per measurement, on the ${escapeHtml(settings.engine)}, ${settings.rom ? 'with' : 'without'} the VMI ROM, load
${host.loadBefore.toFixed(1)} before and ${host.loadAfter.toFixed(1)} after.</p>
<div class="cards">${variants.map(card).join('\n')}</div>
${notes}
<h2>Plots</h2>
<div class="plots">
${plots.join('\n')}
</div>
<h2>Numbers</h2>
<div class="scroll"><table><thead><tr><th></th>${variants.map(({ name }) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
<h2>How to read it</h2>
${READING}
</main>
</html>
`;
}
