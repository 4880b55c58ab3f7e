import { FileSystemCache, type FileSystemCacheOptions } from '../caches/file-system.js';
import { isTestedV8 } from '../engine/supported.js';
import { V8Engine } from '../engine/v8-engine.js';
import { keptVerdict, probe } from './probe.js';

/**
 * What {@link probeV8} is called with.
 *
 * @example
 * ```ts
 * import { type ProbeV8Options, probeV8 } from 'wasm-module-cache';
 *
 * const options: ProbeV8Options = { directory: 'cache', signal: AbortSignal.timeout(60_000) };
 * console.log((await probeV8(options)).isUsable); // true
 * ```
 */
export interface ProbeV8Options {
  /** The cache folder, which keeps the verdict. */
  directory: string;
  /** As that of the `FileSystemCache`: the verdict is signed, too. */
  secret?: FileSystemCacheOptions['secret'];
  /** Whether V8 is tried again where the folder has a verdict. Default false. */
  again?: boolean | undefined;
  /** Ends it; rejects with the signal's reason then. */
  signal?: AbortSignal | undefined;
}

/**
 * What {@link probeV8} gives.
 *
 * @example
 * ```ts
 * import { probeV8, type V8Verdict } from 'wasm-module-cache';
 *
 * const verdict: V8Verdict = await probeV8({ directory: 'cache' });
 * console.log(verdict.isUsable ? 'native code is cached' : verdict.reason); // native code is cached
 * ```
 */
export interface V8Verdict {
  /** Whether native code can be saved and loaded in this process: what `V8Engine.canSerialize` says from now on. */
  isUsable: boolean;
  /** Why not. */
  reason?: string | undefined;
  /** Whether this is one of the versions that the package was tested with, of which nothing has to be found out. */
  isTested: boolean;
}

/**
 * Finds out whether the native code of this V8 can be used, where it is not one of the versions that the package was tested with: it is
 * compiled, saved, loaded and called in processes of their own, which takes a few seconds, and the verdict is kept in the cache
 * folder. It then holds in this thread. A process with the hook does this by itself, for those after it; a program that uses the
 * library calls it once, before its first module. On a tested version it does nothing.
 *
 * @throws {CacheError} kind `Untrusted` when others may write to the folder; `FileWrite` when the verdict could not be kept, which holds
 * in this thread all the same.
 * @throws {TypeError} when an option is not what it should be.
 * @throws the signal's reason; an error when V8 cannot be tried, or whoever tries it is killed.
 *
 * @example
 * ```ts
 * import { probeV8, V8Engine } from 'wasm-module-cache';
 *
 * await probeV8({ directory: 'cache' });
 * console.log(new V8Engine().canSerialize); // true
 * ```
 */
export async function probeV8(options: ProbeV8Options): Promise<V8Verdict> {
  const { directory, secret, again = false, signal } = options;
  const cache = new FileSystemCache(directory, { secret });
  signal?.throwIfAborted();
  if (!isTestedV8()) {
    const kept = again ? undefined : keptVerdict(cache);
    if (!kept) await probe(cache, { signal });
  }
  const { canSerialize, unsupportedReason } = new V8Engine();
  return { isUsable: canSerialize, reason: unsupportedReason, isTested: isTestedV8() };
}
