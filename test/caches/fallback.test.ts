import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CacheError, type CacheErrorKind } from '../../dist/cache-error.js';
import { FallbackCache, SyncFallbackCache } from '../../dist/caches/fallback.js';
import { FileSystemCache } from '../../dist/caches/file-system.js';
import { ThreadLocalCache } from '../../dist/caches/thread-local.js';
import type { ModuleCache } from '../../dist/module-cache.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { moduleCacheContract } from '../../dist/testing/contract.js';
import { type Sample, sample } from '../../dist/testing/sample.js';
import { BrokenCache, BrokenSyncCache, Spy } from '../support/caches.js';
import { temporaryDirectory } from '../support/processes.js';

const inMemory = () => new ThreadLocalCache();
// Removed when all tests are done, because promotions go on in the background after a test.
const folders = temporaryDirectory();
let folder = 0;
const onDisk = () => new FileSystemCache(path.join(folders, `cache-${folder++}`));
const spy = () => new Spy(inMemory());
/** Waits for promotions, which begin after the caller has its module. */
const promoted = () => setImmediate();

moduleCacheContract('FallbackCache (memory, disk)', () => inMemory().withFallback(onDisk()));
moduleCacheContract('FallbackCache (disk, memory)', () => onDisk().withFallback(inMemory()));
moduleCacheContract('FallbackCache (three deep, to the left)', () =>
  inMemory().withFallback(onDisk()).withFallback(inMemory()),
);
moduleCacheContract('FallbackCache (three deep, to the right)', () =>
  inMemory().withFallback(onDisk().withFallback(inMemory())),
);

const broken = (kind: CacheErrorKind = 'FileRead') => new BrokenCache(new CacheError(kind, 'broken'));

/** Calls of `load`, `contains` and `save`, for tests with two failing caches. */
const methods = {
  load: (cache: ModuleCache, { key, engine }: Sample) => cache.load(key, engine),
  contains: (cache: ModuleCache, { key, engine }: Sample) => cache.contains(key, engine),
  save: (cache: ModuleCache, { key, engine, module }: Sample) => cache.save(key, engine, module),
};

describe('FallbackCache if both caches fail', () => {
  const plain = new Error('no CacheError');
  const error = (kind: CacheErrorKind) => new CacheError(kind, `an error of kind ${kind}`);
  const cases: [primary: Error, fallback: Error, kind: CacheErrorKind][] = [
    [error('NotFound'), error('NotFound'), 'NotFound'],
    [error('NotFound'), error('FileRead'), 'FileRead'],
    [error('FileRead'), error('NotFound'), 'FileRead'],
    [error('Untrusted'), error('FileWrite'), 'Untrusted'],
    [error('NotFound'), plain, 'Other'],
    [plain, error('NotFound'), 'Other'],
    [plain, error('FileRead'), 'Other'],
  ];
  for (const [name, call] of Object.entries(methods)) {
    for (const [primary, fallback, kind] of cases) {
      it(`${name}: "${primary.message}" and "${fallback.message}" give ${kind}, and both are kept`, async () => {
        const cache = new FallbackCache(new BrokenCache(primary), new BrokenCache(fallback));
        const keepsBoth = ofKind(kind, ({ cause }) => {
          assert.ok(cause instanceof AggregateError);
          assert.deepEqual(cause.errors, [primary, fallback]);
          assert.ok(cause.errors[0] === primary && cause.errors[1] === fallback);
        });
        await assert.rejects(call(cache, sample()), keepsBoth);
      });
    }

    it(`${name}: an error of a file kind has its path`, async () => {
      const onFile = new CacheError('FileWrite', 'broken', { path: '/the/file' });
      const cache = new FallbackCache(broken('NotFound'), new BrokenCache(onFile));
      await assert.rejects(
        call(cache, sample()),
        ofKind('FileWrite', ({ path }) => assert.equal(path, '/the/file')),
      );
    });

    it(`${name}: caches that throw count like caches that reject`, async () => {
      const throwing = () => new BrokenCache(plain, { throws: true });
      await assert.rejects(
        call(new FallbackCache(throwing(), throwing()), sample()),
        ofKind('Other', ({ cause }) => assert.deepEqual((cause as AggregateError).errors, [plain, plain])),
      );
    });
  }
});

describe('FallbackCache.load', () => {
  it('does not ask the fallback for a module that the primary has', async () => {
    const [primary, fallback] = [spy(), spy()];
    const { key, engine, module } = sample();
    await primary.save(key, engine, module);
    assertSameModule(await primary.withFallback(fallback).load(key, engine), module);
    assert.deepEqual(fallback.calls, { load: 0, contains: 0, save: 0 });
  });

  it('promotes a module that only the fallback has, so that the next load does not ask the fallback', async () => {
    const primary = new Spy(onDisk());
    const fallback = new Spy(onDisk());
    const { key, engine, module } = sample();
    await fallback.save(key, engine, module);
    const cache = primary.withFallback(fallback);
    assertSameModule(await cache.load(key, engine), module);
    await promoted();
    await Promise.all(primary.saves);
    assertSameModule(await cache.load(key, engine), module);
    assert.deepEqual(primary.calls, { load: 2, contains: 0, save: 1 });
    assert.deepEqual(fallback.calls, { load: 1, contains: 0, save: 1 });
  });

  it('passes the options on to both', async () => {
    const [primary, fallback] = [spy(), spy()];
    const { key, engine, wireBytes } = sample();
    const options = { wireBytes };
    await assert.rejects(primary.withFallback(fallback).load(key, engine, options), ofKind('NotFound'));
    assert.ok(primary.loadOptions[0] === options && fallback.loadOptions[0] === options);
  });

  it('does not wait for the promotion', async () => {
    const endless = spy();
    endless.save = () => new Promise(() => {});
    const { key, engine, module } = sample();
    const fallback = inMemory();
    await fallback.save(key, engine, module);
    assertSameModule(await endless.withFallback(fallback).load(key, engine), module);
  });

  for (const throws of [false, true]) {
    it(`gives the module and warns when the promotion fails by ${throws ? 'throwing' : 'rejecting'}`, async () => {
      const primary = new BrokenCache(new CacheError('FileWrite', 'the disk is full'), { throws });
      const fallback = inMemory();
      const { key, engine, module } = sample();
      await fallback.save(key, engine, module);
      const warned = once(process, 'warning');
      assertSameModule(await primary.withFallback(fallback).load(key, engine), module);
      const [warning] = await warned;
      assert.equal(warning.name, 'CacheWarning');
      assert.equal(warning.code, 'WASM_CACHE_PROMOTION_FAILED');
      assert.match(warning.message, /the disk is full/);
      assert.ok(warning.message.includes(key.toString()));
    });
  }
});

describe('FallbackCache.contains', () => {
  const { key, engine, module } = sample();
  const full = () => {
    const cache = spy();
    void cache.save(key, engine, module);
    return cache;
  };
  const cases: [name: string, primary: ModuleCache, fallback: ModuleCache, expected: boolean][] = [
    ['is true when only the primary has the module', full(), spy(), true],
    ['is true when only the fallback has the module', spy(), full(), true],
    ['is false when neither has the module', spy(), spy(), false],
    ['is what the fallback says when the primary fails: true', broken(), full(), true],
    ['is what the fallback says when the primary fails: false', broken(), spy(), false],
    ['is what the primary says when the fallback fails: true', full(), broken(), true],
    ['is what the primary says when the fallback fails: false', spy(), broken(), false],
  ];
  for (const [name, primary, fallback, expected] of cases) {
    it(name, async () => assert.equal(await primary.withFallback(fallback).contains(key, engine), expected));
  }

  it('does not ask the fallback when the primary has the module, and promotes nothing', async () => {
    const [primary, fallback] = [full(), full()];
    assert.equal(await primary.withFallback(fallback).contains(key, engine), true);
    assert.equal(fallback.calls.contains, 0);
    const empty = spy();
    assert.equal(await empty.withFallback(fallback).contains(key, engine), true);
    assert.equal(empty.calls.save, 0);
  });
});

describe('FallbackCache.save', () => {
  it('saves to both, once each', async () => {
    const [primary, fallback] = [spy(), spy()];
    const { key, engine, module } = sample();
    await primary.withFallback(fallback).save(key, engine, module);
    for (const cache of [primary, fallback]) {
      assert.equal(cache.calls.save, 1);
      assertSameModule(await cache.load(key, engine), module);
    }
  });

  for (const throws of [false, true]) {
    const how = throws ? 'throws' : 'rejects';
    const error = new CacheError('FileWrite', 'the disk is full');
    const failing = new BrokenCache(error, { throws });

    it(`succeeds and warns, once, when the primary took the module and the fallback ${how}`, async () => {
      const primary = spy();
      const { key, engine, module } = sample();
      const warnings: (Error & { code?: string })[] = [];
      const listener = (warning: Error) => void warnings.push(warning);
      process.on('warning', listener);
      const cache = primary.withFallback(failing);
      for (let times = 0; times < 3; times++) await cache.save(key, engine, module);
      assert.equal(await primary.contains(key, engine), true);
      await promoted();
      process.off('warning', listener);
      const [warning] = warnings.filter(({ code }) => code === 'WASM_CACHE_SAVE_FAILED');
      assert.equal(warnings.length, 1);
      assert.match(String(warning?.message), /the disk is full/);
    });

    it(`rejects with the primary's own error when the primary ${how}, and the fallback has the module`, async () => {
      const fallback = spy();
      const { key, engine, module } = sample();
      await assert.rejects(failing.withFallback(fallback).save(key, engine, module), (actual) => actual === error);
      assert.equal(await fallback.contains(key, engine), true);
    });
  }
});

describe('FallbackCache and time', () => {
  it('a promotion does not delay the load: it begins when the caller has its module', async () => {
    const primary = spy();
    const { key, engine, module } = sample();
    const fallback = inMemory();
    await fallback.save(key, engine, module);
    const cache = primary.withFallback(fallback);
    await cache.load(key, engine);
    assert.equal(primary.calls.save, 0);
    await promoted();
    assert.equal(primary.calls.save, 1);
  });

  it('one promotion at a time of one module', async () => {
    const primary = spy();
    const { key, engine, module } = sample();
    const fallback = inMemory();
    await fallback.save(key, engine, module);
    const cache = primary.withFallback(fallback);
    await Promise.all([1, 2, 3].map(() => cache.load(key, engine)));
    await promoted();
    assert.equal(primary.calls.save, 1);
  });
});

describe('SyncFallbackCache', () => {
  it('is the result for two caches with synchronous methods, and only for them', () => {
    const cache = inMemory().withFallback(onDisk());
    assert.ok(cache instanceof SyncFallbackCache);
    assert.ok(cache.withFallback(inMemory()) instanceof SyncFallbackCache);
    for (const other of [inMemory().withFallback(spy()), spy().withFallback(inMemory())]) {
      assert.ok(!('loadSync' in other));
    }
  });

  it('promotes after loadSync, too', async () => {
    const [primary, fallback] = [inMemory(), inMemory()];
    const { key, engine, module } = sample();
    fallback.saveSync(key, engine, module);
    assert.ok(primary.withFallback(fallback).loadSync(key, engine) === module);
    assert.equal(primary.containsSync(key, engine), false);
    await promoted();
    assert.equal(primary.containsSync(key, engine), true);
  });

  const { key, engine, module } = sample();
  const failing = () => new BrokenSyncCache(new CacheError('FileRead', 'broken'));
  const full = () => {
    const cache = inMemory();
    cache.saveSync(key, engine, module);
    return cache;
  };

  it('uses the other cache if one fails, and keeps both errors if both fail', () => {
    assert.ok(failing().withFallback(full()).loadSync(key, engine) === module);
    assert.equal(failing().withFallback(full()).containsSync(key, engine), true);
    assert.equal(failing().withFallback(inMemory()).containsSync(key, engine), false);
    inMemory().withFallback(failing()).saveSync(key, engine, module);
    assert.throws(() => failing().withFallback(inMemory()).saveSync(key, engine, module), ofKind('FileRead'));
    const both = failing().withFallback(failing());
    for (const call of [
      () => both.loadSync(key, engine),
      () => both.containsSync(key, engine),
      () => both.saveSync(key, engine, module),
    ]) {
      assert.throws(
        call,
        ofKind('FileRead', ({ cause }) => assert.equal((cause as AggregateError).errors.length, 2)),
      );
    }
  });
});

describe('FallbackCache three deep', () => {
  const chains: [name: string, chain: (first: Spy, second: Spy, third: Spy) => ModuleCache][] = [
    ['to the left', (first, second, third) => first.withFallback(second).withFallback(third)],
    ['to the right', (first, second, third) => first.withFallback(second.withFallback(third))],
  ];
  for (const [name, chain] of chains) {
    it(`promotes from the last to both others when built ${name}`, async () => {
      const caches = [spy(), spy(), spy()] as const;
      const { key, engine, module } = sample();
      await caches[2].save(key, engine, module);
      const cache = chain(...caches);
      assertSameModule(await cache.load(key, engine), module);
      await promoted();
      await Promise.all(caches.flatMap(({ saves }) => saves));
      assertSameModule(await cache.load(key, engine), module);
      assert.deepEqual(
        caches.map(({ calls }) => [calls.load, calls.save]),
        [
          [2, 1],
          [1, 1],
          [1, 1],
        ],
      );
    });

    it(`misses with every error kept when built ${name}`, async () => {
      const { key, engine } = sample();
      const cache = chain(spy(), spy(), spy());
      const errorsOf = (error: unknown): unknown[] =>
        (error as Error).cause instanceof AggregateError
          ? ((error as Error).cause as AggregateError).errors.flatMap(errorsOf)
          : [error];
      await assert.rejects(
        cache.load(key, engine),
        ofKind('NotFound', (error) => {
          const errors = errorsOf(error);
          assert.equal(errors.length, 3);
          assert.ok(errors.every((each) => CacheError.is(each, 'NotFound')));
        }),
      );
    });
  }
});
