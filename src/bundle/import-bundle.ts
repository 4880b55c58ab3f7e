import type { Readable } from 'node:stream';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import type { Engine } from '../module-cache.js';
import type { BundledArtifact } from './manifest.js';

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

/**
 * Takes out of a bundle of {@link exportBundle} what this process's engine can use, and says of everything else exactly why not. An
 * artifact in the target is never replaced by one with less native code.
 *
 * Nothing in the bundle is trusted before it was checked: the manifest's signature; of each artifact the size, the SHA-256, format and
 * checksums, the signature, and that it is what the manifest says. Its own header decides where it goes, no name in the file does.
 * Where the bundle is damaged behind its manifest, what is in order is imported.
 *
 * @throws {CacheError} kind `FileRead` when the file cannot be read; `Deserialize` when it is no bundle; `Untrusted` when it is not
 * signed with the secret, or others may write to the folder; what the store says.
 * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is not what it should be.
 * @throws the signal's reason when it is aborted.
 *
 * @example
 * ```ts
 * import { exportBundle, importBundle } from 'wasm-module-cache';
 *
 * const secret = 'a-secret-of-many-letters';
 * await exportBundle({ from: 'cache', to: 'cache.tar', secret });
 * const { artifacts, totals } = await importBundle({ from: 'cache.tar', into: 'elsewhere', secret });
 * for (const { key, outcome, reasons } of artifacts) console.error(`${key}: ${outcome}`, ...reasons);
 * console.log(totals.refused.artifacts); // 0
 * ```
 */
export async function importBundle(options: ImportBundleOptions): Promise<ImportBundleReport> {
  // Few programs make or read bundles, and each file costs half a millisecond.
  const { readBundle } = await import('./read-bundle.js');
  return readBundle(options);
}
