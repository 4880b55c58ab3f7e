import type { Learn, Mode, RemoteMode } from '../settings/settings.js';
import * as late from './late.js';
import type { ModuleCacheStats } from './reporting.js';
import { settingsOfProcess } from './settings.js';
import { type EnableModuleCacheResult, enable, registry } from './start.js';

/**
 * The options of {@link enableModuleCache}. They go before the environment variables, except that no program overrides
 * `WASM_CACHE_DISABLE=1` and `WASM_CACHE_MODE=off`.
 *
 * @example
 * ```ts
 * import { type EnableModuleCacheOptions, enableModuleCache } from 'wasm-module-cache';
 *
 * const options: EnableModuleCacheOptions = { directory: 'cache', minModuleSize: '1MiB', learn: 'off' };
 * console.log(enableModuleCache(options).status); // ENABLED
 * ```
 */
export interface EnableModuleCacheOptions {
  /** The cache folder. Default: `WASM_CACHE_DIR`, else `wasm-module-cache` in the user's cache folder. */
  directory?: string | undefined;
  /** Whether modules are loaded and saved, only loaded, or left to V8 (`off`). Default: `WASM_CACHE_MODE`, else `read-write`. */
  mode?: Mode | undefined;
  /**
   * Smaller modules go to V8. A number of bytes, or text such as `100KB`. Default: `WASM_CACHE_MIN_MODULE_SIZE`, else
   * `64KiB`.
   */
  minModuleSize?: number | string | undefined;
  /**
   * What a background process optimises after the program: the functions that ran (`hot`), all functions (`full`) or nothing
   * (`off`). `auto` is `hot`, and `off` where the variable `CI` is set. Default: `WASM_CACHE_LEARN`, else `auto`.
   */
  learn?: Learn | 'auto' | undefined;
  /**
   * The size of the folder: a number of bytes, or text such as `512MiB`. Above it the least recently used artifacts are removed.
   * Default: `WASM_CACHE_MAX_SIZE`, else `1GiB`.
   */
  maxSize?: number | string | undefined;
  /**
   * Signs artifacts, for a folder that others may write to. Each secret has at least 16 bytes and no spaces. The first one signs, and
   * all are accepted. Default: `WASM_CACHE_SECRET` or the content of `WASM_CACHE_SECRET_FILE`, else no signatures.
   */
  secret?: string | readonly string[] | undefined;
  /**
   * The store behind the folder, which a fleet shares: `redis://`, `rediss://`, `s3://bucket/prefix`, `https://` or `file:///folder`. Needs a
   * secret, or `allowUnsigned`. Default: `WASM_CACHE_REMOTE`, else none.
   */
  remote?: string | undefined;
  /** How long the program waits for the store, once in vain: milliseconds, or text such as `1s`. Default: `WASM_CACHE_REMOTE_TIMEOUT`, else 250. */
  remoteTimeout?: number | string | undefined;
  /** Whether modules are fetched from the store, put into it, or both. Default: `WASM_CACHE_REMOTE_MODE`, else `read-write`. */
  remoteMode?: RemoteMode | undefined;
  /** Uses the store without a secret: whoever can write to the store can run code here. Default: `WASM_CACHE_ALLOW_UNSIGNED`, else false. */
  allowUnsigned?: boolean | undefined;
  /**
   * Whether the folder keeps counts of hits and misses for `wasm-cache report`. Default: `WASM_CACHE_STATISTICS`, else true.
   */
  statistics?: boolean | undefined;
  /**
   * Whether a thread restores the modules of this program's last runs before the program asks for them. Default: `WASM_CACHE_PRELOAD`,
   * else true.
   */
  preload?: boolean | undefined;
}

/**
 * Caches the modules that this thread compiles from now on, as `--import wasm-module-cache/register` does from the start. Never
 * throws: a wrong option gives the status `FAILED`. It follows Node's `module.enableCompileCache()`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache } from 'wasm-module-cache';
 *
 * const { status, message } = enableModuleCache({ directory: 'cache' });
 * console.log(status, message); // ENABLED undefined
 * const { instance } = await WebAssembly.instantiate(await readFile('plugin.wasm')); // in the next process from the cache
 * console.log((instance.exports.sum as (n: number) => number)(10)); // 55
 * ```
 */
export function enableModuleCache(options: EnableModuleCacheOptions = {}): EnableModuleCacheResult {
  try {
    return enable(settingsOfProcess(options), () => late, true);
  } catch (error) {
    return { status: 'FAILED', message: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Saves the code that V8 has optimised by now, as the exit of the process does, and returns when that is done. Needed for
 * processes that end by a signal. Never throws. Does nothing if the module cache is not enabled or is read-only.
 *
 * @example
 * ```ts
 * import { enableModuleCache, flushModuleCache } from 'wasm-module-cache';
 *
 * enableModuleCache({ directory: 'cache' });
 * const server = setInterval(() => {}, 1000); // does what a server does
 * process.once('SIGTERM', () => {
 *   flushModuleCache();
 *   clearInterval(server);
 *   console.log('saved'); // saved
 * });
 * process.kill(process.pid, 'SIGTERM');
 * ```
 */
export function flushModuleCache(): void {
  registry.hook?.save();
}

/**
 * The absolute path of the cache folder, or `undefined` when the module cache is not enabled in this thread.
 *
 * @example
 * ```ts
 * import path from 'node:path';
 * import { enableModuleCache, getModuleCacheDir } from 'wasm-module-cache';
 *
 * console.log(getModuleCacheDir()); // undefined
 * enableModuleCache({ directory: 'cache' });
 * console.log(getModuleCacheDir() === path.resolve('cache')); // true
 * ```
 */
export function getModuleCacheDir(): string | undefined {
  return registry.hook?.directory;
}

/**
 * Counts of what happened in this thread. All are zero when the module cache is not enabled. The object is a copy.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache, moduleCacheStats } from 'wasm-module-cache';
 *
 * enableModuleCache({ directory: 'cache' });
 * await WebAssembly.compile(await readFile('plugin.wasm'));
 * console.log(moduleCacheStats()); // { hits: 0, misses: 1, saves: 0, untrusted: 0, errors: 0 }
 * ```
 */
export function moduleCacheStats(): ModuleCacheStats {
  return { hits: 0, misses: 0, saves: 0, untrusted: 0, errors: 0, ...registry.hook?.stats };
}
