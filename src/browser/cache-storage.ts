import { CacheError } from '../cache-error.js';
import { ModuleCacheBase } from '../caches/fallback.js';
import { compile, startStep } from '../load-progress.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { BrowserEngine } from './browser-engine.js';
import { sha256 } from './digest.js';

/**
 * What a {@link CacheStorageCache} may be made with.
 *
 * @example
 * ```ts
 * import { CacheStorageCache, type CacheStorageCacheOptions } from 'wasm-module-cache/browser';
 *
 * const options: CacheStorageCacheOptions = { name: 'my-app-modules' };
 * console.log(new CacheStorageCache(options) instanceof CacheStorageCache); // true
 * ```
 */
export interface CacheStorageCacheOptions {
  /** Of the cache in the origin's Cache Storage, as `caches.open` takes it. Default `wasm-module-cache`. */
  name?: string | undefined;
}

/** Addresses that nobody can fetch: an engine, a key, and where the module came from. */
const PLACE = 'https://wasm-module-cache.invalid/';

/**
 * Wire bytes in the origin's Cache Storage: modules that are there without a network, for as long as the browser keeps the origin's
 * data. What is read is hashed and compared with its key; a damaged entry is removed, and a miss.
 *
 * Chromium's code cache, which holds what V8 optimised, goes with a response of its HTTP cache and never with one of Cache
 * Storage. So a `load` first asks the HTTP cache (without a request) for the address that `loadModule` fetched the module from, and
 * reads its own copy where that has nothing with this key.
 *
 * One version is kept of what comes from one address. Where the origin's quota is used up, the oldest modules make room for as many
 * bytes, unless a new one is larger than all of them.
 *
 * @example
 * ```ts
 * import { CacheStorageCache, loadModule } from 'wasm-module-cache/browser';
 *
 * const cache = new CacheStorageCache();
 * const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
 * const { cache: found } = await loadModule(wireBytes, { cache });
 * console.log(found === cache); // false
 * ```
 */
export class CacheStorageCache extends ModuleCacheBase {
  readonly #name: string;

  /** @throws {TypeError} when an option is not what it should be. */
  constructor({ name = 'wasm-module-cache' }: CacheStorageCacheOptions = {}) {
    super();
    if (typeof name !== 'string') throw new TypeError(`The option name must be a string, not ${String(name)}`);
    this.#name = name;
  }

  async load(key: ModuleHash, engine: Engine, options: LoadOptions = {}): Promise<WebAssembly.Module> {
    const cache = await this.#open();
    const [request] = await cache.keys(placeOf(key, engine), { ignoreSearch: true });
    const stored = request && (await cache.match(request));
    if (!request || !stored) throw new CacheError('NotFound', `Cache Storage has no module ${key}`);
    const { signal, onProgress } = options;
    const url = sourceOf(request);
    if (url !== undefined && engine instanceof BrowserEngine) {
      const module = await fromHttpCache(url, key, engine, options);
      signal?.throwIfAborted();
      if (module) return module;
    }
    const wireBytes = new Uint8Array(await stored.arrayBuffer());
    // That of an algorithm which a browser does not have cannot be compared.
    if (key.algorithm === 'sha256' && !(await sha256(wireBytes)).equals(key)) {
      await cache.delete(request);
      throw new CacheError('NotFound', `The entry of ${key} in Cache Storage was damaged, and is removed`);
    }
    signal?.throwIfAborted();
    const module = await compile(engine, wireBytes, onProgress);
    BrowserEngine.forget(module); // its wire bytes are here
    return module;
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    const cache = await this.#open();
    return (await cache.keys(placeOf(key, engine), { ignoreSearch: true })).length > 0;
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    const cache = await this.#open();
    const url = BrowserEngine.urlOf(module);
    const place = placeOf(key, engine);
    const address = url === undefined ? place : `${place}?from=${encodeURIComponent(url)}`;
    if ((await cache.keys(address)).length > 0) return;
    const wireBytes = engine.wireBytes(module) as Uint8Array<ArrayBuffer>;
    await put(cache, address, wireBytes);
    if (url === undefined) return;
    for (const request of await cache.keys()) {
      if (sourceOf(request) === url && request.url !== address) await cache.delete(request);
    }
  }

  /** @internal The key of what came from this address, for a load without a network. */
  async keyOf(url: string): Promise<ModuleHash | undefined> {
    const cache = await this.#open();
    const request = (await cache.keys()).findLast((each) => sourceOf(each) === url);
    return request && ModuleHash.parseHex(new URL(request.url).pathname.replace(/^.*\//, ''));
  }

  async #open(): Promise<Cache> {
    if (!globalThis.caches) {
      const where = globalThis.location?.origin ?? 'this runtime';
      throw new CacheError(
        'Other',
        `There is no Cache Storage at ${where}: it needs a browser, and https or localhost`,
      );
    }
    try {
      return await globalThis.caches.open(this.#name);
    } catch (cause) {
      throw new CacheError('Other', `Cache Storage cannot be used here: ${String(cause)}`, { cause });
    }
  }
}

function placeOf(key: ModuleHash, engine: Engine): string {
  return `${PLACE}${encodeURIComponent(engine.deterministicId)}/${key}`;
}

function sourceOf(request: Request): string | undefined {
  return new URL(request.url).searchParams.get('from') ?? undefined;
}

/** What the HTTP cache still has of this address, however old: the key says whether it is the same. Never asks the network. */
async function fromHttpCache(
  url: string,
  key: ModuleHash,
  engine: BrowserEngine,
  { signal, onProgress }: LoadOptions,
): Promise<WebAssembly.Module | undefined> {
  try {
    const response = await fetch(url, { mode: 'same-origin', cache: 'only-if-cached', ...(signal && { signal }) });
    if (!response.ok) return undefined;
    const finish = startStep(onProgress, { step: 'compile', coverage: undefined });
    try {
      const { module, key: found } = await engine.receive(response, () => {});
      BrowserEngine.forget(module);
      if (!found.equals(key)) throw new CacheError('NotFound', `${url} is another module by now`);
      finish('compiled');
      return module;
    } catch (error) {
      finish('failed', error);
      return undefined;
    }
  } catch {
    return undefined; // it is not in the HTTP cache, or of another origin
  }
}

async function put(cache: Cache, address: string, wireBytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const headers = { 'content-type': 'application/wasm', 'content-length': String(wireBytes.length) };
  const attempt = () => cache.put(address, new Response(wireBytes, { headers }));
  try {
    await attempt().catch(async (error) => {
      if (error?.name !== 'QuotaExceededError' || !(await makeRoom(cache, wireBytes.length))) throw error;
      await attempt();
    });
  } catch (cause) {
    const what = `${wireBytes.length} bytes could not be put into Cache Storage`;
    throw new CacheError('Other', `${what}: ${String(cause)}`, { cause });
  }
}

/**
 * Removes the oldest modules, until they had so many bytes. None where all of them have less: what is larger than that would probably
 * not fit either, and browsers do not tell how much room there is.
 */
async function makeRoom(cache: Cache, length: number): Promise<boolean> {
  let freed = 0;
  const oldest: Request[] = [];
  for (const request of await cache.keys()) {
    if (freed >= length) break;
    oldest.push(request);
    freed += Number((await cache.match(request))?.headers.get('content-length'));
  }
  if (freed < length) return false;
  for (const request of oldest) await cache.delete(request);
  return true;
}
