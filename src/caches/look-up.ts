import { CacheError } from '../cache-error.js';
import { startStep } from '../load-progress.js';
import type { Engine, LoadOptions, ModuleCache, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/** @internal Loads from one tier and reports that to `onProgress`. */
export async function lookUp(
  cache: ModuleCache,
  key: ModuleHash,
  engine: Engine,
  options: LoadOptions,
): Promise<WebAssembly.Module> {
  const report = startReport(cache, options);
  try {
    const module = await cache.load(key, engine, options);
    report?.('hit');
    return module;
  } catch (error) {
    report?.(CacheError.is(error, 'NotFound') ? 'miss' : 'failed', error);
    throw error;
  }
}

/** @internal The synchronous {@link lookUp}. */
export function lookUpSync(
  cache: SyncModuleCache,
  key: ModuleHash,
  engine: Engine,
  options: LoadOptions,
): WebAssembly.Module {
  const report = startReport(cache, options);
  try {
    const module = cache.loadSync(key, engine, options);
    report?.('hit');
    return module;
  } catch (error) {
    report?.(CacheError.is(error, 'NotFound') ? 'miss' : 'failed', error);
    throw error;
  }
}

function startReport(cache: ModuleCache, { onProgress }: LoadOptions) {
  // A cache of several tiers reports each of them itself.
  return onProgress && !('fallback' in cache) ? startStep(onProgress, { step: 'lookup', cache }) : undefined;
}
