import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { type Artifact, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { type ArtifactHeader, decodeHeader, type Expectation, FORMAT_VERSION } from '../artifact/header.js';
import { artifactOf } from '../artifact/module.js';
import { Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { run, runSync, type Steps } from '../files/steps.js';
import { compile, compileSync } from '../load-progress.js';
import type { Engine, LoadOptions, SyncModuleCache } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { FileSystemStore } from '../stores/file-system.js';
import { wrongOption } from '../wrong-option.js';
import { ArtifactFiles, type ReadOptions, unusable } from './artifact-files.js';
import { CrashGuard, type Quarantine } from './crash-guard.js';
import { checkDirectory, entryName, folderName } from './entry-name.js';
import { ModuleCacheBase } from './fallback.js';
import type { FileSystemCacheOptions } from './file-system-options.js';
import type { FolderLimits } from './sweep.js';
import { isSweepDue } from './sweep-due.js';

// Captured: programs patch these objects.
const { existsSync } = fs;
const { permission } = process;

const DEFAULT_MAX_SIZE = 2 ** 30;
/** Enough for a hundred engines with a hundred modules each. */
const DEFAULT_MAX_FILES = 10_000;
/** After this part of `maxSize` was written, a sweep does not wait for its hour. */
const SWEEP_AFTER_PART = 0.1;
const evictions = diagnostics_channel.channel('wasm-module-cache:evict');

/**
 * Artifacts in a folder, one file each, by engine and key. The folder is created with mode 0700 when it is first written
 * to. A damaged or foreign entry is a miss and is removed; an error of the file system is reported and removes nothing.
 *
 * Its methods throw {@link CacheError}s of these kinds:
 *
 * - `load`: `NotFound` for a miss, also if neither the entry nor the caller has the wire bytes; `FileRead`; `Untrusted`; `Deserialize` if
 *   the engine cannot deserialise. Also the signal's reason.
 * - `contains`: `FileRead`, `Untrusted`.
 * - `save`: `Serialize`, `FileWrite`, `Untrusted`. An entry is never replaced by one with less machine code.
 *
 * A folder is `Untrusted` if it belongs neither to this process's user nor to root, or if others may write to it.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const cache = new FileSystemCache('cache');
 * const options = { cache, engine: new V8Engine() };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options);
 * console.log((await loadModule(wireBytes, options)).cache === cache); // true
 * ```
 */
export class FileSystemCache extends ModuleCacheBase implements SyncModuleCache {
  readonly #store: FileSystemStore;
  readonly #artifacts: ArtifactFiles;
  #writtenBeforeSweep = 0;
  #isSweeping = false;
  /** @internal */
  readonly signer: Signer | undefined;
  /** @internal */
  readonly limits: FolderLimits;

  /**
   * Does not read or create the folder yet.
   *
   * @param directory - its path, relative to the current working directory
   * @throws {TypeError} when the path is empty, or an option is wrong.
   */
  constructor(directory: string, options: FileSystemCacheOptions = {}) {
    super();
    checkDirectory(directory);
    const { wireBytes = 'include' } = options;
    if (wireBytes !== 'include' && wireBytes !== 'omit') {
      throw wrongOption('wireBytes', "'include' or 'omit'", wireBytes);
    }
    const {
      maxSize = DEFAULT_MAX_SIZE,
      maxFiles = DEFAULT_MAX_FILES,
      maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE,
    } = options;
    for (const [name, value] of Object.entries({ maxSize, maxFiles, maxArtifactSize })) {
      if (typeof value !== 'number' || !(value >= 1)) throw wrongOption(name, 'a number from 1', value);
    }
    this.limits = { maxSize, maxFiles };
    this.signer = options.secret === undefined ? undefined : new Signer([options.secret].flat() as string[]);
    this.#store = new FileSystemStore(directory, { isShared: this.signer !== undefined });
    const includeWireBytes = wireBytes === 'include';
    this.#artifacts = new ArtifactFiles(this.#store, { signer: this.signer, includeWireBytes, maxArtifactSize });
  }

  /** The absolute path of the folder. */
  get directory(): string {
    return this.#store.directory;
  }

  async load(key: ModuleHash, engine: Engine, options: LoadOptions = {}): Promise<WebAssembly.Module> {
    const artifact = await run(this.#readFor(key, engine, options));
    options.signal?.throwIfAborted();
    const wireBytes = (options.wireBytes ?? artifact.wireBytes) as Uint8Array;
    if (artifact.coverage === 'none') return compile(engine, wireBytes, options.onProgress);
    return run(this.#deserialize(artifact, engine, wireBytes));
  }

  loadSync(key: ModuleHash, engine: Engine, options: LoadOptions = {}): WebAssembly.Module {
    const artifact = runSync(this.#readFor(key, engine, { ...options, signal: undefined }));
    const wireBytes = (options.wireBytes ?? artifact.wireBytes) as Uint8Array;
    if (artifact.coverage === 'none') return compileSync(engine, wireBytes, options.onProgress);
    return runSync(this.#deserialize(artifact, engine, wireBytes));
  }

  contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return run(this.#contains(expectation(key, engine)));
  }

  containsSync(key: ModuleHash, engine: Engine): boolean {
    return runSync(this.#contains(expectation(key, engine)));
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    await run(this.#artifacts.save(artifactOf(key, engine, module)));
    void this.sweepIfDue();
  }

  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    runSync(this.#artifacts.save(artifactOf(key, engine, module)));
    void this.sweepIfDue();
  }

  /**
   * @internal The checked artifact itself, for callers that need its size and generation.
   *
   * @param wireLength - the length of the wire bytes, if the caller has them or needs none
   * @param isUse - whether to note the use in the time stamp
   */
  readArtifactSync(key: ModuleHash, engine: Engine, wireLength: number | undefined, isUse = false): Artifact {
    const expected = expectation(key, engine, wireLength);
    return this.#readNatively(expected, isUse) ?? runSync(this.#artifacts.read(expected, { isUse }));
  }

  /** In one call of the addon, which makes the same checks. `undefined` when one fails: {@link ArtifactFiles} knows what to do then. */
  #readNatively({ key, engineId, wireLength }: Expectation, isUse: boolean): Artifact | undefined {
    const isUsual = key.algorithm === 'sha256' && wireLength !== undefined && wireLength <= DEFAULT_MAX_ARTIFACT_SIZE;
    if (!isUsual || this.signer || permission) return undefined;
    const { addon } = loadAddon();
    const folder = folderName(engineId);
    const found = addon?.readArtifact?.(
      this.directory,
      folder,
      engineId,
      FORMAT_VERSION,
      String(key),
      wireLength,
      isUse,
    );
    if (!found) return undefined;
    const [head, nativeCode] = found;
    const header = decodeHeader(head);
    if (!this.#artifacts.allows(header)) return undefined;
    const { nativeLength: _, includesWireBytes: __, ...rest } = header;
    return { ...rest, nativeCode, wireBytes: undefined };
  }

  /** @internal The header of the stored artifact, without reading all of it; `undefined` if there is none. */
  readHeaderSync(key: ModuleHash, engine: Engine): ArtifactHeader | undefined {
    return runSync(this.#artifacts.storedHeader(expectation(key, engine)));
  }

  /** @internal Stores the caller's artifact, unless a better one is stored. See {@link ArtifactFiles.overwrite}. */
  writeArtifactSync(artifact: Artifact): void {
    runSync(this.#artifacts.overwrite(artifact));
  }

  /** @internal Replaces an artifact by a note that its module is left to V8 for a time. */
  bypassSync({ nativeLength: _, includesWireBytes: __, ...header }: ArtifactHeader, minutesSince1970: number): void {
    const nothing = { nativeCode: new Uint8Array(0), wireBytes: undefined, coverage: 'none' } as const;
    runSync(this.#artifacts.replace({ ...header, ...nothing, bypassedUntil: minutesSince1970 }));
  }

  /** @internal Creates the engine's folder, for the crash guard of an artifact that is not here yet. @throws {CacheError} */
  makeFolderSync(engine: Engine): void {
    runSync(this.#store.makeFolder(folderName(engine.deterministicId)));
  }

  /** @internal Whether there is anything for this engine. If not, no key is needed. */
  hasEntriesSync(engine: Engine): boolean {
    // What is there is checked when it is read.
    if (existsSync(path.join(this.directory, folderName(engine.deterministicId)))) return true;
    return runSync(this.#store.hasFolder(folderName(engine.deterministicId)));
  }

  /** @internal @throws {CacheError} kind `Untrusted`, before anything is written to a folder that others may write to. */
  checkTrust(): void {
    this.#store.checkTrust();
  }

  /** @internal Removes an artifact whose native code the engine refused. */
  deleteSync(key: ModuleHash, engine: Engine): void {
    runSync(this.#artifacts.remove(expectation(key, engine)));
  }

  /** @internal Whether a sweep is due, for callers whose writes are not followed by a sweep. Never throws. */
  isSweepDue(): boolean {
    try {
      const written = this.#artifacts.written - this.#writtenBeforeSweep;
      return written > this.limits.maxSize * SWEEP_AFTER_PART || isSweepDue(this.directory);
    } catch {
      return false;
    }
  }

  /** @internal Sweeps the folder if a sweep is due; see {@link isSweepDue}. Never rejects. */
  async sweepIfDue(): Promise<void> {
    if (this.#isSweeping || !this.isSweepDue()) return;
    this.#isSweeping = true;
    this.#writtenBeforeSweep = this.#artifacts.written;
    try {
      // Not part of the hook's bundle, because hardly any process sweeps.
      const { sweep } = await import('./sweep.js');
      const report = await sweep(this.directory, this.limits);
      if (report && evictions.hasSubscribers) evictions.publish({ directory: this.directory, ...report });
    } catch {
      // The folder is gone, full, or not ours; the next sweep will see.
    }
    this.#isSweeping = false;
  }

  /** @internal Why an artifact is not loaded; see {@link CrashGuard}. */
  quarantineOf(entry: Expectation): Quarantine | undefined {
    return this.guardOf(entry).quarantine();
  }

  /** @internal */
  guardOf(entry: Expectation): CrashGuard {
    return new CrashGuard(entryName(entry), this.#store);
  }

  /**
   * @internal Calls V8 for an artifact, under the guard.
   *
   * @param mayWrite - if false, the guard only respects the notes of other processes
   * @throws {CacheError} kind `Untrusted` when its last load did not finish; the errors of `load`.
   */
  guarded<T>(entry: Expectation, load: () => T, mayWrite = true): T {
    const guard = this.guardOf(entry);
    if (guard.quarantine()) {
      throw new CacheError(
        'Untrusted',
        `The last load of ${entry.key} did not finish, so it is not loaded for a while`,
      );
    }
    return mayWrite ? guard.watch(load) : load();
  }

  #readFor(key: ModuleHash, engine: Engine, { wireBytes, signal, onProgress }: LoadOptions): Steps<Artifact> {
    const options: ReadOptions = { wireBytes, isUse: true, signal };
    if (onProgress) {
      options.onRead = (bytes, totalBytes) =>
        onProgress({ state: 'reading', step: 'lookup', cache: this, bytes, totalBytes });
    }
    return this.#artifacts.read(expectation(key, engine, wireBytes?.length), options);
  }

  *#deserialize(artifact: Artifact, engine: Engine, wireBytes: Uint8Array): Steps<WebAssembly.Module> {
    try {
      return this.guarded(artifact, () => engine.deserialize(artifact.nativeCode, wireBytes));
    } catch (error) {
      // If the engine cannot deserialise at all, the entry may be fine.
      if (CacheError.is(error, 'Untrusted') || !engine.canSerialize) throw error;
      yield* this.#artifacts.remove(artifact);
      throw unusable(artifact, error);
    }
  }

  *#contains(expected: Expectation): Steps<boolean> {
    try {
      yield* this.#artifacts.header(expected);
      return this.quarantineOf(expected) === undefined;
    } catch (error) {
      // An error with a path is about the folder, not the entry.
      const isMiss = CacheError.is(error) && error.path === undefined;
      if (isMiss && ['NotFound', 'Deserialize', 'Untrusted'].includes(error.kind)) return false;
      throw error;
    }
  }
}

function expectation(key: ModuleHash, engine: Engine, wireLength?: number): Expectation {
  return { key, engineId: engine.deterministicId, wireLength };
}
