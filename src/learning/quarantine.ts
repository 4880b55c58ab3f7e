import type { ArtifactHeader } from '../artifact/header.js';
import { BYPASSED_AFTER_DEATHS, MAX_DEATHS } from '../caches/crash-guard.js';
import type { FileSystemCache } from '../caches/file-system.js';
import type { Engine } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

// Captured: programs replace globals.
const { now } = Date;

/**
 * Bypasses the module of a quarantined artifact if too many processes died of it. See `CrashGuard` for the whole rule.
 *
 * @returns whether it is bypassed
 */
export function bypassIfHopeless(cache: FileSystemCache, key: ModuleHash, engine: Engine): boolean {
  const { deaths = 0 } = cache.quarantineOf({ key, engineId: engine.deterministicId }) ?? {};
  const header = deaths < MAX_DEATHS ? undefined : cache.readHeaderSync(key, engine);
  if (header) bypassAfterDeaths(cache, header);
  return header !== undefined;
}

/** Removes a quarantined artifact where no learner can try it, so that another one can be saved. */
export function discardQuarantined(cache: FileSystemCache, key: ModuleHash, engine: Engine): void {
  const entry = { key, engineId: engine.deterministicId };
  const quarantine = cache.quarantineOf(entry);
  if (!quarantine) return;
  cache.deleteSync(key, engine);
  cache.guardOf(entry).replaced(quarantine);
}

/** Leaves the module to V8 for a long time: processes died of its artifact. */
export function bypassAfterDeaths(
  cache: FileSystemCache,
  header: Omit<ArtifactHeader, 'nativeLength' | 'includesWireBytes'>,
): void {
  const minutes = Math.ceil(now() / 60_000) + BYPASSED_AFTER_DEATHS;
  cache.bypassSync({ ...header, nativeLength: 0, includesWireBytes: false, final: false }, minutes);
  cache.guardOf(header).clear();
}
