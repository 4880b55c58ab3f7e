import { CacheError } from '../cache-error.js';
import { LiveModuleCache, nameOf } from '../caches/live-modules.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { RecentlyUsed } from '../recently-used.js';
import { wrongOption } from '../wrong-option.js';

/**
 * Options of a {@link SharedCache} in a page or a worker.
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
  /** A port that `openPort` of another thread's cache returned. Default: none; this cache is the first one. */
  port?: MessagePort | undefined;
  /** Modules that this thread keeps. The least recently used one goes first. Default 100. */
  maxModules?: number | undefined;
  /** Milliseconds to wait for the other thread, which answers when it is not busy. After that the load is a miss. Default 1000. */
  waitAtMost?: number | undefined;
}

// The same as in Node.js.
const DEFAULT_MAX_MODULES = 100;
/** The slowest module that was measured compiles in less: waiting longer would not pay. */
const DEFAULT_WAIT_AT_MOST = 1000;

/** A message on a port: a question (`id` and `name`), its answer (`id` and maybe `module`), or a module to keep (`name` and `module`). */
interface Message {
  id?: number;
  name?: string;
  module?: WebAssembly.Module | undefined;
}

/** A question that another thread has not answered yet. */
interface Question {
  answered(module: WebAssembly.Module | undefined): void;
  failed(error: unknown): void;
}

/**
 * Live modules, shared by a page and its workers: a module that one of them saves, native code included, the others load without
 * compiling. The page makes one cache, and gives each worker a port to it. The synchronous methods find only modules that this
 * thread has saved or loaded before.
 *
 * Browsers share modules only with dedicated workers and frames of the same origin. In a service worker, a shared worker or
 * on another site, `load` rejects with an error.
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
  readonly #modules: RecentlyUsed<WebAssembly.Module>;
  readonly #port: MessagePort | undefined;
  readonly #waitAtMost: number;
  readonly #questions = new Map<number, Question>();
  #lastId = 0;

  /** @throws {TypeError} when an option is wrong. */
  constructor(options: SharedCacheOptions = {}) {
    const { port, maxModules = DEFAULT_MAX_MODULES, waitAtMost = DEFAULT_WAIT_AT_MOST } = options;
    if (port !== undefined && !(port instanceof MessagePort)) {
      throw wrongOption('port', 'a MessagePort, as openPort returns it', port);
    }
    if (!Number.isInteger(maxModules) || maxModules < 1) {
      throw wrongOption('maxModules', 'a whole number from 1', maxModules);
    }
    if (typeof waitAtMost !== 'number' || !(waitAtMost >= 0)) {
      throw wrongOption('waitAtMost', 'milliseconds from 0', waitAtMost);
    }
    const modules = new RecentlyUsed<WebAssembly.Module>(maxModules);
    super(modules);
    this.#modules = modules;
    this.#port = port;
    this.#waitAtMost = waitAtMost;
    if (port) this.#listen(port);
  }

  /** Returns a port for one other thread: post it there, and transfer it. */
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

  /** The synchronous form of `save`. The other threads get the module when they next ask for it. */
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
      for (const { failed } of [...this.#questions.values()]) failed(error);
    };
  }

  async #receive(port: MessagePort, { id, name, module }: Message): Promise<void> {
    if (name === undefined) this.#questions.get(id as number)?.answered(module);
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
    const id = ++this.#lastId;
    return new Promise<WebAssembly.Module | undefined>((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer);
        this.#questions.delete(id);
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      const answered = (module: WebAssembly.Module | undefined) => settle(() => resolve(module));
      const failed = (error: unknown) => settle(() => reject(error));
      const onAbort = () => failed(signal?.reason);
      const timer = setTimeout(answered, this.#waitAtMost, undefined);
      this.#questions.set(id, { answered, failed });
      signal?.addEventListener('abort', onAbort);
      port.postMessage({ id, name });
    });
  }
}

/**
 * The best cache of live modules for a browser: a {@link SharedCache}.
 *
 * @throws {TypeError} when an option is wrong.
 *
 * @example
 * ```ts
 * import { inMemory, SharedCache } from 'wasm-module-cache/browser';
 *
 * console.log(inMemory() instanceof SharedCache); // true
 * ```
 */
export function inMemory(options?: SharedCacheOptions): SharedCache {
  return new SharedCache(options);
}
