import type { Engine } from './engine-interface.js';
import type { ModuleHash } from './module-hash.js';

export type { Engine };

/**
 * The options of a cache's `load` and `loadSync`. A strategy ignores the options that it has no use for.
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
   * The wire bytes whose hash is the key, if the caller has them. The cache then need not read or keep them. It compares only
   * their length; the caller makes sure that they match the key, as `loadModule` does.
   */
  wireBytes?: Uint8Array | undefined;
  /** Ends the load, which then rejects with the signal's reason. A cache stops reading and asking. */
  signal?: AbortSignal | undefined;
  /**
   * A `FallbackCache` reports when the look-up in each tier begins and ends. A `FileSystemCache` reports the bytes that have
   * arrived, and that it compiles a module which was stored without optimised code. The function must not throw.
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
   * @throws {CacheError} kind `NotFound` on a miss; another kind when the cache could not look.
   */
  load(key: ModuleHash, engine: Engine, options?: LoadOptions): Promise<WebAssembly.Module>;
  /** Whether a `load` would probably be a hit. The load may still miss, for instance because the entry is damaged. */
  contains(key: ModuleHash, engine: Engine): Promise<boolean>;
  /**
   * Stores the module, for later loads with this key and engine.
   *
   * @throws {CacheError} when the module could not be stored.
   */
  save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void>;
  /** Asks this cache first, then `other`; see `FallbackCache`. */
  withFallback(other: ModuleCache): ModuleCache;
}

/**
 * A cache with synchronous methods too, as `new WebAssembly.Module()` needs them.
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
   * The synchronous form of `load`; `signal` has no effect here.
   *
   * @throws {CacheError} kind `NotFound` on a miss; another kind when the cache could not look.
   */
  loadSync(key: ModuleHash, engine: Engine, options?: LoadOptions): WebAssembly.Module;
  /** The synchronous form of `contains`. */
  containsSync(key: ModuleHash, engine: Engine): boolean;
  /**
   * The synchronous form of `save`.
   *
   * @throws {CacheError} when the module could not be stored.
   */
  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void;
  /** Asks this cache first, then `other`. The two together have synchronous methods if `other` has them. */
  withFallback(other: SyncModuleCache): SyncModuleCache;
  withFallback(other: ModuleCache): ModuleCache;
}

/**
 * A step of a load has begun: a `lookup` in one tier of the cache, the `wait` for another process that optimises the same
 * module, a `compile` or a `save`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { loadModule, type StepStarted, ThreadLocalCache, V8Engine } from 'wasm-module-cache';
 *
 * const labelOf = (started: StepStarted) =>
 *   started.step === 'lookup' ? `asking ${started.cache.constructor.name}` : started.step;
 * const labels: string[] = [];
 * await loadModule(await readFile('plugin.wasm'), {
 *   cache: new ThreadLocalCache(),
 *   engine: new V8Engine(),
 *   onProgress: (progress) => progress.state === 'started' && labels.push(labelOf(progress)),
 * });
 * console.log(labels.join(', ')); // asking ThreadLocalCache, compile, save
 * ```
 */
export type StepStarted =
  | { readonly state: 'started'; readonly step: 'lookup'; readonly cache: ModuleCache }
  | { readonly state: 'started'; readonly step: 'wait' }
  | { readonly state: 'started'; readonly step: 'compile'; readonly coverage: 'full' | undefined }
  | { readonly state: 'started'; readonly step: 'save' };

/**
 * How each step may end.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { inMemory, loadModule, type StepOutcomes, V8Engine } from 'wasm-module-cache';
 *
 * const best: { [Step in keyof StepOutcomes]: StepOutcomes[Step] } = {
 *   lookup: 'hit',
 *   wait: 'stored',
 *   compile: 'compiled',
 *   save: 'saved',
 * };
 * const { steps } = await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine() });
 * console.log(steps.filter(({ step, outcome }) => outcome !== best[step]).map(({ step }) => step)); // [ 'lookup' ]
 * ```
 */
export interface StepOutcomes {
  /** One tier of the cache was asked. `failed`: it threw an error that is not a miss; the load goes on. */
  lookup: 'hit' | 'miss' | 'failed';
  /** Another process optimised the same module. `over`: it was ended, failed, or took too long. */
  wait: 'stored' | 'over';
  /** V8 compiled in this process or, with `coverage: 'full'`, in a process of its own. */
  compile: 'compiled' | 'failed';
  /** `failed`: the cache threw an error; the load goes on. */
  save: 'saved' | 'failed';
}

/**
 * A step of a load is over.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { CacheError, inMemory, loadModule, type StepFinished, V8Engine } from 'wasm-module-cache';
 *
 * const describe = ({ step, outcome, error }: StepFinished) =>
 *   CacheError.is(error) ? `${step}: ${outcome} (${error.kind})` : `${step}: ${outcome}`;
 * const { steps } = await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine() });
 * console.log(steps.map(describe).join(', ')); // lookup: miss (NotFound), compile: compiled, save: saved
 * ```
 */
export type StepFinished = {
  [Step in keyof StepOutcomes]: Omit<Extract<StepStarted, { step: Step }>, 'state'> & {
    readonly state: 'finished';
    readonly outcome: StepOutcomes[Step];
    /** Milliseconds. */
    readonly duration: number;
    /** Why it missed or failed. `undefined` after a success, and when another process did not say why. */
    readonly error: unknown;
  };
}[keyof StepOutcomes];

/**
 * Bytes of an artifact have arrived from a tier of the cache.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, type LoadProgress, loadModule, type ReadProgress, V8Engine } from 'wasm-module-cache';
 *
 * const showBar = ({ bytes, totalBytes }: ReadProgress) => console.log(`${Math.round((100 * bytes) / totalBytes)} %`); // 100 %
 * const onProgress = (progress: LoadProgress) => progress.state === 'reading' && showBar(progress);
 * const options = { cache: new FileSystemCache('cache'), engine: new V8Engine(), onProgress };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options); // compiles and saves: nothing to read
 * await loadModule(wireBytes, options);
 * ```
 */
export interface ReadProgress {
  /** Distinguishes this report from the beginning and the end of a step. */
  readonly state: 'reading';
  /** The step that is under way. */
  readonly step: 'lookup';
  /** The tier that is asked. */
  readonly cache: ModuleCache;
  /** Bytes that have arrived so far. */
  readonly bytes: number;
  /** Bytes that will arrive in all. Parts of the artifact that the load does not need are not counted. */
  readonly totalBytes: number;
}

/**
 * What a load reports. Each step begins with `started` and ends with `finished`; a look-up may report `reading` in between.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { inMemory, type LoadProgress, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const log: string[] = [];
 * const onProgress = (progress: LoadProgress) => {
 *   if (progress.state === 'finished') log.push(`${progress.step}: ${progress.outcome}`);
 * };
 * await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine(), onProgress });
 * console.log(log); // [ 'lookup: miss', 'compile: compiled', 'save: saved' ]
 * ```
 */
export type LoadProgress = StepStarted | StepFinished | ReadProgress;
