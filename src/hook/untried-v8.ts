import path from 'node:path';
import { whyNotCacheFolder } from '../caches/cache-folder.js';
import { FileSystemCache } from '../caches/file-system.js';
import { nameOfV8, takeVerdict } from '../engine/supported.js';
import { untriedEngine } from '../engine/v8-engine.js';
import { packageRoot } from '../package-root.js';
import { readVerdict, subjectOf } from '../probe/verdict.js';
import type { Settings } from '../settings/read-settings.js';

/**
 * Reads the folder's verdict on an untested V8. If there is none, it starts the probe, for later processes. The code that starts the
 * probe is not in this bundle, because it is needed only once.
 */
export function whyUntried({ secrets: secret, mode, learn }: Settings, directory: string): string | undefined {
  const untried = untriedEngine();
  if (untried.id === undefined) return untried.reason;
  const cache = new FileSystemCache(directory, { secret });
  const verdict = readVerdict(cache, subjectOf(untried.id));
  if (verdict) {
    takeVerdict(verdict);
    return undefined;
  }
  if (mode === 'read-only' || learn === 'off') return undefined;
  const refused = whyNotCacheFolder(directory);
  if (refused !== undefined) {
    process.emitWarning(`${refused} Modules are not cached.`, { type: 'WasmCacheWarning' });
    return refused;
  }
  const file = path.join(packageRoot, 'dist/probe/start-probe.js');
  const { startProbe } = process.getBuiltinModule('node:module').createRequire(file)(
    file,
  ) as typeof import('../probe/start-probe.js');
  return `${nameOfV8()} has not been tried, and ${startProbe(cache, untried.id)}`;
}
