// node bench/latency.mjs [--node <binary>] [--rounds 9]: how long a load takes with each strategy, and compiling again.
// A fresh process for every number, all in turn, medians. The artifacts are those of bench/programs after training; keys are known and
// wire bytes in memory. "first" is the first load of the process, "again" the median of the next 100 while the module is alive.
import '../scripts/built.mjs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import Table from 'cli-table3';
import {
  FileSystemCache,
  HashedModuleData,
  inMemory,
  loadModule,
  loadModuleSync,
  ThreadLocalCache,
  V8Engine,
} from '../dist/index.js';
import { local, modules } from './modules.mjs';
import { learnersAreDone, median, run } from './processes.mjs';

const program = fileURLToPath(import.meta.url);
const AGAIN = 100;

/** Each prepares a process and returns the function that is timed. */
const strategies = {
  'compile again':
    ({ engine, wireBytes }) =>
    () =>
      engine.compileSync(wireBytes),
  ThreadLocalCache: ({ key, engine, disk, wireBytes }) => {
    const cache = new ThreadLocalCache();
    cache.saveSync(key, engine, disk.loadSync(key, engine, { wireBytes }));
    return () => cache.loadSync(key, engine);
  },
  'SharedCache, same thread': ({ key, engine, disk, wireBytes }) => {
    const cache = inMemory();
    cache.saveSync(key, engine, disk.loadSync(key, engine, { wireBytes }));
    return () => cache.loadSync(key, engine);
  },
  'SharedCache, saved by a worker': async ({ key, engine, args }) => {
    const worker = new Worker(program, { workerData: args });
    await new Promise((resolve) => worker.on('exit', resolve));
    const cache = inMemory();
    return () => cache.loadSync(key, engine);
  },
  FileSystemCache:
    ({ key, engine, disk, wireBytes }) =>
    () =>
      disk.loadSync(key, engine, { wireBytes }),
  'SharedCache, then FileSystemCache': ({ key, engine, disk, wireBytes }) => {
    const cache = inMemory().withFallback(disk);
    return () => cache.loadSync(key, engine, { wireBytes });
  },
  'loadModuleSync over both': ({ engine, disk, data }) => {
    const cache = inMemory().withFallback(disk);
    return () => loadModuleSync(data, { cache, engine }).module;
  },
  'loadModule over both': ({ engine, disk, data }) => {
    const cache = inMemory().withFallback(disk);
    return async () => (await loadModule(data, { cache, engine })).module;
  },
};

if (!isMainThread) await saveFromWorker();
else if (process.argv[2] === '--measure') await measure(process.argv.slice(3));
else await main();

/** Runs in a worker and saves for the main thread. */
async function saveFromWorker() {
  const { key, engine, disk, wireBytes } = surroundings(workerData);
  inMemory().saveSync(key, engine, disk.loadSync(key, engine, { wireBytes }));
}

function surroundings(args) {
  const [, file, directory] = args;
  const data = HashedModuleData.fromFileSync(file);
  const engine = new V8Engine();
  engine.deterministicId; // the first call takes a millisecond, once per process
  const disk = new FileSystemCache(directory, { wireBytes: 'omit' });
  return { args, data, key: data.hash, wireBytes: readFileSync(file), engine, disk };
}

async function measure(args) {
  const action = await strategies[args[0]](surroundings(args));
  const time = async () => {
    const start = performance.now();
    const module = await action();
    const ms = performance.now() - start;
    if (!(module instanceof WebAssembly.Module)) throw new Error(`${args[0]} gave no module`);
    return ms;
  };
  const first = await time();
  await new Promise(setImmediate); // lets promotions run
  const again = [];
  for (let i = 0; i < AGAIN; i++) again.push(await time());
  console.log(JSON.stringify({ first, again: median(again) }));
}

async function main() {
  const { values } = parseArgs({ options: { node: { type: 'string' }, rounds: { type: 'string' } } });
  const { node = process.execPath } = values;
  const rounds = Number(values.rounds ?? 9);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new TypeError(`--rounds must be a whole number, not ${values.rounds}`);
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  for (const [name, file] of Object.entries(modules)) {
    const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-latency-'));
    try {
      for (let i = 0; i < 3; i++) {
        run(node, local(`programs/${name}.mjs`), { directory });
        await learnersAreDone(directory);
      }
      const times = Object.fromEntries(Object.keys(strategies).map((strategy) => [strategy, []]));
      for (let round = 0; round < rounds; round++) {
        for (const strategy of Object.keys(strategies)) {
          const { output } = run(node, [program, '--measure', strategy, local(file), directory]);
          times[strategy].push(JSON.parse(output));
        }
      }
      report(`${version}, ${name}, medians of ${rounds} processes`, times);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

function report(title, times) {
  const table = new Table({
    head: [title, 'first', 'again', 'compile again / first'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const firstOf = (strategy) => median(times[strategy].map(({ first }) => first));
  const compile = firstOf('compile again');
  for (const strategy of Object.keys(times)) {
    const first = firstOf(strategy);
    const again = median(times[strategy].map((each) => each.again));
    table.push([strategy, `${first.toFixed(3)} ms`, `${again.toFixed(4)} ms`, `${(compile / first).toFixed(1)} x`]);
  }
  console.log(`${table}\n`);
}
