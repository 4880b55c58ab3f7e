import nodeModule from 'node:module';
import path from 'node:path';
import { checkCacheFolder } from '../caches/cache-folder.js';
import { FileSystemCache } from '../caches/file-system.js';
import type { V8Engine } from '../engine/v8-engine.js';
import { packageRoot } from '../package-root.js';
import type { RemoteSettings } from '../settings/read-settings.js';
import { openStatistics } from '../statistics/statistics.js';
import type { Fleet } from './fleet.js';
import { ModuleLookup } from './look-up.js';
import type { Parts } from './parts.js';
import type { Preload } from './preload.js';
import { RecordedModules } from './recorded-modules.js';
import { Recorder } from './recorder.js';
import { Reporting } from './reporting.js';
import type { HookOptions } from './settings.js';

/** A hook that has met a module, or is about to. */
export interface OpenHook {
  readonly lookup: ModuleLookup;
  readonly recorder: Recorder;
  readonly reporting: Reporting;
}

/** Puts the hook's parts together. */
export function openHook(options: HookOptions, engine: V8Engine, preload: Preload | undefined): OpenHook {
  const cache = new FileSystemCache(options.directory, {
    wireBytes: 'omit', // Callers always have them, so storing them would only double the size.
    secret: options.secrets,
    maxSize: options.maxSize,
  });
  const reporting = new Reporting(openStatistics(options, () => recorder.saveAtExit()));
  const fleet = usesStore(options) ? openFleet(options.remote, cache, engine, reporting) : undefined;
  const parts: Parts = { options, cache, engine, modules: new RecordedModules(), reporting, preload, fleet };
  const recorder = new Recorder(parts);
  return { lookup: new ModuleLookup(parts, recorder), recorder, reporting };
}

/** Artifacts from the store go through the folder, so it must be writable. */
export function usesStore(options: HookOptions): options is HookOptions & { remote: RemoteSettings } {
  return options.remote !== undefined && options.mode === 'read-write';
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
