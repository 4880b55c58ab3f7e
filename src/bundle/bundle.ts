import type { ExportBundleOptions, ExportBundleReport, ImportBundleOptions, ImportBundleReport } from './types.js';

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
