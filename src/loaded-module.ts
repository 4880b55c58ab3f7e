import type { StepFinished } from './load-progress.js';
import type { ModuleCache } from './module-cache.js';
import type { ModuleHash } from './module-hash.js';

/**
 * A module, and how it was come by.
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
  /** The live module; callers who shared the load have the same object. */
  readonly module: WebAssembly.Module;
  /** The hash of the wire bytes, under which it was looked for. */
  readonly key: ModuleHash;
  /** `cache`: its code was there. `compiler`: it was compiled for this load, also when the cache had its wire bytes only. */
  readonly source: 'cache' | 'compiler';
  /** The tier of the cache that had it, `undefined` when none had. */
  readonly cache: ModuleCache | undefined;
  /** What was done for it, one after the other, and how long each took. */
  readonly steps: readonly StepFinished[];
  /** Milliseconds in all, since the first of those who share the load asked for it. */
  readonly duration: number;
}
