import type { LoadProgress } from './load-progress.js';
import type { ModuleHash } from './module-hash.js';

/**
 * What compiles modules and turns them into native code and back. `V8Engine` is the real one; write your own to test a
 * strategy or to put something between.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { type Engine, inMemory, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * class CountingEngine extends V8Engine implements Engine {
 *   compilations = 0;
 *
 *   override compile(wireBytes: Uint8Array): Promise<WebAssembly.Module> {
 *     this.compilations++;
 *     return super.compile(wireBytes);
 *   }
 * }
 *
 * const engine = new CountingEngine();
 * const options = { cache: inMemory(), engine };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options);
 * await loadModule(wireBytes, options);
 * console.log(engine.compilations); // 1
 * ```
 */
export interface Engine {
  /**
   * Equal in two processes exactly when one can load the other's native code. Read it at every load and every save: V8's
   * flags are part of it and may change while the process runs.
   */
  readonly deterministicId: string;
  /** Whether `serialize` and `deserialize` work in this process. Everything in memory works either way. */
  readonly canSerialize: boolean;
  /** Why `canSerialize` is false. */
  readonly unsupportedReason?: string | undefined;
  /**
   * The module with these wire bytes.
   *
   * @throws {WebAssembly.CompileError} when they are not a valid module.
   */
  compile(wireBytes: Uint8Array): Promise<WebAssembly.Module>;
  /**
   * As `compile`, at once.
   *
   * @throws {WebAssembly.CompileError} when they are not a valid module.
   */
  compileSync(wireBytes: Uint8Array): WebAssembly.Module;
  /**
   * The optimised machine code of the module as it is now, or `undefined` when nothing is optimised yet.
   *
   * @throws {CacheError} kind `Serialize` when this engine cannot.
   */
  serialize(module: WebAssembly.Module): Uint8Array | undefined;
  /**
   * A live module from what `serialize` gave and the wire bytes of the same module. Both must have been checked: engines
   * trust them.
   *
   * @throws {CacheError} kind `Deserialize` when the native code is not for this engine.
   */
  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module;
  /**
   * A copy of the wire bytes that the module was compiled from.
   *
   * @throws {CacheError} kind `Serialize` when this engine cannot tell.
   */
  wireBytes(module: WebAssembly.Module): Uint8Array;
}

/**
 * What the `load` and `loadSync` of a cache may be called with. A strategy that has no use for an option ignores it.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, type LoadOptions, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * const cache = new FileSystemCache('cache');
 * const engine = new V8Engine();
 * const wireBytes = await readFile('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * await cache.save(key, engine, await engine.compile(wireBytes));
 *
 * const options: LoadOptions = { wireBytes, signal: AbortSignal.timeout(10_000) };
 * const module = await cache.load(key, engine, options);
 * console.log(WebAssembly.Module.exports(module)[0]?.name); // sum
 * ```
 */
export interface LoadOptions {
  /**
   * The wire bytes whose hash is the key, where the caller has them: the cache then need not read or keep them. It compares only
   * their length; that they are these, `loadModule` sees to, and otherwise the caller.
   */
  wireBytes?: Uint8Array | undefined;
  /** Ends the load, which then rejects with the signal's reason, where a cache would otherwise go on reading or asking. */
  signal?: AbortSignal | undefined;
  /**
   * Told by a `FallbackCache` when the look-up in a tier begins and ends, by a `FileSystemCache` of the bytes that have
   * arrived, and of compiling what was stored unoptimised. Must not throw (that of `loadModule` may).
   */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * A cache of modules, by key and engine. Extend `ModuleCacheBase` to get `withFallback` for your own strategy.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import {
 *   CacheError,
 *   type Engine,
 *   FallbackCache,
 *   loadModule,
 *   type ModuleCache,
 *   type ModuleHash,
 *   V8Engine,
 * } from 'wasm-module-cache';
 *
 * const nameOf = (key: ModuleHash, engine: Engine) => `${key} ${engine.deterministicId}`;
 *
 * class LastModuleCache implements ModuleCache {
 *   #last: { name: string; module: WebAssembly.Module } | undefined;
 *
 *   async load(key: ModuleHash, engine: Engine): Promise<WebAssembly.Module> {
 *     if (this.#last?.name === nameOf(key, engine)) return this.#last.module;
 *     throw new CacheError('NotFound', `${key} is not the last module`);
 *   }
 *
 *   async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
 *     return this.#last?.name === nameOf(key, engine);
 *   }
 *
 *   async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
 *     this.#last = { name: nameOf(key, engine), module };
 *   }
 *
 *   withFallback(other: ModuleCache): ModuleCache {
 *     return new FallbackCache(this, other);
 *   }
 * }
 *
 * const options = { cache: new LastModuleCache(), engine: new V8Engine() };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options);
 * console.log((await loadModule(wireBytes, options)).source); // cache
 * ```
 */
export interface ModuleCache {
  /**
   * The module that was saved under this key for this engine.
   *
   * @throws {CacheError} kind `NotFound` on a miss; another kind when it cannot be told whether it was one.
   */
  load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module>;
  /** Whether a `load` would probably be a hit; it may still miss, for instance when the entry turns out to be damaged. */
  contains(key: ModuleHash, engine: Engine): Promise<boolean>;
  /**
   * Stores the module, for later loads with this key and engine.
   *
   * @throws {CacheError} when the module could not be stored.
   */
  save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void>;
  /** This cache first, then `other`; see `FallbackCache`. */
  withFallback(other: ModuleCache): ModuleCache;
}

/**
 * A cache that can also answer at once, as `new WebAssembly.Module()` needs it.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { FileSystemCache, inMemory, ModuleHash, type SyncModuleCache, V8Engine } from 'wasm-module-cache';
 *
 * const caches: SyncModuleCache[] = [inMemory(), new FileSystemCache('cache')];
 * const engine = new V8Engine();
 * const wireBytes = readFileSync('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * for (const cache of caches) cache.saveSync(key, engine, engine.compileSync(wireBytes));
 * console.log(caches.map((cache) => cache.containsSync(key, engine))); // [ true, true ]
 * ```
 */
export interface SyncModuleCache extends ModuleCache {
  /**
   * As `load`, at once; `signal` has no effect here.
   *
   * @throws {CacheError} kind `NotFound` on a miss; another kind when it cannot be told whether it was one.
   */
  loadSync(key: ModuleHash, engine: Engine, options?: LoadOptions): WebAssembly.Module;
  /** As `contains`, at once. */
  containsSync(key: ModuleHash, engine: Engine): boolean;
  /**
   * As `save`, at once.
   *
   * @throws {CacheError} when the module could not be stored.
   */
  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void;
  /** This cache first, then `other`; the two have synchronous methods again where `other` has them. */
  withFallback(other: SyncModuleCache): SyncModuleCache;
  withFallback(other: ModuleCache): ModuleCache;
}
