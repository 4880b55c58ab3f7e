import diagnostics_channel from 'node:diagnostics_channel';
import nodeModule from 'node:module';
import path from 'node:path';
import { checkCacheFolder, whyNotCacheFolder } from '../caches/cache-folder.js';
import { FileSystemCache } from '../caches/file-system.js';
import { V8Engine } from '../engine/v8-engine.js';
import { packageRoot } from '../package-root.js';
import type { RemoteSettings } from '../settings/read-settings.js';
import { openStatistics } from '../statistics/statistics.js';
import type { Fleet } from './fleet.js';
import { install } from './install.js';
import { ModuleLookup } from './look-up.js';
import type { Parts } from './parts.js';
import { RecordedModules } from './recorded-modules.js';
import { Recorder } from './recorder.js';
import { type ModuleCacheStats, Reporting } from './reporting.js';
import type { HookOptions } from './settings.js';

/** The hook of one thread, for the functions that programs call. */
export interface Hook {
  /** The absolute path of the cache folder. */
  readonly directory: string;
  readonly stats: ModuleCacheStats;
  save(): void;
}

// All copies of this package in one thread share it, so that only one of them replaces WebAssembly's functions. A named
// channel is an object that they all find, and that no program finds by looking at globals.
export const registry = diagnostics_channel.channel('wasm-module-cache') as object as { hook?: Hook };

/**
 * Puts the hook's parts together and replaces WebAssembly's functions.
 *
 * @param checksNow - whether to check V8 and the folder now, and not when the first module comes
 * @returns the hook, or why there is none
 */
export function startHook(options: HookOptions, checksNow: boolean): Hook | string {
  const engine = new V8Engine();
  const cache = new FileSystemCache(options.directory, {
    wireBytes: 'omit', // Callers always have them, so storing them would only double the size.
    secret: options.secrets,
    maxSize: options.maxSize,
  });
  const reporting = new Reporting(openStatistics(options, () => recorder.saveAtExit()));
  // Artifacts from the store go through the folder.
  const remote = options.mode === 'read-write' ? options.remote : undefined;
  const fleet = remote && openFleet(remote, cache, engine, reporting);
  const parts: Parts = { options, cache, engine, modules: new RecordedModules(), reporting, fleet };
  const recorder = new Recorder(parts);
  const reason = checksNow ? (engine.unsupportedReason ?? whyNotCacheFolder(cache.directory)) : undefined;
  if (reason !== undefined) return reason;
  install(globalThis.WebAssembly, options.minModuleSize, new ModuleLookup(parts, recorder), recorder);
  const hook = { directory: cache.directory, stats: reporting.counters, save: () => recorder.save() };
  registry.hook = hook;
  return hook;
}

/** Writes the program record into the folder. */
function openFleet(
  remote: RemoteSettings,
  cache: FileSystemCache,
  engine: V8Engine,
  reporting: Reporting,
): Fleet | undefined {
  try {
    checkCacheFolder(cache.directory);
    const file = path.join(packageRoot, 'dist/remote.cjs');
    const { Fleet } = nodeModule.createRequire(import.meta.url)(file) as typeof import('./remote.js');
    return new Fleet(remote, cache, engine, reporting);
  } catch (error) {
    reporting.failed('opening the store', error);
    return undefined;
  }
}
