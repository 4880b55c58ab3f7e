/**
 * The library: caches of compiled modules, loading through them, and the hook for programs that turn it on themselves.
 *
 * @module wasm-module-cache
 */

export type { ArtifactHeader } from './artifact/header.js';
export { decodeModule, decodeModuleSync, encodeModule } from './artifact/module.js';
export type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from './artifact-store.js';
export { exportBundle, importBundle } from './bundle/bundle.js';
export type {
  BundledArtifact,
  ExportBundleOptions,
  ExportBundleReport,
  ImportBundleOptions,
  ImportBundleReport,
  ImportedArtifact,
  LeftOutArtifact,
} from './bundle/types.js';
export { CacheError, type CacheErrorKind, type CacheErrorOptions } from './cache-error.js';
export { FallbackCache, ModuleCacheBase, SyncFallbackCache } from './caches/fallback.js';
export { FileSystemCache } from './caches/file-system.js';
export type { FileSystemCacheOptions } from './caches/file-system-options.js';
export { RemoteCache } from './caches/remote.js';
export type { RemoteCacheOptions, RemoteCacheStats } from './caches/remote-options.js';
export { inMemory, SharedCache, type SharedCacheOptions } from './caches/shared.js';
export { ThreadLocalCache } from './caches/thread-local.js';
export { type VerifiedFile, type VerifyOptions, type VerifyReport, verifyCache } from './caches/verify.js';
export { describeEngine, type EngineDescription, whyNotThisEngine } from './engine/engine-id.js';
export { V8Engine } from './engine/v8-engine.js';
export type { Engine } from './engine-interface.js';
export type { HashFileOptions } from './file-hashes.js';
export { HashedModuleData } from './hashed-module-data.js';
export {
  type EnableModuleCacheOptions,
  enableModuleCache,
  flushModuleCache,
  getModuleCacheDir,
  moduleCacheStats,
} from './hook/enable.js';
export type { ModuleCacheStats } from './hook/reporting.js';
export type { EnableModuleCacheResult } from './hook/start.js';
export { type CompileAheadOfTimeOptions, compileAheadOfTime } from './learning/compile-ahead-of-time.js';
export {
  type LoadModuleOptions,
  type LoadModuleSyncOptions,
  loadModule,
  loadModuleSync,
} from './load-module.js';
export type { LoadedModule } from './loaded-module.js';
// Progress
export type {
  LoadOptions,
  LoadProgress,
  ModuleCache,
  ReadProgress,
  StepFinished,
  StepOutcomes,
  StepStarted,
  SyncModuleCache,
} from './module-cache.js';
export { type HashAlgorithm, ModuleHash } from './module-hash.js';
export { type ProbeV8Options, probeV8, type V8Verdict } from './probe/probe-v8.js';
export { FileSystemStore } from './stores/file-system.js';
