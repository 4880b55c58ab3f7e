import { coverageOf, engineName, type NamedEntry } from '../folder/entries.js';
import { count, formatAge, formatDuration, formatSize, noColors } from '../terminal/output.js';
import { NOTHING_COUNTED, type ReportDay, type ReportDocument, type ReportFinding } from './document.js';
import { Html, html } from './html.js';

// One file without scripts. Bars are HTML boxes, and every chart has a table. So the page opens anywhere, prints, and works with screen
// readers, and no name from the folder can run as code.

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const STYLE = new Html(`
:root { color-scheme: light dark; --text: #1b1f24; --dim: #57606a; --ground: #ffffff; --box: #f3f5f7; --line: #d0d7de; --good: #1a6fb5; --bad: #b35900; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --dim: #9aa4af; --ground: #0d1117; --box: #161b22; --line: #30363d; --good: #58a6ff; --bad: #f0883e; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; }
.dim, caption { color: var(--dim); font-size: .875rem; }
.sums { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.sums div { background: var(--box); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.sums dt { color: var(--dim); font-size: .875rem; }
.sums dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.wide { overflow-x: auto; }
.wide:focus-visible, summary:focus-visible { outline: 2px solid var(--good); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
caption { text-align: left; padding: .25rem 0; }
caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: normal; }
thead th { color: var(--dim); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 7rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.age { white-space: nowrap; }
.key { display: block; color: var(--dim); font: .75rem/1.4 ui-monospace, monospace; }
.bar { min-width: 6rem; width: 33%; }
.bar span { display: block; height: .9rem; margin-top: .2rem; min-width: 1px; border-radius: 2px; background: var(--good); }
.bar .bad { background: none; border: 2px solid var(--bad); }
.days { display: flex; align-items: flex-end; gap: 2px; height: 9rem; border-bottom: 1px solid var(--line); }
.days div { flex: 1 1 0; max-width: 2rem; min-width: 1px; display: flex; flex-direction: column; justify-content: flex-end; height: 100%; }
.days .misses { border: 2px solid var(--bad); border-bottom: 0; }
.days .hits { background: var(--good); }
.ends { display: flex; justify-content: space-between; }
.legend span::before { content: ''; display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem; vertical-align: -.1rem; background: var(--good); }
.legend span + span { margin-left: 1rem; }
.legend .misses::before { background: none; border: 2px solid var(--bad); }
details { margin: .75rem 0; }
summary { cursor: pointer; }
@media (max-width: 30rem) {
  th, td { padding-right: .5rem; }
  tbody th { min-width: 6rem; }
  .bar { display: none; }
}
`);

const DAY = 24 * 3_600_000;
/** Statistics are kept for as long. A clock that was wrong may have made days that are far apart. */
const MAX_DAYS = 36;

/** The page, as a whole file. */
export function reportPage(document: ReportDocument): string {
  const { directory, writtenAt, days, totals } = document;
  const [first, last] = [days[0]?.day, days.at(-1)?.day];
  const period = first === undefined ? 'Nothing was counted yet.' : `Counted from ${first} to ${last}.`;
  const rate = totals.hits + totals.misses === 0 ? '-' : percent(totals.hits, totals.misses);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="icon" href="data:,">
<title>wasm-cache report</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>wasm-cache report</h1>
<p class="dim">${period} Folder: ${directory}. Written ${minute(writtenAt)}.</p>
<dl class="sums">
<div><dt>Time saved (estimate)</dt><dd>${signedDuration(totals.savedMillisecondsEstimate)}</dd></div>
<div><dt>Hit rate</dt><dd>${rate}</dd></div>
<div><dt>Modules looked up</dt><dd>${number(totals.modules)}</dd></div>
<div><dt>Stored</dt><dd>${formatSize(totals.artifactsSize)}</dd></div>
</dl>
${days.length > 0 ? [timeSaved(document), hitRates(days), notPaid(document.findings)] : nothingCounted()}
${stored(document.artifacts)}
${howToRead(days)}
</main>
</body>
</html>
`;
  return page.text;
}

function nothingCounted(): Html {
  return html`<p>There is nothing to show yet: ${NOTHING_COUNTED}</p>`;
}

function timeSaved({ modules }: ReportDocument): Html {
  const most = Math.max(1, ...modules.map((each) => Math.abs(each.savedMillisecondsEstimate)));
  const rows = modules.map((each) => {
    const { key, name, hits, misses, hitMilliseconds, savedMillisecondsEstimate: saved } = each;
    return html`<tr><th scope="row">${named(name, key)}</th>
<td class="number">${signedDuration(saved)}</td><td class="bar" aria-hidden="true">${bar(saved, most)}</td>
<td class="number">${number(hits)}</td><td class="number">${number(misses)}</td>
<td class="number">${hits > 0 ? formatDuration(hitMilliseconds / hits) : '-'}</td></tr>`;
  });
  return section(
    'Time saved, by module',
    html`<thead><tr><th scope="col">Module</th><th scope="col" class="number">Saved</th><td class="bar" aria-hidden="true"></td>
<th scope="col" class="number">Hits</th><th scope="col" class="number">Misses</th><th scope="col" class="number">Per hit</th></tr></thead>
<tbody>${rows}</tbody>`,
    'The module that saved most comes first. Negative values are lost time. All times saved are estimates.',
  );
}

function hitRates(days: ReportDay[]): Html {
  const all = withGaps(days);
  const most = Math.max(1, ...all.map(({ hits, misses }) => hits + misses));
  const bars = all.map(({ hits, misses }) => {
    const height = (part: number) => (part === 0 ? 'display: none' : `height: ${(part / most) * 100}%`);
    return html`<div><span class="misses" style="${height(misses)}"></span><span class="hits" style="${height(hits)}"></span></div>`;
  });
  const rows = days.map(
    ({ day, hits, misses, savedMillisecondsEstimate: saved, isFull }) =>
      html`<tr><th scope="row">${day}${isFull ? ' (not all)' : ''}</th><td class="number">${percent(hits, misses)}</td>
<td class="number">${number(hits)}</td><td class="number">${number(misses)}</td><td class="number">${signedDuration(saved)}</td></tr>`,
  );
  const said = `Hits and misses on ${count(days.length, 'day')}, at most ${number(most)} on one. The table below has the figures.`;
  return html`<section><h2>Hit rate over time</h2>
<p class="legend dim"><span>hits</span><span class="misses">misses</span></p>
<div class="chart" style="max-width: max(18rem, ${all.length * 2}rem)">
<div class="days" role="img" aria-label="${said}">${bars}</div>
<p class="ends dim"><span>${all[0]?.day}</span><span>at most ${number(most)} on a day</span><span>${all.length > 1 ? all.at(-1)?.day : undefined}</span></p>
</div>
<details><summary>The figures of each day</summary>${table(
    html`<thead><tr><th scope="col">Day</th><th scope="col" class="number">Hit rate</th><th scope="col" class="number">Hits</th>
<th scope="col" class="number">Misses</th><th scope="col" class="number">Saved</th></tr></thead><tbody>${rows}</tbody>`,
    'Days by Greenwich time',
  )}</details></section>`;
}

function notPaid(findings: ReportFinding[]): Html {
  if (findings.length === 0) {
    return html`<section><h2>What did not pay</h2><p>Nothing: every module that was looked up several times was found, and by the estimate none took far longer to load than to compile.</p></section>`;
  }
  const rows = findings.map(
    (finding) => html`<tr><th scope="row">${named(finding.name, finding.key)}</th><td>${explained(finding)}</td></tr>`,
  );
  return section(
    'What did not pay',
    html`<thead><tr><th scope="col">Module</th><th scope="col">What was found</th></tr></thead><tbody>${rows}</tbody>`,
    'Modules that lost time, or never came from the cache',
  );
}

function explained({ kind, lookUps, savedMillisecondsEstimate: saved, bypassedUntil }: ReportFinding): string {
  if (kind === 'bypassed')
    return `Bypassed until ${minute(String(bypassedUntil))}, because loading it took far too long.`;
  if (kind === 'never-found') {
    return `Looked up ${number(lookUps)} times, and never found. To see why: wasm-cache why <file>.`;
  }
  return `By the estimate, its look-ups took ${formatDuration(-Number(saved))} longer than compiling. Possible reasons: a slow disk, a busy machine, or hardly any code to load.`;
}

function stored(artifacts: NamedEntry[]): Html {
  if (artifacts.length === 0) return html`<section><h2>What is stored</h2><p>Nothing.</p></section>`;
  const most = Math.max(1, ...artifacts.map(({ size }) => size));
  const rows = artifacts.map(
    (entry) => html`<tr><th scope="row">${named(entry.name, entry.key.slice(0, 16))}</th>
<td class="number">${formatSize(entry.size)}</td><td class="bar" aria-hidden="true">${bar(entry.size, most)}</td>
<td class="number">${entry.moduleSize === null ? '?' : formatSize(entry.moduleSize)}</td><td>${coverageOf(entry, noColors)}</td>
<td>${engineName(entry.engine)}</td><td class="age">${formatAge(entry.usedAt)}</td></tr>`,
  );
  return section(
    'What is stored: sizes and coverage',
    html`<thead><tr><th scope="col">Module</th><th scope="col" class="number">Artifact</th><td class="bar" aria-hidden="true"></td><th scope="col" class="number">Module</th>
<th scope="col">Coverage</th><th scope="col">Engine</th><th scope="col">Used</th></tr></thead><tbody>${rows}</tbody>`,
    `The largest first. ${summary(artifacts)}`,
  );
}

/** `2 hot and final (3 MiB), 1 full (8 MiB)` */
function summary(artifacts: NamedEntry[]): string {
  const groups = new Map<string, NamedEntry[]>();
  for (const entry of artifacts) {
    const group = coverageOf(entry, noColors);
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  const parts = [...groups].map(([group, entries]) => {
    const size = entries.reduce((sum, entry) => sum + entry.size, 0);
    return `${number(entries.length)} ${group} (${formatSize(size)})`;
  });
  return `By coverage: ${parts.join(', ')}.`;
}

function howToRead(days: ReportDay[]): Html {
  const full = days.filter(({ isFull }) => isFull).length;
  return html`<section><h2>How to read this</h2>
<p>The time saved is an estimate, because V8 did not compile the modules that came from the cache. It is the time that V8 takes, on a machine with 2 cores,
to decode the module and to compile with its baseline compiler what the artifact holds, less the time of all look-ups. On a busy machine both take longer, and the estimate is too low. It leaves out
that optimised code runs faster, and the time for saving. <code>wasm-cache bench</code> measures.</p>
<p>A hit is a module that came from the cache, or that a thread had alive. The coverage says which functions an artifact holds optimised code for:
those that ran hot, or all. Modules smaller than WASM_CACHE_MIN_MODULE_SIZE go straight to V8 and are not counted.</p>
${full > 0 ? html`<p>On ${count(full, 'day')} the statistics were full, so the figures may be too low.</p>` : undefined}
</section>`;
}

function section(title: string, content: Html, caption: string): Html {
  return html`<section><h2>${title}</h2>${table(content, caption)}</section>`;
}

/** A table that is wider than a telephone scrolls within its box, also by the keyboard. */
function table(content: Html, caption: string): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-label="${caption}"><table><caption><span>${caption}</span></caption>${content}</table></div>`;
}

function named(name: string | null, key: string | null): Html {
  return html`${name ?? 'unknown'}<span class="key">${key ?? 'no key'}</span>`;
}

function bar(value: number, most: number): Html {
  const width = `width: ${(Math.abs(value) / most) * 100}%`;
  return html`<span class="${value < 0 ? 'bad' : 'good'}" style="${width}"></span>`;
}

/** With the days on which nothing was counted, so that each day takes the same space. */
function withGaps(days: ReportDay[]): Pick<ReportDay, 'day' | 'hits' | 'misses'>[] {
  const [first, last] = [days[0], days.at(-1)].map((each) => Date.parse(each?.day ?? '')) as [number, number];
  const known = new Map(days.map((each) => [each.day, each]));
  const all: Pick<ReportDay, 'day' | 'hits' | 'misses'>[] = [];
  for (let time = first; time <= last; time += DAY) {
    const day = new Date(time).toISOString().slice(0, 10);
    all.push(known.get(day) ?? { day, hits: 0, misses: 0 });
  }
  return all.slice(-MAX_DAYS);
}

function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}

function percent(hits: number, misses: number): string {
  return `${Math.floor((hits / Math.max(1, hits + misses)) * 100)} %`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function signedDuration(milliseconds: number): string {
  return milliseconds < 0 ? `-${formatDuration(-milliseconds)}` : formatDuration(milliseconds);
}
