import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import {
  CacheError,
  type Engine,
  FileSystemCache,
  HashedModuleData,
  type LoadOptions,
  type LoadProgress,
  loadModule,
  loadModuleSync,
  ModuleCacheBase,
  ModuleHash,
  ThreadLocalCache,
  V8Engine,
} from '../dist/index.js';
import { assertSameModule } from '../dist/testing/assertions.js';
import { FakeEngine } from '../dist/testing/fake-engine.js';
import { sumModule } from '../dist/testing/modules.js';
import { sample } from '../dist/testing/sample.js';
import { BrokenCache, BrokenSyncCache, Spy } from './support/caches.js';
import { temporaryDirectory } from './support/processes.js';

/** Arguments of `loadModule`, and the expected module. */
function setup() {
  const cache = new Spy(new ThreadLocalCache());
  const engine = new FakeEngine();
  const { wireBytes, key, module: expected } = sample();
  return { wireBytes, key, expected, cache, engine, options: { cache, engine } };
}

describe('loadModule', () => {
  it('compiles and saves a module that the cache does not have', async () => {
    const { wireBytes, key, expected, cache, engine, options } = setup();
    const { module } = await loadModule(wireBytes, options);
    assertSameModule(module, expected);
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 1, contains: 0, save: 1 });
    assert.ok((await cache.load(key, engine)) === module);
  });

  it('returns a module that the cache has, and neither compiles nor saves', async () => {
    const { wireBytes, cache, engine, options } = setup();
    const { module } = await loadModule(wireBytes, options);
    assert.ok((await loadModule(wireBytes, options)).module === module);
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 2, contains: 0, save: 1 });
  });

  it('gives the wire bytes to the cache', async () => {
    const { wireBytes, cache, options } = setup();
    await loadModule(wireBytes, options);
    assert.deepEqual(
      cache.loadOptions.map((each) => each?.wireBytes),
      [new Uint8Array(wireBytes)],
    );
  });

  it('accepts every BufferSource', async () => {
    const { wireBytes, expected, options } = setup();
    const around = Buffer.concat([Buffer.of(1, 2, 3), wireBytes, Buffer.of(4)]);
    const { buffer, byteOffset } = around;
    for (const source of [
      wireBytes.buffer,
      around.subarray(3, -1),
      new DataView(buffer, byteOffset + 3, wireBytes.length),
    ]) {
      assertSameModule((await loadModule(source, options)).module, expected);
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
    assertSameModule((await load).module, expected);
    assertSameModule(await cache.load(key, engine), expected);
  });

  it('rejects with a CompileError if the bytes are no module, and saves nothing', async () => {
    const { cache, options } = setup();
    for (const wrong of [new Uint8Array(0), Buffer.from('text'), sumModule().subarray(0, -1)]) {
      await assert.rejects(loadModule(wrong, options), WebAssembly.CompileError);
    }
    assert.equal(cache.calls.save, 0);
  });
});

describe('loadModule for callers at the same time', () => {
  it('gives one module, and compiles and saves once', async () => {
    const { wireBytes, cache, engine, options } = setup();
    const loads = await Promise.all(
      [wireBytes, wireBytes.slice(), HashedModuleData.sha256(wireBytes)].map((each) => loadModule(each, options)),
    );
    assert.ok(loads.every(({ module }) => module === loads[0]?.module));
    assert.equal(engine.calls.compile, 1);
    assert.deepEqual(cache.calls, { load: 1, contains: 0, save: 1 });
  });

  it('gives one module, also if the engines are different objects of the same id', async () => {
    const { wireBytes, options } = setup();
    const [first, second] = await Promise.all([
      loadModule(wireBytes, options),
      loadModule(wireBytes, { ...options, engine: new FakeEngine() }),
    ]);
    assert.ok(first.module === second.module);
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
    it(`loads ${what} separately`, async () => {
      const one = setup();
      const loads = [loadModule(one.wireBytes, one.options), loadModule(...other(one))];
      const [first, second] = await Promise.all(loads);
      assert.ok(first?.module !== second?.module);
    });
  }

  it('starts a new load once the first is done', async () => {
    const { wireBytes, cache, options } = setup();
    await loadModule(wireBytes, options);
    await loadModule(wireBytes, options);
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
        assertSameModule((await loadModule(wireBytes, { cache, engine })).module, expected);
        assert.equal(engine.calls.compile, 1);
      });
    }
  }

  it('asks it again the next time', async () => {
    const { wireBytes, engine } = setup();
    const cache = new Spy(new BrokenCache(new CacheError('Other', 'broken')));
    for (let times = 1; times <= 2; times++) {
      await loadModule(wireBytes, { cache, engine });
      assert.deepEqual(cache.calls, { load: times, contains: 0, save: times });
    }
  });
});

/** A cache whose loads wait until they are released; `failing` ones then fail. */
class SlowCache extends ModuleCacheBase {
  readonly #released: Promise<void>;
  release: () => void = () => {};
  signal: AbortSignal | undefined;
  saves = 0;

  constructor() {
    super();
    this.#released = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  async load(key: ModuleHash, _engine: Engine, options: LoadOptions = {}): Promise<WebAssembly.Module> {
    this.signal = options.signal;
    options.onProgress?.({ state: 'reading', step: 'lookup', cache: this, bytes: 1, totalBytes: 2 });
    await this.#released;
    throw new CacheError('NotFound', `nothing for ${key}`);
  }

  async contains(): Promise<boolean> {
    return false;
  }

  async save(): Promise<void> {
    this.saves++;
  }
}

describe('loadModule with a signal', () => {
  const reason = new Error('enough');

  it('does nothing if it is aborted already', async () => {
    const { wireBytes, cache, options } = setup();
    await assert.rejects(loadModule(wireBytes, { ...options, signal: AbortSignal.abort(reason) }), reason);
    assert.equal(cache.calls.load, 0);
  });

  it('rejects at once with its reason during a look-up, aborts the look-up, and compiles and saves nothing', async () => {
    const { wireBytes, engine } = setup();
    const cache = new SlowCache();
    const controller = new AbortController();
    const load = loadModule(wireBytes, { cache, engine, signal: controller.signal });
    await setImmediate();
    controller.abort(reason);
    await assert.rejects(load, reason);
    assert.equal(cache.signal?.aborted, true);
    cache.release();
    await setImmediate();
    assert.deepEqual([engine.calls.compile, cache.saves], [0, 0]);
  });

  it('does not affect other callers', async () => {
    const { wireBytes, engine, expected } = setup();
    const cache = new SlowCache();
    const controller = new AbortController();
    const aborted = loadModule(wireBytes, { cache, engine, signal: controller.signal });
    const other = loadModule(wireBytes, { cache, engine });
    await setImmediate();
    controller.abort(reason);
    await assert.rejects(aborted, reason);
    assert.equal(cache.signal?.aborted, false);
    cache.release();
    assertSameModule((await other).module, expected);
    assert.deepEqual([engine.calls.compile, cache.saves], [1, 1]);
  });

  it('aborts the load when the last caller leaves; a later caller starts a new one', async () => {
    const { wireBytes, engine, expected } = setup();
    const cache = new SlowCache();
    const controllers = [new AbortController(), new AbortController()];
    const loads = controllers.map(({ signal }) => loadModule(wireBytes, { cache, engine, signal }));
    await setImmediate();
    for (const controller of controllers) controller.abort(reason);
    const later = loadModule(wireBytes, { cache, engine });
    for (const load of loads) await assert.rejects(load, reason);
    cache.release();
    assertSameModule((await later).module, expected);
    assert.equal(engine.calls.compile, 1);
  });

  it('changes nothing after the end', async () => {
    const { wireBytes, options, expected } = setup();
    const controller = new AbortController();
    const { module } = await loadModule(wireBytes, { ...options, signal: controller.signal });
    controller.abort(reason);
    assertSameModule(module, expected);
  });

  it('ends the wait for a file', async () => {
    const { wireBytes, engine } = setup();
    const cache = new FileSystemCache(temporaryDirectory());
    await loadModule(wireBytes, { cache, engine });
    const controller = new AbortController();
    const onProgress = ({ state }: LoadProgress) => {
      if (state === 'reading') controller.abort(reason);
    };
    const { signal } = controller;
    await assert.rejects(cache.load(ModuleHash.sha256(wireBytes), engine, { signal, onProgress }), reason);
    await assert.rejects(
      new ThreadLocalCache().withFallback(cache).load(ModuleHash.sha256(wireBytes), engine, { signal }),
      reason,
    );
  });
});

/** An event without times and objects. */
function summary(progress: LoadProgress): string {
  const { state, step } = progress;
  const where = 'cache' in progress ? ` ${progress.cache.constructor.name}` : '';
  if (state === 'reading') return `${step}${where}: ${progress.bytes === progress.totalBytes ? 'all' : 'some'} read`;
  return `${step}${where}: ${state === 'finished' ? progress.outcome : '...'}`;
}

describe('loadModule reports its progress:', () => {
  const chain = () => new ThreadLocalCache().withFallback(new FileSystemCache(temporaryDirectory()));
  const MISSES = [
    'lookup ThreadLocalCache: ...',
    'lookup ThreadLocalCache: miss',
    'lookup FileSystemCache: ...',
    'lookup FileSystemCache: miss',
  ];
  const COMPILED = ['compile: ...', 'compile: compiled', 'save: ...', 'save: saved'];

  const ways = {
    loadModule,
    loadModuleSync: async (...[source, options]: Parameters<typeof loadModuleSync>) => loadModuleSync(source, options),
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`${name}: every tier and its outcome`, async () => {
      const { wireBytes, engine } = setup();
      const cache = chain();
      const log: string[] = [];
      const onProgress = (progress: LoadProgress) => void log.push(summary(progress));
      const compiled = await way(wireBytes, { cache, engine, onProgress });
      assert.deepEqual(log.splice(0), [...MISSES, ...COMPILED]);
      assert.deepEqual([compiled.source, compiled.cache], ['compiler', undefined]);

      const first = await way(wireBytes, { cache, engine, onProgress });
      assert.deepEqual(log.splice(0), ['lookup ThreadLocalCache: ...', 'lookup ThreadLocalCache: hit']);
      assert.deepEqual([first.source, first.cache === cache.primary], ['cache', true]);

      const another = new ThreadLocalCache().withFallback(cache.fallback);
      const second = await way(wireBytes, { cache: another, engine, onProgress });
      assert.deepEqual(log.splice(0), [
        ...MISSES.slice(0, 3),
        'lookup FileSystemCache: all read',
        'lookup FileSystemCache: hit',
      ]);
      assert.deepEqual([second.source, second.cache === cache.fallback], ['cache', true]);
    });

    it(`${name}: compiling an entry without code is reported, too`, async () => {
      const { wireBytes, engine } = setup();
      engine.nativeCode = undefined;
      const disk = new FileSystemCache(temporaryDirectory());
      await way(wireBytes, { cache: disk, engine });
      const log: string[] = [];
      const onProgress = (progress: LoadProgress) => void log.push(summary(progress));
      const { source, cache } = await way(wireBytes, { cache: disk, engine, onProgress });
      assert.deepEqual(log, [
        'lookup FileSystemCache: ...',
        'lookup FileSystemCache: all read',
        'compile: ...',
        'compile: compiled',
        'lookup FileSystemCache: hit',
      ]);
      assert.deepEqual([source, cache === disk], ['compiler', true]);
    });

    it(`${name}: the result has every step with its duration`, async () => {
      const { wireBytes, key, engine } = setup();
      const result = await way(wireBytes, { cache: chain(), engine });
      assert.deepEqual(
        result.steps.map(summary),
        [...MISSES, ...COMPILED].filter((each) => !each.endsWith('...')),
      );
      const sum = result.steps.reduce((total, { duration }) => total + duration, 0);
      assert.ok(result.steps.every(({ duration }) => duration >= 0) && sum > 0 && sum <= result.duration);
      assert.ok(result.key.equals(key));
    });

    it(`${name}: failures, with the error`, async () => {
      const { wireBytes, engine } = setup();
      const error = new CacheError('Other', 'broken');
      const cache = new BrokenSyncCache(error);
      const { steps } = await way(wireBytes, { cache, engine });
      assert.deepEqual(steps.map(summary), ['lookup BrokenSyncCache: failed', 'compile: compiled', 'save: failed']);
      assert.deepEqual([steps[0]?.error, steps[2]?.error], [error, error]);
      const log: string[] = [];
      const onProgress = (progress: LoadProgress) => void log.push(summary(progress));
      await assert.rejects(way(Buffer.from('wrong'), { cache, engine, onProgress }), WebAssembly.CompileError);
      assert.equal(log.at(-1), 'compile: failed');
    });

    for (const when of [...MISSES, ...COMPILED]) {
      it(`${name}: throwing at "${when}" ends the load with that error`, async () => {
        const { wireBytes, engine } = setup();
        const log: string[] = [];
        const reason = new Error('stop');
        const onProgress = (progress: LoadProgress) => {
          log.push(summary(progress));
          if (log.at(-1) === when) throw reason;
        };
        await assert.rejects(way(wireBytes, { cache: chain(), engine, onProgress }), reason);
        assert.equal(log.at(-1), when, 'nothing is told any more');
      });
    }
  }

  it('throwing affects only that caller', async () => {
    const { wireBytes, expected, engine } = setup();
    const cache = new SlowCache();
    const reason = new Error('stop');
    const onProgress = () => {
      throw reason;
    };
    const leaving = loadModule(wireBytes, { cache, engine, onProgress });
    const staying = loadModule(wireBytes, { cache, engine });
    await assert.rejects(leaving, reason);
    cache.release();
    assertSameModule((await staying).module, expected);
  });
});

describe('loadModule remembers failures for a while:', () => {
  const wrong = sumModule().subarray(0, -1);

  it('invalid bytes are not compiled or looked up again', async () => {
    const { cache, engine, options } = setup();
    for (let times = 0; times < 3; times++) await assert.rejects(loadModule(wrong, options), WebAssembly.CompileError);
    assert.throws(() => loadModuleSync(wrong, { ...options, cache: new ThreadLocalCache() }), WebAssembly.CompileError);
    assert.deepEqual([engine.calls.compile, cache.calls.load], [2, 1]);
  });

  it('for a limited time', async () => {
    const { engine, options } = setup();
    for (const [rememberFailuresFor, compilations] of [
      [10, 2],
      [0, 2],
    ] as const) {
      const before = engine.calls.compile;
      const each = { ...options, cache: new ThreadLocalCache(), rememberFailuresFor };
      await assert.rejects(loadModule(wrong, each), WebAssembly.CompileError);
      await setTimeout(30);
      await assert.rejects(loadModule(wrong, each), WebAssembly.CompileError);
      assert.equal(engine.calls.compile - before, compilations);
    }
  });

  it('separately for each engine id and cache', async () => {
    const { engine, options } = setup();
    await assert.rejects(loadModule(wrong, options), WebAssembly.CompileError);
    const other = new FakeEngine('fake-engine-2');
    await assert.rejects(loadModule(wrong, { ...options, engine: other }), WebAssembly.CompileError);
    assert.equal(other.calls.compile, 1);
    await assert.rejects(loadModule(wrong, { ...options, cache: new ThreadLocalCache() }), WebAssembly.CompileError);
    assert.equal(engine.calls.compile, 2);
  });

  it('but not errors that are not about the bytes', async () => {
    const { wireBytes, options, engine } = setup();
    engine.compile = () => Promise.reject(new RangeError('out of memory'));
    await assert.rejects(loadModule(wireBytes, options), RangeError);
    engine.compile = FakeEngine.prototype.compile;
    await loadModule(wireBytes, options);
  });

  it('a module that cannot be serialised is not saved again, but one whose save failed for another reason is', async () => {
    for (const [kind, saves] of [
      ['Serialize', 1],
      ['FileWrite', 3],
    ] as const) {
      const { wireBytes, engine } = setup();
      const cache = new Spy(new BrokenCache(new CacheError(kind, 'broken')));
      for (let times = 0; times < 3; times++) await loadModule(wireBytes, { cache, engine });
      assert.equal(cache.calls.save, saves);
      await loadModule(wireBytes, { cache, engine: new FakeEngine('fake-engine-2') });
      assert.equal(cache.calls.save, saves + 1);
    }
  });
});

describe('loadModule says which option is wrong', () => {
  const { wireBytes, cache, engine } = setup();
  const sync = new ThreadLocalCache();
  const cases: [options: object, message: RegExp][] = [
    [{ engine }, /option cache must be a ModuleCache, not undefined/],
    [{ cache: 'memory', engine }, /option cache must be a ModuleCache, not 'memory'/],
    [{ cache: sync }, /option engine must be an Engine, not undefined/],
    [{ cache: sync, engine: /x/ }, /option engine must be an Engine, not \/x\//],
    [
      { cache: sync, engine, rememberFailuresFor: [5] },
      /option rememberFailuresFor must be milliseconds .*, not \[ 5 \]/,
    ],
    [
      { cache: sync, engine, rememberFailuresFor: Symbol('5') },
      /option rememberFailuresFor must be milliseconds .*, not Symbol/,
    ],
    [{ cache: sync, engine, onProgress: true }, /option onProgress must be a function, not true/],
    [{ cache: sync, engine, rememberFailuresFor: -1 }, /option rememberFailuresFor must be milliseconds .*, not -1/],
    [
      { cache: sync, engine, rememberFailuresFor: '1m' },
      /option rememberFailuresFor must be milliseconds .*, not '1m'/,
    ],
  ];
  const cases2: [options: object, message: RegExp][] = [
    [{ cache, engine, signal: {} }, /option signal must be an AbortSignal, not {}/],
    [{ cache, engine, waitAtMost: NaN }, /option waitAtMost must be milliseconds .*, not NaN/],
    [{ cache, engine, coverage: 'hot' }, /option coverage must be 'full' or undefined, not 'hot'/],
    [{ cache, engine, coverage: 'full' }, /coverage: 'full' needs a V8Engine/],
    [{ cache, engine: new V8Engine(), coverage: 'full' }, /coverage: 'full' needs a FileSystemCache/],
  ];
  for (const [options, message] of [...cases, ...cases2]) {
    it(`loadModule: ${message.source}`, () =>
      assert.rejects(loadModule(wireBytes, options as never), { name: 'TypeError', message }));
  }
  const onlyAsync: [options: object, message: RegExp][] = [
    [{ cache, engine }, /option cache must have synchronous methods/],
    [{ cache: sync, engine, signal: AbortSignal.abort() }, /loadModuleSync has no option signal/],
    [{ cache: sync, engine, coverage: 'full' }, /coverage/],
  ];
  for (const [options, message] of [...cases, ...onlyAsync]) {
    it(`loadModuleSync: ${message.source}`, () =>
      assert.throws(() => loadModuleSync(wireBytes, options as never), { name: 'TypeError', message }));
  }

  it('refuses values that are no wire bytes', async () => {
    await assert.rejects(loadModule('module.wasm' as never, { cache, engine }), TypeError);
    assert.throws(() => loadModuleSync('module.wasm' as never, { cache: sync, engine }), TypeError);
  });
});
