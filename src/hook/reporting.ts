import diagnostics_channel from 'node:diagnostics_channel';
import { CacheError } from '../cache-error.js';
import type { ModuleHash } from '../module-hash.js';
import { sha256 } from '../native/digest.js';
import type { Statistics } from '../statistics/statistics.js';
import { debug } from './debug.js';
import type { Lookup } from './lookup-result.js';
import type { RecordedModule } from './recorded-modules.js';
import type { RemoteFailure } from './remote-messages.js';

/**
 * Counters of one thread, from the moment at which its module cache was enabled.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache, type ModuleCacheStats, moduleCacheStats } from 'wasm-module-cache';
 *
 * const hitRate = ({ hits, misses }: ModuleCacheStats) => hits / (hits + misses);
 * enableModuleCache({ directory: 'cache' });
 * const wireBytes = await readFile('plugin.wasm');
 * const modules = [await WebAssembly.compile(wireBytes), await WebAssembly.compile(wireBytes)];
 * console.log(`${modules.length} modules, hit rate ${hitRate(moduleCacheStats())}`); // 2 modules, hit rate 0.5
 * ```
 */
export interface ModuleCacheStats {
  /** Modules restored from the cache folder, or found alive in this thread. */
  hits: number;
  /** Modules for which nothing usable was stored. */
  misses: number;
  /** Artifacts written by this thread. What a learner writes is not counted. */
  saves: number;
  /** Artifacts that were refused because the secret did not sign them. Each is also a miss. */
  untrusted: number;
  /** How often something broke, so that V8 went on alone. */
  errors: number;
}

const channels = {
  load: diagnostics_channel.channel('wasm-module-cache:load'),
  save: diagnostics_channel.channel('wasm-module-cache:save'),
  error: diagnostics_channel.channel('wasm-module-cache:error'),
};

/** Reports what the hook did in this thread: counters, diagnostics channels, debug lines, statistics. */
export class Reporting {
  readonly counters: ModuleCacheStats = { hits: 0, misses: 0, saves: 0, untrusted: 0, errors: 0 };
  readonly #statistics: Statistics | undefined;
  #isFolderRefused = false;

  constructor(statistics: Statistics | undefined) {
    this.#statistics = statistics;
  }

  /** Whether the cache folder is not used because it is not trusted. */
  get isFolderRefused(): boolean {
    return this.#isFolderRefused;
  }

  /** The name of the caller, for a look-up that happens later. */
  caller(): string | undefined {
    return this.#statistics?.caller();
  }

  lookedUp(lookup: Lookup, wireBytes: Uint8Array, milliseconds: number, caller: string | undefined): void {
    this.counters[lookup.module ? 'hits' : 'misses']++;
    this.#statistics?.count(lookup, milliseconds, caller);
    if (!channels.load.hasSubscribers) return;
    const key = lookup.key ?? sha256(wireBytes);
    channels.load.publish({ key: key.toString(), hit: lookup.module !== undefined });
  }

  /** V8 compiled the module after a miss. */
  compiled(lookup: Lookup, recorded: RecordedModule): void {
    this.#statistics?.compiled(lookup, recorded);
  }

  saved(key: ModuleHash, bytes: number): void {
    this.counters.saves++;
    if (channels.save.hasSubscribers) channels.save.publish({ key: key.toString(), bytes });
  }

  /** An artifact was refused: it is not signed with the secret, or it is quarantined. */
  refused(key: ModuleHash, error: unknown): void {
    this.counters.untrusted++;
    debug('miss %s: %s', key, error);
  }

  /** Something broke, and V8 goes on alone. */
  failed(doing: string, error: unknown): void {
    this.counters.errors++;
    try {
      debug('%s: %o', doing, error);
      if (channels.error.hasSubscribers) channels.error.publish({ doing, error });
      if (!CacheError.is(error, 'Untrusted') || isOfArtifact(error)) return;
      // The only failure with a warning, because only users can fix it.
      this.#isFolderRefused = true;
      process.emitWarning(`${error.message} Modules are not cached.`, { type: 'WasmCacheWarning' });
    } catch {
      // The program broke the functions that report.
    }
  }

  /** The store failed. One line, because the stack of the program says nothing about it. */
  storeFailed({ failure, of }: RemoteFailure): void {
    this.counters[of === 'signature' ? 'untrusted' : 'errors']++;
    try {
      const doing = 'asking the store';
      debug('%s: %s', doing, failure);
      if (of !== 'signature' && channels.error.hasSubscribers)
        channels.error.publish({ doing, error: new Error(failure) });
    } catch {
      // The program broke the functions that report.
    }
  }

  /** Writes the statistics that wait. */
  flush(): void {
    this.#statistics?.flush();
  }
}

/** Whether an error of kind `Untrusted` is about an artifact. One about the folder has a path. */
export function isOfArtifact(error: unknown): boolean {
  return CacheError.is(error, 'Untrusted') && error.path === undefined;
}
