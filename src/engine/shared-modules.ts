import worker_threads from 'node:worker_threads';
import type { Addon, SharedTable } from '../native/addon.js';
import { RecentlyUsed } from '../recently-used.js';
import { openAddon } from './supported.js';

// Shared modules are kept while one of the threads lives that loaded the addon. So the main thread, which outlives the others, loads it,
// even if only its workers have caches.
if (worker_threads.isMainThread) openAddon();

export interface SharedModulesLimits {
  maxModules: number;
  /** The total of wire bytes. */
  maxBytes: number;
}

/** Live modules by name. The least recently used one goes first. */
export interface SharedModules {
  get(name: string): WebAssembly.Module | undefined;
  has(name: string): boolean;
  set(name: string, module: WebAssembly.Module): void;
}

/** The table of that name, and why other threads do not see it, if they do not. */
export function openSharedModules(
  table: string,
  limits: SharedModulesLimits,
): { modules: SharedModules; unsupportedReason: string | undefined } {
  const opened = openAddon();
  if (opened.addon) return { modules: new ModulesOfProcess(opened.addon, table, limits), unsupportedReason: undefined };
  return { modules: modulesOfThread(table, limits), unsupportedReason: opened.unsupportedReason };
}

/**
 * Live modules by name for all threads of the process that open the table of that name. V8 makes a Module object of this thread over native
 * code that another one compiled, in microseconds and without that thread.
 */
class ModulesOfProcess implements SharedModules {
  readonly #addon: Addon;
  readonly #table: SharedTable;
  readonly #limits: SharedModulesLimits;
  /** The objects of this thread: one module is one object here, as in other caches. */
  readonly #objects: RecentlyUsed<{ id: number; reference: WeakRef<WebAssembly.Module> }>;

  constructor(addon: Addon, table: string, limits: SharedModulesLimits) {
    this.#addon = addon;
    this.#table = addon.openShared(table);
    this.#limits = limits;
    this.#objects = new RecentlyUsed(limits.maxModules);
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

const tablesOfThread = new Map<string, Map<string, WebAssembly.Module>>();

/** Where threads cannot share. */
function modulesOfThread(table: string, { maxModules }: SharedModulesLimits): SharedModules {
  const modules = tablesOfThread.get(table) ?? new Map<string, WebAssembly.Module>();
  tablesOfThread.set(table, modules);
  return new RecentlyUsed(maxModules, modules);
}
