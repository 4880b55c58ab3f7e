// npm run bench [-- --node <binary>] [-- --workloads <folder>] [-- --only a,b] [-- --runs 5] [-- --train 3] [-- --firsts 3] [-- --json <file>]
// Runs unchanged programs in fresh processes: plain; first (each time with an empty cache); warm (after a first and some
// training runs); and full (with everything compiled ahead of time). The programs are the w_*.mjs of the workloads folder
// (default: ../shared/workloads, or a copy of it in which `npm ci` was run). Without that folder they are those of bench/programs.
import '../scripts/built.mjs';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { measure, programsIn, runsOf } from './measure.mjs';
import { local } from './modules.mjs';
import { atLeast, bytesOfArtifacts, geometricMean, median, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    workloads: { type: 'string', default: local('../../shared/workloads') },
    only: { type: 'string' },
    runs: { type: 'string', default: '5' },
    train: { type: 'string', default: '3' },
    firsts: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const runs = atLeast('runs', values.runs, 1);
const train = atLeast('train', values.train, 0);
const firsts = atLeast('firsts', values.firsts, 1);
const counts = { runs, train, firsts, full: true };
const { node } = values;

const programs = findPrograms().filter(({ name }) => !values.only || values.only.split(',').includes(name));
const version = run(node, local('version.mjs')).output.trim();
const bar = new SingleBar(
  {
    format: `${version} |{bar}| {value}/{total} {doing}`,
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: 30_000,
  },
  Presets.shades_classic,
);
bar.start(programs.length * runsOf(counts), 0, { doing: '' });
const rows = [];
for (const program of programs) rows.push(await measureOne(program));
bar.stop();
report();

function findPrograms() {
  const isInstalled = existsSync(path.join(values.workloads, 'node_modules'));
  return isInstalled ? programsIn(values.workloads) : programsIn(local('programs/'), /^(.*)\.mjs$/);
}

async function measureOne(program) {
  const folder = mkdtempSync(path.join(tmpdir(), 'wasm-cache-bench-'));
  const onRun = (doing) => bar.increment({ doing: `${program.name}: ${doing}` });
  try {
    const { results, outputs } = await measure(program, { node, ...counts, folder, onRun });
    const of = (kind, what) => median(results[kind].map((result) => result[what]));
    return {
      name: program.name,
      isControl: program.name.startsWith('ctl_'),
      plainMs: of('plain', 'ms'),
      warmMs: of('warm', 'ms'),
      fullMs: of('full', 'ms'),
      first: of('plainBesideFirst', 'ms') / of('first', 'ms'),
      warm: of('plain', 'ms') / of('warm', 'ms'),
      full: of('plain', 'ms') / of('full', 'ms'),
      warmCpu: of('plain', 'cpuMs') / of('warm', 'cpuMs'),
      warmBytes: bytesOfArtifacts(path.join(folder, 'warm')),
      fullBytes: bytesOfArtifacts(path.join(folder, 'full')),
      sameOutput: new Set(Object.values(outputs).flat()).size === 1,
      runs: Object.fromEntries(
        Object.entries(results).map(([kind, all]) => [kind, all.map(({ ms }) => Math.round(ms))]),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report() {
  const counted = rows.filter((row) => !row.isControl);
  const kinds = ['first', 'warm', 'warmCpu', 'full'];
  const means = Object.fromEntries(kinds.map((kind) => [kind, geometricMean(counted.map((row) => row[kind]))]));
  const table = new Table({
    head: ['program', 'plain', 'warm', 'first', 'warm', 'warm CPU', 'full', 'hot', 'full', 'output'],
    colAligns: ['left', ...Array(8).fill('right'), 'left'],
    style: { head: [], border: [], compact: true },
  });
  const ratio = (value) => (Number.isFinite(value) ? `${value.toFixed(2)} x` : '-');
  for (const row of rows) {
    table.push([
      row.name,
      `${row.plainMs.toFixed(0)} ms`,
      `${row.warmMs.toFixed(0)} ms`,
      ...kinds.map((kind) => ratio(row[kind])),
      ...[row.warmBytes, row.fullBytes].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`),
      row.sameOutput ? 'equal' : 'DIFFERENT',
    ]);
  }
  table.push(['geometric mean', '', '', ...kinds.map((kind) => ratio(means[kind])), '', '', '']);
  console.log(
    `\n${version}, ${cpus().length} x ${cpus()[0]?.model}, medians of ${runs} (first: ${firsts}), ${train} training runs.`,
  );
  console.log(`Ratios are plain / hooked, of whole processes:\n${table}`);
  const withBoth = counted.filter((row) => row.warmBytes > 0 && row.fullBytes > 0);
  if (withBoth.length > 0) {
    const share = median(withBoth.map((row) => row.warmBytes / row.fullBytes));
    console.log(`Hot artifacts have ${(share * 100).toFixed(0)} % of the size of full ones, in the median.`);
  }
  console.log(`First runs: ${ratio(median(counted.map((row) => row.first)))} in the median.`);
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ version, runs, train, firsts, means, rows }, null, 1)}\n`);
  process.exit(rows.every((row) => row.sameOutput) ? 0 : 1);
}
