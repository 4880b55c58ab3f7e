// Tries everything that works in any runtime with WebAssembly, with or without native code. Runs in a folder where the package is
// installed. Its output is the same everywhere, but `reason` differs, and there are no `errors` if native code can be used.
const names = ['Module', 'compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'];
const before = names.map((name) => WebAssembly[name]);
await import('wasm-module-cache/register');
const isHooked = names.some((name, index) => WebAssembly[name] !== before[index]);

const {
  CacheError,
  decodeModule,
  enableModuleCache,
  encodeModule,
  FallbackCache,
  FileSystemCache,
  flushModuleCache,
  HashedModuleData,
  inMemory,
  loadModule,
  loadModuleSync,
  ModuleHash,
  moduleCacheStats,
  RemoteCache,
  SharedCache,
  ThreadLocalCache,
  V8Engine,
} = await import('wasm-module-cache');
const { FakeEngine, MemoryStore } = await import('wasm-module-cache/testing');

/** Exports `double(n)`. */
const wireBytes = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f], // the type of double
  ...[3, 2, 1, 0],
  ...[7, 10, 1, 6, 0x64, 0x6f, 0x75, 0x62, 0x6c, 0x65, 0, 0],
  ...[10, 9, 1, 7, 0, 0x20, 0, 0x20, 0, 0x6a, 0x0b],
]);
const double = (module) => new WebAssembly.Instance(module).exports.double(21);
const kindOf = (run) => {
  try {
    run();
    return 'no error';
  } catch (error) {
    return CacheError.is(error) ? error.kind : String(error);
  }
};
const kindOfLater = (promise) =>
  promise.then(
    () => 'no error',
    (error) => (CacheError.is(error) ? error.kind : String(error)),
  );

const engine = new V8Engine();
const data = HashedModuleData.sha256(wireBytes);
const found = { hash: String(data.hash), hooked: isHooked };

for (const [name, cache] of Object.entries({
  threadLocal: new ThreadLocalCache(),
  shared: new SharedCache({ name: 'of this program' }),
  inMemory: inMemory(),
  fallback: new FallbackCache(new ThreadLocalCache(), new SharedCache({ name: 'behind it' })),
  chain: new ThreadLocalCache().withFallback(new FileSystemCache(process.env.WASM_CACHE_DIR)),
})) {
  const miss = await kindOfLater(cache.load(data.hash, engine));
  const first = await loadModule(data, { cache, engine });
  const second = await loadModule(data, { cache, engine });
  const result = [miss, first.source, second.source, double(second.module), await cache.contains(data.hash, engine)];
  found[name] = result.join(' ');
}
const sync = new ThreadLocalCache();
found.sync = [1, 2].map(() => loadModuleSync(data, { cache: sync, engine }).source).join(' ');
const [one, other] = await Promise.all([1, 2].map(() => loadModule(data, { cache: new ThreadLocalCache(), engine })));
found.sameId = one.key.equals(other.key) && new V8Engine().deterministicId === engine.deterministicId;
found.random = String(ModuleHash.random()).length;

// Bytes and stores, with an engine that does not need V8.
const fake = new FakeEngine();
const remote = new RemoteCache(new MemoryStore(), { secret: 'correct-horse-battery-staple' });
await remote.save(data.hash, fake, fake.compileSync(wireBytes));
found.remote = double(await remote.load(data.hash, fake));
const packed = encodeModule(data.hash, fake, fake.compileSync(wireBytes));
found.packed = double(await decodeModule(packed, data.hash, fake));

found.canSerialize = engine.canSerialize;
found.reason = engine.unsupportedReason;
if (!engine.canSerialize) {
  const { status, message } = enableModuleCache();
  found.enabled = [status, message === engine.unsupportedReason].join(' ');
  flushModuleCache();
  found.stats = Object.values(moduleCacheStats()).join(' ');
  const { module } = one;
  found.errors = [
    kindOf(() => engine.serialize(module)),
    kindOf(() => engine.wireBytes(module)),
    kindOf(() => engine.deserialize(new Uint8Array(3), wireBytes)),
    await kindOfLater(new FileSystemCache(process.env.WASM_CACHE_DIR).save(data.hash, engine, module)),
  ].join(' ');
}
console.log(JSON.stringify(found, undefined, 2));
