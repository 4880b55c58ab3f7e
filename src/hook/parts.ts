import type { FileSystemCache } from '../caches/file-system.js';
import type { V8Engine } from '../engine/v8-engine.js';
import type { Fleet } from './fleet.js';
import type { Preload } from './preload.js';
import type { RecordedModules } from './recorded-modules.js';
import type { Reporting } from './reporting.js';
import type { HookOptions } from './settings.js';

/** The parts that look-up and recorder share in one thread. */
export interface Parts {
  readonly options: HookOptions;
  readonly cache: FileSystemCache;
  readonly engine: V8Engine;
  readonly modules: RecordedModules;
  readonly reporting: Reporting;
  readonly preload: Preload | undefined;
  /** The store behind the folder, if there is one. */
  readonly fleet: Fleet | undefined;
}
