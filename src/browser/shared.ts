import { CacheError } from '../cache-error.js';
import { LiveModuleCache, nameOf } from '../caches/live-modules.js';
import { RecentModules } from '../engine/recent-modules.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/**
 * What a {@link SharedCache} of a page or a worker may be made with.
 *
 * @example
 * ```ts
 * import { SharedCache, type SharedCacheOptions } from 'wasm-module-cache/browser';
 *
 * const options: SharedCacheOptions = { maxModules: 20 };
 * console.log(new SharedCache(options) instanceof SharedCache); // true
 * ```
 */
export interface SharedCacheOptions {
  /** What `openPort` of another thread's cache gave. Default: none, and this one is the first of its kind. */
  port?: MessagePort | undefined;
  /** How many modules this thread keeps; the least recently used one goes first. Default 100. */
  maxModules?: number | undefined;
  /** Milliseconds to wait for the other thread's answer, which comes when that has time; then it is a miss. Default 1000. */
  waitAtMost?: number | undefined;
}

// As in Node.js.
const DEFAULT_MAX_MODULES = 100;
/** The slowest of what is measured in docs/browser.md compiles in less. */
const DEFAULT_WAIT_AT_MOST = 1000;

/** What goes over a port: a question (`id` and `name`), its answer (`id`), or a module to keep (`name` and `module`). */
interface Message {
  id?: number;
  name?: string;
  module?: WebAssembly.Module | undefined;
}

/** Who has asked another thread. */
interface Waiting {
  answered(module: WebAssembly.Module | undefined): void;
  failed(error: unknown): void;
}

/**
 * Live modules, shared by a page and its workers: what one of them saves, the others load without compiling, native code
 * included. The page makes one, and gives each worker a port to it. The synchronous methods know only what this thread has saved
 * or loaded before.
 *
 * Browsers let a module go to dedicated workers (and frames) of the same origin only: a service worker, a shared worker or
 * another site gets an error instead, and `load` rejects with one.
 *
 * @example
 * ```ts
 * import { loadModule, SharedCache } from 'wasm-module-cache/browser';
 *
 * const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
 * const ofPage = new SharedCache();
 * await loadModule(wireBytes, { cache: ofPage });
 *
 * const port = ofPage.openPort(); // worker.postMessage({ port }, [port])
 * const { source } = await loadModule(wireBytes, { cache: new SharedCache({ port }) });
 * console.log(source); // cache
 * port.close();
 * ```
 */
export class SharedCache extends LiveModuleCache {
  readonly #modules: RecentModules;
  readonly #port: MessagePort | undefined;
  readonly #waitAtMost: number;
  readonly #waiting = new Map<number, Waiting>();
  #questions = 0;

  /** @throws {TypeError} when an option is not what it should be. */
  constructor(options: SharedCacheOptions = {}) {
    const { port, maxModules = DEFAULT_MAX_MODULES, waitAtMost = DEFAULT_WAIT_AT_MOST } = options;
    if (port !== undefined && !(port instanceof MessagePort)) {
      throw new TypeError(`The option port must be a MessagePort, as openPort gives it, not ${String(port)}`);
    }
    if (!Number.isInteger(maxModules) || maxModules < 1) {
      throw new TypeError(`The option maxModules must be a whole number from 1, not ${String(maxModules)}`);
    }
    if (typeof waitAtMost !== 'number' || !(waitAtMost >= 0)) {
      throw new TypeError(`The option waitAtMost must be milliseconds from 0, not ${String(waitAtMost)}`);
    }
    const modules = new RecentModules(maxModules);
    super(modules);
    this.#modules = modules;
    this.#port = port;
    this.#waitAtMost = waitAtMost;
    if (port) this.#listen(port);
  }

  /** A port for one other thread: post it there, and transfer it. */
  openPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#listen(port1);
    return port2;
  }

  override async load(key: ModuleHash, engine: Engine, { signal }: LoadOptions = {}): Promise<WebAssembly.Module> {
    const module = await this.#find(nameOf(key, engine), signal);
    return module ?? this.loadSync(key, engine);
  }

  override async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return (await this.#find(nameOf(key, engine))) !== undefined;
  }

  /** As `save`, at once; the other threads have the module when they next ask for it. */
  override saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    this.#keep(nameOf(key, engine), module);
  }

  #listen(port: MessagePort): void {
    port.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(port, data);
    port.onmessageerror = () => {
      const error = new CacheError(
        'Other',
        'A browser shares modules only with dedicated workers and frames of the same origin, and this is not one',
      );
      for (const { failed } of [...this.#waiting.values()]) failed(error);
    };
  }

  async #receive(port: MessagePort, { id, name, module }: Message): Promise<void> {
    if (name === undefined) this.#waiting.get(id as number)?.answered(module);
    else if (module) this.#keep(name, module);
    else port.postMessage({ id, module: await this.#find(name).catch(() => undefined) });
  }

  #keep(name: string, module: WebAssembly.Module): void {
    this.#modules.set(name, module);
    this.#port?.postMessage({ name, module });
  }

  async #find(name: string, signal?: AbortSignal): Promise<WebAssembly.Module | undefined> {
    const known = this.#modules.get(name);
    if (known || !this.#port) return known;
    signal?.throwIfAborted();
    const module = await this.#ask(this.#port, name, signal);
    if (module) this.#modules.set(name, module);
    return module;
  }

  #ask(port: MessagePort, name: string, signal: AbortSignal | undefined): Promise<WebAssembly.Module | undefined> {
    const id = ++this.#questions;
    return new Promise<WebAssembly.Module | undefined>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        signal?.removeEventListener('abort', onAbort);
      };
      const answered = (module: WebAssembly.Module | undefined) => {
        settle();
        resolve(module);
      };
      const failed = (error: unknown) => {
        settle();
        reject(error);
      };
      const onAbort = () => failed(signal?.reason);
      const timer = setTimeout(answered, this.#waitAtMost, undefined);
      this.#waiting.set(id, { answered, failed });
      signal?.addEventListener('abort', onAbort);
      port.postMessage({ id, name });
    });
  }
}

/**
 * The best cache of live modules for a browser: a {@link SharedCache}.
 *
 * @throws {TypeError} when an option is not what it should be.
 *
 * @example
 * ```ts
 * import { CacheStorageCache, inMemory, SharedCache } from 'wasm-module-cache/browser';
 *
 * const cache = inMemory().withFallback(new CacheStorageCache());
 * console.log(cache.primary instanceof SharedCache); // true
 * ```
 */
export function inMemory(options?: SharedCacheOptions): SharedCache {
  return new SharedCache(options);
}
