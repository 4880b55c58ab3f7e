import pLimit from 'p-limit';
import { type Artifact, artifactParts, checkSignature, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import type { Expectation } from '../artifact/header.js';
import { artifactOf } from '../artifact/module.js';
import { canPack, pack, unpackArtifact, wanted } from '../artifact/packed.js';
import { generationAfter } from '../artifact/replacement.js';
import { Signer } from '../artifact/signature.js';
import type { ArtifactStore, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { compile } from '../load-progress.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { type ResilienceOptions, ResilientStore } from '../stores/resilient.js';
import { ModuleCacheBase } from './fallback.js';
import { entryName, type FileSystemCache } from './file-system.js';

/**
 * What a {@link RemoteCache} may be made with.
 *
 * @example
 * ```ts
 * import { FileSystemStore, RemoteCache, type RemoteCacheOptions } from 'wasm-module-cache';
 *
 * const options: RemoteCacheOptions = { secret: 'a-secret-of-many-letters', mode: 'read-only', timeout: 100 };
 * console.log(new RemoteCache(new FileSystemStore('shared'), options).state); // closed
 * ```
 */
export interface RemoteCacheOptions {
  /**
   * Signs every artifact with HMAC-SHA-256, and loads none that is not. At least 16 bytes without spaces, and hard to guess; of
   * several the first one signs, and all are accepted.
   */
  secret?: string | readonly string[] | undefined;
  /** Instead of a secret: whoever can write to the store can run code in every process that loads from it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** `read-only`: saves do nothing; `write-only`: loads miss. Default `read-write`. */
  mode?: 'read-write' | 'read-only' | 'write-only' | undefined;
  /** As in `FileSystemCacheOptions`. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Whether artifacts are compressed. Default `zstd` where Node has it (22.15 and newer), else `none`; both are read. */
  compression?: 'zstd' | 'none' | undefined;
  /** Milliseconds that a load waits for the store. Default 250. */
  timeout?: number | undefined;
  /** Milliseconds that storing an artifact may take. Default 10000. */
  writeTimeout?: number | undefined;
  /**
   * Failures one after the other after which the store is not asked for a while; waiting for all of a `timeout` is enough
   * alone. Default 3.
   */
  failuresUntilOpen?: number | undefined;
  /**
   * Milliseconds for which it is not asked then; twice as long each time, up to 300000, and half to one and a half of that by
   * chance. Default 5000.
   */
  retryAfter?: number | undefined;
  /** Saves that may wait for others; one more rejects, and is counted. Default 16. */
  maxPendingSaves?: number | undefined;
  /** Bytes of the largest artifact that is stored or loaded. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /**
   * The folder in front of the store: what comes after the `timeout` is put there, for the next load, and its crash guard
   * watches over what is loaded from the store. Default: what comes late is lost.
   */
  folder?: FileSystemCache | undefined;
}

/**
 * What happened to a {@link RemoteCache} so far.
 *
 * @example
 * ```ts
 * import { FileSystemStore, RemoteCache, type RemoteCacheStats } from 'wasm-module-cache';
 *
 * const isUseful = ({ hits, bytesRead }: RemoteCacheStats) => hits > 0 && bytesRead > 0;
 * const cache = new RemoteCache(new FileSystemStore('shared'), { allowUnsigned: true });
 * console.log(isUseful(cache.stats)); // false
 * ```
 */
export interface RemoteCacheStats {
  /** Artifacts that were loaded. */
  hits: number;
  /** Loads for which the store had nothing, or nothing usable. */
  misses: number;
  /** Those of them that were refused because they are not signed with the secret. */
  untrusted: number;
  /** Loads for which the store was not asked, because it failed before. */
  notAsked: number;
  /** Operations that the store did not finish in time. */
  timedOut: number;
  /** Artifacts that came after the deadline. */
  late: number;
  /** Operations that failed otherwise. */
  failed: number;
  /** Artifacts that were stored. */
  saves: number;
  /** Saves that were given up because too many were waiting. */
  dropped: number;
  /** Bytes of artifacts that came from the store. */
  bytesRead: number;
  /** Bytes that went to it. */
  bytesWritten: number;
}

const DEFAULT_MAX_PENDING_SAVES = 16;
const SAVES_AT_ONCE = 2;
/** Other writers may be faster, but not for ever. */
const ATTEMPTS = 3;

/**
 * Artifacts in any {@link ArtifactStore}, which a fleet shares: Redis, S3, a web server. Usually behind a folder:
 * `new FileSystemCache(...).withFallback(new RemoteCache(...))`.
 *
 * A store that is dead, slow or lies costs one `timeout`, and then nothing for a while. What its methods throw are
 * {@link CacheError}s:
 *
 * - `load`: `NotFound` for a miss, `Untrusted`, `Deserialize` when the engine cannot; `Other` when the store failed, in time or
 *   late. Also the signal's reason.
 * - `contains`: `Other`.
 * - `save`: `Serialize`; `Other` when the store failed, or too many saves are waiting. Resolves when the artifact is stored, which
 *   nobody need wait for. An artifact is never replaced by one with less machine code, also when several processes write at once
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
  readonly #store: ResilientStore;
  readonly #signer: Signer | undefined;
  readonly #mode: 'read-write' | 'read-only' | 'write-only';
  readonly #includeWireBytes: boolean;
  readonly #packs: boolean;
  readonly #maxPendingSaves: number;
  readonly #maxArtifactSize: number;
  readonly #folder: FileSystemCache | undefined;
  readonly #inTurn = pLimit(SAVES_AT_ONCE);
  readonly #counts = { hits: 0, misses: 0, untrusted: 0, saves: 0, dropped: 0, bytesRead: 0, bytesWritten: 0 };

  /**
   * Asks nothing of the store yet.
   *
   * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is not what it should be.
   */
  constructor(store: ArtifactStore, options: RemoteCacheOptions = {}) {
    super();
    const { secret, allowUnsigned = false, mode = 'read-write', wireBytes = 'include', folder } = options;
    if (secret === undefined && !allowUnsigned) {
      throw new TypeError(
        'Whoever can write to the store could run code here: give the option secret, or allowUnsigned: true',
      );
    }
    oneOf('mode', mode, ['read-write', 'read-only', 'write-only']);
    oneOf('wireBytes', wireBytes, ['include', 'omit']);
    const compression = options.compression ?? (canPack() ? 'zstd' : 'none');
    oneOf('compression', compression, ['zstd', 'none']);
    if (compression === 'zstd' && !canPack()) {
      throw new TypeError(`The option compression is zstd, which Node ${process.version} does not have; give none`);
    }
    const {
      maxPendingSaves = DEFAULT_MAX_PENDING_SAVES,
      maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE,
      timeout,
      writeTimeout,
      failuresUntilOpen,
      retryAfter,
    } = options;
    const numbers = { maxPendingSaves, maxArtifactSize, timeout, writeTimeout, failuresUntilOpen, retryAfter };
    for (const [name, value] of Object.entries(numbers)) {
      if (value === undefined || value >= 1) continue;
      throw new TypeError(`The option ${name} must be a number from 1, not ${String(value)}`);
    }
    this.store = store;
    this.#store = new ResilientStore(store, {
      timeout,
      writeTimeout,
      failuresUntilOpen,
      retryAfter,
    } as ResilienceOptions);
    this.#signer = secret === undefined ? undefined : new Signer([secret].flat() as string[]);
    this.#mode = mode;
    this.#includeWireBytes = wireBytes === 'include';
    this.#packs = compression === 'zstd';
    this.#maxPendingSaves = maxPendingSaves;
    this.#maxArtifactSize = maxArtifactSize;
    this.#folder = folder;
  }

  /** Whether the store is asked: `closed`, yes; `open`, not for a while; `half-open`, when a probe has found it well. */
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
    try {
      return this.#folder ? this.#folder.guarded(entry, restore) : restore();
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize') || !engine.canSerialize) throw error;
      throw this.#miss(entry.key, 'was refused by the engine', error);
    }
  }

  async contains(key: ModuleHash, engine: Engine): Promise<boolean> {
    if (this.#mode === 'write-only') return false;
    const name = entryName({ key, engineId: engine.deterministicId });
    try {
      return await this.#store.has(name);
    } catch (error) {
      throw this.#failed('asked for', key, error);
    }
  }

  async save(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Promise<void> {
    if (this.#mode === 'read-only') return;
    await this.push(artifactOf(key, engine, module));
  }

  /** Waits for saves that were begun, and lets go of the store's connections. */
  async close(): Promise<void> {
    await this.#inTurn(() => {});
    await this.#store.close();
  }

  /**
   * @internal The checked artifact.
   *
   * @throws {CacheError} as `load`.
   */
  async fetch(expected: Expectation, { signal }: StoreOptions = {}): Promise<Artifact> {
    const { key } = expected;
    if (this.#mode === 'write-only') throw this.#miss(key, 'is not looked for');
    const folder = this.#folder;
    const onLate = folder && ((late: Artifact | undefined) => keep(late, folder));
    const use = (value: StoredValue | undefined) => value && this.#decode(value.bytes, expected);
    let artifact: Artifact | undefined;
    try {
      artifact = await this.#store.use(entryName(expected), use, { signal, onLate });
    } catch (error) {
      signal?.throwIfAborted();
      if (CacheError.is(error, 'Deserialize')) throw this.#miss(key, 'is not usable', error);
      if (!isOfArtifact(error)) throw this.#failed('asked for', key, error);
      this.#counts.untrusted++;
      this.#counts.misses++;
      throw error;
    }
    if (!artifact) throw this.#miss(key, 'is not there');
    return artifact;
  }

  /**
   * @internal Stores an artifact, unless there is one with more native code.
   *
   * @returns whether it is stored now
   * @throws {CacheError} as `save`.
   */
  async push(artifact: Artifact): Promise<boolean> {
    if (this.#inTurn.pendingCount >= this.#maxPendingSaves) {
      this.#counts.dropped++;
      const message = `The artifact of ${artifact.key} is not stored, because ${this.#inTurn.pendingCount} others are waiting`;
      throw new CacheError('Other', message);
    }
    const wireBytes = this.#includeWireBytes ? artifact.wireBytes : undefined;
    if (!wireBytes && artifact.coverage === 'none') return false;
    return this.#inTurn(() => this.#push({ ...artifact, wireBytes }));
  }

  async #push(artifact: Artifact): Promise<boolean> {
    const { key } = artifact;
    const name = entryName(artifact);
    // Of the first artifact of a module nothing is there, most of the time: then one request is enough.
    let ifVersion: string | null | undefined = this.#store.isConditional ? null : undefined;
    let isKnown = this.#store.isConditional && artifact.generation === 0;
    let best = artifact;
    try {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (!isKnown) {
          const there = await this.#store.get(name, {});
          ifVersion = this.#store.isConditional ? (there?.version ?? null) : undefined;
          const stored = there && this.#decodeOrNothing(there.bytes, artifact);
          if (stored && !isBetter(artifact, stored)) return false;
          best = stored ? { ...artifact, generation: generationAfter(stored) } : artifact;
        }
        const bytes = await this.#encode(best);
        if (await this.#store.put(name, bytes, { ifVersion })) {
          this.#counts.saves++;
          this.#counts.bytesWritten += bytes.length;
          return true;
        }
        isKnown = false;
      }
    } catch (error) {
      if (CacheError.is(error, 'Serialize')) throw error;
      throw this.#failed('given', key, error);
    }
    return false; // Others keep storing better ones.
  }

  async #encode(artifact: Artifact): Promise<Uint8Array> {
    const parts = artifactParts(artifact, this.#signer);
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    if (size > this.#maxArtifactSize) {
      const message = `The artifact of ${artifact.key} has ${size} bytes, more than ${this.#maxArtifactSize}`;
      throw new CacheError('Serialize', message);
    }
    return this.#packs ? pack(parts) : Buffer.concat(parts);
  }

  #decode(stored: Uint8Array, expected: Expectation): Artifact {
    this.#counts.bytesRead += stored.length;
    const { artifact, header } = unpackArtifact(stored, wanted(expected, this.#maxArtifactSize));
    if (this.#signer) checkSignature(header, artifact.nativeCode, artifact.wireBytes, this.#signer);
    return artifact;
  }

  #decodeOrNothing(stored: Uint8Array, expected: Expectation): Artifact | undefined {
    try {
      return this.#decode(stored, expected);
    } catch {
      return undefined; // Whatever it is, the new one is better.
    }
  }

  #miss(key: ModuleHash, why: string, cause?: unknown): CacheError {
    this.#counts.misses++;
    const options = cause === undefined ? {} : { cause };
    return new CacheError('NotFound', `The artifact of ${key} ${why}: ${this.store.description}`, options);
  }

  #failed(doing: string, key: ModuleHash, cause: unknown): CacheError {
    if (CacheError.is(cause)) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `The store ${this.store.description}, ${doing} ${key}, failed: ${reason}`;
    return new CacheError('Other', message, { cause });
  }
}

/** For the next load. */
function keep(late: Artifact | undefined, folder: FileSystemCache): void {
  try {
    if (late) folder.writeArtifactSync(late);
  } catch {
    // Nobody asks any more.
  }
}

/** Not of a folder that is the store. */
function isOfArtifact(error: unknown): boolean {
  return CacheError.is(error, 'Untrusted') && error.path === undefined;
}

/** More machine code, or as much with something more about it. */
function isBetter(artifact: Artifact, stored: Artifact): boolean {
  const more = artifact.nativeCode.length - stored.nativeCode.length;
  if (more !== 0) return more > 0;
  return (artifact.final && !stored.final) || (artifact.wireBytes !== undefined && !stored.wireBytes);
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  throw new TypeError(`The option ${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}
