import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inMemory, SharedCache, type SharedCacheOptions } from '../../dist/caches/shared.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { assertSameModule } from '../../dist/testing/assertions.js';
import { syncModuleCacheContract } from '../../dist/testing/contract.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sumModule } from '../../dist/testing/modules.js';
import { sample } from '../../dist/testing/sample.js';
import { runProgram } from '../support/processes.js';

let caches = 0;
/** A new empty cache. It needs a new name, because caches of one name are one cache. */
const fresh = (options?: SharedCacheOptions) => new SharedCache({ name: `test-${caches++}`, ...options });

// These tests run in Deno and Bun, too: scripts/runtimes.mjs.
const skip = fresh().unsupportedReason ?? false;

syncModuleCacheContract('SharedCache', () => fresh());
syncModuleCacheContract('inMemory()', () => inMemory({ name: `test-${caches++}` }));

describe('SharedCache', () => {
  const engine = new FakeEngine();

  /** Saves modules 1, 2, ... `count`, and returns a function that lists those that are still there. */
  function filled(cache: SharedCache, count: number): { use(n: number): void; kept(): number[] } {
    const samples = Array.from({ length: count }, (_, index) => sample({ offset: index + 1, engine }));
    for (const { key, module } of samples) cache.saveSync(key, engine, module);
    return {
      use: (n) => cache.loadSync((samples[n - 1] as (typeof samples)[0]).key, engine),
      kept: () => samples.flatMap(({ key }, index) => (cache.containsSync(key, engine) ? [index + 1] : [])),
    };
  }

  it('lets the oldest module go when it is full', () => {
    assert.deepEqual(filled(fresh({ maxModules: 3 }), 5).kept(), [3, 4, 5]);
  });

  it('lets the least recently used module go; contains() does not count as use', () => {
    const cache = fresh({ maxModules: 3 });
    const { use, kept } = filled(cache, 3);
    use(1);
    assert.deepEqual(kept(), [1, 2, 3]);
    const { key, module } = sample({ offset: 4, engine });
    cache.saveSync(key, engine, module);
    assert.deepEqual(kept(), [1, 3]);
  });

  for (const options of [undefined, {}, { maxModules: undefined }]) {
    it(`keeps 100 modules when made with ${JSON.stringify(options)}`, () => {
      assert.equal(filled(fresh(options), 101).kept().length, 100);
    });
  }

  it('keeps one module with maxModules: 1', () => {
    assert.deepEqual(filled(fresh({ maxModules: 1 }), 2).kept(), [2]);
  });

  for (const option of ['maxModules', 'maxBytes']) {
    for (const value of [0, -1, 1.5, NaN, Infinity, 2 ** 53, '10', null, {}]) {
      it(`refuses ${option}: ${typeof value} ${value} with a TypeError that names the option`, () => {
        assert.throws(() => fresh({ [option]: value }), { name: 'TypeError', message: new RegExp(option) });
      });
    }
  }

  it('refuses a name that is no string', () => {
    assert.throws(() => fresh({ name: 1 as never }), { name: 'TypeError', message: /name/ });
  });

  const size = sample({ engine }).wireBytes.length;

  it('lets the oldest modules go if their wire bytes exceed maxBytes', { skip }, () => {
    assert.deepEqual(filled(fresh({ maxBytes: 3 * size }), 5).kept(), [3, 4, 5]);
    assert.deepEqual(filled(fresh({ maxBytes: 3 * size - 1 }), 5).kept(), [4, 5]);
  });

  it('does not keep a single module that is too large, and keeps the others', { skip }, () => {
    const cache = fresh({ maxBytes: size });
    const { kept } = filled(cache, 1);
    const wireBytes = sumModule({ padding: 100 });
    const key = ModuleHash.sha256(wireBytes);
    cache.saveSync(key, engine, engine.compileSync(wireBytes));
    assert.equal(cache.containsSync(key, engine), false);
    assert.deepEqual(kept(), [1]);
  });

  it('gives the same object again as long as this thread has it', () => {
    const cache = fresh();
    const { key, module } = sample({ engine });
    cache.saveSync(key, engine, module);
    assert.ok(cache.loadSync(key, engine) === module);
  });

  it('caches of one name are one cache, those of different names are not', () => {
    const name = `test-${caches++}`;
    const { key, module } = sample({ engine });
    new SharedCache({ name }).saveSync(key, engine, module);
    assertSameModule(new SharedCache({ name }).loadSync(key, engine), module);
    assert.equal(new SharedCache({ name: `${name}-other` }).containsSync(key, engine), false);
  });

  it('replaces a module that is saved again', () => {
    const cache = fresh();
    const { key, module, wireBytes } = sample({ engine });
    cache.saveSync(key, engine, module);
    const other = engine.compileSync(wireBytes);
    cache.saveSync(key, engine, other);
    assert.ok(cache.loadSync(key, engine) === other);
  });
});

describe('SharedCache if threads cannot share', () => {
  it('is one cache of that name in the thread, still with its limit', { skip }, () => {
    const { status, stderr, stdout } = runProgram('unshared.mjs');
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), { reason: 'electron 99 is not Node.js', kept: [1, 4, 5], sameObject: true });
  });
});

/** Each test runs a child process, because the end of the process is part of the test. */
describe('SharedCache between threads', { skip }, () => {
  const run = (...args: string[]) => {
    const { status, signal, stdout, stderr } = runProgram('shared.mjs', { args });
    return {
      status,
      signal,
      stderr,
      answers: stdout
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    };
  };
  const good = { status: 0, signal: null, stderr: '' };
  const loaded = { sum: 500_506, optimised: true };

  it('a worker loads what the main thread saved, with the code that V8 optimised for it', () => {
    assert.deepEqual(run('save', 'worker:load'), { ...good, answers: [loaded] });
  });

  it('the main thread loads the module of a worker that has ended', () => {
    assert.deepEqual(run('worker:save', 'load'), { ...good, answers: [loaded] });
  });

  it('a worker and its worker load the module of a worker that has ended', () => {
    assert.deepEqual(run('worker:save', 'worker:load', 'worker:worker:load'), { ...good, answers: [loaded, loaded] });
  });

  it('the module of a worker of a worker stays, also if the thread was terminated', () => {
    assert.deepEqual(run('worker:worker:save', 'load'), { ...good, answers: [loaded] });
    assert.deepEqual(run('terminated:save', 'load'), { ...good, answers: [loaded] });
  });

  it('a miss and a hit are answered within milliseconds while every other thread is busy', () => {
    const { answers, ...rest } = run('worker:save', 'busy', 'miss', 'load', 'end');
    assert.deepEqual(rest, good);
    assert.ok(answers[0].milliseconds < 5, `${answers[0].milliseconds} ms`);
    assert.deepEqual(answers[1], loaded);
  });

  for (const [end, status] of [
    ['', 0],
    ['exit', 0],
    ['throw', 1],
    ['worker:throw', 0],
  ] as const) {
    for (const saver of ['save', 'worker:save', 'terminated:save']) {
      it(`the process ends as usual after ${saver} ${end}, also while V8 is optimising what is shared`, () => {
        const result = run(saver, 'worker:tiering', 'tiering', ...(end ? [end] : []));
        assert.deepEqual([result.status, result.signal], [status, null], result.stderr);
      });
    }
  }

  it('keeps its limit for threads that start and end', () => {
    assert.deepEqual(run('waves'), { ...good, answers: [{ kept: 3 }] });
  });
});
