/**
 * A flame graph as one HTML file that needs nothing else: each frame a box as wide as its share of the samples, callers below what they
 * called. A click widens a frame to the whole page. Read before: `folded.ts`. Read after: `../cli/profile.ts`.
 */
import type { FoldedStack } from './folded.js';

interface Frame {
  readonly name: string;
  count: number;
  readonly children: Map<string, Frame>;
}

function toTree(stacks: readonly FoldedStack[]): Frame {
  const root: Frame = { name: 'all', count: 0, children: new Map() };
  for (const { frames, count } of stacks) {
    root.count += count;
    let at = root;
    for (const name of frames) {
      let child = at.children.get(name);
      if (child === undefined) at.children.set(name, (child = { name, count: 0, children: new Map() }));
      child.count += count;
      at = child;
    }
  }
  return root;
}

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The same name has the same colour everywhere: warm tones for the kernel's, cool ones for the user's, grey for idle. */
function colour(name: string, kind: string): string {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  if (kind === 'idle' || kind === 'all') return 'hsl(220 10% 72%)';
  const hue = kind === 'user' ? 185 + (hash % 40) : 14 + (hash % 38);
  return `hsl(${hue} ${68 + (hash % 20)}% ${60 + ((hash >> 8) % 12)}%)`;
}

function describe(frame: Frame, depth: number, kind: string, total: number, left: number): string {
  const share = ((100 * frame.count) / total).toFixed(2);
  const label = escapeHtml(`${frame.name}: ${frame.count} samples, ${share} %`);
  const box =
    `<button class="f" data-x="${left}" data-w="${frame.count}" data-d="${depth}" style="--c:${colour(frame.name, kind)}" ` +
    `title="${label}">${escapeHtml(frame.name)}</button>`;
  let inside = left;
  const children = [...frame.children.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((child) => {
      const text = describe(child, depth + 1, depth === 0 ? child.name : kind, total, inside);
      inside += child.count;
      return text;
    });
  return [box, ...children].join('\n');
}

const STYLE = `:root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#59636e}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--soft:#9198a1}}
body{margin:2rem;font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
h1{font-size:1.4rem;margin:0}p{color:var(--soft);margin:.3rem 0 1.2rem}
#g{position:relative;overflow:hidden}
.f{position:absolute;height:21px;margin:0;padding:0 4px;border:0;border-radius:2px;background:var(--c);color:#1b1f24;
font:12px/21px ui-monospace,monospace;text-align:left;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;cursor:pointer}
.f:hover,.f:focus-visible{outline:2px solid var(--fg);outline-offset:-2px}
.f.past{opacity:.45}#i{min-height:1.5em;font-family:ui-monospace,monospace;font-size:13px}
@media print{.f{print-color-adjust:exact;-webkit-print-color-adjust:exact}}`;

const SCRIPT = `const g=document.getElementById('g'),info=document.getElementById('i'),row=22;
const boxes=[...g.children].map(e=>({e,x:+e.dataset.x,w:+e.dataset.w,d:+e.dataset.d}));
const depth=Math.max(...boxes.map(b=>b.d))+1;g.style.height=depth*row+'px';
function show(z){for(const b of boxes){const before=b.d<z.d&&b.x<=z.x&&b.x+b.w>=z.x+z.w;
const left=before?0:(b.x-z.x)/z.w,width=before?1:b.w/z.w;
const out=!before&&(b.x<z.x||b.x+b.w>z.x+z.w||width*g.clientWidth<1);
b.e.style.display=out?'none':'';b.e.style.left=100*left+'%';b.e.style.width='calc('+100*width+'% - 1px)';
b.e.style.bottom=b.d*row+'px';b.e.classList.toggle('past',before);
b.e.style.color=width*g.clientWidth<28?'transparent':''}}
for(const b of boxes){b.e.onclick=()=>show(b);b.e.onmouseenter=()=>{info.textContent=b.e.title}}
addEventListener('resize',()=>show(boxes[0]));show(boxes[0]);`;

/**
 * @param title what was profiled
 * @param note how, in one sentence
 */
export function flameGraph(stacks: readonly FoldedStack[], title: string, note: string): string {
  const root = toTree(stacks);
  const boxes = root.count === 0 ? '' : describe(root, 0, 'all', root.count, 0);
  const body =
    root.count === 0 ? '<p>There are no samples.</p>' : `<div id="g">\n${boxes}\n</div>\n<script>${SCRIPT}</script>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(note)} A click widens a frame, a click on the lowest shows all again.</p>
<div id="i"></div>
${body}
</html>
`;
}
