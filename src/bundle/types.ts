import type { Readable, Writable } from 'node:stream';
import type { Coverage } from '../artifact/header.js';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import type { EngineDescription } from '../engine/engine-id.js';
import type { Engine } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';

/**
 * An artifact as the manifest of a bundle tells of it.
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
  /** What that id says; `undefined` when it is not one of `V8Engine`. */
  engine: EngineDescription | undefined;
  /** How much of the module the native code covers: nothing, the functions that ran hot, or all of them. */
  coverage: Coverage;
  /** How often it was replaced by a better one. */
  generation: number;
  /** Whether nothing is gained by learning further. */
  final: boolean;
  /** Bytes of native code. */
  nativeLength: number;
  /** Length of the module's wire bytes, whether or not they are included. */
  wireLength: number;
  /** Whether it contains the wire bytes. */
  includesWireBytes: boolean;
  /** How it is packed. */
  compression: 'zstd' | 'none';
  /** Bytes that it takes in the bundle. */
  size: number;
  /** SHA-256 of these, in hexadecimal digits. */
  sha256: string;
}

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
 * What {@link importBundle} is called with.
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
  /** The file, or a stream of its bytes, which is destroyed in the end. */
  from: string | Readable;
  /**
   * Where its artifacts go: the folder of a `FileSystemCache`, by its path or by the cache, or a store. They are signed with the
   * cache's secret, or else with `secret`, where there is one.
   */
  into: string | FileSystemCache | ArtifactStore;
  /** The bundle and what is in it must be signed with it; of several, with one of them. The first one signs what is written. */
  secret?: string | readonly string[] | undefined;
  /** Instead of a secret: whoever can write to the bundle can run code in every process that imports it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** For which engine. Default: the `V8Engine` of this process. */
  engine?: Engine | undefined;
  /** Import what other engines made, too, to fill an image or a store for other machines. Default false. */
  all?: boolean | undefined;
  /** Whether artifacts keep the wire bytes that they contain. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Bytes of the largest artifact that is imported. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /** Artifacts that a bundle may have; one with more is refused. Default 10000. */
  maxArtifacts?: number | undefined;
  /** Ends the import, which rejects with the signal's reason; what was imported by then stays. */
  signal?: AbortSignal | undefined;
}

/**
 * What has become of an artifact of a bundle.
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
   * - `imported`: it is there now.
   * - `kept`: what was there is as good or better, and still there.
   * - `unsuitable`: in order as far as can be told, but this engine, or this Node, has no use for it.
   * - `refused`: damaged, not signed with the secret, not what the manifest says, or too large.
   */
  outcome: 'imported' | 'kept' | 'unsuitable' | 'refused';
  /** Why; with `all`, of one that was imported, why this engine has no use for it. */
  reasons: string[];
}

/**
 * What {@link importBundle} did.
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
  /** All that its manifest names, in that order. */
  artifacts: ImportedArtifact[];
  /** How many of each outcome, and the bytes that they take in the bundle. */
  totals: Record<ImportedArtifact['outcome'], { artifacts: number; size: number }>;
}
