import diagnostics_channel from 'node:diagnostics_channel';
import path from 'node:path';
import util from 'node:util';
import {
  type Artifact,
  artifactParts,
  checkSignature,
  DEFAULT_MAX_ARTIFACT_SIZE,
  decodeArtifact,
  decodeNativeCode,
} from '../artifact/artifact.js';
import {
  type ArtifactHeader,
  bodyLength,
  checkExpectation,
  decodeHeader,
  type Expectation,
  HEADER_LENGTH,
} from '../artifact/header.js';
import { artifactOf } from '../artifact/module.js';
import { compareArtifacts, joinArtifacts, keepsPartOf } from '../artifact/replacement.js';
import { Signer } from '../artifact/signature.js';
import { CacheError, type CacheErrorKind } from '../cache-error.js';
import { compile, compileSync } from '../load-progress.js';
import type { Engine, LoadOptions, SyncModuleCache } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { FileSystemStore, type Parts, type StoreSteps, type Watcher } from '../stores/file-system.js';
import { wrongOption } from '../wrong-option.js';
import { CrashGuard, type Suspect } from './crash-guard.js';
import { ModuleCacheBase } from './fallback.js';
import { type FolderLimits, isSweepDue, sweep } from './sweep.js';

/**
 * What a {@link FileSystemCache} may be made with.
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
   * - `omit`: smaller, for callers who always pass `wireBytes` to `load`; a module of which nothing is optimised yet is
   *   then not stored at all.
   */
  wireBytes?: 'include' | 'omit' | undefined;
  /**
   * Signs every artifact with HMAC-SHA-256, and loads none that is not: for a folder that others may write to, which is refused
   * without. At least 16 bytes without spaces, and hard to guess. Of several the first one signs, and all are accepted, so that a
   * secret can be changed. Files are made with the rights that the process's umask leaves then. Default: no signatures.
   */
  secret?: string | readonly string[] | undefined;
  /**
   * Bytes that the folder may hold, roughly: when a sweep finds more, it removes the least recently used artifacts until 70 % of
   * that are left, those of engines first of which nothing was used for two weeks. Swept in the background, at most every hour
   * and whenever a tenth of this was written. Default 1 GiB.
   */
  maxSize?: number | undefined;
  /** Files that the folder may hold, as `maxSize`. Default 10,000. */
  maxFiles?: number | undefined;
  /** Bytes of the largest artifact that is stored; a save of a larger one rejects with kind `Serialize`. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
}

const DEFAULT_MAX_SIZE = 2 ** 30;
/** A hundred engines with a hundred modules each. */
const DEFAULT_MAX_FILES = 10_000;
/** The part of `maxSize` after which a sweep does not wait for its hour. */
const SWEEP_AFTER_PART = 0.1;
/** A time stamp says when an entry was used to this; noting it every time would be a write for every read. */
const USE_IS_NOTED_EVERY = 3_600_000;
const { now } = Date;
const evictions = diagnostics_channel.channel('wasm-module-cache:evict');

/**
 * Artifacts in a folder, one file each, by engine and key. The folder is created with mode 0700 when it is first written
 * to. A damaged or foreign entry is a miss and is removed; an error of the file system is reported and removes nothing.
 *
 * What its methods throw are {@link CacheError}s:
 *
 * - `load`: `NotFound` for a miss, also when the entry has no wire bytes and the caller gives none; `FileRead`; `Untrusted`;
 *   `Deserialize` when the engine cannot. Also the signal's reason.
 * - `contains`: `FileRead`, `Untrusted`.
 * - `save`: `Serialize`, `FileWrite`, `Untrusted`. An entry is never replaced by one with less machine code.
 *
 * `Untrusted` is a folder that belongs neither to this process's user nor to root, or that others may write to.
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
  readonly #includeWireBytes: boolean;
  readonly #maxArtifactSize: number;
  #writtenSinceSweep = 0;
  #isSweeping = false;
  /** @internal */
  readonly signer: Signer | undefined;
  /** @internal */
  readonly limits: FolderLimits;

  /**
   * Neither reads nor makes the folder yet.
   *
   * @param directory - its path; a relative one is of the working directory as it is now
   * @throws {TypeError} when the path is empty, or an option is not what it should be.
   */
  constructor(directory: string, options: FileSystemCacheOptions = {}) {
    super();
    checkDirectory(directory);
    const { wireBytes = 'include' } = options;
    if (wireBytes !== 'include' && wireBytes !== 'omit') {
      throw wrongOption('wireBytes', "'include' or 'omit'", wireBytes);
    }
    if (options.secret !== undefined) this.signer = new Signer([options.secret].flat() as string[]);
    this.#store = new FileSystemStore(directory, { isShared: this.signer !== undefined });
    this.#includeWireBytes = wireBytes === 'include';
    const {
      maxSize = DEFAULT_MAX_SIZE,
      maxFiles = DEFAULT_MAX_FILES,
      maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE,
    } = options;
    for (const [name, value] of Object.entries({ maxSize, maxFiles, maxArtifactSize })) {
      if (typeof value !== 'number' || !(value >= 1)) throw wrongOption(name, 'a number from 1', value);
    }
    this.limits = { maxSize, maxFiles };
    this.#maxArtifactSize = maxArtifactSize;
  }

  /** The absolute path of the folder. */
  get directory(): string {
    return this.#store.directory;
  }

  async load(key: ModuleHash, engine: Engine, options: LoadOptions = {}): Promise<WebAssembly.Module> {
    const expected = expectation(key, engine, options.wireBytes?.length);
    const artifact = await this.#store.run(this.#read(expected, options.wireBytes, true), this.#watcher(options));
    options.signal?.throwIfAborted();
    const wireBytes = (options.wireBytes ?? artifact.wireBytes) as Uint8Array;
    if (artifact.coverage === 'none') return compile(engine, wireBytes, options.onProgress);
    return this.#store.run(this.#deserialize(artifact, engine, wireBytes));
  }

  loadSync(key: ModuleHash, engine: Engine, options: LoadOptions = {}): WebAssembly.Module {
    const expected = expectation(key, engine, options.wireBytes?.length);
    const artifact = this.#store.runSync(this.#read(expected, options.wireBytes, true), this.#watcher(options));
    const wireBytes = (options.wireBytes ?? artifact.wireBytes) as Uint8Array;
    if (artifact.coverage === 'none') return compileSync(engine, wireBytes, options.onProgress);
    return this.#store.runSync(this.#deserialize(artifact, engine, wireBytes));
  }

  contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    return this.#store.run(this.#contains(expectation(key, engine)));
  }

  containsSync(key: ModuleHash, engine: Engine): boolean {
    return this.#store.runSync(this.#contains(expectation(key, engine)));
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    await this.#store.run(this.#save(artifactOf(key, engine, module)));
    void this.sweepIfDue();
  }

  saveSync(key: ModuleHash, engine: Engine, module: WebAssembly.Module): void {
    this.#store.runSync(this.#save(artifactOf(key, engine, module)));
    void this.sweepIfDue();
  }

  /**
   * @internal The checked artifact itself, for those who also look at its size and generation.
   *
   * @param wireLength - of a caller who has the wire bytes, or needs none
   * @param isUse - whether the time stamp may say so
   */
  readArtifactSync(key: ModuleHash, engine: Engine, wireLength: number | undefined, isUse = false): Artifact {
    return this.#store.runSync(this.#read(expectation(key, engine, wireLength), undefined, isUse));
  }

  /** @internal What is stored, without reading all of it; `undefined` when that cannot be told. */
  readHeaderSync(key: ModuleHash, engine: Engine): ArtifactHeader | undefined {
    return this.#store.runSync(this.#storedHeader(expectation(key, engine)));
  }

  /**
   * @internal Stores an artifact that the caller made, unless there is one with more native code; that one is only made final
   * when this one is. What is stored is told by its header: if it is damaged, the next load finds that out.
   */
  writeArtifactSync(artifact: Artifact): void {
    this.#store.runSync(this.#overwrite(artifact));
  }

  /** @internal Replaces an artifact by the note that its module is to be left to V8; nothing else of it is kept. */
  bypassSync(header: ArtifactHeader, minutesSince1970: number): void {
    const nothing = {
      nativeCode: new Uint8Array(0),
      wireBytes: undefined,
      coverage: 'none',
      bypassedUntil: minutesSince1970,
    } as const;
    this.#store.writeSync(entryName(header), ...artifactParts({ ...header, ...nothing }, this.signer));
  }

  /** @internal For the crash guard of an artifact that is not here yet. @throws {CacheError} */
  makeFolderSync(engine: Engine): void {
    this.#store.makeFolderSync(folderName(engine.deterministicId));
  }

  /** @internal Whether there is anything at all for this engine; without it no key need be looked for. */
  hasEntriesSync(engine: Engine): boolean {
    return this.#store.hasFolderSync(folderName(engine.deterministicId));
  }

  /** @internal @throws {CacheError} kind `Untrusted`, before anything is written to a folder that others may write to. */
  checkTrust(): void {
    this.#store.checkTrust();
  }

  /** @internal For the caller of `readArtifactSync` whose engine refused the native code. */
  deleteSync(key: ModuleHash, engine: Engine): void {
    this.#store.deleteSync(entryName(expectation(key, engine)));
  }

  /** @internal Whether the folder should be swept, for those whose writes are not followed by a sweep. Never throws. */
  isSweepDue(): boolean {
    try {
      return this.#writtenSinceSweep > this.limits.maxSize * SWEEP_AFTER_PART || isSweepDue(this.directory);
    } catch {
      return false;
    }
  }

  /** @internal Sweeps the folder when it is time; see {@link isSweepDue}. Never rejects. */
  async sweepIfDue(): Promise<void> {
    if (this.#isSweeping || !this.isSweepDue()) return;
    this.#isSweeping = true;
    this.#writtenSinceSweep = 0;
    try {
      const report = await sweep(this.directory, this.limits);
      if (report && evictions.hasSubscribers) evictions.publish({ directory: this.directory, ...report });
    } catch {
      // The folder is gone, or full, or not ours: the next sweep sees.
    }
    this.#isSweeping = false;
  }

  #watcher({ signal, onProgress }: LoadOptions): Watcher {
    if (!onProgress) return { signal };
    const onRead = (bytes: number, totalBytes: number) =>
      onProgress({ state: 'reading', step: 'lookup', cache: this, bytes, totalBytes });
    return { signal, onRead };
  }

  *#read(expected: Expectation, given: Uint8Array | undefined, isUse: boolean): StoreSteps<Artifact> {
    const name = entryName(expected);
    const { wireLength } = expected;
    try {
      if (wireLength !== undefined) {
        // The native code arrives in an exact buffer of its own in the one read, unless the entry was written by a cache
        // with the other choice of `wireBytes`.
        const tailLength = this.#includeWireBytes ? wireLength : 0;
        const parts = yield { read: name, headLength: HEADER_LENGTH, tailLength };
        const artifact = decodeFront(parts, expected);
        if (artifact) {
          if (this.signer) checkSignature(parts.head, artifact.nativeCode, given, this.signer);
          if (isUse) yield* this.#noteUse(name, parts);
          return artifact;
        }
      }
      const parts = yield { read: name };
      const artifact = this.#decode(parts.body);
      checkExpectation(artifact, expected);
      if (isUse) yield* this.#noteUse(name, parts);
      if (wireLength === undefined && !artifact.wireBytes) {
        throw new CacheError('NotFound', `The entry for ${expected.key} has no wire bytes, and none were given`);
      }
      return artifact;
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize')) throw error;
      yield { delete: name };
      throw miss(expected, error);
    }
  }

  *#noteUse(name: string, { touchedAt }: Parts): StoreSteps<void> {
    if (Math.abs(now() - touchedAt) > USE_IS_NOTED_EVERY) yield { touch: name };
  }

  #decode(bytes: Uint8Array): Artifact {
    const artifact = decodeArtifact(bytes);
    if (this.signer) checkSignature(bytes, artifact.nativeCode, artifact.wireBytes, this.signer);
    return artifact;
  }

  /** @internal What is known of an artifact that is not to be loaded; see {@link CrashGuard}. */
  suspect(entry: Expectation): Suspect | undefined {
    return this.guardOf(entry).suspect();
  }

  /** @internal */
  guardOf(entry: Expectation): CrashGuard {
    return new CrashGuard(path.join(this.directory, entryName(entry)));
  }

  /**
   * @internal Calls V8 for an artifact, under the guard.
   *
   * @param mayWrite - where that is not so only what other processes noted counts
   * @throws {CacheError} kind `Untrusted` when its last load did not finish; what `load` throws.
   */
  guarded<T>(entry: Expectation, load: () => T, mayWrite = true): T {
    const guard = this.guardOf(entry);
    if (guard.suspect()) {
      throw new CacheError(
        'Untrusted',
        `The last load of ${entry.key} did not finish, so it is not loaded for a while`,
      );
    }
    return mayWrite ? guard.watch(load) : load();
  }

  *#deserialize(artifact: Artifact, engine: Engine, wireBytes: Uint8Array): StoreSteps<WebAssembly.Module> {
    try {
      return this.guarded(artifact, () => engine.deserialize(artifact.nativeCode, wireBytes));
    } catch (error) {
      if (CacheError.is(error, 'Untrusted')) throw error;
      // An engine that cannot deserialise at all says nothing about the entry.
      if (!engine.canSerialize) throw error;
      yield { delete: entryName(artifact) };
      throw miss(artifact, error);
    }
  }

  *#contains(expected: Expectation): StoreSteps<boolean> {
    try {
      yield* this.#header(expected);
      return this.suspect(expected) === undefined;
    } catch (error) {
      if (['NotFound', 'Deserialize', 'Untrusted'].some((kind) => isOfEntry(error, kind as CacheErrorKind)))
        return false;
      throw error;
    }
  }

  *#save(artifact: Artifact): StoreSteps<void> {
    const offered = this.#withoutUnwanted(artifact);
    const stored = yield* this.#stored(offered);
    if (!stored || compareArtifacts(offered, stored) > 0) yield* this.#write(offered, stored);
  }

  *#overwrite(artifact: Artifact): StoreSteps<void> {
    const offered = this.#withoutUnwanted(artifact);
    const header = yield* this.#storedHeader(offered);
    if (header && compareArtifacts(offered, header) < 0) return;
    const stored = header && keepsPartOf(header, offered) ? yield* this.#stored(offered) : header;
    yield* this.#write(offered, stored ?? header);
  }

  #withoutUnwanted(artifact: Artifact): Artifact {
    return this.#includeWireBytes ? artifact : { ...artifact, wireBytes: undefined };
  }

  *#write(offered: Artifact, stored: Artifact | ArtifactHeader | undefined): StoreSteps<void> {
    const artifact = stored ? joinArtifacts(offered, stored) : offered;
    if (!artifact.wireBytes && artifact.coverage === 'none') return;
    const parts = artifactParts(artifact, this.signer);
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    if (size > this.#maxArtifactSize) {
      const message = `The artifact of ${artifact.key} has ${size} bytes, more than ${this.#maxArtifactSize}`;
      throw new CacheError('Serialize', message);
    }
    yield { write: entryName(artifact), parts };
    this.#writtenSinceSweep += size;
  }

  *#storedHeader(expected: Expectation): StoreSteps<ArtifactHeader | undefined> {
    try {
      return yield* this.#header(expected);
    } catch {
      return undefined; // Whatever it is, the new artifact is better, or writing it will say what is wrong.
    }
  }

  *#header(expected: Expectation): StoreSteps<ArtifactHeader> {
    // The signature is of all of it.
    const tailLength = this.signer ? 0 : Infinity;
    const { head, body } = yield { read: entryName(expected), headLength: HEADER_LENGTH, tailLength };
    const header = decodeHeader(head);
    checkExpectation(header, expected);
    if (this.signer) this.#decode(Buffer.concat([head, body]));
    return header;
  }

  *#stored(expected: Expectation): StoreSteps<Artifact | undefined> {
    try {
      const artifact = this.#decode((yield { read: entryName(expected) }).body);
      checkExpectation(artifact, expected);
      return artifact;
    } catch {
      return undefined;
    }
  }
}

/** The artifact from a read that left out the wire bytes; `undefined` when the entry is not laid out as expected. */
function decodeFront(parts: Parts, expected: Expectation): Artifact | undefined {
  const header = decodeHeader(parts.head);
  checkExpectation(header, expected);
  if (parts.size !== HEADER_LENGTH + bodyLength(header) || parts.body.length !== header.nativeLength) return undefined;
  return decodeNativeCode(parts.head, header, parts.body);
}

/** Not one of the folder, which has a path. */
function isOfEntry(error: unknown, kind: CacheErrorKind): boolean {
  return CacheError.is(error, kind) && error.path === undefined;
}

function expectation(key: ModuleHash, engine: Engine, wireLength?: number): Expectation {
  return { key, engineId: engine.deterministicId, wireLength };
}

function miss(expected: Expectation, cause: unknown): CacheError {
  return new CacheError('NotFound', `The entry for ${expected.key} was not usable and is removed`, { cause });
}

/** An engine id as a folder name, readable where it can be. The header has the last word on which engine it was. */
const folderNames = new Map<string, string>();

/** @internal @throws {TypeError} for what is no path; an empty one would be the working directory. */
export function checkDirectory(directory: unknown): void {
  if (typeof directory === 'string' && directory !== '') return;
  throw new TypeError(`The cache directory must be a path, not ${util.inspect(directory, { depth: 0 })}`);
}

/** @internal Where in the folder an artifact belongs. */
export function entryName({ key, engineId }: Expectation): string {
  return `${folderName(engineId)}/${key}.artifact`;
}

function folderName(engineId: string): string {
  let folder = folderNames.get(engineId);
  if (folder === undefined) {
    const isPlain = /^[A-Za-z0-9][\w.+-]{0,127}$/.test(engineId);
    folder = isPlain ? engineId : `engine-${ModuleHash.sha256(Buffer.from(engineId)).toString().slice(0, 32)}`;
    folderNames.set(engineId, folder);
  }
  return folder;
}
