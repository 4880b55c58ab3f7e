import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { canPack, unpackArtifact } from '../../dist/artifact/packed.js';
import type { GetOptions, StoredValue } from '../../dist/artifact-store.js';
import {
  CacheError,
  FileSystemCache,
  FileSystemStore,
  ModuleHash,
  RemoteCache,
  type RemoteCacheOptions,
} from '../../dist/index.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { optimisedFurther, sample } from '../../dist/testing/sample.js';
import { MemoryStore, moduleCacheContract } from '../../dist/testing.js';
import { until } from '../support/learning.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const secret = 'the-secret-of-this-fleet';

moduleCacheContract('RemoteCache', () => new RemoteCache(new MemoryStore(), { secret }));
moduleCacheContract(
  'RemoteCache, unsigned, not packed',
  () => new RemoteCache(new MemoryStore(), { allowUnsigned: true, compression: 'none' }),
);
moduleCacheContract(
  'RemoteCache in a folder',
  () => new RemoteCache(new FileSystemStore(temporaryDirectory(), { isShared: true }), { secret, timeout: 60_000 }),
);

class UnconditionalStore extends MemoryStore {
  override readonly isConditional: boolean = false;
}

/** The stored artifact, unpacked. */
async function storedIn(store: MemoryStore) {
  const [value] = [...store.values.values()];
  assert.ok(value);
  return unpackArtifact(value.bytes, { check: () => {}, signer: undefined });
}

describe('new RemoteCache', () => {
  it('needs a secret, or allowUnsigned', () => {
    assert.throws(() => new RemoteCache(new MemoryStore()), { name: 'TypeError', message: /secret, or allowUnsigned/ });
    assert.throws(() => new RemoteCache(new MemoryStore(), { secret: 'short' }), { name: 'TypeError' });
  });

  for (const [name, value] of Object.entries({
    mode: 'readonly',
    wireBytes: true,
    compression: 'gzip',
    timeout: '250ms',
    writeTimeout: 0,
    failuresUntilOpen: Number.NaN,
    retryAfter: -1,
    maxPendingSaves: null,
    maxArtifactSize: {},
  })) {
    it(`refuses ${name}: ${JSON.stringify(value)}`, () => {
      const options = { allowUnsigned: true, [name]: value } as RemoteCacheOptions;
      assert.throws(() => new RemoteCache(new MemoryStore(), options), {
        name: 'TypeError',
        message: new RegExp(`The option ${name} must`),
      });
    });
  }
});

describe('RemoteCache stores', () => {
  it('under the name that a folder uses, packed if this Node can', async () => {
    const store = new MemoryStore();
    const { key, engine, module } = sample();
    await new RemoteCache(store, { secret }).save(key, engine, module);
    assert.deepEqual([...store.values.keys()], [`${engine.deterministicId}/${key}.artifact`]);
    const [value] = [...store.values.values()];
    assert.equal(value?.bytes[3] === 'Z'.charCodeAt(0), canPack());
  });

  for (const Store of [MemoryStore, UnconditionalStore]) {
    it(`nothing worse than the stored artifact: ${Store.name}`, async () => {
      const store = new Store();
      const cache = new RemoteCache(store, { secret });
      const { key, engine, module } = sample();
      const lengths: number[] = [];
      for (const more of [10, 5, 10, 20, 0]) {
        engine.nativeCode = optimisedFurther(engine, more);
        await cache.save(key, engine, module);
        lengths.push((await storedIn(store)).nativeCode.length);
      }
      const [first = 0] = lengths;
      assert.deepEqual(lengths, [first, first, first, first + 10, first + 10]);
      assert.equal((await storedIn(store)).generation, 1);
      assert.equal(cache.stats.saves, 2);
    });
  }

  it('the best of several concurrent writes', async () => {
    const store = new MemoryStore();
    const writers = [3, 9, 1, 7, 5].map((more) => {
      const { key, engine, module } = sample({ engine: new FakeEngine() });
      engine.nativeCode = optimisedFurther(engine, more);
      return { key, engine, module, cache: new RemoteCache(store, { secret }) };
    });
    await Promise.all(writers.map(({ cache, key, engine, module }) => cache.save(key, engine, module)));
    const best = writers[1]?.engine.nativeCode as Uint8Array;
    assert.equal((await storedIn(store)).nativeCode.length, best.length);
  });

  it('over damaged entries, and those signed by somebody else', async () => {
    for (const ruin of [
      () => Buffer.from('garbage'),
      (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1),
      async () => {
        const other = new MemoryStore();
        const { key, engine, module } = sample();
        engine.nativeCode = optimisedFurther(engine, 1000);
        await new RemoteCache(other, { secret: 'the-secret-of-others' }).save(key, engine, module);
        return [...other.values.values()][0]?.bytes as Uint8Array;
      },
    ]) {
      const store = new MemoryStore();
      const cache = new RemoteCache(store, { secret });
      const { key, engine, module } = sample();
      await cache.save(key, engine, module);
      for (const value of store.values.values()) value.bytes = await ruin(value.bytes);
      const outcome = await cache.load(key, engine).catch((error) => error.kind);
      assert.ok(['NotFound', 'Untrusted'].includes(outcome), outcome);
      await cache.save(key, engine, module);
      assertSameModule(await cache.load(key, engine), module);
    }
  });

  it('no artifact that is too large', async () => {
    const store = new MemoryStore();
    const { key, engine, module } = sample();
    const cache = new RemoteCache(store, { secret, maxArtifactSize: 400 });
    await assert.rejects(cache.save(key, engine, module), ofKind('Serialize'));
    await new RemoteCache(store, { secret }).save(key, engine, module);
    await assert.rejects(
      new RemoteCache(store, { secret, maxArtifactSize: 10 }).load(key, engine),
      ofKind('NotFound', ({ cause }) => assert.match(String(cause), /more than 10/)),
    );
  });

  it('a limited number at once: one more is dropped, and counted', async () => {
    class SlowStore extends MemoryStore {
      override async put(...args: Parameters<MemoryStore['put']>): Promise<boolean> {
        await setTimeout(20);
        return super.put(...args);
      }
    }
    const cache = new RemoteCache(new SlowStore(), { secret, maxPendingSaves: 3 });
    const engine = new FakeEngine();
    const saves = Array.from({ length: 8 }, (_, offset) => {
      const { key, module } = sample({ offset, engine });
      return cache.save(key, engine, module);
    });
    const outcomes = await Promise.allSettled(saves);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5, 'two at once, and three waiting');
    assert.equal(cache.stats.dropped, 3);
    await cache.close();
  });
});

describe('RemoteCache never hands to the engine', () => {
  for (const [what, theirs] of [
    ['what is not signed', { allowUnsigned: true }],
    ['what is signed with another secret', { secret: 'the-secret-of-others' }],
  ] as const) {
    it(what, async () => {
      const store = new MemoryStore();
      const { key, engine, module, wireBytes } = sample();
      await new RemoteCache(store, theirs).save(key, engine, module);
      let given = 0;
      engine.deserialize = () => {
        given++;
        return module;
      };
      const cache = new RemoteCache(store, { secret });
      await assert.rejects(cache.load(key, engine), ofKind('Untrusted'));
      await assert.rejects(cache.load(key, engine, { wireBytes }), ofKind('Untrusted'));
      assert.deepEqual([given, cache.stats.untrusted, cache.stats.misses, cache.stats.hits], [0, 2, 2, 0]);
    });
  }

  it('an artifact under the name of another', async () => {
    const store = new MemoryStore();
    const [one, other] = [sample({ offset: 1 }), sample({ offset: 2 })];
    const cache = new RemoteCache(store, { secret });
    await cache.save(one.key, one.engine, one.module);
    const [[name, value] = []] = [...store.values];
    assert.ok(name && value);
    store.values.set(name.replace(one.key.toString(), other.key.toString()), value);
    await assert.rejects(cache.load(other.key, other.engine), ofKind('NotFound'));
  });
});

describe('RemoteCache over a failing store:', () => {
  class Troubled extends MemoryStore {
    override readonly description: string = 'memory://somewhere';
    /** The promise that answers wait for. */
    held: Promise<void> | undefined;
    error: Error | undefined;

    override async get(name: string): Promise<StoredValue | undefined> {
      await this.held;
      if (this.error) throw this.error;
      return super.get(name);
    }
  }

  it('a failure is an error of kind Other, which names the store', async () => {
    const store = new Troubled();
    store.error = new Error('connection refused');
    const { key, engine } = sample();
    await assert.rejects(
      new RemoteCache(store, { secret }).load(key, engine),
      ofKind('Other', ({ message, cause }) => {
        assert.match(message, /memory:\/\/somewhere.*connection refused/);
        assert.equal(cause, store.error);
      }),
    );
  });

  it('contains rejects with kind Other, too, and does not answer no', async () => {
    const store = new Troubled();
    store.has = () => Promise.reject(new Error('connection refused'));
    const { key, engine } = sample();
    await assert.rejects(
      new RemoteCache(store, { secret }).contains(key, engine),
      ofKind('Other', ({ message }) => assert.match(message, /memory:\/\/somewhere, asked for .*: connection refused/)),
    );
  });

  it('native code that the engine refuses is NotFound with the reason, and counted as a miss', async () => {
    const store = new Troubled();
    const { key, engine, module, wireBytes } = sample();
    const cache = new RemoteCache(store, { secret });
    await cache.save(key, engine, module);
    engine.deserialize = () => {
      throw new CacheError('Deserialize', 'not of this engine');
    };
    for (const options of [{}, { wireBytes }]) {
      await assert.rejects(
        cache.load(key, engine, options),
        ofKind('NotFound', ({ message, cause }) => {
          assert.match(message, /was refused by the engine/);
          assert.ok(CacheError.is(cause, 'Deserialize'));
        }),
      );
    }
    const { hits, misses } = cache.stats;
    assert.deepEqual({ hits, misses }, { hits: 0, misses: 2 });
  });

  it('a late answer is put into the folder in front of it', async () => {
    const store = new Troubled();
    const { key, engine, module, wireBytes } = sample();
    await new RemoteCache(store, { secret }).save(key, engine, module);
    let release = () => {};
    store.held = new Promise((resolve) => {
      release = resolve;
    });
    const directory = temporaryDirectory();
    const folder = new FileSystemCache(directory, { wireBytes: 'omit' });
    const cache = new RemoteCache(store, { secret, timeout: 20, folder });
    await assert.rejects(cache.load(key, engine, { wireBytes }), ofKind('Other'));
    assert.equal(await folder.contains(key, engine), false);
    release();
    await until('the answer is there', () => filesIn(directory).length === 1);
    assertSameModule(await folder.load(key, engine, { wireBytes }), module);
    assert.equal(cache.stats.late, 1);
  });

  it('useless answers open the circuit', async () => {
    const store = new MemoryStore();
    const { key, engine } = sample();
    await store.put(`${engine.deterministicId}/${key}.artifact`, Buffer.alloc(100_000, 'garbage'));
    const cache = new RemoteCache(store, { secret });
    for (let count = 0; count < 3; count++) await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
    await assert.rejects(cache.load(key, engine), ofKind('Other'));
    assert.deepEqual([cache.state, cache.stats.notAsked], ['open', 1]);
  });

  it('an abort rejects with the reason', async () => {
    const store = new Troubled();
    store.held = new Promise(() => {});
    const { key, engine } = sample();
    const reason = new Error('enough');
    const load = new RemoteCache(store, { secret }).load(key, engine, { signal: AbortSignal.abort(reason) });
    await assert.rejects(load, (error) => error === reason);
  });
});

describe('RemoteCache reads few artifacts at once:', () => {
  /** Counts the answers that come at the same time, by whether large ones were asked for. */
  class Counting extends MemoryStore {
    most = { small: 0, large: 0 };
    readonly #now = { small: 0, large: 0 };

    override async get(name: string, options: GetOptions = {}): Promise<StoredValue | undefined> {
      const kind = (options.maxSize ?? Number.POSITIVE_INFINITY) > 2 ** 25 ? 'large' : 'small';
      this.most[kind] = Math.max(this.most[kind], ++this.#now[kind]);
      await setTimeout(5);
      this.#now[kind]--;
      return super.get(name, options);
    }
  }

  it('as many as fit the largest artifact together', async () => {
    const store = new Counting();
    const cache = new RemoteCache(store, { secret, compression: 'none', timeout: 20_000 });
    const engine = new FakeEngine();
    const samples = Array.from({ length: 20 }, (_, offset) => sample({ offset, engine }));
    for (const [index, { key, module }] of samples.entries()) {
      engine.nativeCode = optimisedFurther(engine, index < 2 ? 20_000_000 : 0);
      await cache.save(key, engine, module);
    }
    store.most = { small: 0, large: 0 };
    const loaded = await Promise.all(samples.map(({ key }) => cache.load(key, engine)));
    for (const [index, { module }] of samples.entries()) assertSameModule(loaded[index] as WebAssembly.Module, module);
    assert.deepEqual(store.most, { small: 16, large: 1 });
  });

  it('and an artifact that is larger than its module can need is not usable', async () => {
    const store = new MemoryStore();
    const { key, engine, module, wireBytes } = sample();
    engine.nativeCode = optimisedFurther(engine, 5_000_000);
    await new RemoteCache(store, { secret }).save(key, engine, module);
    const cache = new RemoteCache(store, { secret, timeout: 20_000 });
    assertSameModule(await cache.load(key, engine), module);
    await assert.rejects(cache.load(key, engine, { wireBytes }), ofKind('NotFound'));
  });
});

describe('modes:', () => {
  it('read-only saves nothing', async () => {
    const store = new MemoryStore();
    const { key, engine, module } = sample();
    await new RemoteCache(store, { secret, mode: 'read-only' }).save(key, engine, module);
    assert.equal(store.values.size, 0);
  });

  it('write-only finds nothing', async () => {
    const store = new MemoryStore();
    const { key, engine, module } = sample();
    const cache = new RemoteCache(store, { secret, mode: 'write-only' });
    await cache.save(key, engine, module);
    assert.equal(store.values.size, 1);
    assert.equal(await cache.contains(key, engine), false);
    await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
  });
});

it('loads artifacts without wire bytes if it is given them', async () => {
  const directory = temporaryDirectory();
  const { key, engine, module, wireBytes } = sample();
  await new FileSystemCache(directory, { secret, wireBytes: 'omit' }).save(key, engine, module);
  const cache = new RemoteCache(new FileSystemStore(directory, { isShared: true }), { secret, timeout: 60_000 });
  assertSameModule(await cache.load(key, engine, { wireBytes }), module);
  await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
  await assert.rejects(cache.load(ModuleHash.random(), engine), ofKind('NotFound'));
});
