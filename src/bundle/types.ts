import type { Readable, Writable } from 'node:stream';
import type { Coverage } from '../artifact/header.js';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import type { EngineDescription } from '../engine/engine-id.js';
import type { Engine } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/**
 * The entry of an artifact in the manifest of a bundle.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { type BundledArtifact, exportBundle, FileSystemCache, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const describe = ({ engine, coverage, wireLength }: BundledArtifact) => `${engine?.arch} ${coverage} ${wireLength > 65_536}`;
 * const cache = new FileSystemCache('cache');
 * await loadModule(await readFile('plugin.wasm'), { cache, engine: new V8Engine() });
 * const { artifacts } = await exportBundle({ from: cache, to: 'cache.tar', secret: 'a-secret-of-many-letters' });
 * console.log(artifacts.map(describe).join() === `${process.arch} none true`); // true
 * ```
 */
export interface BundledArtifact {
  /** Its name in the tar file. */
  path: string;
  /** The hash of the module's wire bytes. */
  key: ModuleHash;
  /** `Engine.deterministicId` of the engine that wrote the native code. */
  engineId: string;
  /** The parts of that id; `undefined` when it is not one of `V8Engine`. */
  engine: EngineDescription | undefined;
  /** How much of the module the native code covers: nothing, the functions that ran hot, or all of them. */
  coverage: Coverage;
  /** How often it was replaced by a better one. */
  generation: number;
  /** Whether further learning gains nothing. */
  final: boolean;
  /** Bytes of native code. */
  nativeLength: number;
  /** Length of the module's wire bytes, whether or not they are included. */
  wireLength: number;
  /** Whether it contains the wire bytes. */
  includesWireBytes: boolean;
  /** The compression. */
  compression: 'zstd' | 'none';
  /** Bytes in the bundle. */
  size: number;
  /** The SHA-256 of these bytes, in hexadecimal digits. */
  sha256: string;
}

/**
 * Options of {@link exportBundle}.
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
   * The source of the artifacts: the folder of a `FileSystemCache` (its path, or the cache), or a store that can list its names. If
   * others can write there, only artifacts signed with the cache's secret or with `secret` are exported.
   */
  from: string | FileSystemCache | ArtifactStore;
  /** The file to write, which replaces an existing one, or a stream, which is ended. */
  to: string | Writable;
  /** Signs the bundle and all artifacts in it, like the `secret` of a `RemoteCache`. */
  secret?: string | readonly string[] | undefined;
  /** Works without a secret. Whoever can write to the bundle can then run code in every process that imports it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** Which engines' artifacts: those of this process's engine, or of all engines for which the function returns true. Default: all. */
  engines?: 'this' | ((engineId: string) => boolean) | undefined;
  /** Which modules. Default: all. */
  keys?: ((key: ModuleHash) => boolean) | undefined;
  /** Whether artifacts keep their wire bytes; `omit` if the programs have them anyway. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Whether artifacts are compressed. Default `zstd` if this Node has it (22.15 or newer; an importing Node needs it, too), else `none`. */
  compression?: 'zstd' | 'none' | undefined;
  /** The size in bytes of the largest artifact to export. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /** Ends the export, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A requested artifact that is not in the bundle.
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
  /** Its name at the source. */
  name: string;
  /**
   * - `damaged`: not an artifact, or in the wrong place.
   * - `untrusted`: not signed with the secret.
   * - `quarantined`: a process died while it loaded the artifact.
   * - `empty`: neither native code nor wire bytes, such as a note that the module is left to V8.
   * - `too-large`: larger than `maxArtifactSize`.
   */
  reason: 'damaged' | 'untrusted' | 'quarantined' | 'empty' | 'too-large';
  /** The reason in words. */
  message: string;
}

/**
 * The result of {@link exportBundle}.
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
  /** The artifacts in the bundle, in order. */
  artifacts: BundledArtifact[];
  /** Requested artifacts that are not in it. */
  leftOut: LeftOutArtifact[];
  /** Bytes of the whole bundle. */
  size: number;
}

/**
 * Options of {@link importBundle}.
 *
 * @example
 * ```ts
 * import { exportBundle, type ImportBundleOptions, importBundle } from 'wasm-module-cache';
 *
 * const secret = ['the-new-secret-of-the-fleet', 'the-old-secret-of-the-fleet'];
 * await exportBundle({ from: 'cache', to: 'cache.tar', secret: 'the-old-secret-of-the-fleet' });
 * const options: ImportBundleOptions = { from: 'cache.tar', into: 'image/cache', secret, all: true };
 * console.log((await importBundle(options)).artifacts.length); // 0
 * ```
 */
export interface ImportBundleOptions {
  /** The file, or a stream of its bytes, which is destroyed at the end. */
  from: string | Readable;
  /**
   * The destination: the folder of a `FileSystemCache` (its path, or the cache), or a store. Artifacts are signed with the cache's secret,
   * or else with `secret`, if there is one.
   */
  into: string | FileSystemCache | ArtifactStore;
  /** The bundle and its artifacts must be signed with this secret, or with one of several. The first one signs the imported artifacts. */
  secret?: string | readonly string[] | undefined;
  /** Works without a secret. Whoever can write to the bundle can then run code in every process that imports it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** The engine that will use the artifacts. Default: the `V8Engine` of this process. */
  engine?: Engine | undefined;
  /** Imports artifacts of other engines, too, to fill an image or a store for other machines. Default false. */
  all?: boolean | undefined;
  /** Whether artifacts keep their wire bytes. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** The size in bytes of the largest artifact to import. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /** The most artifacts of a bundle. A bundle with more is refused. Default 10000. */
  maxArtifacts?: number | undefined;
  /** Ends the import, which rejects with the signal's reason. Artifacts that were imported by then stay. */
  signal?: AbortSignal | undefined;
}

/**
 * The outcome for one artifact of a bundle.
 *
 * @example
 * ```ts
 * import { FileSystemCache, exportBundle, type ImportedArtifact, importBundle, loadModule } from 'wasm-module-cache';
 * import { FakeEngine } from 'wasm-module-cache/testing';
 * import { readFile } from 'node:fs/promises';
 *
 * const cache = new FileSystemCache('cache');
 * const engine = new FakeEngine('engine-of-somebody-else');
 * await loadModule(await readFile('plugin.wasm'), { cache, engine });
 * await exportBundle({ from: cache, to: 'cache.tar', allowUnsigned: true });
 * const options = { from: 'cache.tar', into: 'elsewhere', allowUnsigned: true, engine: new FakeEngine('my-engine') };
 * const describe = ({ outcome, reasons }: ImportedArtifact) => `${outcome}: ${reasons}`;
 * const { artifacts } = await importBundle(options);
 * console.log(artifacts.map(describe).join()); // unsuitable: made by the engine "engine-of-somebody-else", this is "my-engine"
 * ```
 */
export interface ImportedArtifact extends BundledArtifact {
  /**
   * - `imported`: the artifact is stored now.
   * - `kept`: the stored artifact is as good or better, and was kept.
   * - `unsuitable`: no error was found, but this engine or this Node cannot use it.
   * - `refused`: damaged, not signed with the secret, different from the manifest, or too large.
   */
  outcome: 'imported' | 'kept' | 'unsuitable' | 'refused';
  /** The reasons; with `all` also why this engine cannot use an imported artifact. */
  reasons: string[];
}

/**
 * The result of {@link importBundle}.
 *
 * @example
 * ```ts
 * import { exportBundle, type ImportBundleReport, importBundle } from 'wasm-module-cache';
 *
 * await exportBundle({ from: 'cache', to: 'cache.tar', allowUnsigned: true });
 * const report: ImportBundleReport = await importBundle({ from: 'cache.tar', into: 'elsewhere', allowUnsigned: true });
 * console.log(report.totals.imported, report.created instanceof Date); // { artifacts: 0, size: 0 } true
 * ```
 */
export interface ImportBundleReport {
  /** When the bundle was made. */
  created: Date;
  /** All artifacts of the manifest, in order. */
  artifacts: ImportedArtifact[];
  /** The number of artifacts with each outcome, and their bytes in the bundle. */
  totals: Record<ImportedArtifact['outcome'], { artifacts: number; size: number }>;
}
