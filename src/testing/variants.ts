import { ModuleCacheBase } from '../caches/fallback.js';
import type { Engine, LoadOptions, ModuleCache, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/** The synchronous methods of a cache behind promises, so that one test can run on them too. */
class SyncMethods extends ModuleCacheBase {
  readonly #cache: SyncModuleCache;

  constructor(cache: SyncModuleCache) {
    super();
    this.#cache = cache;
  }

  async load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module> {
    return this.#cache.loadSync(key, engine, options);
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return this.#cache.containsSync(key, engine);
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    this.#cache.saveSync(key, engine, module);
  }
}

/** One of the two sets of methods that a `SyncModuleCache` has. */
export interface Variant {
  name: string;
  of(cache: SyncModuleCache): ModuleCache;
}

export const variants: [Variant, Variant] = [
  { name: 'promises', of: (cache) => cache },
  { name: 'synchronous', of: (cache) => new SyncMethods(cache) },
];
