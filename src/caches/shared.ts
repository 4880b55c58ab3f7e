import { LRUCache } from 'lru-cache';
import { LiveModuleCache } from './live-modules.js';

export interface SharedCacheOptions {
  /** How many modules are kept; the least recently used one goes first. Default 100. */
  maxModules?: number | undefined;
}

// A live module keeps its wire bytes and its code: at 10 MB each this is a gigabyte, which a host of plugins may spend.
const DEFAULT_MAX_MODULES = 100;

// lru-cache makes room for all of them at once.
const MAX_MODULES = 100_000;

/** Live modules, bounded. (Sharing between the threads of the process is yet to come; today each thread has its own.) */
export class SharedCache extends LiveModuleCache {
  constructor(options: SharedCacheOptions = {}) {
    const { maxModules = DEFAULT_MAX_MODULES } = options;
    if (!Number.isInteger(maxModules) || maxModules < 1 || maxModules > MAX_MODULES) {
      throw new TypeError(
        `The option maxModules must be a whole number from 1 to ${MAX_MODULES}, not ${String(maxModules)}`,
      );
    }
    super(new LRUCache<string, WebAssembly.Module>({ max: maxModules }));
  }
}

/** The best cache of live modules for this platform. */
export function inMemory(): SharedCache {
  return new SharedCache();
}
