import { ModuleCacheBase } from '../../dist/caches/fallback.js';
import type { Engine, LoadOptions, ModuleCache, SyncModuleCache } from '../../dist/module-cache.js';
import type { ModuleHash } from '../../dist/module-hash.js';

/** Counts the calls of a cache, and passes them on. */
export class Spy extends ModuleCacheBase {
  readonly calls = { load: 0, contains: 0, save: 0 };
  /** The options of every load. */
  readonly loadOptions: (LoadOptions | undefined)[] = [];
  /** The key of every save. */
  readonly savedKeys: string[] = [];
  /** Every save, to wait for saves that nobody else awaits. */
  readonly saves: Promise<void>[] = [];
  readonly #cache: ModuleCache;

  constructor(cache: ModuleCache) {
    super();
    this.#cache = cache;
  }

  load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module> {
    this.calls.load++;
    this.loadOptions.push(options);
    return this.#cache.load(key, engine, options);
  }

  contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    this.calls.contains++;
    return this.#cache.contains(key, engine);
  }

  save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    this.calls.save++;
    this.savedKeys.push(key.toString());
    const save = this.#cache.save(key, engine, module);
    this.saves.push(save);
    return save;
  }
}

/** Fails at everything with one error: it rejects, or throws like a strategy that forgot its `async`. */
export class BrokenCache extends ModuleCacheBase {
  readonly #error: unknown;
  readonly #throws: boolean;

  constructor(error: unknown, { throws = false } = {}) {
    super();
    this.#error = error;
    this.#throws = throws;
  }

  load(): Promise<WebAssembly.Module> {
    return this.#fail();
  }

  contains(): Promise<boolean> {
    return this.#fail();
  }

  save(): Promise<void> {
    return this.#fail();
  }

  #fail(): Promise<never> {
    if (this.#throws) throw this.#error;
    return Promise.reject(this.#error);
  }
}

/** {@link BrokenCache} with synchronous methods. */
export class BrokenSyncCache extends BrokenCache implements SyncModuleCache {
  readonly #error: unknown;

  constructor(error: unknown) {
    super(error);
    this.#error = error;
  }

  loadSync(): never {
    throw this.#error;
  }

  containsSync(): never {
    throw this.#error;
  }

  saveSync(): never {
    throw this.#error;
  }
}
