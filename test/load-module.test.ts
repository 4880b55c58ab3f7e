import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CacheError } from '../dist/cache-error.js';
import { ThreadLocalCache } from '../dist/caches/thread-local.js';
import { HashedModuleData } from '../dist/hashed-module-data.js';
import { loadModule } from '../dist/load-module.js';
import { ModuleHash } from '../dist/module-hash.js';
import { assertSameModule } from './support/assertions.js';
import { BrokenCache, Spy } from './support/caches.js';
import { FakeEngine } from './support/fake-engine.js';
import { sumModule } from './support/modules.js';
import { sample } from './support/sample.js';

/** What `loadModule` is called with, and the module that is expected. */
function setup() {
  const cache = new Spy(new ThreadLocalCache());
  const engine = new FakeEngine();
  const { wireBytes, key, module: expected } = sample();
  return { wireBytes, key, expected, cache, engine, options: { cache, engine } };
}

describe('loadModule', () => {
  it('compiles and saves a module that the cache does not have', async () => {
    const { wireBytes, key, expected, cache, engine, options } = setup();
    const module = await loadModule(wireBytes, options);
    assertSameModule(module, expected);
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 1, contains: 0, save: 1 });
    assert.ok((await cache.load(key, engine)) === module);
  });

  it('takes a module that the cache has from there, and neither compiles nor saves', async () => {
    const { wireBytes, cache, engine, options } = setup();
    const module = await loadModule(wireBytes, options);
    assert.ok((await loadModule(wireBytes, options)) === module);
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 2, contains: 0, save: 1 });
  });

  it('gives the wire bytes to the cache', async () => {
    const { wireBytes, cache, options } = setup();
    await loadModule(wireBytes, options);
    assert.deepEqual(cache.loadOptions, [{ wireBytes: new Uint8Array(wireBytes) }]);
  });

  it('takes every BufferSource', async () => {
    const { wireBytes, expected, options } = setup();
    const around = Buffer.concat([Buffer.of(1, 2, 3), wireBytes, Buffer.of(4)]);
    const { buffer, byteOffset } = around;
    for (const source of [
      wireBytes.buffer,
      around.subarray(3, -1),
      new DataView(buffer, byteOffset + 3, wireBytes.length),
    ]) {
      assertSameModule(await loadModule(source, options), expected);
    }
    assert.equal(options.engine.calls.compile, 1);
  });

  it('uses the hash of HashedModuleData, whatever its algorithm', async () => {
    const { wireBytes, cache, options } = setup();
    await loadModule(HashedModuleData.xxhash(wireBytes), options);
    await loadModule(HashedModuleData.sha256(wireBytes), options);
    await loadModule(HashedModuleData.sha256(wireBytes), options);
    assert.deepEqual(cache.savedKeys, [ModuleHash.xxhash(wireBytes), ModuleHash.sha256(wireBytes)].map(String));
  });

  it('loads the bytes as they were when it was called', async () => {
    const { wireBytes, key, expected, cache, engine, options } = setup();
    const load = loadModule(wireBytes, options);
    wireBytes.fill(0);
    assertSameModule(await load, expected);
    assertSameModule(await cache.load(key, engine), expected);
  });

  it('rejects with a CompileError when the bytes are no module, saves nothing, and tries again the next time', async () => {
    const { cache, engine, options } = setup();
    for (const wrong of [new Uint8Array(0), Buffer.from('text'), sumModule().subarray(0, -1)]) {
      const calls = { ...engine.calls };
      await assert.rejects(loadModule(wrong, options), WebAssembly.CompileError);
      await assert.rejects(loadModule(wrong, options), WebAssembly.CompileError);
      assert.equal(engine.calls.compile, calls.compile + 2);
    }
    assert.equal(cache.calls.save, 0);
  });
});

describe('loadModule for callers at the same time', () => {
  it('gives one promise, and compiles and saves once', async () => {
    const { wireBytes, cache, engine, options } = setup();
    const loads = [wireBytes, wireBytes.slice(), HashedModuleData.sha256(wireBytes)].map((each) =>
      loadModule(each, options),
    );
    assert.ok(loads.every((load) => load === loads[0]));
    await Promise.all(loads);
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 1, contains: 0, save: 1 });
  });

  it('gives one promise also when an engine of the same id is another object', async () => {
    const { wireBytes, options } = setup();
    const load = loadModule(wireBytes, options);
    assert.equal(loadModule(wireBytes, { ...options, engine: new FakeEngine() }), load);
    await load;
  });

  it('rejects all with one error', async () => {
    const { engine, options } = setup();
    const wrong = Buffer.from('no module');
    const loads = [1, 2, 3].map(() => loadModule(wrong, options));
    const reasons = (await Promise.allSettled(loads)).map((each) => (each as PromiseRejectedResult).reason);
    assert.ok(reasons.every((reason) => reason === reasons[0]));
    assert.equal(engine.calls.compile, 1);
  });

  const apart: [what: string, other: (one: ReturnType<typeof setup>) => Parameters<typeof loadModule>][] = [
    ['other bytes', ({ options }) => [sumModule({ offset: 1 }), options]],
    ['another cache', ({ wireBytes, engine }) => [wireBytes, { engine, cache: new ThreadLocalCache() }]],
    ['another engine', ({ wireBytes, cache }) => [wireBytes, { cache, engine: new FakeEngine('fake-engine-2') }]],
    ['another hash', ({ wireBytes, options }) => [HashedModuleData.xxhash(wireBytes), options]],
  ];
  for (const [what, other] of apart) {
    it(`loads ${what} apart`, async () => {
      const one = setup();
      const loads = [loadModule(one.wireBytes, one.options), loadModule(...other(one))];
      assert.notEqual(loads[0], loads[1]);
      const [first, second] = await Promise.all(loads);
      assert.ok(first !== second);
    });
  }

  it('starts anew once the load is done', async () => {
    const { wireBytes, cache, options } = setup();
    const first = loadModule(wireBytes, options);
    await first;
    const second = loadModule(wireBytes, options);
    assert.notEqual(second, first);
    await second;
    assert.equal(cache.calls.load, 2);
  });
});

describe('loadModule with a cache that fails', () => {
  const errors = [
    ...(['NotFound', 'Deserialize', 'FileRead', 'FileWrite', 'Untrusted', 'Other'] as const).map(
      (kind) => new CacheError(kind, kind),
    ),
    new Error('no CacheError'),
    undefined,
  ];
  for (const error of errors) {
    for (const throws of [false, true]) {
      it(`compiles, once, when the cache ${throws ? 'throws' : 'rejects with'} ${error?.message ?? error}`, async () => {
        const { wireBytes, expected, engine } = setup();
        const cache = new BrokenCache(error, { throws });
        assertSameModule(await loadModule(wireBytes, { cache, engine }), expected);
        assert.equal(engine.calls.compile, 1);
      });
    }
  }

  it('still asks it again the next time', async () => {
    const { wireBytes, engine } = setup();
    const cache = new Spy(new BrokenCache(new CacheError('Other', 'broken')));
    for (let times = 1; times <= 2; times++) {
      await loadModule(wireBytes, { cache, engine });
      assert.deepEqual(cache.calls, { load: times, contains: 0, save: times });
    }
  });
});
