/**
 * Options of {@link FileSystemCache}.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, type FileSystemCacheOptions, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * const options: FileSystemCacheOptions = { wireBytes: 'omit' };
 * const cache = new FileSystemCache('cache', options);
 * const engine = new V8Engine();
 * const wireBytes = await readFile('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * await cache.save(key, engine, await engine.compile(wireBytes));
 * console.log(await cache.contains(key, engine)); // false
 * ```
 */
export interface FileSystemCacheOptions {
  /**
   * Whether artifacts contain the module's wire bytes.
   *
   * - `include` (default): `load(key, engine)` needs nothing else.
   * - `omit`: smaller artifacts, for callers who always pass `wireBytes` to `load`. A module without optimised code is then not stored at
   *   all.
   */
  wireBytes?: 'include' | 'omit' | undefined;
  /**
   * Signs every artifact with HMAC-SHA-256, and loads only signed ones. Needed for a folder that others may write to. A secret has at
   * least 16 bytes without spaces, and must be hard to guess. Of several secrets the first one signs, and all are accepted, so that a
   * secret can be changed. With a secret, files get the permissions that the umask leaves. Default: no signatures.
   */
  secret?: string | readonly string[] | undefined;
  /**
   * The approximate size of the folder in bytes. If a sweep finds more, it removes artifacts until 70 % of the limit are left: first those
   * of engines that were not used for two weeks, then the least recently used ones. Sweeps run in the background, at most every hour, and
   * when a tenth of the limit was written. Default 1 GiB.
   */
  maxSize?: number | undefined;
  /** The number of files in the folder, enforced like `maxSize`. Default 10,000. */
  maxFiles?: number | undefined;
  /** The size in bytes of the largest artifact to store. Saving a larger one rejects with kind `Serialize`. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
}
