import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inMemory, SharedCache } from '../../dist/caches/shared.js';
import { syncModuleCacheContract } from '../support/contract.js';
import { FakeEngine } from '../support/fake-engine.js';
import { sample } from '../support/sample.js';

syncModuleCacheContract('SharedCache', () => new SharedCache());
syncModuleCacheContract('inMemory()', inMemory);

describe('SharedCache', () => {
  const engine = new FakeEngine();

  /** Saves modules 1, 2, ... `count`, and gives a function that tells which of them are there. */
  function filled(cache: SharedCache, count: number): { use(n: number): void; kept(): number[] } {
    const samples = Array.from({ length: count }, (_, index) => sample({ offset: index + 1, engine }));
    for (const { key, module } of samples) cache.saveSync(key, engine, module);
    return {
      use: (n) => cache.loadSync((samples[n - 1] as (typeof samples)[0]).key, engine),
      kept: () => samples.flatMap(({ key }, index) => (cache.containsSync(key, engine) ? [index + 1] : [])),
    };
  }

  it('lets the oldest module go when it is full', () => {
    assert.deepEqual(filled(new SharedCache({ maxModules: 3 }), 5).kept(), [3, 4, 5]);
  });

  it('lets the least recently used module go, and a look-up is no use', () => {
    const cache = new SharedCache({ maxModules: 3 });
    const { use, kept } = filled(cache, 3);
    use(1);
    assert.deepEqual(kept(), [1, 2, 3]);
    const { key, module } = sample({ offset: 4, engine });
    cache.saveSync(key, engine, module);
    assert.deepEqual(kept(), [1, 3]);
  });

  for (const options of [undefined, {}, { maxModules: undefined }]) {
    it(`keeps 100 modules when made with ${JSON.stringify(options)}`, () => {
      assert.equal(filled(new SharedCache(options), 101).kept().length, 100);
    });
  }

  it('keeps one module when told so', () => {
    assert.deepEqual(filled(new SharedCache({ maxModules: 1 }), 2).kept(), [2]);
  });

  for (const maxModules of [0, -1, 1.5, NaN, Infinity, Number.MAX_SAFE_INTEGER, 2 ** 53, '10', null, {}]) {
    it(`refuses maxModules: ${typeof maxModules} ${maxModules} with a TypeError that names the option`, () => {
      assert.throws(() => new SharedCache({ maxModules: maxModules as number }), {
        name: 'TypeError',
        message: /maxModules/,
      });
    });
  }
});
