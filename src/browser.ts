// The library for pages and their workers. The build bundles it into one file, dist/browser.js, which needs nothing of Node's.
export { BrowserEngine } from './browser/browser-engine.js';
export { HashedModuleData } from './browser/hashed-module-data.js';
export {
  type BrowserLoadProgress,
  type DownloadProgress,
  type LoadModuleOptions,
  loadModule,
} from './browser/load-module.js';
export { inMemory, SharedCache, type SharedCacheOptions } from './browser/shared.js';
export { CacheError, type CacheErrorKind, type CacheErrorOptions } from './cache-error.js';
export { FallbackCache, ModuleCacheBase } from './caches/fallback.js';
export { ThreadLocalCache } from './caches/thread-local.js';
export type { Engine } from './engine-interface.js';
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
