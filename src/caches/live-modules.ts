import { CacheError } from '../cache-error.js';
import type { Engine, LoadOptions, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { ModuleCacheBase } from './fallback.js';

/** The part of `Map` that caches of live modules use. */
export interface ModuleMap {
  get(name: string): WebAssembly.Module | undefined;
  has(name: string): boolean;
  set(name: string, module: WebAssembly.Module): unknown;
}

/** The common part of the caches of live modules: everything except which modules they drop. */
export abstract class LiveModuleCache extends ModuleCacheBase implements SyncModuleCache {
  readonly #modules: ModuleMap;

  protected constructor(modules: ModuleMap) {
    super();
    this.#modules = modules;
  }

  /** {@inheritDoc ModuleCache.load} */
  async load(key: ModuleHash, engine: Engine, _options?: LoadOptions): Promise<WebAssembly.Module> {
    return this.loadSync(key, engine);
  }

  /** {@inheritDoc ModuleCache.contains} */
  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return this.containsSync(key, engine);
  }

  /** {@inheritDoc ModuleCache.save} */
  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    this.saveSync(key, engine, module);
  }

  loadSync(key: ModuleHash, engine: Engine, _options?: LoadOptions): WebAssembly.Module {
    const module = this.#modules.get(nameOf(key, engine));
    if (module) return module;
    throw new CacheError('NotFound', `No live module ${key}`);
  }

  containsSync(key: ModuleHash, engine: Engine): boolean {
    return this.#modules.has(nameOf(key, engine));
  }

  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    this.#modules.set(nameOf(key, engine), module);
  }
}

/** @internal The name of a module in the map. */
export function nameOf(key: ModuleHash, engine: Engine): string {
  return `${key}:${engine.deterministicId}`;
}
