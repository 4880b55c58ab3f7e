import diagnostics_channel from 'node:diagnostics_channel';
import { isTestedV8, whyNeverSupported } from '../engine/supported.js';
import { isWorker } from '../is-worker.js';
import type { Settings } from '../settings/read-settings.js';
import { installInContexts } from './contexts.js';
import { debug } from './debug.js';
import { install } from './install.js';
import { cacheJavaScript } from './javascript-cache.js';
import type { Late } from './load-late.js';
import type { OpenHook } from './open-hook.js';
import { hasPreloadRecord } from './preload-record.js';
import type { ModuleCacheStats } from './reporting.js';
import { type HookOptions, usesStore } from './settings.js';

/**
 * The result of {@link enableModuleCache}.
 *
 * @example
 * ```ts
 * import { type EnableModuleCacheResult, enableModuleCache } from 'wasm-module-cache';
 *
 * const { status, message }: EnableModuleCacheResult = enableModuleCache({ directory: 'cache', minModuleSize: 'big' });
 * console.log(status); // FAILED
 * console.log(message); // The option minModuleSize must be a size such as 100000, 64KiB or 1MiB, not 'big'
 * ```
 */
export interface EnableModuleCacheResult {
  /**
   * - `ENABLED`: modules compiled from now on in this thread are cached.
   * - `ALREADY_ENABLED`: the cache was enabled before, and keeps the settings of that time.
   * - `DISABLED`: an environment variable or the option `mode` turned it off.
   * - `FAILED`: the cache cannot work in this process, and `message` says why.
   */
  status: 'ENABLED' | 'ALREADY_ENABLED' | 'DISABLED' | 'FAILED';
  /** Why it `FAILED`, as a sentence. */
  message?: string;
  /** The absolute path of the cache folder, when enabled. */
  directory?: string;
}

/** The hook of one thread, for the functions that programs call. */
export interface Hook {
  /** The absolute path of the cache folder. */
  readonly directory: string;
  /** `undefined` while no module has come. */
  readonly stats: ModuleCacheStats | undefined;
  save(): void;
}

// All copies of this package in one thread share it, so that only one of them replaces WebAssembly's functions. A named
// channel is an object that they all find, and that no program finds by looking at globals.
export const registry = diagnostics_channel.channel('wasm-module-cache') as object as { hook?: Hook };

/**
 * Turns the hook on for this thread.
 *
 * @param late - gives the rest of the hook
 * @param checksNow - whether to check V8 and the folder now, and not when the first module comes
 */
export function enable(settings: Settings, late: () => Late, checksNow: boolean): EnableModuleCacheResult {
  const running = registry.hook;
  if (running) return { status: 'ALREADY_ENABLED', directory: running.directory };
  const { mode, directory } = settings;
  for (const warning of settings.warnings) process.emitWarning(warning, { type: 'WasmCacheWarning' });
  if (mode === 'off') return { status: 'DISABLED' };
  if (directory === undefined) {
    return { status: 'FAILED', message: 'there is no home folder for the cache; name a folder with WASM_CACHE_DIR' };
  }
  const reason =
    (isTestedV8() ? undefined : late().whyUntried(settings, directory)) ??
    whyNeverSupported() ??
    (checksNow ? late().whyNotHere(directory) : undefined);
  if (reason !== undefined) return { status: 'FAILED', message: reason };
  registry.hook = start({ ...settings, mode, directory }, late, !checksNow);
  return { status: 'ENABLED', directory };
}

/**
 * Replaces WebAssembly's functions. The rest of the hook is made when the first module comes, because most processes have none.
 *
 * @param late - gives the rest of the hook
 * @param isAtStart - whether no code of the program has run
 */
function start(options: HookOptions, late: () => Late, isAtStart: boolean): Hook {
  const { directory, minModuleSize } = options;
  let opened: OpenHook | undefined;
  let isOpen = false;
  const open = (preloads = false) => {
    if (isOpen) return opened;
    isOpen = true;
    try {
      opened = late().openHook(options, preloads);
    } catch (error) {
      debug('off: %o', error);
    }
    return opened;
  };
  if (options.mode === 'read-write' && !isWorker) {
    // Node publishes each new worker here. A program sees no listener.
    const onWorker = () => {
      diagnostics_channel.unsubscribe('worker_threads', onWorker);
      open()?.recorder.saveForWorkers();
    };
    diagnostics_channel.subscribe('worker_threads', onWorker);
  }
  cacheJavaScript(options);
  // It begins to restore, or to fetch, what the program used before.
  const preloads = hasPreloadRecord(options);
  if (preloads || usesStore(options)) open(preloads);
  install(globalThis.WebAssembly, minModuleSize, open);
  try {
    installInContexts((installIn, namespace) => installIn(namespace, minModuleSize, open), isAtStart);
  } catch (error) {
    debug('contexts of node:vm are left to V8: %o', error); // The program has frozen it.
  }
  return {
    directory,
    get stats() {
      return opened?.reporting.counters;
    },
    save: () => opened?.recorder.save(),
  };
}
