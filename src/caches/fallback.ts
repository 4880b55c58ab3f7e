import { CacheError } from '../cache-error.js';
import type { Engine, LoadOptions, ModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/** What your own strategy extends to be a `ModuleCache`: write `load`, `contains` and `save`, and get `withFallback`. */
export abstract class ModuleCacheBase implements ModuleCache {
  abstract load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module>;
  abstract contains(key: ModuleHash, engine: Engine): Promise<boolean>;
  abstract save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void>;

  /** This cache first, then `other`. */
  withFallback<Other extends ModuleCache>(other: Other): FallbackCache<this, Other> {
    return new FallbackCache(this, other);
  }
}

/**
 * Two caches as one, usually a fast and a slow one; chain more with `withFallback`.
 *
 * - `load` asks the primary, then the fallback. What only the fallback has is promoted: saved into the primary in the
 *   background. A promotion that fails is a process warning and nothing else.
 * - `contains` asks both; one that fails is as good as one that says no, unless both fail.
 * - `save` goes to both, and succeeds when the primary took it.
 *
 * Where both fail, the error's `cause` is an `AggregateError` of the primary's error and the fallback's.
 */
export class FallbackCache<
  Primary extends ModuleCache = ModuleCache,
  Fallback extends ModuleCache = ModuleCache,
> extends ModuleCacheBase {
  readonly primary: Primary;
  readonly fallback: Fallback;

  constructor(primary: Primary, fallback: Fallback) {
    super();
    this.primary = primary;
    this.fallback = fallback;
  }

  async load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module> {
    let primaryError: unknown;
    try {
      return await this.primary.load(key, engine, options);
    } catch (error) {
      primaryError = error;
    }
    let module: WebAssembly.Module;
    try {
      module = await this.fallback.load(key, engine, options);
    } catch (fallbackError) {
      throw bothFailed('load', key, primaryError, fallbackError);
    }
    void this.#promote(key, engine, module);
    return module;
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    let primaryError: unknown;
    try {
      if (await this.primary.contains(key, engine)) return true;
    } catch (error) {
      primaryError = error;
    }
    try {
      return await this.fallback.contains(key, engine);
    } catch (fallbackError) {
      if (primaryError === undefined) return false;
      throw bothFailed('look up', key, primaryError, fallbackError);
    }
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    // Through async functions, because a strategy of somebody's own may throw where it should reject.
    const [primary, fallback] = (await Promise.allSettled(
      [this.primary, this.fallback].map(async (cache) => cache.save(key, engine, module)),
    )) as [PromiseSettledResult<void>, PromiseSettledResult<void>];
    if (primary.status === 'fulfilled') return;
    if (fallback.status === 'rejected') throw bothFailed('save', key, primary.reason, fallback.reason);
    throw primary.reason;
  }

  async #promote(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    try {
      await this.primary.save(key, engine, module);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      process.emitWarning(`The module ${key} could not be promoted to the faster cache: ${reason}`, {
        type: 'CacheWarning',
        code: 'WASM_CACHE_PROMOTION_FAILED',
      });
    }
  }
}

/** A miss in both is a miss; otherwise the error is of the kind that is not a miss, the primary's before the fallback's. */
function bothFailed(action: string, key: ModuleHash, primary: unknown, fallback: unknown): CacheError {
  const text = `Neither cache could ${action} the module ${key}`;
  const errors = [primary, fallback].map((error) =>
    CacheError.is(error) ? error : new CacheError('Other', text, { cause: error }),
  );
  const { kind = 'NotFound', path } = errors.find((error) => error.kind !== 'NotFound') ?? {};
  const cause = new AggregateError([primary, fallback], text);
  return new CacheError(kind, text, path === undefined ? { cause } : { cause, path });
}
