import type { LoadProgress } from './load-progress.js';
import type { ModuleHash } from './module-hash.js';

/**
 * What compiles modules and turns them into native code and back. `V8Engine` is the real one; write your own to test a
 * strategy or to put something between.
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
  compile(wireBytes: Uint8Array): Promise<WebAssembly.Module>;
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

export interface LoadOptions {
  /**
   * The wire bytes whose hash is the key, where the caller has them: the cache then need not read or keep them. It compares only
   * their length; that they are these, `loadModule` sees to, and otherwise the caller.
   */
  wireBytes?: Uint8Array | undefined;
  /** Ends the load, which then rejects with the signal's reason, where a cache would otherwise go on reading or asking. */
  signal?: AbortSignal | undefined;
  /** Told of every step. Must not throw (that of `loadModule` may). */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** A cache of modules, by key and engine. Extend `ModuleCacheBase` to get `withFallback` for your own strategy. */
export interface ModuleCache {
  /** @throws {CacheError} kind `NotFound` on a miss. */
  load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module>;
  /** Whether a `load` would probably be a hit; it may still miss, for instance when the entry turns out to be damaged. */
  contains(key: ModuleHash, engine: Engine): Promise<boolean>;
  /** @throws {CacheError} when the module could not be stored. */
  save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void>;
  /** This cache first, then `other`; see `FallbackCache`. */
  withFallback(other: ModuleCache): ModuleCache;
}

/** A cache that can also answer at once, as `new WebAssembly.Module()` needs it. */
export interface SyncModuleCache extends ModuleCache {
  loadSync(key: ModuleHash, engine: Engine, options?: LoadOptions): WebAssembly.Module;
  containsSync(key: ModuleHash, engine: Engine): boolean;
  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void;
  withFallback(other: SyncModuleCache): SyncModuleCache;
  withFallback(other: ModuleCache): ModuleCache;
}
