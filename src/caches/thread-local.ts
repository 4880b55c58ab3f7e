import { LiveModuleCache } from './live-modules.js';

/**
 * Keeps all saved modules alive, for this thread only. For hosts that know how many modules they have.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { loadModuleSync, ThreadLocalCache, V8Engine } from 'wasm-module-cache';
 *
 * const options = { cache: new ThreadLocalCache(), engine: new V8Engine() };
 * const wireBytes = readFileSync('plugin.wasm');
 * const { module } = loadModuleSync(wireBytes, options);
 * console.log(loadModuleSync(wireBytes, options).module === module); // true
 * ```
 */
export class ThreadLocalCache extends LiveModuleCache {
  /** Creates an empty cache. Every instance has its own modules. */
  constructor() {
    super(new Map());
  }
}
