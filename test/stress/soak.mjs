// node test/stress/soak.mjs [--minutes 10] [--node <binary>]
// One process, like a server, loads hundreds of modules in turn, through a cache in memory and a folder that have room for only some of
// them, and runs each as a check. Some run until V8 has optimised them and are saved again. Memory and folder must not grow.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as nextTask } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seeded } from '../../.test-build/support/damage.js';
import { median } from '../../bench/processes.mjs';
import { FileSystemCache, inMemory, loadModule, V8Engine } from '../../dist/index.js';
import { instantiate } from '../../dist/testing/modules.js';
import { check, paddedModule } from './modules.mjs';

const MiB = 2 ** 20;
const MODULES = 400;
const PADDING = 300_000;
const AT_ONCE = 4;
/** In MiB, as everything below. */
const MAX_SIZE = 50;
/** A sweep starts when a tenth of the limit was written, and takes a moment. */
const MAX_FOLDER = MAX_SIZE * 1.15;
/** Milliseconds between two samples, and the least number of samples. */
const SAMPLED_EVERY = 2000;
const MIN_SAMPLES = 60;
/**
 * How much the line through the second half may rise. Between two garbage collections `external` varies by 60 MiB, `rss` by 20, and
 * `heapUsed` by 8. A leak of one module per 250 loads would add that much in ten minutes.
 */
const MAX_GROWTH = { rss: 64, external: 64, heapUsed: 16, descriptors: 4 };
const UNITS = { rss: 'MiB', heapUsed: 'MiB', external: 'MiB', descriptors: '', folder: 'MiB', files: '' };

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, node: { type: 'string' } },
});
const duration = Number(values.minutes) * 60_000;
if (!(duration > 0)) {
  console.error(`--minutes must be a number above 0, not ${values.minutes}`);
  process.exit(2);
}
if (values.node) {
  const args = [fileURLToPath(import.meta.url), '--minutes', values.minutes];
  process.exit(spawnSync(values.node, args, { stdio: 'inherit' }).status ?? 1);
}

const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-soak-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const engine = new V8Engine();
const memory = inMemory({ maxBytes: 20 * MiB });
const folder = new FileSystemCache(directory, { maxSize: MAX_SIZE * MiB });
const cache = memory.withFallback(folder);
const random = seeded(1);
const counts = { memory: 0, folder: 0, compiler: 0, saved: 0 };
const warnings = [];
process.on('warning', (warning) => warnings.push(String(warning)));

/** Picks some modules much more often than others. */
async function serve() {
  const offset = Math.min(random(MODULES), random(MODULES));
  const {
    module,
    key,
    source,
    cache: from,
    steps,
  } = await loadModule(paddedModule(offset, PADDING), { cache, engine });
  for (const { outcome, error } of steps) if (outcome === 'failed') throw error;
  check(module, offset);
  counts[source === 'compiler' ? 'compiler' : from === memory ? 'memory' : 'folder']++;
  if (random(10) > 0) return;
  instantiate(module).sum(20_000_000);
  await cache.save(key, engine, module);
  counts.saved++;
}

function sample() {
  const { rss, heapUsed, external } = process.memoryUsage();
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  // A file may be gone by now.
  const sizes = files.map(
    (file) => statSync(path.join(file.parentPath, file.name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return {
    minute: (performance.now() - start) / 60_000,
    rss: rss / MiB,
    heapUsed: heapUsed / MiB,
    external: external / MiB,
    descriptors: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    folder: sizes.reduce((sum, size) => sum + size, 0) / MiB,
    files: files.length,
  };
}

/** The slope per minute, by least squares. */
function slope(samples, name) {
  const mean = (of) => samples.reduce((sum, each) => sum + each[of], 0) / samples.length;
  const [x, y] = [mean('minute'), mean(name)];
  const covariance = samples.reduce((sum, each) => sum + (each.minute - x) * (each[name] - y), 0);
  return covariance / samples.reduce((sum, each) => sum + (each.minute - x) ** 2, 0);
}

const start = performance.now();
const samples = [];
const pause = Math.min(SAMPLED_EVERY, duration / MIN_SAMPLES);
while (performance.now() - start < duration) {
  await Promise.all(Array.from({ length: AT_ONCE }, serve));
  await nextTask();
  if (performance.now() - start >= (samples.length + 1) * pause) samples.push(sample());
}

const problems = [...warnings];
const half = samples.slice(samples.length >> 1);
const minutes = half.at(-1).minute - half[0].minute;
const { memory: fromMemory, folder: fromFolder, compiler, saved } = counts;
console.log(`${process.version}, ${values.minutes} minutes, ${samples.length} samples`);
console.log(
  `loads from memory ${fromMemory}, folder ${fromFolder}, compiler ${compiler}; optimised and saved again ${saved}`,
);
const row = (name, ...cells) => console.log(name.padEnd(16), ...cells.map((cell) => cell.padStart(10)));
row('', 'min', 'median', 'max', 'per min');
for (const [name, unit] of Object.entries(UNITS)) {
  const all = samples.map((each) => each[name]);
  const perMinute = slope(half, name);
  row(
    `${name} ${unit}`,
    ...[Math.min(...all), median(all), Math.max(...all), perMinute].map((each) => each.toFixed(1)),
  );
  // A sweep opens a hundred files for a moment, so a single sample says nothing of descriptors that are never closed.
  const growth = name === 'descriptors' ? median(all.slice(-half.length >> 1)) - median(all) : perMinute * minutes;
  if (growth > (MAX_GROWTH[name] ?? Infinity)) problems.push(`${name} grew by ${growth.toFixed(1)} in ${minutes} min`);
}
const largest = Math.max(...samples.map(({ folder: size }) => size));
if (largest > MAX_FOLDER) problems.push(`The folder had ${largest} MiB, more than ${MAX_FOLDER}`);
console.log(`largest folder: ${((100 * largest) / MAX_SIZE).toFixed(1)} % of its limit`);
// A short run on a busy machine may not reach every case.
const isComplete = fromMemory && fromFolder && compiler && saved && largest > MAX_SIZE;
if (!isComplete && duration >= 60_000) problems.push('Something was not tried at all');
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
