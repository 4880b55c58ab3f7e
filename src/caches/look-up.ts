import { CacheError } from '../cache-error.js';
import { startStep } from '../load-progress.js';
import type { Engine, LoadOptions, ModuleCache, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { type Procedure, resultOf } from '../sync-or-async.js';

type Result<T> = T | Promise<T>;

/** @internal The methods of caches and engines that procedures call: those with promises, or the synchronous ones. */
export interface Calls {
  load(cache: ModuleCache, key: ModuleHash, engine: Engine, options: LoadOptions): Result<WebAssembly.Module>;
  contains(cache: ModuleCache, key: ModuleHash, engine: Engine): Result<boolean>;
  save(cache: ModuleCache, key: ModuleHash, engine: Engine, module: WebAssembly.Module): Result<void>;
  compile(engine: Engine, wireBytes: Uint8Array): Result<WebAssembly.Module>;
}

/** @internal */
export const asyncCalls: Calls = {
  load: (cache, ...rest) => cache.load(...rest),
  contains: (cache, ...rest) => cache.contains(...rest),
  save: (cache, ...rest) => cache.save(...rest),
  compile: (engine, wireBytes) => engine.compile(wireBytes),
};

/** @internal For a `SyncModuleCache` only. */
export const syncCalls: Calls = {
  load: (cache, ...rest) => (cache as SyncModuleCache).loadSync(...rest),
  contains: (cache, ...rest) => (cache as SyncModuleCache).containsSync(...rest),
  save: (cache, ...rest) => (cache as SyncModuleCache).saveSync(...rest),
  compile: (engine, wireBytes) => engine.compileSync(wireBytes),
};

/** @internal Loads from one tier and reports that to `onProgress`. A chain is no tier: each of its caches reports itself. */
export function* lookUp(
  calls: Calls,
  cache: ModuleCache,
  key: ModuleHash,
  engine: Engine,
  options: LoadOptions,
): Procedure<WebAssembly.Module> {
  const { onProgress } = options;
  const report = 'fallback' in cache ? undefined : onProgress && startStep(onProgress, { step: 'lookup', cache });
  try {
    const module = yield* resultOf(calls.load(cache, key, engine, options));
    report?.('hit');
    return module;
  } catch (error) {
    report?.(CacheError.is(error, 'NotFound') ? 'miss' : 'failed', error);
    throw error;
  }
}
