// node test/stress/workers.mjs [--workers 200] [--seed <number>] [--node <binary>]
// Workers start, end and are killed while they and the main thread save into and load from shared caches. Checks that every module is
// the right one, that the process survives, and that its memory does not grow. Exits with 1 if something is wrong.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { atLeast } from '../../bench/processes.mjs';
import { CACHES, FAULTS } from './work.mjs';

const WORKERS_PER_WAVE = 8;
const SAMPLES = 12;

/**
 * Bytes per worker that may be lost beyond those of workers that do the same without this package. V8 and glibc keep memory, so the
 * slope over 200 workers is uncertain by 3 to 25 kB (Node 20, 26). A leaked module with its code would be 10 kB to 2 MB.
 */
const MAX_GROWTH = 30_000;

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    node: { type: 'string', default: process.execPath },
  },
});
const seed = atLeast('seed', values.seed, 0);
const waves = Math.ceil(atLeast('workers', values.workers, SAMPLES * WORKERS_PER_WAVE) / WORKERS_PER_WAVE);
const versions = JSON.parse(
  spawnSync(values.node, ['-p', 'JSON.stringify(process.versions)'], { encoding: 'utf8' }).stdout,
);

// glibc and V8 keep freed memory, 100 MB after some waves. With these settings they give it back.
const env = { ...process.env, MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536' };
const isPooled = Number.parseInt(versions.v8, 10) >= 14;
const nodeOptions = ['--expose-gc', ...(isPooled ? ['--no-memory-pool-share-memory-on-teardown'] : [])];

/** The lines that the process wrote. If it failed, this script fails, too. */
function run(work) {
  const program = fileURLToPath(new URL('process.mjs', import.meta.url));
  const settings = { work, waves, samples: SAMPLES, seed };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const { status, signal, stdout } = spawnSync(values.node, [...nodeOptions, program, ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000 + 5000 * waves, // several times as long as it takes; a hanging process gets SIGKILL
    killSignal: 'SIGKILL',
  });
  if (status !== 0) {
    console.error(`${stdout}The process whose workers do "${work}" ended with ${signal ?? status}, seed ${seed}.`);
    process.exit(1);
  }
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { work, figures: lines.pop(), samples: lines };
}

/** The slope of a line through the samples after the first third, in bytes per worker, and its standard error. */
function growth(samples) {
  const points = samples.slice(samples.length / 3).map(({ workers, rss }) => [workers, rss]);
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point[0]), mean((point) => point[1])];
  const spread = mean((point) => (point[0] - x) ** 2);
  const slope = mean((point) => (point[0] - x) * (point[1] - y)) / spread;
  const rest = mean((point) => (point[1] - y - slope * (point[0] - x)) ** 2);
  return { slope, error: Math.sqrt(rest / spread / (points.length - 2)) };
}

const table = (...head) => new Table({ head, style: { head: [], border: [], compact: true } });

console.log(`Node ${versions.node}, V8 ${versions.v8}, ${waves * WORKERS_PER_WAVE} workers, seed ${seed}`);
const runs = ['caches', 'plain', 'none'].map(run);

const counts = table('workers do', 'workers', 'killed', 'operations', ...FAULTS, 'unexpected', '.tmp left');
for (const { work, figures } of runs) {
  const { workers, killed, operations, unexpected, temporary } = figures;
  const faults = FAULTS.map((name) => figures[name]);
  counts.push([work, workers, killed, operations, ...faults, unexpected.length, temporary]);
}
const hits = table('cache', 'hits', 'misses');
for (const cache of CACHES) hits.push([cache, runs[0].figures[`${cache} hits`], runs[0].figures[`${cache} misses`]]);
const memory = table('workers do', 'RSS: first', 'warm', 'last', 'per worker', 'heap', 'external', 'files', 'threads');
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
for (const { work, samples } of runs) {
  const [first, warm, last] = [samples[0], samples[SAMPLES / 3], samples.at(-1)];
  const { slope, error } = growth(samples);
  memory.push([
    work,
    ...[first, warm, last].map(({ rss }) => megabytes(rss)),
    `${(slope / 1e3).toFixed(1)} ± ${(error / 1e3).toFixed(1)} kB`,
    ...['heapUsed', 'external'].map((name) => `${megabytes(warm[name])}, ${megabytes(last[name])}`),
    ...['descriptors', 'threads'].map((name) => `${warm[name]}, ${last[name]}`),
  ]);
}
console.log(`${counts}\n${hits}\n${memory}`);

const [caches, plain] = runs.map(({ samples }) => growth(samples).slope);
if (caches - Math.max(plain, 0) > MAX_GROWTH) {
  console.error(
    `Memory grows by ${Math.round(caches)} bytes per worker, without this package by ${Math.round(plain)}.`,
  );
  process.exitCode = 1;
}
