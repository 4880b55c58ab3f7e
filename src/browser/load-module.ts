import { CacheError } from '../cache-error.js';
import { asyncCalls } from '../caches/look-up.js';
import { startStep } from '../load-progress.js';
import type { LoadedModule } from '../loaded-module.js';
import { checkTask, Load } from '../loading/load.js';
import { SingleFlight } from '../loading/single-flight.js';
import type { LoadProgress, ModuleCache } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { runAsync } from '../sync-or-async.js';
import { wrongOption } from '../wrong-option.js';
import { BrowserEngine } from './browser-engine.js';
import { HashedModuleData } from './hashed-module-data.js';

/**
 * Bytes of the module have arrived. The browser compiles them meanwhile.
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
  /** Distinguishes this report from the beginning and the end of a step. */
  readonly state: 'reading';
  /** The step that is under way. */
  readonly step: 'compile';
  /** Bytes that have arrived so far. */
  readonly bytes: number;
  /** Bytes that will arrive in all. `undefined` when the server does not say, or compresses them. */
  readonly totalBytes: number | undefined;
}

/**
 * What a load in a browser reports: the steps, as in Node.js, and the download.
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
 * Options of {@link loadModule} in a browser.
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
  /** Is asked for the module, and receives it when it was compiled. */
  cache: ModuleCache;
  /** Compiles modules. Default: a `BrowserEngine`. */
  engine?: BrowserEngine | undefined;
  /**
   * The hash that the wire bytes must have. With a key, `loadModule` asks the cache before it fetches anything. Without one, it must
   * fetch the bytes to know their hash.
   */
  key?: ModuleHash | undefined;
  /** Ends the load, which rejects with the signal's reason at once. A download from an address ends, too. */
  signal?: AbortSignal | undefined;
  /** Receives every step. If it throws, the load ends with that error. */
  onProgress?: ((progress: BrowserLoadProgress) => void) | undefined;
}

const ownEngine = new BrowserEngine();
const loads = new WeakMap<ModuleCache, SingleFlight<LoadedModule, BrowserLoadProgress>>();

/**
 * Loads a module from an address, a response or wire bytes: from the cache, or else it compiles while the bytes arrive, and saves the
 * module in the cache. Trouble with the cache never fails the load. Callers of this thread who ask one cache for the same address,
 * key or bytes at the same time share one load, which goes on as long as one of them wants it.
 *
 * The browser fetches an address as always, with its HTTP cache and its code cache, unless the cache has the module under the
 * `key`.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {CacheError} kind `Other` when the server answers with an error (the message has the status), kind `Untrusted` when the
 * wire bytes do not have the hash `key`.
 * @throws {TypeError} when an option or the source is wrong, and when the network fails.
 * @throws the signal's reason, or an error that `onProgress` throws.
 *
 * @example
 * ```ts
 * import { inMemory, loadModule } from 'wasm-module-cache/browser';
 *
 * const url = 'data:application/wasm;base64,AGFzbQEAAAA='; // '/app.wasm'
 * const { module, source } = await loadModule(url, { cache: inMemory() });
 * console.log(WebAssembly.Module.exports(module).length, source); // 0 compiler
 * ```
 */
export async function loadModule(
  source: string | URL | Response | BufferSource | HashedModuleData,
  options: LoadModuleOptions,
): Promise<LoadedModule> {
  checkOptions(options);
  const { cache, signal, onProgress, key } = options;
  signal?.throwIfAborted();
  const from = await normalised(source);
  signal?.throwIfAborted();
  const start = (shared: object) => loadOrCompile(from, { ...options, ...shared });
  const caller = { signal, onProgress };
  // A response can be read only once.
  if (from instanceof Response) return new SingleFlight<LoadedModule, BrowserLoadProgress>().run('', caller, start);
  const ofCache = loads.get(cache) ?? new SingleFlight();
  loads.set(cache, ofCache);
  return ofCache.run(from instanceof URL ? `${from.href} ${key}` : String(from.hash), caller, start);
}

async function loadOrCompile(
  source: URL | Response | HashedModuleData,
  { cache, engine = ownEngine, key: expected, signal, onProgress }: LoadModuleOptions,
): Promise<LoadedModule> {
  const load = new Load({ cache, engine, signal, onProgress }, asyncCalls);
  const isData = source instanceof HashedModuleData;
  const key = expected ?? (isData ? source.hash : undefined);
  const loaded = key && (await runAsync(load.fromCache(key, undefined, () => {})));
  if (loaded) return loaded;
  const compiled = isData
    ? { key: source.hash, module: await runAsync(load.compile(HashedModuleData.borrow(source))) }
    : await receive(source instanceof URL ? await fetch(source, { signal: signal ?? null }) : source);
  await runAsync(load.save(compiled.key, compiled.module));
  BrowserEngine.forget(compiled.module);
  return load.result(compiled.key, compiled.module);

  async function receive(response: Response): Promise<{ key: ModuleHash; module: WebAssembly.Module }> {
    const { ok, status, statusText, url } = response;
    const what = url || 'The response';
    if (!ok) throw new CacheError('Other', `${what} is no module: ${status} ${statusText}`);
    const length = lengthOf(response);
    const finish = startStep(load.onProgress, { step: 'compile', coverage: undefined });
    try {
      const received = await engine.receive(response, (bytes) => {
        load.throwIfEnded();
        // More bytes than announced: another origin compressed them and hides that.
        const totalBytes = length !== undefined && bytes > length ? undefined : length;
        onProgress?.({ state: 'reading', step: 'compile', bytes, totalBytes });
      });
      if (expected?.algorithm === 'sha256' && !expected.equals(received.key)) {
        throw new CacheError('Untrusted', `${what} has the hash ${received.key}, not ${expected}`);
      }
      finish('compiled');
      return { module: received.module, key: expected ?? received.key };
    } catch (error) {
      finish('failed', error);
      throw error;
    }
  }
}

/** The length of an encoded body is not that of the decoded bytes. */
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
  const { engine, key } = options ?? {};
  checkTask(options ?? {});
  if (engine !== undefined && !(engine instanceof BrowserEngine))
    throw wrongOption('engine', 'a BrowserEngine', engine);
  if (key !== undefined && !(key instanceof ModuleHash)) {
    throw wrongOption('key', 'a ModuleHash (ModuleHash.parseHex makes one of text)', key);
  }
}
