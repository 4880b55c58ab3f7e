// Every thread of the stress does random operations on caches that it shares with the others, and checks the result of each
// module that it gets.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { threadId } from 'node:worker_threads';
import { observeEverything } from '../../.test-build/support/everything.js';
import {
  CacheError,
  FileSystemCache,
  HashedModuleData,
  loadModule,
  loadModuleSync,
  SharedCache,
  V8Engine,
} from '../../dist/index.js';
import { instantiate } from '../../dist/testing/modules.js';

/** A worker saves in `own`. In the next wave that cache is `dead`: all threads that saved in it have ended. */
export const CACHES = ['shared', 'small', 'files', 'both', 'own', 'dead'];
/** Errors, such as a wrong module. */
export const FAULTS = ['wrong', 'damaged', 'unsupported', 'otherEngine'];

const NAMES = ['operations', ...FAULTS, ...CACHES.flatMap((cache) => [`${cache} hits`, `${cache} misses`])];

/** Counters of all threads, including killed ones. */
export class Figures {
  #counters;

  constructor(buffer = new SharedArrayBuffer(4 * NAMES.length)) {
    this.buffer = buffer;
    this.#counters = new Int32Array(buffer);
  }

  count(name) {
    Atomics.add(this.#counters, NAMES.indexOf(name), 1);
  }

  /** Prints the error at once, because this thread may be killed. */
  fault(name, text) {
    this.count(name);
    writeSync(2, `${name}, thread ${threadId}: ${text}\n`);
  }

  toJSON() {
    return Object.fromEntries(NAMES.map((name, index) => [name, this.#counters[index]]));
  }
}

/** Runs a module of each kind. The loops are long enough for V8 to optimise them while threads come and go. */
const computes = {
  sum: (module) => String(instantiate(module).sum(300_000)),
  everything: (module) => observeEverything(module).join('\n'),
  async sql(module) {
    const require = createRequire(import.meta.url);
    delete require.cache[require.resolve('sql.js')]; // otherwise it always returns its first module
    const { Database } = await require('sql.js')({
      instantiateWasm(imports, use) {
        const instance = new WebAssembly.Instance(module, imports);
        use(instance);
        return instance.exports;
      },
    });
    const database = new Database();
    const [{ values }] = database.exec(
      'with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) select sum(x * x % 7) from n',
    );
    database.close();
    return String(values);
  },
};

export const compute = async (kind, module) => computes[kind](module);

/**
 * @param settings - of process.mjs: the modules and what they compute, the folder, the engine's id
 * @param wave - of a worker
 * @returns a function that does one random operation
 */
export function createWork({ modules, directory, engineId, wave, figures, random }) {
  const engine = new V8Engine();
  const pick = (list) => list[random(list.length)];
  const hashed = new Map(modules.map((each) => [each, HashedModuleData.sha256(each.wireBytes)]));
  const files = new FileSystemCache(directory);
  const caches = {
    shared: new SharedCache(),
    small: new SharedCache({ name: 'small', maxModules: 2 }),
    files,
    both: new SharedCache({ name: 'front', maxModules: 2 }).withFallback(files),
  };
  const isWorker = wave !== undefined;
  if (isWorker) caches.own = new SharedCache({ name: `waves ${wave % 2}` });
  const dead = new SharedCache({ name: `waves ${(wave + 1) % 2}` });

  for (const { unsupportedReason } of [engine, caches.shared]) {
    if (unsupportedReason) figures.fault('unsupported', unsupportedReason);
  }

  async function check(name, { kind, expected }, module) {
    const actual = await compute(kind, module);
    if (actual !== expected) figures.fault('wrong', `${name} gave a module that computes ${actual}, not ${expected}`);
  }

  async function lookUp(name, each, load) {
    let module;
    try {
      module = await load();
    } catch (error) {
      if (!CacheError.is(error, 'NotFound')) throw error;
      if (isDamage(error)) figures.fault('damaged', `${name}: ${error.message}`);
    }
    figures.count(`${name} ${module ? 'hits' : 'misses'}`);
    if (module) await check(name, each, module);
  }

  async function loaded(name, each, { module, source, steps }) {
    const bad = steps.find(({ outcome, error }) => outcome === 'failed' || isDamage(error));
    if (bad) figures.fault('damaged', `${name}: ${bad.step} ${bad.outcome}: ${bad.error}`);
    figures.count(`${name} ${source === 'cache' ? 'hits' : 'misses'}`);
    await check(name, each, module);
  }

  const operations = [
    (name, cache, each, { hash }) => lookUp(name, each, () => cache.load(hash, engine)),
    (name, cache, each, { hash }) => lookUp(name, each, () => cache.loadSync(hash, engine)),
    async (name, cache, each, data) => loaded(name, each, await loadModule(data, { cache, engine })),
    async (name, cache, each, data) => loaded(name, each, loadModuleSync(data, { cache, engine })),
    async (_, cache, each, { hash }) => cache.save(hash, engine, await engine.compile(each.wireBytes)),
    (_, cache, each, { hash }) => cache.saveSync(hash, engine, engine.compileSync(each.wireBytes)),
    (_, cache, _each, { hash }) => cache.contains(hash, engine),
  ];

  return async () => {
    const each = pick(modules);
    const data = hashed.get(each);
    if (isWorker && random(6) === 0) await lookUp('dead', each, () => dead.loadSync(data.hash, engine));
    else await pick(operations)(...pick(Object.entries(caches)), each, data);
    // One thread that leaves V8's flags changed would change the engine id of all threads, and make everything stored useless.
    const id = engine.deterministicId;
    if (id !== engineId) figures.fault('otherEngine', `${id}, not ${engineId}`);
    figures.count('operations');
  };
}

/** Does the same work without this package. */
export function createPlainWork({ modules, figures, random }) {
  return async () => {
    const { kind, wireBytes } = modules[random(modules.length)];
    await compute(kind, random(2) ? await WebAssembly.compile(wireBytes) : new WebAssembly.Module(wireBytes));
    figures.count('operations');
  };
}

/** Whether a stored entry was not usable. Nothing is damaged here, so that is an error. */
function isDamage(error) {
  if (error instanceof AggregateError) return error.errors.some(isDamage);
  return CacheError.is(error, 'Deserialize') || (CacheError.is(error) && isDamage(error.cause));
}
