import type { ModuleCache, StepFinished } from './module-cache.js';
import type { ModuleHash } from './module-hash.js';

/**
 * A module, and where it came from.
 *
 * @example
 * ```ts
 * import { HashedModuleData, inMemory, type LoadedModule, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const describe = ({ key, source, duration }: LoadedModule) => `${key} from the ${source} in ${duration.toFixed(1)} ms`;
 * const data = await HashedModuleData.fromFile('plugin.wasm');
 * const loaded = await loadModule(data, { cache: inMemory(), engine: new V8Engine() });
 * console.log(describe(loaded));
 * console.log(loaded.cache); // undefined
 * ```
 */
export interface LoadedModule {
  /** The live module. Callers who shared the load get the same object. */
  readonly module: WebAssembly.Module;
  /** The hash of the wire bytes. */
  readonly key: ModuleHash;
  /** `cache`: the cache had its code. `compiler`: this load compiled it, also when the cache had its wire bytes only. */
  readonly source: 'cache' | 'compiler';
  /** The tier of the cache that had it; `undefined` if none had. */
  readonly cache: ModuleCache | undefined;
  /** The steps of the load in order, and how long each took. */
  readonly steps: readonly StepFinished[];
  /** Milliseconds in all. Callers who shared the load count from the first one's call. */
  readonly duration: number;
}
