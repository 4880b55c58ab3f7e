// Compiled with the tests and never run: checks the public types.
import { expectTypeOf } from 'expect-type';
import {
  CacheError,
  type CacheErrorKind,
  type Engine,
  FallbackCache,
  FileSystemCache,
  HashedModuleData,
  inMemory,
  type LoadedModule,
  type LoadProgress,
  loadModule,
  loadModuleSync,
  type ModuleCache,
  ModuleCacheBase,
  ModuleHash,
  SharedCache,
  type SyncFallbackCache,
  type SyncModuleCache,
  ThreadLocalCache,
  V8Engine,
} from '../dist/index.js';
import { FakeEngine, moduleCacheContract, syncModuleCacheContract } from '../dist/testing.js';

declare const key: ModuleHash;
declare const engine: Engine;
declare const wireBytes: Uint8Array<ArrayBuffer>;
declare const module: WebAssembly.Module;
const memory = new ThreadLocalCache();
const disk = new FileSystemCache('cache');

/** A custom strategy without synchronous methods. */
class Own extends ModuleCacheBase {
  async load(): Promise<WebAssembly.Module> {
    return module;
  }
  async contains(): Promise<boolean> {
    return true;
  }
  async save(): Promise<void> {}
}
const own = new Own();

// Every strategy is a ModuleCache, and loads modules.
for (const cache of [memory, disk, inMemory(), own, memory.withFallback(own)]) {
  expectTypeOf(cache).toExtend<ModuleCache>();
  expectTypeOf(cache.load(key, engine)).resolves.toEqualTypeOf<WebAssembly.Module>();
  expectTypeOf(cache.contains(key, engine)).resolves.toEqualTypeOf<boolean>();
  expectTypeOf(cache.save(key, engine, module)).resolves.toEqualTypeOf<void>();
}
expectTypeOf(inMemory()).toEqualTypeOf<SharedCache>();
expectTypeOf(new V8Engine()).toExtend<Engine>();
expectTypeOf(new FakeEngine()).toExtend<Engine>();

// A chain knows its tiers, and has synchronous methods exactly when both have.
expectTypeOf(memory.withFallback(own)).toEqualTypeOf<FallbackCache<ThreadLocalCache, Own>>();
expectTypeOf(memory.withFallback(own).primary).toEqualTypeOf<ThreadLocalCache>();
expectTypeOf(own.withFallback(disk)).toEqualTypeOf<FallbackCache<Own, FileSystemCache>>();
expectTypeOf(memory.withFallback(disk)).toEqualTypeOf<SyncFallbackCache<ThreadLocalCache, FileSystemCache>>();
expectTypeOf(memory.withFallback(disk).withFallback(memory).primary.fallback).toEqualTypeOf<FileSystemCache>();
expectTypeOf(memory.withFallback(disk)).toExtend<SyncModuleCache>();
expectTypeOf(memory.withFallback(disk).loadSync(key, engine)).toEqualTypeOf<WebAssembly.Module>();
expectTypeOf(memory.withFallback(own)).not.toExtend<SyncModuleCache>();
expectTypeOf(new FallbackCache(memory, disk)).not.toExtend<SyncModuleCache>();

// loadModule accepts any cache, loadModuleSync only synchronous ones.
const options = { cache: own, engine };
expectTypeOf(loadModule(wireBytes, options)).resolves.toEqualTypeOf<LoadedModule>();
expectTypeOf(loadModule(wireBytes.buffer, options))
  .resolves.toHaveProperty('module')
  .toEqualTypeOf<WebAssembly.Module>();
expectTypeOf(loadModule(HashedModuleData.sha256(wireBytes), options)).resolves.toEqualTypeOf<LoadedModule>();
expectTypeOf(loadModuleSync(wireBytes, { cache: memory.withFallback(disk), engine })).toEqualTypeOf<LoadedModule>();
// @ts-expect-error: no synchronous methods
loadModuleSync(wireBytes, { cache: own, engine });
// @ts-expect-error: no synchronous methods
loadModuleSync(wireBytes, { cache: memory.withFallback(own), engine });
// @ts-expect-error: nothing can abort what does not wait
loadModuleSync(wireBytes, { cache: memory, engine, signal: new AbortController().signal });
// @ts-expect-error: no engine
loadModule(wireBytes, { cache: memory });
// @ts-expect-error: text is not wire bytes
loadModule('plugin.wasm', options);
// @ts-expect-error: there is no such coverage
loadModule(wireBytes, { ...options, coverage: 'hot' });
// @ts-expect-error: a number of milliseconds
loadModule(wireBytes, { ...options, waitAtMost: '30s' });

// Options are checked.
// @ts-expect-error: a number
new SharedCache({ maxModules: '10' });
// @ts-expect-error: misspelt
new SharedCache({ maxByte: 10 });
// @ts-expect-error: include or omit
new FileSystemCache('cache', { wireBytes: 'keep' });
// @ts-expect-error: a path is needed
new FileSystemCache();

// Errors are narrowed.
declare const error: unknown;
if (CacheError.is(error)) {
  expectTypeOf(error).toExtend<CacheError>();
  expectTypeOf(error.kind).toEqualTypeOf<CacheErrorKind>();
}
if (CacheError.is(error, 'NotFound')) expectTypeOf(error.kind).toEqualTypeOf<'NotFound'>();
// @ts-expect-error: there is no such kind
CacheError.is(error, 'Missing');
// @ts-expect-error: there is no such kind
new CacheError('Missing', 'no such kind');

// Progress is told apart by its state and step.
declare const progress: LoadProgress;
if (progress.state === 'reading') expectTypeOf(progress.totalBytes).toEqualTypeOf<number>();
if (progress.state === 'finished' && progress.step === 'lookup') {
  expectTypeOf(progress.outcome).toEqualTypeOf<'hit' | 'miss' | 'failed'>();
  expectTypeOf(progress.cache).toEqualTypeOf<ModuleCache>();
}
if (progress.state === 'finished' && progress.step === 'compile') {
  expectTypeOf(progress.coverage).toEqualTypeOf<'full' | undefined>();
}

expectTypeOf(HashedModuleData.fromFile('plugin.wasm')).resolves.toEqualTypeOf<HashedModuleData>();
expectTypeOf(HashedModuleData.fromFileSync(new URL('file:///plugin.wasm'))).toEqualTypeOf<HashedModuleData>();
// @ts-expect-error: there is no such algorithm
HashedModuleData.fromFile('plugin.wasm', { algorithm: 'md5' });
// @ts-expect-error: made by its functions only
new ModuleHash('sha256', '');

expectTypeOf(moduleCacheContract).parameter(1).toExtend<() => ModuleCache | Promise<ModuleCache>>();
expectTypeOf(syncModuleCacheContract).parameter(1).returns.toEqualTypeOf<SyncModuleCache>();
