// A process of the kill storm, which works until it is killed. Arguments: a cache folder, a seed, "writer" or "sweeper". Prints its
// counts from time to time. Anything unexpected ends it.
import assert from 'node:assert/strict';
import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { seeded } from '../../.test-build/support/damage.js';
import { artifactOf } from '../../dist/artifact/module.js';
import { sweep } from '../../dist/caches/sweep.js';
import {
  CacheError,
  FileSystemCache,
  HashedModuleData,
  loadModule,
  loadModuleSync,
  V8Engine,
} from '../../dist/index.js';
import { optimise } from '../../dist/testing/modules.js';
import { check, paddedModule } from './modules.mjs';

const MODULES = 12;
const PADDING = 100_000;
/** Less than all modules need, so that saves cause sweeps that remove something. */
const MAX_SIZE = 1_000_000;

const [directory, seed, role] = process.argv.slice(2);
const random = seeded(Number(seed));
const engine = new V8Engine();
const cache = new FileSystemCache(directory, { maxSize: MAX_SIZE });
/** The method that the hook stores with. It also replaces an artifact of the same size, which `save` does not. */
const hookCache = new FileSystemCache(directory, { wireBytes: 'omit', maxSize: MAX_SIZE });

const counts = { loads: 0, hits: 0, misses: 0, saves: 0, sweeps: 0, lockedSweeps: 0, quarantined: 0 };

function report() {
  fs.writeSync(1, `${JSON.stringify(counts)}\n`);
  for (const name in counts) counts[name] = 0;
}

// The library's own sweeps.
diagnostics_channel.subscribe('wasm-module-cache:evict', () => counts.sweeps++);

const modules = Array.from({ length: MODULES }, (_, offset) => {
  let data;
  // Some processes are killed before they need all of them.
  return { offset, data: () => (data ??= HashedModuleData.sha256(paddedModule(offset, PADDING))) };
});

/** Looks whether a process was killed while it loaded this artifact. */
function isQuarantine(error) {
  return CacheError.is(error, 'Untrusted') && error.message.includes('did not finish');
}

async function load({ offset, data }, how) {
  counts.loads++;
  let module;
  try {
    module = await how(data());
  } catch (error) {
    // A damaged entry is a miss with a cause, and nothing may be damaged here.
    if (!isQuarantine(error) && (!CacheError.is(error, 'NotFound') || CacheError.is(error.cause))) throw error;
    counts[isQuarantine(error) ? 'quarantined' : 'misses']++;
    return;
  }
  check(module, offset);
  counts.hits++;
}

async function loadOrCompile({ offset, data }, how) {
  counts.loads++;
  const { module, source, steps } = await how(data(), { cache, engine });
  check(module, offset);
  counts[source === 'cache' ? 'hits' : 'misses']++;
  for (const { step, outcome, error } of steps) {
    if (isQuarantine(error)) counts.quarantined++;
    else if (outcome === 'failed' || CacheError.is(error?.cause)) throw error;
    if (step === 'save') counts.saves++;
  }
}

/** Saves whatever V8 has optimised. */
async function save({ offset, data }, how) {
  const module = engine.compileSync(paddedModule(offset, PADDING));
  if (random(3) > 0) await optimise(module, (each) => engine.serialize(each));
  await how(data().hash, engine, module);
  counts.saves++;
}

const actions = [
  (module) => load(module, ({ hash }) => cache.load(hash, engine)),
  (module) => load(module, ({ hash }) => cache.loadSync(hash, engine)),
  (module) => load(module, (data) => cache.load(data.hash, engine, { wireBytes: data.wireBytes })),
  (module) => load(module, (data) => hookCache.loadSync(data.hash, engine, { wireBytes: data.wireBytes })),
  (module) => loadOrCompile(module, loadModule),
  (module) => loadOrCompile(module, loadModuleSync),
  (module) => save(module, (...args) => cache.save(...args)),
  (module) => save(module, (...args) => cache.saveSync(...args)),
  (module) => save(module, async (...args) => hookCache.writeArtifactSync(artifactOf(...args))),
];

async function write() {
  const several = Array.from({ length: 1 + random(3) }, () =>
    actions[random(actions.length)](modules[random(MODULES)]),
  );
  await Promise.all(several);
}

/** Now and then removes everything, including the engine's folder while others write to it. */
async function sweepTightly() {
  const maxSize = random(3) === 0 ? 1 : MAX_SIZE / (1 + random(3));
  const done = await sweep(directory, { maxSize, maxFiles: 10_000 });
  if (done) counts.sweeps++;
  if (!done) counts.lockedSweeps++;
  await setTimeout(random(20));
}

assert.ok(engine.canSerialize, engine.unsupportedReason);
for (;;) {
  await (role === 'sweeper' ? sweepTightly() : write());
  report();
}
