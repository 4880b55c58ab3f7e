// npm run demo [-- --json] [-- --runs 5] [-- --train 2] [-- --node <binary>]
// Runs unchanged programs that use real packages in fresh processes: plain, with the hook for the first time, and with the hook
// after untimed training runs. Plain and warm runs alternate, so that a busy machine slows both. npm run bench is the
// thorough version.
import '../scripts/built.mjs';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { atLeast, bytesOfArtifacts, learnersAreDone, median, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '7' },
    train: { type: 'string', default: '2' },
    node: { type: 'string', default: process.execPath },
  },
});
const runs = atLeast('runs', values.runs, 1);
const train = atLeast('train', values.train, 0);

const programs = fileURLToPath(new URL('programs/', import.meta.url));
const names = readdirSync(programs).map((file) => path.basename(file, '.mjs'));
const node = run(values.node, fileURLToPath(new URL('version.mjs', import.meta.url))).output.trim();
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
const rows = [];
for (const name of names) rows.push(await measure(name));
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
  console.log(`\nWhole processes on ${node}, medians of ${runs}, after ${train} training runs:\n${table}`);
}
process.exit(rows.every((row) => row.sameOutput) ? 0 : 1);

async function measure(name) {
  const program = path.join(programs, `${name}.mjs`);
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-demo-'));
  const step = async (doing, hooked) => {
    bar.increment({ doing: `${name}: ${doing}` });
    const result = run(values.node, program, hooked);
    if (hooked) await learnersAreDone(directory);
    return result;
  };
  const plainRun = () => step('plain');
  const hookedRun = (doing) => step(doing, { directory });
  try {
    const all = [await plainRun()]; // not timed; it fills the cache of the file system
    const first = await hookedRun('first run');
    for (let i = 0; i < train; i++) all.push(await hookedRun('training'));
    const plain = [];
    const warm = [];
    for (let i = 0; i < runs; i++) {
      plain.push(await plainRun());
      warm.push(await hookedRun('warm'));
    }
    all.push(first, ...plain, ...warm);
    const [plainMs, warmMs] = [plain, warm].map((results) => median(results.map(({ ms }) => ms)));
    return {
      name,
      plainMs,
      firstMs: first.ms,
      warmMs,
      ratio: plainMs / warmMs,
      artifactBytes: bytesOfArtifacts(directory),
      sameOutput: all.every(({ output }) => output !== '' && output === all[0].output),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
