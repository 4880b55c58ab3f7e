import { LiveModuleCache } from './live-modules.js';

/**
 * Live modules of this thread, all that are saved: for hosts that know how many they have.
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
  /** Empty; every instance has modules of its own. */
  constructor() {
    super(new Map());
  }
}
