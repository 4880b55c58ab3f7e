import worker_threads from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import type { Addon, SharedTable } from './addon.js';
import { openAddon } from './supported.js';

// What is shared is kept for as long as one of the threads lives that loaded the addon. The main thread, which outlives the
// others, may have no cache itself, and only start workers that do.
if (worker_threads.isMainThread) openAddon();

export interface SharedModulesLimits {
  maxModules: number;
  /** Of wire bytes. */
  maxBytes: number;
}

/**
 * Live modules by name, which every thread of the process that opens the table of the same name sees at once: V8 makes a Module
 * object of this thread over native code that another one compiled, in microseconds and without asking that thread.
 */
export class SharedModules {
  readonly #addon: Addon;
  readonly #table: SharedTable;
  readonly #limits: SharedModulesLimits;
  /** The objects of this thread, so that one module is one object here, as it is in other caches. */
  readonly #objects: LRUCache<string, { id: number; reference: WeakRef<WebAssembly.Module> }>;

  private constructor(addon: Addon, table: string, limits: SharedModulesLimits) {
    this.#addon = addon;
    this.#table = addon.openShared(table);
    this.#limits = limits;
    this.#objects = new LRUCache({ max: limits.maxModules });
  }

  /** `undefined` and the reason where threads cannot share modules this way. */
  static open(
    table: string,
    limits: SharedModulesLimits,
  ): { modules: SharedModules } | { modules?: undefined; unsupportedReason: string } {
    const opened = openAddon();
    return opened.addon ? { modules: new SharedModules(opened.addon, table, limits) } : opened;
  }

  get(name: string): WebAssembly.Module | undefined {
    const id = this.#addon.findShared(this.#table, name, true);
    if (id === 0) return undefined;
    const known = this.#objects.get(name);
    const object = known?.id === id ? known.reference.deref() : undefined;
    return object ?? this.#remember(name, id, this.#addon.loadShared(this.#table, name, id));
  }

  has(name: string): boolean {
    return this.#addon.findShared(this.#table, name, false) !== 0;
  }

  set(name: string, module: WebAssembly.Module): void {
    const { maxModules, maxBytes } = this.#limits;
    const id = this.#addon.saveShared(this.#table, name, module, maxModules, maxBytes);
    if (id !== 0) this.#remember(name, id, module);
  }

  #remember<M extends WebAssembly.Module | undefined>(name: string, id: number, module: M): M {
    if (module) this.#objects.set(name, { id, reference: new WeakRef(module) });
    return module;
  }
}
