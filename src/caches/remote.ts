import pLimit from 'p-limit';
import type { Artifact } from '../artifact/artifact.js';
import type { Expectation } from '../artifact/header.js';
import { artifactOf } from '../artifact/module.js';
import { wanted } from '../artifact/packed.js';
import type { ArtifactStore, GetOptions, StoreOptions } from '../artifact-store.js';
import { CacheError, messageOf } from '../cache-error.js';
import { compile } from '../load-progress.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { BoundedStore } from '../stores/bounded-store.js';
import { offerArtifact } from '../stores/offer-artifact.js';
import { largestArtifact, readArtifact, type StoredArtifact } from '../stores/read-artifact.js';
import { withSignal } from '../stores/with-signal.js';
import { TooLargeError } from '../too-large-error.js';
import { entryName } from './entry-name.js';
import { ModuleCacheBase } from './fallback.js';
import type { FileSystemCache } from './file-system.js';
import { MemoryBudget } from './memory-budget.js';
import {
  checkOptions,
  type RemoteCacheOptions,
  type RemoteCacheSettings,
  type RemoteCacheStats,
} from './remote-options.js';

const SAVES_AT_ONCE = 2;
/** In bytes; most artifacts are smaller. */
const SMALL = 2 ** 24;

/**
 * Keeps artifacts in any {@link ArtifactStore}, which a fleet shares: Redis, S3, a web server. Usually behind a folder:
 * `new FileSystemCache(...).withFallback(new RemoteCache(...))`.
 *
 * A store that is dead, slow or hostile costs one `timeout`, and then nothing for a while. It cannot use much memory either: an artifact's
 * size, header and signature are checked before anything is unpacked. The methods throw {@link CacheError}s:
 *
 * - `load`: `NotFound` for a miss; `Untrusted`; `Deserialize` when the engine cannot deserialise; `Other` when the store failed or was
 *   late. Also the signal's reason.
 * - `contains`: `Other`.
 * - `save`: `Serialize`; `Other` when the store failed, or too many saves are waiting. Resolves when the artifact is stored, and
 *   nobody needs to wait for that. An artifact is never replaced by one with less machine code, also when several processes write at once
 *   (where the store is conditional).
 *
 * @example
 * ```ts
 * import { FileSystemCache, FileSystemStore, loadModule, RemoteCache, V8Engine } from 'wasm-module-cache';
 * import { readFile } from 'node:fs/promises';
 *
 * const folder = new FileSystemCache('cache');
 * const remote = new RemoteCache(new FileSystemStore('shared'), { secret: 'a-secret-of-many-letters', folder });
 * const options = { cache: folder.withFallback(remote), engine: new V8Engine() };
 * const { key } = await loadModule(await readFile('plugin.wasm'), options);
 * console.log(await remote.contains(key, options.engine)); // true
 * ```
 */
export class RemoteCache extends ModuleCacheBase {
  /** Where the artifacts are. */
  readonly store: ArtifactStore;
  readonly #store: BoundedStore;
  readonly #settings: RemoteCacheSettings;
  readonly #inTurn = pLimit(SAVES_AT_ONCE);
  readonly #memory: MemoryBudget;
  readonly #counts = { hits: 0, misses: 0, untrusted: 0, saves: 0, dropped: 0, bytesRead: 0, bytesWritten: 0 };

  /**
   * Does not ask the store yet.
   *
   * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is wrong.
   */
  constructor(store: ArtifactStore, options: RemoteCacheOptions = {}) {
    super();
    this.#settings = checkOptions(options);
    this.#memory = new MemoryBudget(this.#settings.maxArtifactSize);
    this.store = store;
    this.#store = new BoundedStore(store, options);
  }

  /** Whether the store is asked: `closed`, yes; `open`, not for a while; `half-open`, if a probe succeeds. */
  get state(): 'closed' | 'open' | 'half-open' {
    return this.#store.state;
  }

  /** What happened so far. The object is a copy. */
  get stats(): RemoteCacheStats {
    const { timedOut, late, failed, notAsked } = this.#store.stats;
    return { ...this.#counts, timedOut, late, failed, notAsked };
  }

  async load(key: ModuleHash, engine: Engine, options: LoadOptions = {}): Promise<WebAssembly.Module> {
    const wireLength = options.wireBytes?.length;
    const expected = { key, engineId: engine.deterministicId, wireLength };
    const artifact = await this.fetch(expected, options);
    const wireBytes = options.wireBytes ?? artifact.wireBytes;
    if (!wireBytes) throw this.#miss(key, 'has no wire bytes, and none were given');
    const module =
      artifact.coverage === 'none'
        ? await compile(engine, wireBytes, options.onProgress)
        : this.#restore(expected, engine, artifact.nativeCode, wireBytes);
    this.#counts.hits++;
    return module;
  }

  #restore(entry: Expectation, engine: Engine, nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module {
    const restore = () => engine.deserialize(nativeCode, wireBytes);
    const { folder } = this.#settings;
    try {
      return folder ? folder.guarded(entry, restore) : restore();
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize') || !engine.canSerialize) throw error;
      throw this.#miss(entry.key, 'was refused by the engine', error);
    }
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    if (this.#settings.mode === 'write-only') return false;
    const name = entryName({ key, engineId: engine.deterministicId });
    try {
      return await this.#store.has(name);
    } catch (error) {
      throw this.#failed('asked for', key, error);
    }
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    if (this.#settings.mode === 'read-only') return;
    await this.push(artifactOf(key, engine, module));
  }

  /** Waits for running saves, and closes the store's connections. */
  async close(): Promise<void> {
    await this.#inTurn(() => {});
    await this.#store.close();
  }

  /**
   * @internal The checked artifact, of at most `maxSize` bytes.
   *
   * @throws {CacheError} as `load`.
   */
  async fetch(
    expected: Expectation,
    { signal, maxSize: limit = Number.POSITIVE_INFINITY }: GetOptions = {},
  ): Promise<Artifact> {
    const { key, wireLength } = expected;
    const { mode, folder, maxArtifactSize } = this.#settings;
    if (mode === 'write-only') throw this.#miss(key, 'is not looked for');
    const maxSize = largestArtifact(wireLength, Math.min(limit, maxArtifactSize));
    const read = (store: ArtifactStore, options: StoreOptions) => this.#read(store, options, expected, maxSize);
    const onLate = folder && ((late: StoredArtifact | undefined) => keep(late, folder));
    let found: StoredArtifact | undefined;
    try {
      found = await this.#store.read(read, { signal, onLate });
    } catch (error) {
      signal?.throwIfAborted();
      if (CacheError.is(error, 'Deserialize')) throw this.#miss(key, 'is not usable', error);
      if (!isOfArtifact(error)) throw this.#failed('asked for', key, error);
      this.#counts.untrusted++;
      this.#counts.misses++;
      throw error;
    }
    if (!found) throw this.#miss(key, 'is not there');
    this.#counts.bytesRead += found.size;
    return found.artifact;
  }

  /** Answers may take as much memory together as the largest artifact may, so that a hostile store cannot fill the memory. */
  async #read(store: ArtifactStore, options: StoreOptions, expected: Expectation, maxSize: number) {
    const { signer } = this.#settings;
    const upTo = (size: number) =>
      this.#memory.run(size, async () => {
        options.signal?.throwIfAborted();
        const check = wanted(expected, size);
        const reading = readArtifact(store, entryName(expected), { ...options, maxSize: size, check, signer });
        // A store that hangs blocks others only until its deadline.
        return withSignal(reading, options.signal);
      });
    try {
      return await upTo(Math.min(maxSize, SMALL));
    } catch (error) {
      if (!(error instanceof TooLargeError) || maxSize <= SMALL) throw error;
    }
    return upTo(maxSize);
  }

  /**
   * @internal Stores an artifact, unless the store has one that is as good.
   *
   * @returns whether it is stored now
   * @throws {CacheError} as `save`.
   */
  async push(artifact: Artifact): Promise<boolean> {
    const { maxPendingSaves, includesWireBytes } = this.#settings;
    const waiting = this.#inTurn.pendingCount;
    if (waiting >= maxPendingSaves) {
      this.#counts.dropped++;
      throw new CacheError(
        'Other',
        `The artifact of ${artifact.key} is not stored, because ${waiting} others are waiting`,
      );
    }
    const wireBytes = includesWireBytes ? artifact.wireBytes : undefined;
    if (!wireBytes && artifact.coverage === 'none') return false;
    return this.#inTurn(() => this.#push({ ...artifact, wireBytes }));
  }

  async #push(artifact: Artifact): Promise<boolean> {
    const { signer, packs, maxArtifactSize: maxSize } = this.#settings;
    try {
      const isNew = artifact.generation === 0;
      const options = { signer, packs, maxSize, isNew };
      const { isStored, size } = await offerArtifact(this.#store, entryName(artifact), artifact, options);
      if (!isStored) return false;
      this.#counts.saves++;
      this.#counts.bytesWritten += size;
      return true;
    } catch (error) {
      if (CacheError.is(error, 'Serialize')) throw error;
      throw this.#failed('given', artifact.key, error);
    }
  }

  #miss(key: ModuleHash, why: string, cause?: unknown): CacheError {
    this.#counts.misses++;
    const options = cause === undefined ? {} : { cause };
    return new CacheError('NotFound', `The artifact of ${key} ${why}: ${this.store.description}`, options);
  }

  #failed(doing: string, key: ModuleHash, cause: unknown): CacheError {
    if (CacheError.is(cause)) return cause;
    const message = `The store ${this.store.description}, ${doing} ${key}, failed: ${messageOf(cause)}`;
    return new CacheError('Other', message, { cause });
  }
}

/** Puts a late artifact into the folder, for the next load. */
function keep(late: StoredArtifact | undefined, folder: FileSystemCache): void {
  try {
    if (late) folder.writeArtifactSync(late.artifact);
  } catch {
    // Nobody waits any more.
  }
}

/** An artifact that was not trusted, and not the folder that is the store. */
function isOfArtifact(error: unknown): boolean {
  return CacheError.is(error, 'Untrusted') && error.path === undefined;
}
