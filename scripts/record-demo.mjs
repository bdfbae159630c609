// Records `ghostkeep demo` as docs/demo.svg: `node scripts/record-demo.mjs [FILE]`. Lines appear when the program
// printed them. A reader who has switched motion off, and a program that draws no animation, see all of them.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [lineHeight, charWidth, margin, columns] = [18, 7.8, 16, 118];
/** The introduction and the part with a container are not recorded: the latter differs from host to host. */
const [first, last] = [/^1\. Without a container/, /^2\. With runc and CRIU/];
/** Time for the command to be read before the first line of output comes. */
const pauseMs = 800;

writeFileSync(process.argv[2] ?? path.join(top, 'docs/demo.svg'), draw(await record()));

/** The lines of the demo, each with the milliseconds after which it was printed. */
async function record() {
  const child = spawn(process.execPath, [path.join(top, 'dist/ghostkeep.mjs'), 'demo'], {
    // Without PATH the demo finds no runtime.
    env: { TMPDIR: process.env.TMPDIR ?? '/tmp' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const start = Date.now();
  const lines = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    const parts = (rest + text).split('\n');
    rest = parts.pop();
    for (const line of parts) lines.push({ atMs: Date.now() - start + pauseMs, line });
  });
  const status = await new Promise(resolve => child.on('close', resolve));
  if (status !== 0) throw new Error(`the demo ended with status ${status}`);
  const from = lines.findLastIndex(({ line }) => first.test(line)) + 2;
  const to = lines.findIndex(({ line }) => last.test(line));
  return [{ atMs: 0, line: '$ ghostkeep demo' }, ...lines.slice(from, to < 0 ? undefined : to - 1)];
}

function draw(lines) {
  const width = Math.ceil(columns * charWidth + 2 * margin);
  const height = lines.length * lineHeight + 2 * margin;
  const texts = lines.map(({ atMs, line }, index) => {
    const y = margin + (index + 0.75) * lineHeight;
    const kind = /^\d+ of \d+ equal/.test(line) ? ' class="good"' : index === 0 ? ' class="typed"' : '';
    return `<text x="${margin}" y="${y}"${kind} style="animation-delay:${(atMs / 1000).toFixed(2)}s">${asXml(cut(line))}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="A terminal in which ghostkeep demo runs">
<!-- made by scripts/record-demo.mjs -->
<style>
svg { background: #fbfaf7 }
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre; fill: #22272b; animation: come 1ms both }
.typed { fill: #6b7280 }
.good { fill: #1a7f37; font-weight: bold }
@keyframes come { from { visibility: hidden } to { visibility: visible } }
@media (prefers-reduced-motion: reduce) { text { animation: none } }
@media (prefers-color-scheme: dark) { svg { background: #16191d } text { fill: #d7dadd } .typed { fill: #8b949e } .good { fill: #4ac26b } }
</style>
${texts.join('\n')}
</svg>
`;
}

function cut(line) {
  return line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
}

function asXml(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
