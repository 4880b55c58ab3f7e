import path from 'node:path';
import { checkCacheFolder } from '../caches/cache-folder.js';
import { FileSystemCache } from '../caches/file-system.js';
import { V8Engine } from '../engine/v8-engine.js';
import { packageRoot } from '../package-root.js';
import type { RemoteSettings } from '../settings/read-settings.js';
import { openStatistics } from '../statistics/statistics.js';
import type { Fleet } from './fleet.js';
import { ModuleLookup } from './look-up.js';
import type { Parts } from './parts.js';
import { Preload } from './preload.js';
import { mayPreload } from './preload-record.js';
import { RecordedModules } from './recorded-modules.js';
import { Recorder } from './recorder.js';
import { Reporting } from './reporting.js';
import { wantsCode } from './save-code.js';
import { type HookOptions, usesStore } from './settings.js';

/** A hook that has met a module, or is about to. */
export interface OpenHook {
  readonly lookup: ModuleLookup;
  readonly recorder: Recorder;
  readonly reporting: Reporting;
}

/**
 * Puts the hook's parts together.
 *
 * @param preloads - whether to begin with what the program used in its last runs
 */
export function openHook(options: HookOptions, preloads: boolean): OpenHook {
  const engine = new V8Engine();
  const preload = mayPreload(options) ? new Preload(options, engine) : undefined;
  if (preloads) preload?.start();
  const cache = new FileSystemCache(options.directory, {
    wireBytes: 'omit', // Callers always have them, so storing them would only double the size.
    secret: options.secrets,
    maxSize: options.maxSize,
  });
  const reporting = new Reporting(openStatistics(options, () => recorder.saveAtExit()));
  const fleet = usesStore(options) ? openFleet(options.remote, cache, engine, reporting) : undefined;
  const parts: Parts = { options, cache, engine, modules: new RecordedModules(), reporting, preload, fleet };
  const recorder = new Recorder(parts);
  if (wantsCode(options)) recorder.saveAtExit();
  return { lookup: new ModuleLookup(parts, recorder), recorder, reporting };
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
    const { Fleet } = process.getBuiltinModule('node:module').createRequire(file)(file) as typeof import('./remote.js');
    return new Fleet(remote, cache, engine, reporting);
  } catch (error) {
    reporting.failed('opening the store', error);
    return undefined;
  }
}
