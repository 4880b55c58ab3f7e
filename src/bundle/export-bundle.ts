import type { Writable } from 'node:stream';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import type { ModuleHash } from '../module-hash.js';
import type { BundledArtifact } from './manifest.js';

/**
 * What {@link exportBundle} is called with.
 *
 * @example
 * ```ts
 * import { describeEngine, type ExportBundleOptions, exportBundle } from 'wasm-module-cache';
 *
 * const options: ExportBundleOptions = {
 *   from: 'cache',
 *   to: 'arm64.tar',
 *   secret: 'a-secret-of-many-letters',
 *   engines: (engineId) => describeEngine(engineId)?.arch === 'arm64',
 * };
 * console.log((await exportBundle(options)).artifacts.length); // 0
 * ```
 */
export interface ExportBundleOptions {
  /**
   * Where the artifacts are: the folder of a `FileSystemCache`, by its path or by the cache, or a store that can list what it has. What
   * others could have written there is taken only where it is signed, by the cache's secret or else by `secret`.
   */
  from: string | FileSystemCache | ArtifactStore;
  /** The file that is written, in place of what was there, or a stream, which is ended. */
  to: string | Writable;
  /** Signs the bundle and all that is in it; as that of a `RemoteCache`. */
  secret?: string | readonly string[] | undefined;
  /** Instead of a secret: whoever can write to the bundle can run code in every process that imports it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** For which engines: this process's, or those whose id it says yes to. Default: all. */
  engines?: 'this' | ((engineId: string) => boolean) | undefined;
  /** For which modules. Default: all. */
  keys?: ((key: ModuleHash) => boolean) | undefined;
  /** Whether artifacts keep the wire bytes that they contain; `omit` for programs that have them anyway. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Whether artifacts are compressed. Default `zstd` where Node has it (22.15 and newer, also to import it), else `none`. */
  compression?: 'zstd' | 'none' | undefined;
  /** Bytes of the largest artifact that is taken. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /** Ends the export, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * An artifact that is not in a bundle although it was asked for.
 *
 * @example
 * ```ts
 * import { mkdirSync, writeFileSync } from 'node:fs';
 * import { exportBundle, type LeftOutArtifact, ModuleHash } from 'wasm-module-cache';
 *
 * mkdirSync('cache/engine', { recursive: true, mode: 0o700 });
 * writeFileSync(`cache/engine/${ModuleHash.random()}.artifact`, 'garbage');
 * const { leftOut } = await exportBundle({ from: 'cache', to: 'cache.tar', allowUnsigned: true });
 * const why = ({ reason }: LeftOutArtifact) => reason;
 * console.log(leftOut.map(why)); // [ 'damaged' ]
 * ```
 */
export interface LeftOutArtifact {
  /** Its name where it is. */
  name: string;
  /**
   * - `damaged`: not an artifact, or not where it belongs.
   * - `untrusted`: not signed with the secret.
   * - `quarantined`: a process died while it loaded it.
   * - `empty`: neither native code nor wire bytes, such as a note that the module is left to V8.
   * - `too-large`: of more bytes than `maxArtifactSize`.
   */
  reason: 'damaged' | 'untrusted' | 'quarantined' | 'empty' | 'too-large';
  /** More about it, for people. */
  message: string;
}

/**
 * What {@link exportBundle} did.
 *
 * @example
 * ```ts
 * import { type ExportBundleReport, exportBundle } from 'wasm-module-cache';
 *
 * const report: ExportBundleReport = await exportBundle({ from: 'cache', to: 'cache.tar', allowUnsigned: true });
 * console.log(report.artifacts, report.leftOut, report.size); // [] [] 2048
 * ```
 */
export interface ExportBundleReport {
  /** What is in the bundle, in its order. */
  artifacts: BundledArtifact[];
  /** What was asked for and is not in it. */
  leftOut: LeftOutArtifact[];
  /** Bytes of the whole bundle. */
  size: number;
}

/**
 * Puts artifacts of any number of engines into one file, for images and registries: a tar file with a manifest, its signature, and the
 * artifacts, which {@link importBundle} reads. A file is there whole or not at all.
 *
 * Artifacts are looked through one at a time, all of each; the bundle takes its size once more on the disk (for a stream: of the folder
 * for temporary files) until it is done.
 *
 * @throws {CacheError} kind `FileRead` or `Untrusted` for the folder, `FileWrite` for the file, `Other` for a store or a stream.
 * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is not what it should be.
 * @throws the signal's reason when it is aborted.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { exportBundle, FileSystemCache, importBundle, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const engine = new V8Engine();
 * const secret = 'a-secret-of-many-letters';
 * const cache = new FileSystemCache('cache');
 * const { key } = await loadModule(await readFile('plugin.wasm'), { cache, engine });
 * const { artifacts } = await exportBundle({ from: cache, to: 'cache.tar', secret });
 * console.log(artifacts.length); // 1
 *
 * await importBundle({ from: 'cache.tar', into: 'elsewhere', secret });
 * console.log(await new FileSystemCache('elsewhere').contains(key, engine)); // true
 * ```
 */
export async function exportBundle(options: ExportBundleOptions): Promise<ExportBundleReport> {
  // Few programs make or read bundles, and each file costs half a millisecond.
  const { writeBundle } = await import('./write-bundle.js');
  return writeBundle(options);
}
