import { CacheError } from '../cache-error.js';
import { FallbackCache } from '../caches/fallback.js';
import { lookUp } from '../caches/look-up.js';
import { Flight } from '../flight.js';
import { compile, type LoadProgress, type StepFinished, startStep } from '../load-progress.js';
import type { LoadedModule } from '../loaded-module.js';
import type { ModuleCache } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { BrowserEngine } from './browser-engine.js';
import { CacheStorageCache } from './cache-storage.js';
import { HashedModuleData } from './hashed-module-data.js';

/**
 * Bytes of the module that have arrived, while the browser compiles them.
 *
 * @example
 * ```ts
 * import type { DownloadProgress } from 'wasm-module-cache/browser';
 *
 * const textOf = ({ bytes, totalBytes }: DownloadProgress) =>
 *   totalBytes === undefined ? `${bytes} bytes` : `${Math.round((100 * bytes) / totalBytes)} %`;
 * console.log(textOf({ state: 'reading', step: 'compile', bytes: 512, totalBytes: 1024 })); // 50 %
 * ```
 */
export interface DownloadProgress {
  /** Tells it from the beginning and the end of a step. */
  readonly state: 'reading';
  /** The step that has begun and not ended. */
  readonly step: 'compile';
  /** Bytes that have arrived, those of earlier reports included. */
  readonly bytes: number;
  /** Bytes that are to arrive in all; `undefined` where the server does not say, or compresses them. */
  readonly totalBytes: number | undefined;
}

/**
 * What a load in a browser tells of its way: as in Node.js, and of the download.
 *
 * @example
 * ```ts
 * import { type BrowserLoadProgress, loadModule, ThreadLocalCache } from 'wasm-module-cache/browser';
 *
 * const states: string[] = [];
 * const onProgress = ({ step, state }: BrowserLoadProgress) => states.push(`${step} ${state}`);
 * const response = new Response(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
 * await loadModule(response, { cache: new ThreadLocalCache(), onProgress });
 * console.log(states.slice(0, 3).join(', ')); // compile started, compile reading, compile finished
 * ```
 */
export type BrowserLoadProgress = LoadProgress | DownloadProgress;

/**
 * What {@link loadModule} is called with in a browser.
 *
 * @example
 * ```ts
 * import { inMemory, type LoadModuleOptions, loadModule, ModuleHash } from 'wasm-module-cache/browser';
 *
 * const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
 * const options: LoadModuleOptions = { cache: inMemory(), key: ModuleHash.sha256(wireBytes) };
 * const { source } = await loadModule(new Response(wireBytes), options);
 * console.log(source); // compiler
 * ```
 */
export interface LoadModuleOptions {
  /** What is asked for the module, and is given it when it was compiled. */
  cache: ModuleCache;
  /** What compiles. Default: a `BrowserEngine`. */
  engine?: BrowserEngine | undefined;
  /**
   * The hash that the wire bytes must have. With it the cache is asked before anything is fetched; without it, only what was fetched
   * tells what to ask for.
   */
  key?: ModuleHash | undefined;
  /** Ends the load, which rejects with the signal's reason at once, and the download of an address. */
  signal?: AbortSignal | undefined;
  /** Told of every step but the save. What it throws ends the load, which then rejects with that. */
  onProgress?: ((progress: BrowserLoadProgress) => void) | undefined;
}

/**
 * A module that was loaded in a browser, and how it was come by.
 *
 * @example
 * ```ts
 * import { type BrowserLoadedModule, loadModule, ThreadLocalCache } from 'wasm-module-cache/browser';
 *
 * const describe = async ({ saved }: BrowserLoadedModule) => (await saved)?.outcome;
 * const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
 * console.log(await describe(await loadModule(wireBytes, { cache: new ThreadLocalCache() }))); // saved
 * ```
 */
export interface BrowserLoadedModule extends LoadedModule {
  /**
   * The step `save`, when it is over: it goes on after the load, because Cache Storage may take longer than the rest. Never rejects.
   * `undefined` where the cache had the module.
   */
  readonly saved: Promise<StepFinished | undefined>;
}

const flights = new WeakMap<ModuleCache, Map<string, Flight<BrowserLoadedModule, BrowserLoadProgress>>>();
const ownEngine = new BrowserEngine();

/**
 * The module at an address, in a response, or with these wire bytes: from the cache, or else compiled while it arrives, and saved.
 * Trouble with the cache never fails the load. Callers of this thread who ask one cache for the same address, key or bytes at the same
 * time share one load, which goes on as long as one of them wants it.
 *
 * An address is fetched as the browser always does it, HTTP cache and code cache included, unless the cache has the module under the
 * `key`. Where the network fails, or the server does (5xx), a `CacheStorageCache` among the caches is asked for what came from there
 * before.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {CacheError} kind `Other` when the server has no module (the message has the status), kind `Untrusted` when it is not that of
 * the `key`.
 * @throws {TypeError} when an option or the source is not what it should be, and where nothing could be fetched.
 * @throws the signal's reason, or what `onProgress` throws.
 *
 * @example
 * ```ts
 * import { CacheStorageCache, loadModule } from 'wasm-module-cache/browser';
 *
 * const url = 'data:application/wasm;base64,AGFzbQEAAAA='; // '/app.wasm'
 * const { module, source } = await loadModule(url, { cache: new CacheStorageCache() });
 * console.log(WebAssembly.Module.exports(module).length, source); // 0 compiler
 * ```
 */
export async function loadModule(
  source: string | URL | Response | BufferSource | HashedModuleData,
  options: LoadModuleOptions,
): Promise<BrowserLoadedModule> {
  checkOptions(options);
  const { cache, signal, onProgress, key } = options;
  signal?.throwIfAborted();
  const from = await normalised(source);
  signal?.throwIfAborted();
  const start = () =>
    new Flight<BrowserLoadedModule, BrowserLoadProgress>((shared) => new Load({ ...options, ...shared }).run(from));
  // A response can be read only once.
  if (from instanceof Response) return start().join({ signal, onProgress });

  const ofCache = flights.get(cache) ?? new Map<string, Flight<BrowserLoadedModule, BrowserLoadProgress>>();
  flights.set(cache, ofCache);
  const name = from instanceof URL ? `${from.href} ${key}` : String(from.hash);
  let flight = ofCache.get(name);
  if (!flight || flight.isAbandoned) {
    const started = start();
    ofCache.set(name, started);
    started.over.then(() => {
      if (ofCache.get(name) === started) ofCache.delete(name);
    });
    flight = started;
  }
  return flight.join({ signal, onProgress });
}

/** One load: what it has done so far. */
class Load {
  readonly #options: LoadModuleOptions;
  readonly #engine: BrowserEngine;
  readonly #steps: StepFinished[] = [];
  readonly #start = performance.now();

  constructor(options: LoadModuleOptions) {
    this.#options = options;
    this.#engine = options.engine ?? ownEngine;
  }

  async run(source: URL | Response | HashedModuleData): Promise<BrowserLoadedModule> {
    const { key = source instanceof HashedModuleData ? source.hash : undefined } = this.#options;
    const known = key && (await this.#fromCache(key));
    if (known) return known;
    if (source instanceof URL) return this.#fromNetwork(source);
    if (source instanceof Response) return this.#fromResponse(source);
    const module = await compile(this.#engine, HashedModuleData.borrow(source), this.#onProgress);
    return this.#compiled(source.hash, module);
  }

  readonly #onProgress = (progress: BrowserLoadProgress): void => {
    if (progress.state === 'finished') this.#steps.push(progress);
    this.#options.onProgress?.(progress);
  };

  async #fromCache(key: ModuleHash): Promise<BrowserLoadedModule | undefined> {
    const { cache, signal } = this.#options;
    try {
      const module = await lookUp(cache, key, this.#engine, { signal, onProgress: this.#onProgress });
      return this.#result(key, module, Promise.resolve(undefined));
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }

  async #fromNetwork(url: URL): Promise<BrowserLoadedModule> {
    const { cache, key, signal } = this.#options;
    let response: Response | undefined;
    try {
      response = await fetch(url, signal ? { signal } : {});
      return await this.#fromResponse(response);
    } catch (error) {
      signal?.throwIfAborted();
      const isOfNetwork = error instanceof TypeError || Number(response?.status) >= 500;
      const stored = isOfNetwork && !key ? await storedKey(cache, url.href) : undefined;
      const loaded = stored && (await this.#fromCache(stored));
      if (loaded) return loaded;
      throw error;
    }
  }

  async #fromResponse(response: Response): Promise<BrowserLoadedModule> {
    const { key: expected, signal } = this.#options;
    const { ok, status, statusText, url } = response;
    const what = url || 'The response';
    if (!ok) throw new CacheError('Other', `${what} is no module: ${status} ${statusText}`);
    const finish = startStep(this.#onProgress, { step: 'compile', coverage: undefined });
    try {
      const length = lengthOf(response);
      const { module, key } = await this.#engine.receive(response, (bytes) => {
        signal?.throwIfAborted();
        // That of a compressed body from another origin is not known to be one.
        const totalBytes = length !== undefined && bytes > length ? undefined : length;
        this.#onProgress({ state: 'reading', step: 'compile', bytes, totalBytes });
      });
      if (expected?.algorithm === 'sha256' && !expected.equals(key)) {
        throw new CacheError('Untrusted', `${what} has the hash ${key}, not ${expected}`);
      }
      finish('compiled');
      return this.#compiled(expected ?? key, module);
    } catch (error) {
      finish('failed', error);
      throw error;
    }
  }

  #compiled(key: ModuleHash, module: WebAssembly.Module): BrowserLoadedModule {
    return this.#result(key, module, save(this.#options.cache, key, this.#engine, module));
  }

  #result(key: ModuleHash, module: WebAssembly.Module, saved: BrowserLoadedModule['saved']): BrowserLoadedModule {
    const hit = this.#steps.find((each) => each.step === 'lookup' && each.outcome === 'hit');
    return {
      module,
      key,
      source: this.#steps.some(({ outcome }) => outcome === 'compiled') ? 'compiler' : 'cache',
      cache: hit?.step === 'lookup' ? hit.cache : undefined,
      steps: this.#steps,
      duration: performance.now() - this.#start,
      saved,
    };
  }
}

/** Gives the module to the cache, and lets go of its wire bytes. Live caches have it when this returns its promise. */
async function save(
  cache: ModuleCache,
  key: ModuleHash,
  engine: BrowserEngine,
  module: WebAssembly.Module,
): Promise<StepFinished | undefined> {
  let step: StepFinished | undefined;
  const onProgress = (progress: LoadProgress) => {
    if (progress.state === 'finished') step = progress;
  };
  const finish = startStep(onProgress, { step: 'save' });
  try {
    await cache.save(key, engine, module);
    finish('saved');
  } catch (error) {
    finish('failed', error);
  }
  BrowserEngine.forget(module);
  return step;
}

async function storedKey(cache: ModuleCache, url: string): Promise<ModuleHash | undefined> {
  try {
    return await storageOf(cache)?.keyOf(url);
  } catch {
    return undefined;
  }
}

/** The first such cache that is among these. */
function storageOf(cache: ModuleCache): CacheStorageCache | undefined {
  if (cache instanceof CacheStorageCache) return cache;
  if (cache instanceof FallbackCache) return storageOf(cache.primary) ?? storageOf(cache.fallback);
  return undefined;
}

/** That of an encoded body is not the length of what comes out of it. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

async function normalised(
  source: string | URL | Response | BufferSource | HashedModuleData,
): Promise<URL | Response | HashedModuleData> {
  if (typeof source === 'string' || source instanceof URL) return new URL(source, globalThis.location?.href);
  if (source instanceof Response || source instanceof HashedModuleData) return source;
  return HashedModuleData.sha256(source);
}

function checkOptions(options: LoadModuleOptions): void {
  const { cache, engine, key, signal, onProgress } = options ?? {};
  if (typeof cache?.load !== 'function')
    throw new TypeError(`The option cache must be a ModuleCache, not ${String(cache)}`);
  if (engine !== undefined && !(engine instanceof BrowserEngine)) {
    throw new TypeError(`The option engine must be a BrowserEngine, not ${String(engine)}`);
  }
  if (key !== undefined && !(key instanceof ModuleHash)) {
    throw new TypeError(
      `The option key must be a ModuleHash (ModuleHash.parseHex makes one of text), not ${String(key)}`,
    );
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`The option signal must be an AbortSignal, not ${String(signal)}`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`The option onProgress must be a function, not ${String(onProgress)}`);
  }
}
