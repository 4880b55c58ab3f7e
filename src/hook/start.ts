import diagnostics_channel from 'node:diagnostics_channel';
import { whyNotCacheFolder } from '../caches/cache-folder.js';
import { V8Engine } from '../engine/v8-engine.js';
import { isWorker } from '../is-worker.js';
import { install } from './install.js';
import { type OpenHook, openHook, usesStore } from './open-hook.js';
import { Preload } from './preload.js';
import { debug, type ModuleCacheStats } from './reporting.js';
import type { HookOptions } from './settings.js';

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
 * Replaces WebAssembly's functions. The rest of the hook is made when the first module comes, because most processes have none.
 *
 * @param checksNow - whether to check V8 and the folder now, and not when the first module comes
 * @returns the hook, or why there is none
 */
export function startHook(options: HookOptions, checksNow: boolean): Hook | string {
  const { directory, minModuleSize } = options;
  const engine = new V8Engine();
  const reason = checksNow ? (engine.unsupportedReason ?? whyNotCacheFolder(directory)) : undefined;
  if (reason !== undefined) return reason;
  let opened: OpenHook | undefined;
  let isOpen = false;
  const open = () => {
    if (isOpen) return opened;
    isOpen = true;
    try {
      opened = openHook(options, engine, preload);
    } catch (error) {
      debug('off: %o', error);
    }
    return opened;
  };
  const preload = Preload.of(options, engine);
  preload?.start();
  if (options.mode === 'read-write' && !isWorker) {
    // Node publishes each new worker here. A program sees no listener.
    const onWorker = () => {
      diagnostics_channel.unsubscribe('worker_threads', onWorker);
      open()?.recorder.saveForWorkers();
    };
    diagnostics_channel.subscribe('worker_threads', onWorker);
  }
  if (usesStore(options)) open(); // It begins to fetch what the program used before.
  install(globalThis.WebAssembly, minModuleSize, open);
  registry.hook = {
    directory,
    get stats() {
      return opened?.reporting.counters;
    },
    save: () => opened?.recorder.save(),
  };
  return registry.hook;
}
