// The process under stress. Writes lines of JSON: its memory after some waves of workers, and its counts at the end. Exits with 1 if
// something went wrong.
//
//   node --expose-gc process.mjs [--waves 25] [--samples 12] [--seed 1] [--work caches|plain|none]
//
// For comparison, `plain` workers do the same with WebAssembly alone, and `none` workers only start and end.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { seeded } from '../../.test-build/support/damage.js';
import { everythingModule } from '../../.test-build/support/everything.js';
import { filesIn } from '../../.test-build/support/processes.js';
import { V8Engine } from '../../dist/index.js';
import { sumModule } from '../../dist/testing/modules.js';
import { compute, createWork, FAULTS, Figures } from './work.mjs';

const WORKERS_PER_WAVE = 8;
const OPERATIONS_PER_WORKER = 15;
/** One worker of each wave is killed within so many milliseconds; the others work for about as long. */
const KILLED_WITHIN = 500;
/** V8 13 keeps the heap pages of dead threads for 8 s: 100 MB after a few waves. (V8 14 has a flag for it, see workers.mjs.) */
const SECONDS_OF_REST = process.versions.v8.startsWith('13.') ? 10 : 1;

const { values } = parseArgs({
  options: {
    waves: { type: 'string', default: '25' },
    samples: { type: 'string', default: '12' },
    seed: { type: 'string', default: '1' },
    work: { type: 'string', default: 'caches' },
  },
});
const [waves, samples, seed] = [values.waves, values.samples, values.seed].map(Number);
const usesCaches = values.work === 'caches';
const random = seeded(seed);
const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-stress-'));
const figures = new Figures();
const unexpected = [];
let killed = 0;

process.on('warning', ({ message }) => unexpected.push(`warning: ${message}`));
try {
  const settings = {
    modules: await createModules(),
    directory,
    engineId: usesCaches ? new V8Engine().deterministicId : undefined,
    work: values.work,
  };
  const step = usesCaches ? createWork({ ...settings, figures, random }) : () => {};
  for (let wave = 0; wave < waves; wave++) {
    removeAnEntry();
    let isOver = false;
    const workers = Array.from({ length: WORKERS_PER_WAVE }, (_, index) => runWorker(settings, wave, index === 0));
    const end = Promise.all(workers).then(() => {
      isOver = true;
    });
    while (!isOver) {
      await step();
      await setTimeout(random(10));
    }
    await end;
    const isSampled = Math.floor(((wave + 1) * samples) / waves) > Math.floor((wave * samples) / waves);
    if (isSampled) console.log(JSON.stringify({ workers: (wave + 1) * WORKERS_PER_WAVE, ...(await memory()) }));
  }
  const temporary = filesIn(directory).filter((file) => file.endsWith('.tmp')).length;
  console.log(
    JSON.stringify({ workers: waves * WORKERS_PER_WAVE, killed, ...figures.toJSON(), temporary, unexpected }),
  );
} finally {
  rmSync(directory, { recursive: true, force: true });
}
const counted = figures.toJSON();
if (unexpected.length > 0 || FAULTS.some((fault) => counted[fault] > 0)) process.exitCode = 1;

async function createModules() {
  const real = createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm');
  const made = [
    ['sum', sumModule({ offset: 1 })],
    ['sum', sumModule({ offset: 2 })],
    ['sum', sumModule({ offset: 3, padding: 50_000 })],
    ['everything', everythingModule()],
    ['sql', readFileSync(real)],
  ];
  return Promise.all(
    made.map(async ([kind, bytes]) => {
      const wireBytes = new Uint8Array(new SharedArrayBuffer(bytes.length));
      wireBytes.set(bytes);
      return { kind, wireBytes, expected: await compute(kind, new WebAssembly.Module(bytes)) };
    }),
  );
}

/** Runs a worker until its end. One that will be killed works until then. */
async function runWorker(settings, wave, isToBeKilled) {
  const operations = isToBeKilled ? Infinity : OPERATIONS_PER_WORKER;
  const worker = new Worker(new URL('worker.mjs', import.meta.url), {
    workerData: { ...settings, wave, operations, figures: figures.buffer, seed: random(2 ** 31) },
  });
  worker.on('error', (error) => unexpected.push(String(error?.stack ?? error)));
  const exit = new Promise((resolve) => worker.on('exit', resolve));
  if (isToBeKilled) {
    await Promise.race([exit, new Promise((resolve) => worker.on('message', resolve))]);
    await setTimeout(random(KILLED_WITHIN));
    await worker.terminate();
    killed++;
  }
  const status = await exit;
  if (status !== 0 && !isToBeKilled) unexpected.push(`a worker of wave ${wave} ended with ${status}`);
}

/** Otherwise all look-ups would soon be hits. */
function removeAnEntry() {
  const entries = filesIn(directory).filter((file) => file.endsWith('.artifact'));
  if (entries.length > 0) rmSync(entries[random(entries.length)]);
}

async function memory() {
  for (let i = 0; i < SECONDS_OF_REST; i++) {
    globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await setTimeout(1000);
  }
  globalThis.gc();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const entries = (folder) => readdirSync(`/proc/self/${folder}`).length;
  return { rss, heapUsed, external, arrayBuffers, descriptors: entries('fd'), threads: entries('task') };
}
