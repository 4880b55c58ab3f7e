import { openSharedModules } from '../engine/shared-modules.js';
import { LiveModuleCache } from './live-modules.js';

/**
 * Options of {@link SharedCache}.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { loadModuleSync, SharedCache, type SharedCacheOptions, V8Engine } from 'wasm-module-cache';
 *
 * const options: SharedCacheOptions = { name: 'plugins', maxModules: 20, maxBytes: 64 * 2 ** 20 };
 * const engine = new V8Engine();
 * const { key } = loadModuleSync(readFileSync('plugin.wasm'), { cache: new SharedCache(options), engine });
 * console.log(new SharedCache({ name: 'plugins' }).containsSync(key, engine)); // true
 * console.log(new SharedCache().containsSync(key, engine)); // false
 * ```
 */
export interface SharedCacheOptions {
  /** Caches of one name are one cache, in all threads of the process. Default: `'default'`. */
  name?: string | undefined;
  /** The most modules to keep. The least recently used one goes first. Default 100, at most 100,000. */
  maxModules?: number | undefined;
  /**
   * The most bytes of wire bytes, of all modules together. The least recently used one goes first. A single module with more is not
   * kept. V8 does not tell the size of machine code, which is usually one to three times that of the wire bytes. Default 1 GiB.
   */
  maxBytes?: number | undefined;
}

// A live module keeps its wire bytes and its code. At 10 MB each this is 1 GB, which a host of plugins can afford.
const DEFAULT_MAX_MODULES = 100;
const DEFAULT_MAX_BYTES = 2 ** 30;

// More live modules than fit into the memory of a process.
const MAX_MODULES = 100_000;

/**
 * Live modules, shared by every thread of the process: what one thread saves, every other thread loads in microseconds,
 * without compiling or deserialising. That includes threads that start later, and modules of threads that have ended. No thread waits
 * for another one.
 *
 * The limits of the cache that saves apply. If threads give one name different limits, each uses its own when it saves.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { isMainThread, Worker } from 'node:worker_threads';
 * import { loadModule, SharedCache, V8Engine } from 'wasm-module-cache';
 *
 * const cache = new SharedCache({ maxBytes: 256 * 2 ** 20 });
 * const { source } = await loadModule(await readFile('plugin.wasm'), { cache, engine: new V8Engine() });
 * if (isMainThread) {
 *   new Worker(new URL(import.meta.url)); // which does the same
 * } else {
 *   console.log(source); // cache
 * }
 * ```
 */
export class SharedCache extends LiveModuleCache {
  /**
   * Why other threads do not see the modules of this cache, if they do not (an unknown V8, another runtime than Node.js, an addon that
   * could not be loaded). Each thread then has its own cache of that name, limited by `maxModules` only.
   */
  readonly unsupportedReason: string | undefined;

  /**
   * Opens the cache of that name. It is empty if no thread of the process has opened it before.
   *
   * @throws {TypeError} when an option is wrong.
   */
  constructor(options: SharedCacheOptions = {}) {
    const { name = 'default', maxModules = DEFAULT_MAX_MODULES, maxBytes = DEFAULT_MAX_BYTES } = options;
    if (typeof name !== 'string') throw new TypeError(`The option name must be a string, not ${String(name)}`);
    checkLimit('maxModules', maxModules, MAX_MODULES);
    checkLimit('maxBytes', maxBytes, Number.MAX_SAFE_INTEGER);
    const { modules, unsupportedReason } = openSharedModules(name, { maxModules, maxBytes });
    super(modules);
    this.unsupportedReason = unsupportedReason;
  }
}

/**
 * The best cache of live modules for this platform: a {@link SharedCache}.
 *
 * @throws {TypeError} when an option is wrong.
 *
 * @example
 * ```ts
 * import { FileSystemCache, HashedModuleData, inMemory, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const cache = inMemory({ maxModules: 20 }).withFallback(new FileSystemCache('cache'));
 * const options = { cache, engine: new V8Engine() };
 * const data = await HashedModuleData.fromFile('plugin.wasm');
 * await loadModule(data, options);
 * console.log((await loadModule(data, options)).cache === cache.primary); // true
 * ```
 */
export function inMemory(options?: SharedCacheOptions): SharedCache {
  return new SharedCache(options);
}

function checkLimit(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new TypeError(`The option ${name} must be a whole number from 1 to ${max}, not ${String(value)}`);
}
