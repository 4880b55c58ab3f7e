import { CacheError, messageOf } from '../cache-error.js';
import type { Engine, LoadOptions, ModuleCache, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { type Procedure, resultOf, runAsync, runSync } from '../sync-or-async.js';
import { asyncCalls, type Calls, lookUp, syncCalls } from './look-up.js';

/**
 * The base class for your own strategy: write `load`, `contains` and `save`, and inherit `withFallback`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import {
 *   CacheError,
 *   decodeModule,
 *   type Engine,
 *   encodeModule,
 *   inMemory,
 *   loadModule,
 *   ModuleCacheBase,
 *   type ModuleHash,
 *   V8Engine,
 * } from 'wasm-module-cache';
 *
 * const nameOf = (key: ModuleHash, engine: Engine) => `${engine.deterministicId}/${key}`;
 *
 * class BytesCache extends ModuleCacheBase {
 *   readonly #bytes = new Map<string, Uint8Array>();
 *
 *   async load(key: ModuleHash, engine: Engine): Promise<WebAssembly.Module> {
 *     const bytes = this.#bytes.get(nameOf(key, engine));
 *     if (bytes) return decodeModule(bytes, key, engine);
 *     throw new CacheError('NotFound', `No bytes of ${key}`);
 *   }
 *
 *   async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
 *     return this.#bytes.has(nameOf(key, engine));
 *   }
 *
 *   async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
 *     this.#bytes.set(nameOf(key, engine), encodeModule(key, engine, module));
 *   }
 * }
 *
 * const bytes = new BytesCache();
 * const engine = new V8Engine();
 * const { key } = await loadModule(await readFile('plugin.wasm'), { cache: inMemory().withFallback(bytes), engine });
 * console.log(await bytes.contains(key, engine)); // true
 * ```
 */
export abstract class ModuleCacheBase implements ModuleCache {
  abstract load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module>;
  abstract contains(key: ModuleHash, engine: Engine): Promise<boolean>;
  abstract save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void>;

  /** Asks this cache first, then `other`; see {@link FallbackCache}. If both have synchronous methods, the result has them, too. */
  withFallback<This extends SyncModuleCache, Other extends SyncModuleCache>(
    this: This,
    other: Other,
  ): SyncFallbackCache<This, Other>;
  withFallback<Other extends ModuleCache>(other: Other): FallbackCache<this, Other>;
  withFallback(other: ModuleCache): ModuleCache {
    return isSync(this) && isSync(other) ? new SyncFallbackCache(this, other) : new FallbackCache(this, other);
  }
}

/**
 * Two caches as one, usually a fast and a slow one. Chain more with `withFallback`, to any depth.
 *
 * - `load` asks the primary, then the fallback. A module that only the fallback has is promoted: it is saved into the primary after
 *   the caller has it. A failed promotion is only a process warning (`WASM_CACHE_PROMOTION_FAILED`).
 * - `contains` asks both. A failure counts as a no, unless both fail.
 * - `save` goes to both, and succeeds if the primary took the module. If only the fallback fails, there is a process warning
 *   (`WASM_CACHE_SAVE_FAILED`). If only the primary fails, its error is thrown.
 *
 * Promotion happens in the event loop, also after `loadSync`. There is one warning of each kind per chain.
 *
 * If both fail, the error is a `CacheError`: of kind `NotFound` if both missed, else of the kind that is no miss, the primary's
 * before the fallback's. Its `cause` is an `AggregateError` of both errors.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { setImmediate } from 'node:timers/promises';
 * import { FallbackCache, FileSystemCache, ModuleHash, ThreadLocalCache, V8Engine } from 'wasm-module-cache';
 *
 * const cache = new FallbackCache(new ThreadLocalCache(), new FileSystemCache('cache'));
 * const engine = new V8Engine();
 * const wireBytes = await readFile('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * await cache.fallback.save(key, engine, await engine.compile(wireBytes));
 *
 * await cache.load(key, engine);
 * await setImmediate(); // the promotion begins
 * console.log(await cache.primary.contains(key, engine)); // true
 * ```
 */
export class FallbackCache<
  Primary extends ModuleCache = ModuleCache,
  Fallback extends ModuleCache = ModuleCache,
> extends ModuleCacheBase {
  /** The cache that is asked first. */
  readonly primary: Primary;
  /** The cache that is asked if the primary does not have the module. */
  readonly fallback: Fallback;
  readonly #underPromotion = new Set<string>();
  readonly #warned = new Set<string>();

  /** Use `primary.withFallback(fallback)` to get a {@link SyncFallbackCache} if both have synchronous methods. */
  constructor(primary: Primary, fallback: Fallback) {
    super();
    this.primary = primary;
    this.fallback = fallback;
  }

  async load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module> {
    return runAsync(this.loadFromEither(asyncCalls, key, engine, options));
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return runAsync(this.eitherContains(asyncCalls, key, engine));
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    // In async functions, because a user's strategy may throw where it should reject.
    const [primary, fallback] = (await Promise.allSettled(
      [this.primary, this.fallback].map(async (cache) => cache.save(key, engine, module)),
    )) as [PromiseSettledResult<void>, PromiseSettledResult<void>];
    this.settle(key, primary, fallback);
  }

  /** @internal */
  protected *loadFromEither(
    calls: Calls,
    key: ModuleHash,
    engine: Engine,
    options: LoadOptions = {},
  ): Procedure<WebAssembly.Module> {
    let primaryError: unknown;
    try {
      return yield* lookUp(calls, this.primary, key, engine, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      primaryError = error;
    }
    let module: WebAssembly.Module;
    try {
      module = yield* lookUp(calls, this.fallback, key, engine, options);
    } catch (fallbackError) {
      options.signal?.throwIfAborted();
      throw bothFailed('load', key, primaryError, fallbackError);
    }
    this.#promote(key, engine, module);
    return module;
  }

  /** @internal */
  protected *eitherContains(calls: Calls, key: ModuleHash, engine: Engine): Procedure<boolean> {
    let primaryError: unknown;
    try {
      if (yield* resultOf(calls.contains(this.primary, key, engine))) return true;
    } catch (error) {
      primaryError = error;
    }
    try {
      return yield* resultOf(calls.contains(this.fallback, key, engine));
    } catch (fallbackError) {
      if (primaryError === undefined) return false;
      throw bothFailed('look up', key, primaryError, fallbackError);
    }
  }

  /** A save succeeds if the primary took it. */
  protected settle(key: ModuleHash, primary: PromiseSettledResult<void>, fallback: PromiseSettledResult<void>): void {
    if (primary.status === 'fulfilled') {
      if (fallback.status === 'rejected') this.#warn('SAVE', key, 'saved to the slower cache', fallback.reason);
      return;
    }
    if (fallback.status === 'rejected') throw bothFailed('save', key, primary.reason, fallback.reason);
    throw primary.reason;
  }

  /** Promotes after the caller has the module, because a save begins with serialising, which takes up to 100 ms. */
  #promote(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    const name = `${key}:${engine.deterministicId}`;
    if (this.#underPromotion.has(name)) return;
    this.#underPromotion.add(name);
    setImmediate(async () => {
      try {
        await this.primary.save(key, engine, module);
      } catch (error) {
        this.#warn('PROMOTION', key, 'promoted to the faster cache', error);
      } finally {
        this.#underPromotion.delete(name);
      }
    });
  }

  /** Warns once of each kind, because with a full disk every save fails. */
  #warn(kind: 'PROMOTION' | 'SAVE', key: ModuleHash, what: string, error: unknown): void {
    if (this.#warned.has(kind)) return;
    this.#warned.add(kind);
    process.emitWarning(`The module ${key} could not be ${what}: ${messageOf(error)}`, {
      type: 'CacheWarning',
      code: `WASM_CACHE_${kind}_FAILED`,
    });
  }
}

/**
 * A `FallbackCache` with synchronous methods. `withFallback` returns it for two caches that have them.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { FileSystemCache, inMemory, loadModuleSync, SyncFallbackCache, V8Engine } from 'wasm-module-cache';
 *
 * const cache = new SyncFallbackCache(inMemory(), new FileSystemCache('cache'));
 * const engine = new V8Engine();
 * const { key } = loadModuleSync(readFileSync('plugin.wasm'), { cache, engine });
 * console.log(cache.primary.containsSync(key, engine), cache.fallback.containsSync(key, engine)); // true true
 * ```
 */
export class SyncFallbackCache<
    Primary extends SyncModuleCache = SyncModuleCache,
    Fallback extends SyncModuleCache = SyncModuleCache,
  >
  extends FallbackCache<Primary, Fallback>
  implements SyncModuleCache
{
  loadSync(key: ModuleHash, engine: Engine, options?: LoadOptions): WebAssembly.Module {
    return runSync(this.loadFromEither(syncCalls, key, engine, options));
  }

  containsSync(key: ModuleHash, engine: Engine): boolean {
    return runSync(this.eitherContains(syncCalls, key, engine));
  }

  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    this.settle(
      key,
      attempt(() => this.primary.saveSync(key, engine, module)),
      attempt(() => this.fallback.saveSync(key, engine, module)),
    );
  }
}

function isSync(cache: ModuleCache): cache is SyncModuleCache {
  return ['loadSync', 'containsSync', 'saveSync'].every((name) => typeof cache[name as never] === 'function');
}

function attempt<T>(action: () => T): PromiseSettledResult<T> {
  try {
    return { status: 'fulfilled', value: action() };
  } catch (reason) {
    return { status: 'rejected', reason };
  }
}

/** A miss in both is a miss. Otherwise the error has the kind that is not a miss, the primary's before the fallback's. */
function bothFailed(action: string, key: ModuleHash, primary: unknown, fallback: unknown): CacheError {
  const text = `Neither cache could ${action} the module ${key}`;
  const errors = [primary, fallback].map((error) =>
    CacheError.is(error) ? error : new CacheError('Other', text, { cause: error }),
  );
  const { kind = 'NotFound', path } = errors.find((error) => error.kind !== 'NotFound') ?? {};
  const cause = new AggregateError([primary, fallback], text);
  return new CacheError(kind, text, path === undefined ? { cause } : { cause, path });
}
