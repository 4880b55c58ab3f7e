import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CacheError } from '../cache-error.js';
import { FallbackCache } from '../caches/fallback.js';
import { ThreadLocalCache } from '../caches/thread-local.js';
import type { ModuleCache, SyncModuleCache } from '../module-cache.js';
import { type HashAlgorithm, ModuleHash } from '../module-hash.js';
import { assertSameModule, ofKind } from './assertions.js';
import { FakeEngine } from './fake-engine.js';
import { optimisedFurther, type Sample, sample } from './sample.js';
import { variants } from './variants.js';

/** Any eight bytes are an XXH64, and the package that computes it is optional. */
function keyOf(algorithm: HashAlgorithm, wireBytes: Uint8Array): ModuleHash {
  const key = ModuleHash.sha256(wireBytes);
  return algorithm === 'sha256' ? key : ModuleHash.fromBytes(key.toBytes().subarray(0, 8));
}

/**
 * Tests for `node:test` of the promises that every strategy makes: call it in a test file. They use {@link FakeEngine}, so they pass
 * on every machine.
 *
 * @param name - the strategy's name, for the report
 * @param createCache - returns a new, empty cache
 *
 * @example
 * ```ts
 * import { ThreadLocalCache } from 'wasm-module-cache';
 * import { moduleCacheContract } from 'wasm-module-cache/testing';
 *
 * moduleCacheContract('my strategy', () => new ThreadLocalCache());
 * ```
 */
export function moduleCacheContract(name: string, createCache: () => ModuleCache | Promise<ModuleCache>): void {
  const test = (what: string, check: (cache: ModuleCache, given: Sample) => Promise<void>) =>
    it(what, async () => check(await createCache(), sample()));

  describe(`${name} keeps the contract of ModuleCache:`, () => {
    test('a miss is NotFound', async (cache, { key, engine, wireBytes }) => {
      await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
      await assert.rejects(cache.load(key, engine, { wireBytes }), ofKind('NotFound'));
    });

    for (const algorithm of ['sha256', 'xxhash'] as const) {
      for (const state of ['optimised', 'not optimised']) {
        test(`a module saved under a key of ${algorithm} is loaded, ${state}, with and without the wire bytes`, async (cache) => {
          const { engine, wireBytes, module } = sample({ offset: 5 });
          if (state === 'not optimised') engine.nativeCode = undefined;
          const key = keyOf(algorithm, wireBytes);
          await cache.save(key, engine, module);
          for (const options of [undefined, {}, { wireBytes: undefined }, { wireBytes }]) {
            assertSameModule(await cache.load(key, engine, options), module);
          }
        });
      }
    }

    test('contains says whether the module was saved', async (cache, { key, engine, module }) => {
      assert.equal(await cache.contains(key, engine), false);
      await cache.save(key, engine, module);
      assert.equal(await cache.contains(key, engine), true);
    });

    for (const [what, other] of [
      ['another key', { ...sample(), key: ModuleHash.random() }],
      ['another engine', { ...sample(), engine: new FakeEngine('fake-engine-2') }],
      ['another algorithm of the key', { ...sample(), key: keyOf('xxhash', sample().wireBytes) }],
    ] as const) {
      test(`${what} is a miss`, async (cache, { key, engine, module }) => {
        await cache.save(key, engine, module);
        assert.equal(await cache.contains(other.key, other.engine), false);
        await assert.rejects(cache.load(other.key, other.engine), ofKind('NotFound'));
      });
    }

    test('modules of several keys and engines live side by side', async (cache) => {
      const engines = [new FakeEngine('engine-a'), new FakeEngine('engine-b')];
      const samples = engines.flatMap((engine, index) => [0, 1].map((n) => sample({ engine, offset: 10 * index + n })));
      for (const { key, engine, module } of samples) await cache.save(key, engine, module);
      for (const { key, engine, module } of samples) assertSameModule(await cache.load(key, engine), module);
    });

    for (const first of ['optimised', 'not optimised']) {
      test(`a module saved ${first} may be saved again, with as much, more or less`, async (cache, given) => {
        const { key, engine, module } = given;
        const { nativeCode } = engine;
        const states = [nativeCode, nativeCode, optimisedFurther(engine, 64), undefined];
        for (const state of first === 'optimised' ? states : [undefined, ...states]) {
          engine.nativeCode = state;
          await cache.save(key, engine, module);
          assertSameModule(await cache.load(key, engine), module);
        }
      });
    }

    test('concurrent loads and saves give the right module or a miss', async (cache) => {
      const engine = new FakeEngine();
      const samples = [1, 2, 3, 4].map((offset) => sample({ offset, engine }));
      const loadOrMiss = async ({ key, module }: Sample) => {
        try {
          assertSameModule(await cache.load(key, engine), module);
        } catch (error) {
          if (!CacheError.is(error, 'NotFound')) throw error;
        }
      };
      await Promise.all(
        [...samples, ...samples, ...samples].flatMap((each) => [
          loadOrMiss(each),
          cache.save(each.key, engine, each.module),
          loadOrMiss(each),
        ]),
      );
      for (const { key, module } of samples) assertSameModule(await cache.load(key, engine), module);
    });

    test('withFallback gives a FallbackCache over it', async (cache, { key, engine, module }) => {
      const other = new ThreadLocalCache();
      const both = cache.withFallback(other);
      assert.ok(both instanceof FallbackCache);
      assert.equal(both.primary, cache);
      assert.equal(both.fallback, other);
      await both.save(key, engine, module);
      assertSameModule(await cache.load(key, engine), module);
    });
  });
}

/**
 * Runs the tests of {@link moduleCacheContract} on the promises and on the synchronous methods of a strategy, and checks that both use
 * one cache.
 *
 * @param name - the strategy's name, for the report
 * @param createCache - returns a new, empty cache
 *
 * @example
 * ```ts
 * import { ThreadLocalCache } from 'wasm-module-cache';
 * import { syncModuleCacheContract } from 'wasm-module-cache/testing';
 *
 * syncModuleCacheContract('my strategy', () => new ThreadLocalCache());
 * ```
 */
export function syncModuleCacheContract(name: string, createCache: () => SyncModuleCache): void {
  for (const variant of variants) moduleCacheContract(`${name} (${variant.name})`, () => variant.of(createCache()));

  describe(`${name} is one cache behind both variants of its methods:`, () => {
    const [promises, sync] = variants;
    for (const [writer, reader] of [
      [promises, sync],
      [sync, promises],
    ] as const) {
      it(`what ${writer.name} saves, ${reader.name} loads`, async () => {
        const cache = createCache();
        const { key, engine, module } = sample();
        await writer.of(cache).save(key, engine, module);
        assert.equal(await reader.of(cache).contains(key, engine), true);
        assertSameModule(await reader.of(cache).load(key, engine), module);
      });
    }
  });
}
