import type { ExportBundleOptions, ExportBundleReport, ImportBundleOptions, ImportBundleReport } from './types.js';

/**
 * Puts artifacts of any number of engines into one file, for images and registries: a tar file with a manifest, its signature and the
 * artifacts. {@link importBundle} reads it. The file is written whole or not at all.
 *
 * It reads one whole artifact at a time. Until it is done, it needs the size of the bundle once more on the disk (for a stream: in the
 * folder for temporary files).
 *
 * @throws {CacheError} kind `FileRead` or `Untrusted` for the folder, `FileWrite` for the file, `Other` for a store or a stream.
 * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is wrong.
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
 * Imports the artifacts of a bundle that the engine of this process can use, and reports exactly why it did not import the others. An
 * artifact is never replaced by one with less native code.
 *
 * Everything in the bundle is checked first: the signature of the manifest, and for each artifact the size, the SHA-256, the format, the
 * checksums, the signature, and that the manifest describes it. The header of an artifact decides where it goes, not a name in the file.
 * If the bundle is damaged behind its manifest, the valid artifacts are imported.
 *
 * @throws {CacheError} kind `FileRead` when the file cannot be read; `Deserialize` when it is no bundle; `Untrusted` when it is not
 * signed with the secret, or others may write to the folder; the errors of the store.
 * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is wrong.
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
