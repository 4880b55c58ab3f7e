// npm run demo [-- --json] [-- --runs 5] [-- --train 4] [-- --node <binary>]
// Unchanged programs that use real packages, in fresh processes: plain, with the hook for the first time, and with the hook
// after untimed training runs. Plain and warm runs alternate, so that a busy machine slows both.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '7' },
    train: { type: 'string', default: '5' },
    node: { type: 'string', default: process.execPath },
  },
});
const runs = atLeast('runs', values.runs, 1);
const train = atLeast('train', values.train, 0);

const programs = fileURLToPath(new URL('programs/', import.meta.url));
const hook = new URL('../dist/register.js', import.meta.url).href;
const names = readdirSync(programs).map((file) => path.basename(file, '.mjs'));
const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(NODE_|WASM_CACHE_)/.test(key)));

const node = run(['--version']).output.trim();
const bar = new SingleBar(
  {
    format: `${node} |{bar}| {value}/{total} runs, {doing}`,
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: 5000,
  },
  Presets.shades_classic,
);
bar.start(names.length * (2 + train + 2 * runs), 0, { doing: '' });
const rows = names.map(measure);
bar.stop();

if (values.json) {
  console.log(JSON.stringify({ node, rows }, null, 2));
} else {
  const table = new Table({
    head: ['program', 'plain', 'first run', 'warm', 'plain / warm', 'artifacts', 'output'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const ms = (value) => `${value.toFixed(0)} ms`;
    const size = `${(row.artifactBytes / 2 ** 20).toFixed(1)} MiB`;
    const same = row.sameOutput ? 'equal' : 'DIFFERENT';
    table.push([row.name, ms(row.plainMs), ms(row.firstMs), ms(row.warmMs), `${row.ratio.toFixed(2)} x`, size, same]);
  }
  console.log(`\nWhole processes on Node ${node}, medians of ${runs}, after ${train} training runs:\n${table}`);
}
process.exit(rows.every((row) => row.sameOutput) ? 0 : 1);

function measure(name) {
  const program = path.join(programs, `${name}.mjs`);
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-demo-'));
  const step = (doing, args) => {
    const result = run(args, { WASM_CACHE_DIR: directory });
    bar.increment({ doing: `${name}: ${doing}` });
    return result;
  };
  const plainRun = () => step('plain', [program]);
  const hookedRun = (doing) => step(doing, ['--import', hook, program]);
  try {
    const all = [plainRun()]; // not timed: fills the file system's cache
    const first = hookedRun('first run');
    for (let i = 0; i < train; i++) all.push(hookedRun('training'));
    const plain = [];
    const warm = [];
    for (let i = 0; i < runs; i++) {
      plain.push(plainRun());
      warm.push(hookedRun('warm'));
    }
    all.push(first, ...plain, ...warm);
    const [plainMs, warmMs] = [median(plain), median(warm)];
    return {
      name,
      plainMs,
      firstMs: first.ms,
      warmMs,
      ratio: plainMs / warmMs,
      artifactBytes: sizeOf(directory),
      sameOutput: all.every(({ output }) => output !== '' && output === all[0].output),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function run(args, more = {}) {
  const start = performance.now();
  const { status, signal, stdout, stderr } = spawnSync(values.node, args, {
    env: { ...env, ...more },
    encoding: 'utf8',
  });
  const ms = performance.now() - start;
  if (status === 0) return { ms, output: stdout };
  console.error(`\n${values.node} ${args.join(' ')} ended with ${status ?? signal}:\n${stderr}`);
  process.exit(1);
}

function median(results) {
  const sorted = results.map(({ ms }) => ms).sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function sizeOf(directory) {
  return readdirSync(directory, { recursive: true })
    .map((file) => statSync(path.join(directory, file)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}

function atLeast(option, text, minimum) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= minimum) return value;
  console.error(`--${option} must be a whole number of at least ${minimum}, not ${text}`);
  process.exit(2);
}
