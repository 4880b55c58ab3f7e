// Runs steps with one SharedCache, in this thread and in workers. The arguments are the steps, in order. "worker:" before a step runs
// it in a worker and waits for its end, "terminated:" ends the worker with terminate().
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { everythingModule } from '../../.test-build/support/everything.js';
import { CacheError, ModuleHash, SharedCache, V8Engine } from '../../dist/index.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';

const engine = new V8Engine();
const cache = new SharedCache({ maxModules: 3 });
const wireBytes = sumModule({ offset: 6 });
const key = ModuleHash.sha256(wireBytes);

const steps = {
  async save() {
    const module = engine.compileSync(wireBytes);
    await optimise(module, (each) => engine.serialize(each));
    cache.saveSync(key, engine, module);
  },
  load() {
    const module = cache.loadSync(key, engine);
    const optimised = engine.serialize(module) !== undefined;
    return { sum: instantiate(module).sum(1000), optimised };
  },
  /** The fastest of twenty, because the busy threads need the processor, too. */
  miss() {
    const times = Array.from({ length: 20 }, () => {
      const start = performance.now();
      try {
        cache.loadSync(ModuleHash.random(), engine);
      } catch (error) {
        if (!CacheError.is(error, 'NotFound')) throw error;
      }
      return performance.now() - start;
    });
    return { milliseconds: Math.min(...times) };
  },
  /** Starts two workers that are busy for longer than the rest takes. */
  async busy() {
    const workers = [1, 2].map(() => new Worker(fileURLToPath(import.meta.url), { workerData: ['block'] }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
  },
  block() {
    parentPort.postMessage(0);
    const start = performance.now();
    while (performance.now() - start < 10_000);
  },
  /** Makes V8 optimise in the background, and does not wait for it. */
  tiering() {
    const bytes = everythingModule(100_000);
    const module = engine.compileSync(bytes);
    const { sum } = instantiate(engine.compileSync(sumModule({ offset: 7 })));
    cache.saveSync(ModuleHash.sha256(bytes), engine, module);
    for (let offset = 10; offset < 40; offset++) {
      const each = sumModule({ offset });
      const compiled = engine.compileSync(each);
      cache.saveSync(ModuleHash.sha256(each), engine, compiled);
      instantiate(compiled).sum(2_000_000);
    }
    sum(1000);
  },
  async waves() {
    const keys = [];
    for (let wave = 0; wave < 3; wave++) {
      const workers = [1, 2, 3].map((n) => {
        const bytes = sumModule({ offset: 100 * wave + n });
        keys.push(ModuleHash.sha256(bytes));
        return new Worker(fileURLToPath(import.meta.url), { workerData: ['keep', bytes] });
      });
      await Promise.all(workers.map((worker) => once(worker, 'exit')));
    }
    return { kept: keys.filter((each) => cache.containsSync(each, engine)).length };
  },
  keep() {
    const bytes = workerData[1];
    cache.saveSync(ModuleHash.sha256(bytes), engine, engine.compileSync(bytes));
  },
  end: () => process.exit(),
  exit: () => process.exit(),
  throw() {
    throw new Error('on purpose');
  },
};

for (const step of Array.isArray(workerData) ? workerData.slice(0, 1) : process.argv.slice(2)) {
  const [how, ...rest] = step.split(':');
  if (how === 'worker' || how === 'terminated') {
    const options = { workerData: [rest.join(':')], stderr: true };
    const worker = new Worker(fileURLToPath(import.meta.url), options);
    worker.on('error', () => {});
    if (how === 'worker') await new Promise((resolve) => worker.on('exit', resolve));
    else {
      await once(worker, 'message');
      await worker.terminate();
    }
    continue;
  }
  const answer = await steps[how]();
  if (answer) console.log(JSON.stringify(answer));
  parentPort?.postMessage(0);
}
