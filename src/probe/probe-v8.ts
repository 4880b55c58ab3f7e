import { FileSystemCache } from '../caches/file-system.js';
import type { FileSystemCacheOptions } from '../caches/file-system-options.js';
import { isTestedV8 } from '../engine/supported.js';
import { V8Engine } from '../engine/v8-engine.js';
import { keptVerdict, probe } from './probe.js';

/**
 * Options of {@link probeV8}.
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
  /** As the option of `FileSystemCache`. It signs the verdict, too. */
  secret?: FileSystemCacheOptions['secret'];
  /** Tries V8 again even if the folder has a verdict. Default false. */
  again?: boolean | undefined;
  /** Ends the probe, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * The result of {@link probeV8}.
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
  /** Whether this process can save and load native code: the value of `V8Engine.canSerialize` from now on. */
  isUsable: boolean;
  /** Why not. */
  reason?: string | undefined;
  /** Whether this package was tested with this version of V8. Then nothing had to be tried. */
  isTested: boolean;
}

/**
 * Finds out whether the native code of a V8 can be used that this package was not tested with. It compiles, saves, loads and calls a
 * module in processes of their own, which takes a few seconds, and keeps the verdict in the cache folder. This thread uses the verdict
 * from then on. The hook does this by itself, for later processes. A program that uses the library calls this function once, before its
 * first module. With a tested version of V8 it does nothing.
 *
 * @throws {CacheError} kind `Untrusted` when others may write to the folder; kind `FileWrite` when the verdict could not be kept (this
 * thread uses it all the same).
 * @throws {TypeError} when an option is wrong.
 * @throws the signal's reason; an error when V8 cannot be tried, or when a process that tries it is killed.
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
